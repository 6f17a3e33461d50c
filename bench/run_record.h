/* Filling the record of a cell: identity, options, hashes, data, curves, environment. Evaluations, traces and counts
 * fill their parts themselves (history.h, accounting.h). */
#ifndef PG_BENCH_RUN_RECORD_H
#define PG_BENCH_RUN_RECORD_H

#include "bench/train_loop.h"

struct run_facts { /* what is known about a run, as far as it got */
    const struct cell *cell;
    const char *id;
    const struct cell_data *data;
    const struct training *training;
    const char *experiment;   /* name, for the environment */
    const char *adapter_path; /* NULL: not saved */
    double begin;             /* clock_seconds() at the start */
};

/* Everything of a finished run. scratch must not be the record's arena. */
status run_record_result(const struct run_facts *, struct arena *scratch, struct record *);
/* What a run without a result leaves: its identity, why it ended, and, when it got so far (data, training not NULL),
 * its curves and evaluations. status: "diverged" or "failed". */
status run_record_failure(const struct run_facts *, const char *status_word, const char *cause, struct arena *scratch,
                          struct record *);

#endif
