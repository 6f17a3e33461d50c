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

/* act(x), and its derivative at x when slope is not NULL: both are made of the same function. */
X16_FN x16 activated(enum activation kind, x16 x, x16 *slope)
{
    x16 one = x16_all(1), zero = x16_all(0);
    switch (kind) {
    case ACT_GELU: {
        x16 density, p = x16_normal(x, &density);
        if (slope) *slope = x16_fma(x, density, p);
        return x16_mul(x, p);
    }
    case ACT_GELU_NEW: { /* slope: s + x s (1 - s) (2u)' */
        x16 s = x16_logistic(gelu_new_argument(x));
        x16 inner = x16_fma(x16_mul(x, x), x16_all((real)(3 * GELU_NEW_CUBE)), x16_all((real)GELU_NEW_SLOPE));
        if (slope) *slope = x16_fma(x16_mul(x16_mul(x, inner), s), x16_sub(one, s), s);
        return x16_mul(x, s);
    }
    case ACT_RELU:
        if (slope) *slope = x16_if_gt(x, zero, one, x16_if_nan(x, x, zero));
        return x16_if_gt(zero, x, zero, x);
    case ACT_TANH: {
        x16 t = x16_tanh(x);
        if (slope) *slope = x16_fma(x16_sub(zero, t), t, one);
        return t;
    }
    case ACT_SILU: {
        x16 s = x16_logistic(x);
        if (slope) *slope = x16_fma(x16_mul(x, s), x16_sub(one, s), s);
        return x16_mul(x, s);
    }
    case ACT_NONE: break;
    }
    if (slope) *slope = one;
    return x;
}

X16_FN void activate_as(enum activation kind, const real *x, int n, real *y)
{
    int whole = n / X16 * X16;
    for (int c = 0; c < whole; c += X16) x16_store(y + c, activated(kind, x16_load(x + c), NULL));
    if (whole < n) x16_store_part(y + whole, activated(kind, x16_load_part(x + whole, n - whole), NULL), n - whole);
}

X16_FN void activate_backward_as(enum activation kind, const real *x, const real *dy, int n, real *dx)
{
    x16 slope;
    int whole = n / X16 * X16;
    for (int c = 0; c < whole; c += X16) {
        (void)activated(kind, x16_load(x + c), &slope);
        x16_store(dx + c, x16_mul(x16_load(dy + c), slope));
    }
    if (whole < n) {
        (void)activated(kind, x16_load_part(x + whole, n - whole), &slope);
        x16_store_part(dx + whole, x16_mul(x16_load_part(dy + whole, n - whole), slope), n - whole);
    }
}

X16_FN void activate_both_as(enum activation kind, const real *x, int n, real *y, real *slope)
{
    x16 s;
    int whole = n / X16 * X16;
    for (int c = 0; c < whole; c += X16) {
        x16_store(y + c, activated(kind, x16_load(x + c), &s));
        x16_store(slope + c, s);
    }
    if (whole < n) {
        x16_store_part(y + whole, activated(kind, x16_load_part(x + whole, n - whole), &s), n - whole);
        x16_store_part(slope + whole, s, n - whole);
    }
}

/* One loop a kind, so that the choice is made once a row. */
#define BY_KIND(function, ...) \
    switch (kind) { \
    case ACT_GELU: function(ACT_GELU, __VA_ARGS__); break; \
    case ACT_GELU_NEW: function(ACT_GELU_NEW, __VA_ARGS__); break; \
    case ACT_RELU: function(ACT_RELU, __VA_ARGS__); break; \
    case ACT_TANH: function(ACT_TANH, __VA_ARGS__); break; \
    case ACT_SILU: function(ACT_SILU, __VA_ARGS__); break; \
    case ACT_NONE: function(ACT_NONE, __VA_ARGS__); break; \
    }

static void row_activate(enum activation kind, const real *x, int n, real *y)
{
    BY_KIND(activate_as, x, n, y)
}

static void row_activate_backward(enum activation kind, const real *x, const real *dy, int n, real *dx)
{
    BY_KIND(activate_backward_as, x, dy, n, dx)
}

static void row_activate_both(enum activation kind, const real *x, int n, real *y, real *slope)
{
    BY_KIND(activate_both_as, x, n, y, slope)
}
