/* Speed of this machine: products, training steps, evaluation. `peftgrid bench` prints it; tests never time anything.
 */
#ifndef PG_BENCH_SPEED_H
#define PG_BENCH_SPEED_H

#include "bench/experiment.h"

struct spread { /* of repeated measurements */
    double median, min, max;
};
struct spread spread_of(double *v, int n); /* sorts v */

/* C[m,n] = A[m,k] B'[n,k] on all threads. */
struct product_shape {
    const char *what;
    int m, n, k;
};
extern const struct product_shape speed_shapes[]; /* the first is the roof's; ends with m = 0 */
struct product_speed {
    struct spread own, openblas; /* GFLOP/s */
};
status speed_product(const struct product_shape *, double seconds, struct arena *, struct product_speed *);

/* One cell, in a process of its own so that the peak of memory is its own: training steps in the order that a run
 * takes them, and evaluation of the first dev set. Rates count real tokens: nothing here is padded. */
struct cell_speed {
    struct spread train, eval;      /* tokens/s */
    double train_flops, eval_flops; /* model FLOPs a token, nominal (see speed.c) */
    double tokens_per_step, peak_bytes;
    int steps, longest;
};
status speed_cell(const struct cell *, const char *cache_dir, int warmup, int steps, struct cell_speed *);

#endif
