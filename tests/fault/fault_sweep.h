/* n = 1, 2, 3 ... : the n-th allocation or call of a command fails, until n is past the end. Each time it must end by
 * itself with one clear sentence and the right exit code, or do without what failed and give the same; leave nothing
 * half-written and nothing unfreed; change no earlier result; and when it is run again, give what an undisturbed run
 * gives. */
#ifndef PG_TESTS_FAULT_SWEEP_H
#define PG_TESTS_FAULT_SWEEP_H

#include "tests/fault/fault_child.h"
#include "tests/fault/fault_jobs.h"

struct sweep {
    const char *name; /* "EIO" */
    enum fault_group group;
    enum sys_fault how;
    int code;          /* the exit code it has when the fault is told; 0: it must not be told, all goes on */
    const char *cause; /* what the sentence then says */
    long most;         /* > 0: about so many values of n, evenly spread */
};

/* Prints a PASS or FAIL line; 1: passed. */
int sweep_job(struct bench *, const struct job *, const struct sweep *);

/* The command with no fault: exit code 0; its outputs and the state it leaves, in `arena`. */
struct reference {
    const char *out;
    struct folder_state work, done;
};
int reference_make(struct bench *, const struct job *, struct arena *, struct reference *);
/* What is wrong with a run that met a fault; "" when nothing is. Runs the command again. code, cause: as above. */
const char *run_fault(struct bench *, const struct job *, const struct reference *, const struct child_run *, int code,
                      const char *cause, struct arena *);
void job_run(const struct bench *, const struct job *, struct fault, struct arena *, struct child_run *);

#endif
