/* Faults that need no switch: a disk that is really full, a folder that really cannot be written, an output that takes
 * nothing, a process with little memory. */
#ifndef PG_TESTS_FAULT_PLACES_H
#define PG_TESTS_FAULT_PLACES_H

#include "tests/fault/fault_jobs.h"

struct verdicts {
    int passed, failed, skipped;
};
/* Each prints a PASS, FAIL or SKIP line and counts it. */
void full_disk(struct bench *, struct verdicts *); /* run into file systems of several sizes; root only */
void read_only_disk(struct bench *, struct verdicts *);
void full_output(struct bench *, struct verdicts *);   /* > /dev/full */
void little_memory(struct bench *, struct verdicts *); /* RLIMIT_AS: libraries meet it, too, and may end the process */

#endif
