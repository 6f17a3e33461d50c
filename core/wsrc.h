/* A weight as a source of tiles. Products ask for tiles while they pack, so a quantised weight is dequantised there and
 * is never whole in memory. A store makes one; a method may wrap one (B-LoRA's quantiser) over any store. */
#ifndef PG_CORE_WSRC_H
#define PG_CORE_WSRC_H

#include <stdbool.h>
#include "core/real.h"

struct wsrc {
    int rows, cols; /* [out, in] as in the checkpoint */
    /* Copies rows r0 .. r0+nr-1, columns c0 .. c0+nc-1 to dst (row distance ld), as real. Pure and thread-safe. */
    void (*tile)(const struct wsrc *, int r0, int nr, int c0, int nc, real *dst, int ld);
    const real *dense; /* the whole weight, row distance cols, when it lies in memory as real; else NULL: use tile */
    double bits;       /* true storage bits a weight (scales and offsets included) */
    const void *ctx;   /* the maker's */
    const struct bf16_weight *packed; /* copies for bfloat16 products (core/gemm_bf16.h), or NULL */
};

struct wsrc wsrc_dense(const real *w, int rows, int cols);
struct wsrc wsrc_f16(const void *w, int rows, int cols); /* IEEE half, little-endian, as it lies in a mapped file */
struct wsrc wsrc_bf16(const void *w, int rows, int cols);
bool wsrc_is_bf16(const struct wsrc *);                  /* made by wsrc_bf16 */
struct wsrc wsrc_f32(const void *w, int rows, int cols); /* float bits that may be unaligned or in the double build */
void wsrc_row(const struct wsrc *, int r, real *dst);    /* one row */

#endif
