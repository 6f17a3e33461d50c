/* The evaluations of one run: every metric of every variant on every dev set, at every time; which evaluation each
 * protocol picks; predictions of the last and the best one. */
#ifndef PG_BENCH_HISTORY_H
#define PG_BENCH_HISTORY_H

#include "bench/cell_data.h"
#include "bench/scoring.h"
#include "results/record.h"

struct track {                       /* one dev set and one variant */
    double *loss;                    /* [cap] */
    double *metric, *first, *second; /* [cap, metrics]: whole set, choosing half, reporting half */
    float *last, *best;              /* outputs [n, score_outputs] (scoring.h) */
    struct written written;          /* texts of the last evaluation; prompts 0: none */
};

struct history {
    struct arena *arena;
    const struct task *task;
    const struct cell_data *data;
    struct variant variant[SESSION_MAX_VARIANTS];
    int variants, metrics;
    int cap, count; /* evaluations there is room for, and done */
    int64_t *step;
    double *epoch;
    struct track *track;  /* [variants, devs] */
    struct eval_log *log; /* of the run, NULL: none; set by the caller */
    /* Sequences scored of the set at hand; may be NULL. */
    void (*progress)(void *ctx, int done, int total);
    void *ctx;
};

/* cap: how many evaluations there will be. Memory from arena. */
status history_init(struct history *, struct arena *, const struct task *, const struct cell_data *,
                    const struct session *, int cap);
/* Evaluates every variant on every dev set. done: optimiser steps so far. */
status history_evaluate(struct history *, struct session *, int eval_batch, long done, double epoch);

/* Numbers in the outputs that a track keeps of a dev set. */
size_t history_outputs(const struct history *, int dev);

/* Main score of a variant at evaluation e: the mean over the dev sets, or that of the benchmark. half: -1 whole sets, 0
 * choosing, 1 reporting. */
double history_score(const struct history *, int variant, int e, int half);
/* The evaluation that is best on whole sets (half -1) or on choosing halves (half 0); the first of equals. */
int history_best(const struct history *, int variant, int half);

/* eval/, scores/, predictions/, labels/, halves/. */
status history_record(const struct history *, struct record *);

#endif
