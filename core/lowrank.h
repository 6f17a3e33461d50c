/* The low-rank update y += s * ((x A') o e)[:, lo..hi) B' shared by lora, dylora, adalora, dora, vera ...; fused
 * kernels belong here. A [r, in], B [out, r], x [T, in], y [T, out]. (METHODS 3.2 to 3.4) */
#ifndef PG_CORE_LOWRANK_H
#define PG_CORE_LOWRANK_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/gemm.h"
#include "core/param.h"
#include "core/real.h"
#include "core/rng.h"
#include "core/status.h"

struct lowrank {
    const real *a, *b; /* row distances: in, r */
    const real *e;     /* r factors, or NULL for ones */
    int in, out, r;
    int lo, hi;                      /* rank rows in use: lo <= i < hi */
    double scale;                    /* s */
    const struct products *products; /* along the tokens; NULL: f32's. Gradients of a, b, e, whose few rows or columns
                                        leave nothing to gain, are f32 products always, and so is the merging */
};

/* All rank rows of a pair of tensors, a [r, in] and b [out, r], without factors. */
struct lowrank lowrank_of(const struct param *a, const struct param *b, double scale);

/* z [T, r] receives x A' (columns lo..hi), kept by the caller for backward. work: (hi - lo) * out. The first half of
 * lowrank_forward: returns the product that is left to add to y. It reads z and work. */
struct gemm_term lowrank_begin(const struct lowrank *, const struct mat *x, struct mat *z, real *work);
void lowrank_forward(const struct lowrank *, const struct mat *x, struct mat *z, real *work, struct mat *y);

/* Two halves again: everything but dx; returns the product that is left to add to dx, which reads scratch. */
struct gemm_term lowrank_gradients(const struct lowrank *, const struct mat *x, const struct mat *z,
                                   const struct mat *dy, real *da, real *db, real *de, int train_lo,
                                   struct mat *scratch);
/* With dy given: da [r,in] +=, db [out,r] +=, de [r] +=, dx += (each NULL: not wanted). z as kept.
 * train_lo: rows below it get no gradient (DyLoRA frozen); normally = lo. scratch: [T, r]. */
void lowrank_backward(const struct lowrank *, const struct mat *x, const struct mat *z, const struct mat *dy, real *da,
                      real *db, real *de, int train_lo, struct mat *scratch, struct mat *dx);

/* c [rank, cols] += g' x, or c [cols, rank] += x' g when turned; x [T, cols], g [T, rank]; ldg and ldc: row distances.
 * The bits of the product (gemm.h), faster for a few rank rows and many tokens. */
void lowrank_sums(const real *g, int ldg, int rank, const struct mat *x, real *c, int ldc, bool turned);

/* ---- the update as an adapter uses it: dropout on its input, memory from arenas ------------------------------------
 */

/* *z: x A' of drop(x), for lowrank_unapply, from the tape; tape NULL: no backward pass follows. *rest: what is left to
 * add to y; it reads working memory, which is the caller's to give back. */
status lowrank_prepare(const struct lowrank *, const struct dropout *, const uint32_t *row_key, const struct mat *x,
                       struct arena *tape, struct arena *scratch, void **z, struct gemm_term *rest);
/* y += the update of drop(x), in one go. */
status lowrank_apply(const struct lowrank *, const struct dropout *, const uint32_t *row_key, const struct mat *x,
                     struct arena *tape, struct arena *scratch, void **z, struct mat *y);

struct lowrank_grads {
    real *a, *b, *e; /* added to; NULL: not wanted */
    int from;        /* rank rows below it get none */
};
/* Its backward pass: adds to the gradients and to dx (NULL: not wanted). The dropped input is made again: the mask is a
 * function. */
status lowrank_unapply(const struct lowrank *, const struct dropout *, const uint32_t *row_key, const struct mat *x,
                       void *z, const struct mat *dy, const struct lowrank_grads *, struct arena *scratch,
                       struct mat *dx);

/* w [out, in] += s B diag(e) A, rank rows lo..hi. */
void lowrank_merge(const struct lowrank *, real *w);

#endif
