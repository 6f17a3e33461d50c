/* Inside of the product: a problem, one piece of it, and the kernels' entry points. Included by gemm*.c only.
 *
 * gemm.c turns a call into a problem (perhaps the transposed one, so that the vector lanes run along the side that is
 * long or contiguous), cuts C into pieces, and hands each piece to the kernels of the processor's class. A piece is
 * computed by one thread: it packs what it needs into the thread's buffers and walks k in blocks, carrying the partial
 * sums in C; storing and reloading a sum changes no bit of it, so each output remains one chain over k. */
#ifndef PG_CORE_GEMM_INSIDE_H
#define PG_CORE_GEMM_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/cpu.h"
#include "core/gemm.h"

/* C[m,n] (+)= A[m,k] B[k,n] (+ bias); element (i, j) of C is c[i*row + j*col]; row == 1 or col == 1. Lanes run along n.
 */
struct gemm_problem {
    int m, n, k;
    struct gemm_in a, b;
    real *c;
    ptrdiff_t row, col;
    bool accumulate;
    bool turned;      /* C is the transpose of the caller's; row and col do not tell when a distance is 1 */
    const real *bias; /* NULL: none; along the columns of the caller's C: n, or m when turned */
};

/* Sizes of the per-thread buffers, in elements. */
enum {
    GEMM_KC = 256,                /* k in one block */
    GEMM_MC = 144,                /* rows of A in one block */
    GEMM_NC = 768,                /* columns of a piece, at most */
    GEMM_PAD = 32,                /* widest panel */
    GEMM_A = GEMM_MC * GEMM_KC,   /* A block */
    GEMM_B = GEMM_NC * GEMM_KC,   /* B panels */
    GEMM_RAW = GEMM_PAD * GEMM_KC /* weight values before packing */
};
struct gemm_buffers {
    real a[GEMM_A + GEMM_PAD], b[GEMM_B], raw[GEMM_RAW]; /* the pad: see pack_rows */
};

/* Rows i0 .. i0+m-1, columns j0 .. j0+n-1 (n <= GEMM_NC) of the problem. */
typedef void gemm_piece_fn(const struct gemm_problem *, int i0, int m, int j0, int n, struct gemm_buffers *);
gemm_piece_fn gemm_piece_generic, gemm_piece_avx2, gemm_piece_avx512;

/* The same by OpenBLAS. */
gemm_piece_fn gemm_piece_openblas;

#endif
