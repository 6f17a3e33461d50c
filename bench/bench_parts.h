/* The parts of `peftgrid bench`. Each prints a table and adds to the report. */
#ifndef PG_BENCH_BENCH_PARTS_H
#define PG_BENCH_BENCH_PARTS_H

#include "bench/bench_compare.h"
#include "bench/bench_measure.h"
#include "bench/experiment.h"

/* The roof: the fastest product of 2048 x 3072 x 768 (x W'), by whichever backend: printed and reported. */
status bench_roof(struct bench_report *);
/* GFLOP/s of it at this moment, in f32 or in bf16, on the threads that are set. */
status bench_roof_now(struct bench_report *, bool bf16, double *gflops);
/* Products at the shapes of a training step, by both backends. */
status bench_products(struct bench_report *);
/* The operations between the products, at the shapes of a base-size encoder. */
status bench_ops(struct bench_report *);

/* Cells of an experiment: optimiser steps in the order that a run takes them, and batches of the first dev set. */
struct bench_cells {
    const struct cell *const *cell;
    int cells;
    int steps, warmup;             /* timed and untimed optimiser steps; as many batches are evaluated */
    const char *cache;             /* of tokens */
    const struct compare *compare; /* transformers + peft beside it; NULL: not */
    const char *relative_to;       /* a row: times are also given as multiples of its times; "": not */
    enum bench_phases { PHASES_BOTH, PHASES_TRAIN, PHASES_EVALUATE } phases;
    bool random; /* weights are drawn: the model's folder holds a configuration only */
};
status bench_cells(struct bench_report *, const struct bench_cells *);

#endif
