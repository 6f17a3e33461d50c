/* The product of integer mantissas of at most 16 bits (fixed_point.h). Sums are exact: in 32 bits where they provably
 * fit, else in more; so the result depends on nothing but the operands. gemm_int_reference() is the definition; the
 * kernels of every processor class equal it bit for bit. */
#ifndef PG_CORE_GEMM_INT_H
#define PG_CORE_GEMM_INT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/fixed_point.h"
#include "core/real.h"
#include "core/status.h"

/* One operand: element (i, j) of the logical matrix is m[i*ld + j], or m[j*ld + i] when trans. No element is greater
 * than fixed_limit(bits). */
struct gemm_int_in {
    const int16_t *m;
    int ld;
    bool trans;
    int bits;
};

/* What becomes of the sums, row by row of C: c = sum * factor[0] * factor[1] (+ bias), each step rounded once; or c +=
 * that. */
struct gemm_int_out {
    real *c;
    int ldc;
    bool accumulate;                 /* then without a bias */
    const real *bias;                /* [n]; NULL: none */
    const struct fixed_power *scale; /* [m] */
};

/* C[m,n] from A[m,k] B[k,n], on all threads. Packed operands are taken from scratch and given back. */
status gemm_int(int m, int n, int k, struct gemm_int_in a, struct gemm_int_in b, const struct gemm_int_out *,
                struct arena *scratch);
void gemm_int_reference(int m, int n, int k, struct gemm_int_in a, struct gemm_int_in b, const struct gemm_int_out *);

#endif
