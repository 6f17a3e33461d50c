/* Inside of the bfloat16 product: packed operands and the kernels' entry points. Included by gemm_bf16*.c only.
 *
 * An operand is packed as panels of 16 lanes (rows of A, columns of B), a panel as tiles of 16 lanes and one block of
 * 32 k, zeros beyond the operand's sides. How the 512 elements of a tile lie is the class's own affair. gemm_bf16.c
 * packs each element once, then hands pieces of C to the class's kernel. */
#ifndef PG_CORE_GEMM_BF16_INSIDE_H
#define PG_CORE_GEMM_BF16_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/real.h"

enum { BF16_LANES = 16, BF16_BLOCK = 32, BF16_TILE = BF16_LANES * BF16_BLOCK };

/* Steps of k: of each operand the first `blocks` tiles of its panels count. */
struct bf16_run {
    const unsigned char *a, *b; /* ceil(m/16) and ceil(n/16) panels */
    size_t panel_a, panel_b;    /* bytes from a panel to the next */
    int blocks;
};

/* The panels of A that rows from i on lie in, and those of B of columns from j on. */
static inline const void *bf16_rows(const struct bf16_run *r, int i)
{
    return r->a + (size_t)(i / BF16_LANES) * r->panel_a;
}
static inline const void *bf16_columns(const struct bf16_run *r, int j)
{
    return r->b + (size_t)(j / BF16_LANES) * r->panel_b;
}

/* C[m,n] starts as it is (load), or in each row as bias[n], or (bias NULL) at 0, and the blocks' sums are added to it:
 * those of the product, then those of a further one. */
struct bf16_piece {
    struct bf16_run run[2];
    int runs; /* 1 or 2 */
    int m, n;
    real *c;
    ptrdiff_t ldc;
    bool load;
    const real *bias;
};

enum bf16_side { BF16_A, BF16_B };

struct bf16_kernels {
    size_t unit; /* bytes of a packed element */
    /* Rounds `lanes` (at most 16) lanes of k values into ceil(k/32) tiles. Element l of lane i is src[i*ld + l] when
     * along, else src[l*ld + i]. */
    void (*pack)(enum bf16_side, bool along, const real *src, ptrdiff_t ld, int lanes, int k, void *tiles);
    void (*piece)(const struct bf16_piece *);
};
extern const struct bf16_kernels bf16_generic, bf16_avx2, bf16_avx512, bf16_avx512bf16, bf16_amx;

#endif
