/* What every arithmetic does between its products: norms and embeddings in `real`, straight through to core/ops.h. */
#ifndef PG_CORE_ARITH_OPERATIONS_H
#define PG_CORE_ARITH_OPERATIONS_H

#include "core/arith.h"

status arith_norm(const struct arith_call *call, const struct mat *x, const real *gamma, const real *beta, double eps,
                  struct mat *y, real *stats);
status arith_norm_backward(const struct arith_call *call, const struct mat *x, const real *stats, const real *gamma,
                           const struct mat *dy, struct mat *dx, real *dgamma, real *dbeta);
status arith_rms_norm(const struct arith_call *call, const struct mat *x, const real *gamma, double eps, struct mat *y,
                      real *rstd);
status arith_rms_norm_backward(const struct arith_call *call, const struct mat *x, const real *rstd, const real *gamma,
                               const struct mat *dy, struct mat *dx, real *dgamma);
status arith_embed(const struct arith_call *call, const struct wsrc *table, const int32_t *id, struct mat *y);
status arith_embed_backward(const struct arith_call *call, const struct mat *dy, const int32_t *id, real *dw, int ld);

/* Rows of struct arith. */
#define ARITH_OPERATIONS \
    .norm = arith_norm, .norm_backward = arith_norm_backward, .rms_norm = arith_rms_norm, \
    .rms_norm_backward = arith_rms_norm_backward, .embed = arith_embed, .embed_backward = arith_embed_backward

#endif
