/* Row kernels of gated activations and of rotary positions. Body file: see row_kernels.h. It follows
 * rows_activation_body.h, whose functions it uses. */
#include "core/vmath.h"

X16_FN void gate_as(enum activation kind, const real *g, const real *u, int n, real *y)
{
    int whole = n / X16 * X16, rest = n - whole;
    for (int c = 0; c < whole; c += X16)
        x16_store(y + c, x16_mul(activated(kind, x16_load(g + c), NULL), x16_load(u + c)));
    if (rest > 0) {
        x16 a = activated(kind, x16_load_part(g + whole, rest), NULL);
        x16_store_part(y + whole, x16_mul(a, x16_load_part(u + whole, rest)), rest);
    }
}

X16_FN void gate_backward_as(enum activation kind, const real *g, const real *u, const real *dy, int n, real *dg,
                             real *du)
{
    for (int c = 0; c < n; c += X16) {
        int part = n - c < X16 ? n - c : X16;
        x16 x = x16_load_part(g + c, part), d = x16_load_part(dy + c, part);
        x16 slope, a = activated(kind, x, &slope), by_gate = x16_mul(x16_mul(d, x16_load_part(u + c, part)), slope);
        x16_store_part(du + c, x16_mul(d, a), part);
        x16_store_part(dg + c, by_gate, part);
    }
}

static void row_gate(enum activation kind, const real *g, const real *u, int n, real *y)
{
    switch (kind) {
    case ACT_GELU: gate_as(ACT_GELU, g, u, n, y); break;
    case ACT_GELU_NEW: gate_as(ACT_GELU_NEW, g, u, n, y); break;
    case ACT_RELU: gate_as(ACT_RELU, g, u, n, y); break;
    case ACT_TANH: gate_as(ACT_TANH, g, u, n, y); break;
    case ACT_SILU: gate_as(ACT_SILU, g, u, n, y); break;
    case ACT_NONE: gate_as(ACT_NONE, g, u, n, y); break;
    }
}

static void row_gate_backward(enum activation kind, const real *g, const real *u, const real *dy, int n, real *dg,
                              real *du)
{
    switch (kind) {
    case ACT_GELU: gate_backward_as(ACT_GELU, g, u, dy, n, dg, du); break;
    case ACT_GELU_NEW: gate_backward_as(ACT_GELU_NEW, g, u, dy, n, dg, du); break;
    case ACT_RELU: gate_backward_as(ACT_RELU, g, u, dy, n, dg, du); break;
    case ACT_TANH: gate_backward_as(ACT_TANH, g, u, dy, n, dg, du); break;
    case ACT_SILU: gate_backward_as(ACT_SILU, g, u, dy, n, dg, du); break;
    case ACT_NONE: gate_backward_as(ACT_NONE, g, u, dy, n, dg, du); break;
    }
}

/* (a, b) -> (a cos - b sin, b cos + a sin), a = x[j], b = x[j + pairs]; turn is 1, or -1 for the way back. */
static void row_rotate(real *x, int pairs, const real *cosine, const real *sine, real turn)
{
    for (int j = 0; j < pairs; j += X16) {
        int part = pairs - j < X16 ? pairs - j : X16;
        x16 a = x16_load_part(x + j, part), b = x16_load_part(x + pairs + j, part);
        x16 c = x16_load_part(cosine + j, part), s = x16_mul(x16_load_part(sine + j, part), x16_all(turn));
        x16 minus = x16_sub(x16_all(0), s);
        x16_store_part(x + j, x16_fma(a, c, x16_mul(b, minus)), part);
        x16_store_part(x + pairs + j, x16_fma(b, c, x16_mul(a, s)), part);
    }
}
