/* The work of the operations on one row (or on a few columns of all rows), in one table a processor class. The bodies
 * are rows_*_body.h, compiled by rows_generic.c, rows_avx2.c and rows_avx512.c; ops_*.c cut the work into pieces and
 * call them. All classes give the same bits: see vec.h. */
#ifndef PG_CORE_ROW_KERNELS_H
#define PG_CORE_ROW_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/ops.h"
#include "core/real.h"
#include "core/rng_block.h"

/* Where the 16-bit draws of one row come from: that of column c is part of the Philox block (c / 8, row_key, who). */
struct draw_place {
    struct rng_key sub;
    uint32_t who, row_key;
};

/* The dropout decisions of one row. */
struct dropout_place {
    struct draw_place at;
    uint32_t threshold; /* a 16-bit draw below it drops the element */
    real scale;         /* of kept elements */
};

/* How one row becomes mantissas (fixed_point.h). */
struct fixed_row {
    real up[2];                    /* their product is 1 / scale */
    real limit;                    /* largest mantissa */
    const struct draw_place *draw; /* NULL: to nearest */
};

/* Columns of a normalisation: what its gain's gradient is summed from. */
struct gain_columns {
    const real *x, *dy; /* first row, first column */
    ptrdiff_t ldx, lddy;
    const real *stats; /* a row: mean and 1/deviation when pairs, else 1/rms */
    int pairs;
    int rows;
};

struct bits;                /* bayesian_bits.h */
enum { BITS_CHUNK = 1024 }; /* elements of one call of bits_backward, at most */

enum { COLUMN_BLOCK = 32 }; /* columns that one call of the column sums takes, at most */

struct row_kernels {
    void (*layernorm)(const real *x, int n, const real *gamma, const real *beta, double eps, real *y, real stats[2]);
    void (*layernorm_backward)(const real *x, int n, const real stats[2], const real *gamma, const real *dy, real *dx);
    void (*rmsnorm)(const real *x, int n, const real *gamma, double eps, real *y, real *rstd);
    void (*rmsnorm_backward)(const real *x, int n, real rstd, const real *gamma, const real *dy, real *dx);
    /* += sums over rows, in chunks of rows; dgamma or dbeta may be NULL. */
    void (*gain_backward)(const struct gain_columns *, int n, real *dgamma, real *dbeta);
    void (*column_sums)(const real *x, ptrdiff_t ld, int rows, int n, real *sum);

    void (*activate)(enum activation, const real *x, int n, real *y);
    void (*activate_backward)(enum activation, const real *x, const real *dy, int n, real *dx);
    void (*activate_both)(enum activation, const real *x, int n, real *y, real *slope); /* slope may be x */
    /* y = act(g) u; and the gradients of g and u. */
    void (*gate)(enum activation, const real *g, const real *u, int n, real *y);
    void (*gate_backward)(enum activation, const real *g, const real *u, const real *dy, int n, real *dg, real *du);
    /* The first 2 * pairs of one head's columns, in place; turn: 1 or -1. */
    void (*rotate)(real *x, int pairs, const real *cosine, const real *sine, real turn);
    void (*softmax)(real *x, int n, real scale);
    void (*softmax_backward)(const real *p, real *dp, int n, real scale);
    /* log(sum(exp(x))) - x[label]; d, when not NULL, receives weight * (softmax - one hot) and may be x. */
    double (*cross_entropy)(const real *x, int n, int label, real weight, real *d);

    void (*add)(const real *x, int n, real *y);
    void (*multiply)(const real *x, int n, real *y);
    void (*scale)(real *x, int n, real s);
    double (*sum_squares)(const real *x, size_t n);
    int (*all_finite)(const real *x, size_t n);
    real (*largest)(const real *x, size_t n); /* magnitude; a NaN is above all others */
    void (*fixed)(const struct fixed_row *, const real *x, int n, int16_t *m);
    void (*dropout)(const struct dropout_place *, const real *x, int n, int first_col, real *y); /* y may be x */
    void (*from_half)(const void *half, int n, real *y); /* IEEE binary16 of any alignment */
    /* y = level[code] * scale, rounded to float; codes 0 .. 15, one a byte. */
    void (*levels)(const uint8_t *code, int n, const float level[16], float scale, real *y);

    void (*bits)(const struct bits *, const real *x, size_t n, real *y);
    /* g becomes dL/dx; sum[6] += dL/dz without the factors of the gates before, sum g (x_c - y), sum of g at the edges.
     */
    void (*bits_backward)(const struct bits *, bool gates, const real *x, size_t n, real *g, double *sum);
};
extern const struct row_kernels rows_generic, rows_avx2, rows_avx512;

/* The table of the class in use. */
const struct row_kernels *row_kernels(void);

#endif
