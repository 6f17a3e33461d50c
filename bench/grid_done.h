/* What of a grid is done already: looked up before a driver starts, so that a finished cell costs one read of its
 * record instead of a process. */
#ifndef PG_BENCH_GRID_DONE_H
#define PG_BENCH_GRID_DONE_H

#include "bench/experiment.h"

/* (*done)[i] = 1: cell index[i] has a readable record with a result below the experiment's runs folder, and
 * nothing of the run but that. 0 is no verdict: the cell itself looks again, takes away what a killed run left, and
 * tells what is wrong with its model, its data or its record. */
status grid_done(const struct experiment *, const int *index, int count, const char *cache_dir, struct arena *,
                 unsigned char **done);

#endif
