/* Operations on single elements as a product's finish (struct gemm_finish): done to each piece of the product's result
 * while it is in the cache, they save a way to memory and back. Where the product cannot take it along, finish_all()
 * does the same to whole rows; both give the same bits. Matrices that are written may be those that are read. */
#ifndef PG_CORE_FINISH_H
#define PG_CORE_FINISH_H

#include "core/gemm.h"
#include "core/ops.h"

/* The finish of all of a matrix [rows, cols]. */
void finish_all(const struct gemm_finish *, int rows, int cols);

/* y = act(x) and, unless NULL, slope = act'(x): both for about the price of one */
struct finish_activation {
    enum activation kind;
    const struct mat *x;
    struct mat *y, *slope;
};
finish_fn finish_activation;

/* dx = dy o act'(x) */
struct finish_slope {
    enum activation kind;
    const struct mat *x, *dy;
    struct mat *dx;
};
finish_fn finish_slope;

/* y = act(gate) o up */
struct finish_gated {
    enum activation kind;
    const struct mat *gate, *up;
    struct mat *y;
};
finish_fn finish_gated;

/* Its gradients; dgate and dup are different matrices. */
struct finish_gated_back {
    enum activation kind;
    const struct mat *gate, *up, *dy;
    struct mat *dgate, *dup;
};
finish_fn finish_gated_back;

/* y = y o x */
struct finish_product {
    const struct mat *x;
    struct mat *y;
};
finish_fn finish_product;

/* y = drop(y), then sum += x: the end of a sublayer; x or sum may be y. */
struct finish_residual {
    struct dropout drop; /* p 0: none */
    const uint32_t *row_key;
    struct mat *y;
    const struct mat *x;
    struct mat *sum;
};
finish_fn finish_residual;

#endif
