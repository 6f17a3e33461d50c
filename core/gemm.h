/* The reproducible product. Every output element is ONE chain of fused multiply-adds over k in rising order, starting
 * from 0 (or from the old value when accumulating); vectors run over columns, tiles never split k across threads. So
 * the bits are the same for any thread count, tile size, vector width, compiler and x86 with FMA, and a row's result
 * does not depend on the other rows of the batch. The naive reference gemm_reference() is the definition; all kernels
 * equal it bit for bit.
 *
 * Backend "openblas" calls single-threaded BLAS on tiles inside the same loop (fast on odd machines, test oracle, speed
 * reference); its bits depend on the processor. The choice is part of the run id. */
#ifndef PG_CORE_GEMM_H
#define PG_CORE_GEMM_H

#include <stdbool.h>
#include "core/real.h"
#include "core/status.h"
#include "core/wsrc.h"

enum gemm_backend { GEMM_OWN, GEMM_OPENBLAS };
status gemm_select(enum gemm_backend);
enum gemm_backend gemm_backend(void);
const char *gemm_backend_name(enum gemm_backend);
const char *gemm_openblas_version(void); /* "OpenBLAS 0.3.21 DYNAMIC_ARCH ..." */

/* One operand: element (i, j) of the logical matrix is p[i*ld + j], or p[j*ld + i] when trans. */
struct gemm_in {
    const real *p;
    int ld;
    bool trans;
    const struct wsrc *w; /* when not NULL p is ignored and tiles of w (or of its transpose) are used */
};

/* C[m,n] (row distance ldc) = A[m,k] B[k,n], or += when accumulate. Runs on all threads; calls from inside a parallel
 * piece run in place. The packing buffers are per-thread and kept. */
void gemm(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);

/* The same on the calling thread only: for per-head attention products inside parallel_for. */
void gemm_serial(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);

/* Three nested loops with fma(); the definition of the result. */
void gemm_reference(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);

/* A further product of k steps that is added to the C of another one, once that is complete: what a call with
 * accumulate would add, bit for bit. For updates of low rank, whose time is the way of C from memory and back. */
struct gemm_term {
    int k;
    struct gemm_in a, b;
};

/* Work on rows r0 .. r0+rows-1, columns c0 .. c0+cols-1 of a C that is complete there; every element lies in one such
 * piece. It must be work on single elements, since pieces are cut and handed out as threads and caches ask for. */
typedef void finish_fn(const void *ctx, int r0, int rows, int c0, int cols);
struct gemm_finish {
    finish_fn *fn;
    const void *ctx;
};

/* What a product does to each piece of C when it is done and still in the cache: add the term, then finish. */
struct gemm_after {
    const struct gemm_term *plus;     /* NULL: none */
    const struct gemm_finish *finish; /* NULL: none */
};

/* The three products of a linear layer, W [out, in]. after: NULL: nothing. */
void linear_forward(const struct mat *x, const struct wsrc *w, const real *bias, const struct gemm_after *after,
                    struct mat *y); /* y = x W' + bias (NULL: none) */
void linear_backward_x(const struct mat *dy, const struct wsrc *w, const struct gemm_after *after, struct mat *dx,
                       bool accumulate);                                             /* dx (+)= dy W */
void linear_backward_w(const struct mat *x, const struct mat *dy, real *dw, int ld); /* dW += dy' x */
void bias_backward(const struct mat *dy, real *db);                                  /* db += column sums */

/* The products of one arithmetic as a table, for code that serves several. */
typedef void gemm_fn(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);
struct products {
    gemm_fn *gemm, *gemm_serial;
    void (*linear_forward)(const struct mat *x, const struct wsrc *w, const real *bias, const struct gemm_after *,
                           struct mat *y);
    void (*linear_backward_x)(const struct mat *dy, const struct wsrc *w, const struct gemm_after *, struct mat *dx,
                              bool accumulate);
    void (*linear_backward_w)(const struct mat *x, const struct mat *dy, real *dw, int ld);
    /* From hold to release x stays as it is: several products read it. Every hold needs its release. */
    void (*hold)(const struct mat *x);
    void (*release)(void);
};
extern const struct products products_f32;

/* C += the term, by an arithmetic's product. */
void gemm_add_term(gemm_fn *, const struct gemm_term *, struct mat *c);

#endif
