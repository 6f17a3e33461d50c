/* How long a grid still takes: from cells that ended (same row and task, else same task, else any) and from how far the
 * running ones are. Skipped cells say nothing about time. */
#ifndef PG_BENCH_GRID_ETA_H
#define PG_BENCH_GRID_ETA_H

#include "bench/experiment.h"

struct child;
struct eta_mean {
    double seconds;
    int n;
};
struct grid_eta {
    int count;
    int *pair, *task; /* [count] group of each cell: first cell of that row and task, of that task */
    struct eta_mean *pair_mean, *task_mean, all; /* indexed by those */
    unsigned char *over;                         /* [count] ended or skipped */
};

status grid_eta_init(struct grid_eta *, const struct experiment *, const int *index, int count, struct arena *);
void grid_eta_skip(struct grid_eta *, int cell);
void grid_eta_end(struct grid_eta *, int cell, double seconds);
double grid_eta_left(const struct grid_eta *, const struct child *child, int jobs); /* seconds; negative: unknown */

#endif
