/* The plain arithmetic: everything in `real`, straight through to the products and operations. */
#include "core/arith.h"

#include "core/ops.h"

static status linear(const struct arith_call *call, const struct mat *x, const struct wsrc *w, const real *bias,
                     struct mat *y)
{
    (void)call;
    linear_forward(x, w, bias, y);
    return ST_OK;
}

static status linear_dx(const struct arith_call *call, const struct mat *dy, const struct wsrc *w, struct mat *dx,
                        bool accumulate)
{
    (void)call;
    linear_backward_x(dy, w, dx, accumulate);
    return ST_OK;
}

static status linear_dw(const struct arith_call *call, const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    (void)call;
    linear_backward_w(x, dy, dw, ld);
    return ST_OK;
}

static status norm(const struct arith_call *call, const struct mat *x, const real *gamma, const real *beta, double eps,
                   struct mat *y, real *stats)
{
    (void)call;
    op_layernorm(x, gamma, beta, eps, y, stats);
    return ST_OK;
}

static status norm_backward(const struct arith_call *call, const struct mat *x, const real *stats, const real *gamma,
                            const struct mat *dy, struct mat *dx, real *dgamma, real *dbeta)
{
    (void)call;
    op_layernorm_backward(x, stats, gamma, dy, dx, dgamma, dbeta);
    return ST_OK;
}

static status rms_norm(const struct arith_call *call, const struct mat *x, const real *gamma, double eps, struct mat *y,
                       real *rstd)
{
    (void)call;
    op_rmsnorm(x, gamma, eps, y, rstd);
    return ST_OK;
}

static status rms_norm_backward(const struct arith_call *call, const struct mat *x, const real *rstd, const real *gamma,
                                const struct mat *dy, struct mat *dx, real *dgamma)
{
    (void)call;
    op_rmsnorm_backward(x, rstd, gamma, dy, dx, dgamma);
    return ST_OK;
}

static status embed(const struct arith_call *call, const struct wsrc *table, const int32_t *id, struct mat *y)
{
    (void)call;
    op_gather(table, id, y);
    return ST_OK;
}

static status embed_backward(const struct arith_call *call, const struct mat *dy, const int32_t *id, real *dw, int ld)
{
    (void)call;
    op_scatter_add(dy, id, dw, ld);
    return ST_OK;
}

const struct arith arith_f32 = {
    .name = "f32",
    .summary = "single precision",
    .linear = linear,
    .linear_dx = linear_dx,
    .linear_dw = linear_dw,
    .norm = norm,
    .norm_backward = norm_backward,
    .rms_norm = rms_norm,
    .rms_norm_backward = rms_norm_backward,
    .embed = embed,
    .embed_backward = embed_backward,
};
