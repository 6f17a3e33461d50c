/* Arithmetics in floating point, straight through to the products and operations: f32, everything in `real`; and bf16,
 * whose products round their operands to bfloat16 (core/gemm_bf16.h), while norms, embeddings, sums, and weights and
 * gradients in memory are as in f32. */
#include "core/arith.h"

#include <string.h>
#include "core/gemm_bf16.h"
#include "core/ops.h"

static status f32_linear(const struct arith_call *call, const struct mat *x, const struct wsrc *w, const real *bias,
                         const struct gemm_after *after, struct mat *y)
{
    (void)call;
    linear_forward(x, w, bias, after, y);
    return ST_OK;
}

static status f32_linear_dx(const struct arith_call *call, const struct mat *dy, const struct wsrc *w,
                            const struct gemm_after *after, struct mat *dx, bool accumulate)
{
    (void)call;
    linear_backward_x(dy, w, after, dx, accumulate);
    return ST_OK;
}

static status f32_linear_dw(const struct arith_call *call, const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    (void)call;
    linear_backward_w(x, dy, dw, ld);
    return ST_OK;
}

static status bf16_linear(const struct arith_call *call, const struct mat *x, const struct wsrc *w, const real *bias,
                          const struct gemm_after *after, struct mat *y)
{
    (void)call;
    linear_bf16_forward(x, w, bias, after, y);
    return ST_OK;
}

static status bf16_linear_dx(const struct arith_call *call, const struct mat *dy, const struct wsrc *w,
                             const struct gemm_after *after, struct mat *dx, bool accumulate)
{
    (void)call;
    linear_bf16_backward_x(dy, w, after, dx, accumulate);
    return ST_OK;
}

static status bf16_linear_dw(const struct arith_call *call, const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    (void)call;
    linear_bf16_backward_w(x, dy, dw, ld);
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

/* Between the products. */
#define OPERATIONS \
    .norm = norm, .norm_backward = norm_backward, .rms_norm = rms_norm, .rms_norm_backward = rms_norm_backward, \
    .embed = embed, .embed_backward = embed_backward

const struct arith arith_f32 = {
    .name = "f32",
    .summary = "single precision",
    .products = &products_f32,
    .linear = f32_linear,
    .linear_dx = f32_linear_dx,
    .linear_dw = f32_linear_dw,
    OPERATIONS,
};

const struct arith arith_bf16 = {
    .name = "bf16",
    .summary = "products of bfloat16 operands, summed in single precision; all else as f32",
    .products = &products_bf16,
    .linear = bf16_linear,
    .linear_dx = bf16_linear_dx,
    .linear_dw = bf16_linear_dw,
    .pack = gemm_bf16_pack_weight,
    .pack_bytes = gemm_bf16_weight_bytes,
    OPERATIONS,
};

const struct arith *const arith_table[] = {&arith_f32, &arith_bf16, NULL};

const struct arith *arith_find(const char *name)
{
    for (const struct arith *const *a = arith_table; *a; a++)
        if (strcmp((*a)->name, name) == 0) return *a;
    return NULL;
}
