/* The driver of a grid: chooses cells, runs each in a process of its own, keeps going when one fails, tells how far it
 * is. */
#ifndef PG_BENCH_GRID_H
#define PG_BENCH_GRID_H

#include "bench/experiment.h"
#include "bench/trainer.h"
#include "core/progress.h"

/* What runs a cell, in the cell's own process: cell_run in the program, anything in tests. */
struct cell_result {
    int skipped;
    const char *record; /* path; NULL: none */
    char note[80];      /* a few words for the progress line: "best score 0.81"; "" none */
};
typedef status grid_cell_fn(const struct cell *, void *ctx, progress_fn *, void *progress_ctx, struct arena *,
                            struct cell_result *);

struct grid_options {
    int jobs;           /* cells at a time, at least 1 */
    int threads;        /* of each cell; 0: the experiment's, else all of the machine shared among the jobs */
    int shard, shards;  /* this is part shard (from 1) of shards; shards <= 1: all */
    const char *filter; /* patterns on labels, separated by commas; "" all. Without * or ? a part of the label */
    enum progress_mode progress;
    const unsigned char *done; /* [count] 1: nothing to do for that cell (grid_done.h); NULL: not known */
};

struct grid_failure {
    const char *label, *cause; /* cause: "diverged", "bad input", ... */
    const char *message;
};
struct grid_outcome {
    int cells, done, skipped, failed, left; /* left: not begun, because of a signal */
    struct grid_failure *failure;           /* [failed] */
    double seconds;
    int signal; /* that stopped the grid; 0: none */
};

/* Numbers of the chosen cells, in order. A filter that matches nothing fails with ST_USAGE. */
status grid_select(const struct experiment *, const struct grid_options *, struct arena *, int **index, int *count);

/* Runs the chosen cells. Cells that fail do not make the call fail: see the outcome. Writes <runs_dir>/journal.jsonl.
 */
status grid_run(const struct experiment *, const struct grid_options *, const int *index, int count, grid_cell_fn *,
                void *ctx, struct arena *, struct grid_outcome *);

#endif
