/* Arithmetics in floating point, straight through to the products: f32, everything in `real`; and bf16, whose products
 * round their operands to bfloat16 (core/gemm_bf16.h), while norms, embeddings, sums, and weights and gradients in
 * memory are as in f32. */
#include "core/arith_operations.h"

#include <string.h>
#include "core/gemm_bf16.h"

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

const struct arith arith_f32 = {
    .name = "f32",
    .summary = "single precision",
    .products = &products_f32,
    .linear = f32_linear,
    .linear_dx = f32_linear_dx,
    .linear_dw = f32_linear_dw,
    ARITH_OPERATIONS,
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
    ARITH_OPERATIONS,
};

const struct arith *const arith_table[] = {&arith_f32, &arith_bf16, &arith_dfp, NULL};

const struct arith *arith_find(const char *name)
{
    for (const struct arith *const *a = arith_table; *a; a++)
        if (strcmp((*a)->name, name) == 0) return *a;
    return NULL;
}

const struct arith *arith_with_option(const char *name)
{
    for (const struct arith *const *a = arith_table; *a; a++)
        if (option_find((*a)->options, name)) return *a;
    return NULL;
}
