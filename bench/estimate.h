/* What a cell will cost, measured rather than modelled: one step on the longest examples for memory, one on typical
 * ones for time, one evaluation batch. `peftgrid check` shows it. */
#ifndef PG_BENCH_ESTIMATE_H
#define PG_BENCH_ESTIMATE_H

#include "bench/cell_data.h"
#include "bench/experiment.h"

struct estimate {
    double trained, head; /* trained parameters without the head; of the head */
    long steps;
    int evaluations;
    double seconds; /* of the whole cell on this machine, as busy as it is now */
    double memory;  /* bytes of the process at its peak, without the mapped model file */
};

/* data: of the cell, loaded. Opens the model, attaches the method, trains two steps on a copy that is thrown away. */
status estimate_cell(const struct cell *, const struct cell_data *, struct estimate *);

/* What the cell's method tells of the run before it begins; text "" when it has nothing to tell. Opens the model only.
 */
status forecast_cell(const struct cell *, const struct cell_data *, struct forecast *);

#endif
