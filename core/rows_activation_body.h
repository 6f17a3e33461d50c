/* Row kernels of the activations. Body file: see row_kernels.h. */
#include "core/vmath.h"

/* gelu_new's argument: 0.5 x (1 + tanh(u)) = x logistic(2u), 2u = sqrt(8/pi) (x + 0.044715 x^3). */
#define GELU_NEW_SLOPE 1.59576912160573071176
#define GELU_NEW_CUBE 0.0713548162726002527

X16_FN x16 gelu_new_argument(x16 x)
{
    x16 s = x16_fma(x16_mul(x, x), x16_all((real)GELU_NEW_CUBE), x16_all((real)GELU_NEW_SLOPE));
    return x16_mul(x, s);
}

X16_FN x16 activated(enum activation kind, x16 x)
{
    switch (kind) {
    case ACT_GELU: return x16_mul(x, x16_normal(x, NULL));
    case ACT_GELU_NEW: return x16_mul(x, x16_logistic(gelu_new_argument(x)));
    case ACT_RELU: return x16_if_gt(x16_all(0), x, x16_all(0), x);
    case ACT_TANH: return x16_tanh(x);
    case ACT_SILU: return x16_mul(x, x16_logistic(x));
    case ACT_NONE: break;
    }
    return x;
}

X16_FN x16 slope_at(enum activation kind, x16 x)
{
    x16 one = x16_all(1);
    switch (kind) {
    case ACT_GELU: {
        x16 density, p = x16_normal(x, &density);
        return x16_fma(x, density, p);
    }
    case ACT_GELU_NEW: { /* s + x s (1 - s) (2u)' */
        x16 s = x16_logistic(gelu_new_argument(x));
        x16 inner = x16_fma(x16_mul(x, x), x16_all((real)(3 * GELU_NEW_CUBE)), x16_all((real)GELU_NEW_SLOPE));
        return x16_fma(x16_mul(x16_mul(x, inner), s), x16_sub(one, s), s);
    }
    case ACT_RELU: return x16_if_gt(x, x16_all(0), one, x16_if_nan(x, x, x16_all(0)));
    case ACT_TANH: {
        x16 t = x16_tanh(x);
        return x16_fma(x16_sub(x16_all(0), t), t, one);
    }
    case ACT_SILU: {
        x16 s = x16_logistic(x);
        return x16_fma(x16_mul(x, s), x16_sub(one, s), s);
    }
    case ACT_NONE: break;
    }
    return one;
}

X16_FN void activate_as(enum activation kind, const real *x, int n, real *y)
{
    int whole = n / X16 * X16;
    for (int c = 0; c < whole; c += X16) x16_store(y + c, activated(kind, x16_load(x + c)));
    if (whole < n) x16_store_part(y + whole, activated(kind, x16_load_part(x + whole, n - whole)), n - whole);
}

X16_FN void activate_backward_as(enum activation kind, const real *x, const real *dy, int n, real *dx)
{
    int whole = n / X16 * X16;
    for (int c = 0; c < whole; c += X16) x16_store(dx + c, x16_mul(x16_load(dy + c), slope_at(kind, x16_load(x + c))));
    if (whole < n) {
        x16 s = slope_at(kind, x16_load_part(x + whole, n - whole));
        x16_store_part(dx + whole, x16_mul(x16_load_part(dy + whole, n - whole), s), n - whole);
    }
}

/* One loop a kind, so that the choice is made once a row. */
static void row_activate(enum activation kind, const real *x, int n, real *y)
{
    switch (kind) {
    case ACT_GELU: activate_as(ACT_GELU, x, n, y); break;
    case ACT_GELU_NEW: activate_as(ACT_GELU_NEW, x, n, y); break;
    case ACT_RELU: activate_as(ACT_RELU, x, n, y); break;
    case ACT_TANH: activate_as(ACT_TANH, x, n, y); break;
    case ACT_SILU: activate_as(ACT_SILU, x, n, y); break;
    case ACT_NONE: activate_as(ACT_NONE, x, n, y); break;
    }
}

static void row_activate_backward(enum activation kind, const real *x, const real *dy, int n, real *dx)
{
    switch (kind) {
    case ACT_GELU: activate_backward_as(ACT_GELU, x, dy, n, dx); break;
    case ACT_GELU_NEW: activate_backward_as(ACT_GELU_NEW, x, dy, n, dx); break;
    case ACT_RELU: activate_backward_as(ACT_RELU, x, dy, n, dx); break;
    case ACT_TANH: activate_backward_as(ACT_TANH, x, dy, n, dx); break;
    case ACT_SILU: activate_backward_as(ACT_SILU, x, dy, n, dx); break;
    case ACT_NONE: activate_backward_as(ACT_NONE, x, dy, n, dx); break;
    }
}
