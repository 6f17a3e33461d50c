#include "core/arith_operations.h"

#include "core/ops.h"

status arith_norm(const struct arith_call *call, const struct mat *x, const real *gamma, const real *beta, double eps,
                  struct mat *y, real *stats)
{
    (void)call;
    op_layernorm(x, gamma, beta, eps, y, stats);
    return ST_OK;
}

status arith_norm_backward(const struct arith_call *call, const struct mat *x, const real *stats, const real *gamma,
                           const struct mat *dy, struct mat *dx, real *dgamma, real *dbeta)
{
    (void)call;
    op_layernorm_backward(x, stats, gamma, dy, dx, dgamma, dbeta);
    return ST_OK;
}

status arith_rms_norm(const struct arith_call *call, const struct mat *x, const real *gamma, double eps, struct mat *y,
                      real *rstd)
{
    (void)call;
    op_rmsnorm(x, gamma, eps, y, rstd);
    return ST_OK;
}

status arith_rms_norm_backward(const struct arith_call *call, const struct mat *x, const real *rstd, const real *gamma,
                               const struct mat *dy, struct mat *dx, real *dgamma)
{
    (void)call;
    op_rmsnorm_backward(x, rstd, gamma, dy, dx, dgamma);
    return ST_OK;
}

status arith_embed(const struct arith_call *call, const struct wsrc *table, const int32_t *id, struct mat *y)
{
    (void)call;
    op_gather(table, id, y);
    return ST_OK;
}

status arith_embed_backward(const struct arith_call *call, const struct mat *dy, const int32_t *id, real *dw, int ld)
{
    (void)call;
    op_scatter_add(dy, id, dw, ld);
    return ST_OK;
}
