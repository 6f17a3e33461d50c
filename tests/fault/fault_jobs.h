/* The commands that the fault tests run: small ones that between them load, train, evaluate, record, read back, print
 * and draw. */
#ifndef PG_TESTS_FAULT_JOBS_H
#define PG_TESTS_FAULT_JOBS_H

#include "core/arena.h"
#include "tests/fault/fault_state.h"

enum { JOB_WORDS = 16 };
struct job {
    const char *name;
    const char *word[JOB_WORDS]; /* the command line, below the bench's folder */
    int list;                    /* it goes on after a fault and tells of it on stdout */
    int slow;                    /* starts another program: not for the sweep over allocations */
};

struct bench {
    struct arena *arena;
    const char *folder;  /* holds the experiments x.ini and l.ini, data, done/ and work/ */
    const char *done;    /* finished runs of both, that no command may change */
    const char *earlier; /* what a grid finds in work/ when it begins: one cell of two is recorded */
    const char *work;    /* where commands write */
    const char *record;  /* done/x/ID.h5 of seed 1 */
    const struct job *job;
    int jobs;
};
/* Runs all of a program's work under Check, whose assertions the fixtures use, in this process. Returns what work
 * returns, 1 when an assertion failed. */
int fault_main(int (*work)(void));

/* Makes all that; prints what is wrong and returns 0 when it cannot. */
int bench_open(struct bench *);
/* work/ as a job finds it. */
void bench_begin(const struct bench *, const struct job *);
void bench_close(struct bench *);

#endif
