/* Inside of the integer product: packed operands and the kernels' entry points. Included by gemm_int*.c only.
 *
 * Two neighbours along k make a pair, and a step of a kernel multiplies pairs and adds both products. A is rows of
 * pairs; B is packed as panels of `lanes` columns, a panel as [pair][lane]. Where k is odd the last pair's second
 * number is 0 in both. */
#ifndef PG_CORE_GEMM_INT_INSIDE_H
#define PG_CORE_GEMM_INT_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/gemm_int.h"

/* Rows of A and columns of B, all k. */
struct int_piece {
    const int16_t *a;
    ptrdiff_t lda;
    const int16_t *b;
    size_t panel; /* numbers from a panel to the next */
    int m, n, pairs;
    int fold; /* so many pairs fit a sum of 32 bits; all of them: no wider sum is needed */
    struct gemm_int_out out;
};

struct int_kernels {
    int lanes;
    void (*piece)(const struct int_piece *);
};
extern const struct int_kernels int_generic, int_avx2, int_avx512;

#endif
