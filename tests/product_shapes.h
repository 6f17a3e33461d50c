/* Products of any shape against their definition, bit for bit: what the tests of the f32 and of the bfloat16 product
 * share. */
#ifndef PG_TESTS_PRODUCT_SHAPES_H
#define PG_TESTS_PRODUCT_SHAPES_H

#include <stdint.h>
#include "core/cpu.h"
#include "core/gemm.h"

struct product {
    gemm_fn *reference, *parallel, *serial;
    real (*value)(void); /* what operands are filled with */
    enum cpu_class last; /* the highest class that has kernels of its own */
    bool from_bias;      /* a layer's sums start from its bias; else it is added to them */
};

struct shape {
    int m, n, k;
    bool ta, tb, accumulate;
};

/* A number below `below`, the next of a fixed row. */
uint32_t shape_any(uint32_t below);
/* n values, for free(). */
real *shape_values(const struct product *, size_t n);
/* An operand of rows x cols with some slack in its row distance. */
struct gemm_in shape_operand(const struct product *, int rows, int cols, bool trans, real **owned);

enum { SHAPE_CLASSES = CPU_AMX + 1 };
/* The classes of kernels here, at most SHAPE_CLASSES. */
int shape_classes(const struct product *, enum cpu_class *have);

/* Fails where one of m rows of ldc values differs, those beyond n columns included. */
void shape_same(const real *want, const real *got, int m, int n, int ldc, const struct shape *, const char *how);
/* One shape with all classes and some thread counts against the reference; C lies in a wider matrix. */
void shape_check(const struct product *, const struct shape *);
/* A linear layer, y [m, n] = x [m, k] W' + bias and back, with a term of some rank on top, a finish, both, or neither:
 * the bits of products of their own and of the finish of everything, by all classes, on all threads and on one inside a
 * parallel piece; and each element is finished once. */
struct layer_shape {
    int m, n, k, rank;
};
void shape_check_after(const struct product *, const struct products *, const struct layer_shape *);
/* Nothing beside operands, bias and output is touched, by whole and broken tiles of every class: behind their last
 * value, or before their first, lies a page that may not be. */
void shape_check_beside(const struct product *, const struct products *, bool last);
/* Sides of length 0: nothing is written, or zeros where nothing is summed. */
void shape_check_empty(const struct product *);
/* The tile function of a source that can only answer tiles. */
void shape_tile(const struct wsrc *, int r0, int nr, int c0, int nc, real *dst, int ld);

#endif
