/* Row kernels of the Bayesian-bits quantiser. Body file: see row_kernels.h; formulas: bayesian_bits.h. */
#include "core/bayesian_bits.h"
#include "core/vec.h"

/* To the nearest integer, ties to even, for |u| < 2^22 (2^51); larger numbers lose low bits only. */
X16_FN x16 bits_round(x16 u)
{
    x16 shift = x16_all(sizeof(real) == 8 ? (real)0x1.8p52 : (real)0x1.8p23);
    return x16_sub(x16_add(u, shift), shift);
}

/* A NaN stays one. */
X16_FN x16 bits_limit(x16 x, real lo, real hi)
{
    x = x16_if_gt(x, x16_all(hi), x16_all(hi), x);
    return x16_if_gt(x16_all(lo), x, x16_all(lo), x);
}

/* The code of level b of the residual, which becomes that of the next. */
X16_FN x16 bits_code(const struct bits *q, int b, x16 *rest)
{
    x16 u = bits_round(x16_mul(*rest, x16_all(q->inverse[b])));
    x16 code = bits_limit(u, b == 0 ? q->least : -q->most[b], q->most[b]);
    *rest = x16_fma(code, x16_all(-q->step[b]), *rest);
    return code;
}

X16_FN x16 bits_value(const struct bits *q, x16 x)
{
    x16 rest = bits_limit(x, q->lo, q->hi);
    if (q->passes) return rest;
    x16 y = x16_mul(bits_code(q, 0, &rest), x16_all(q->step[0]));
    for (int b = 1; b <= q->levels; b++) {
        x16 part = x16_mul(bits_code(q, b, &rest), x16_all(q->step[b]));
        y = x16_fma(part, x16_all(q->open[b]), y);
    }
    return y;
}

static void row_bits(const struct bits *q, const real *x, size_t n, real *y)
{
    size_t c = 0;
    for (; c + X16 <= n; c += X16) x16_store(y + c, bits_value(q, x16_load(x + c)));
    if (c < n) x16_store_part(y + c, bits_value(q, x16_load_part(x + c, (int)(n - c))), (int)(n - c));
}

struct bits_lanes {       /* of dL/dy times ... */
    x16 gate[BITS_GATES]; /* e_b and what lies behind it */
    x16 lost;             /* x_c - y */
    x16 edge;             /* +1, -1 where x is clipped */
};

/* Returns dL/dx. */
X16_FN x16 bits_block(const struct bits *q, bool gates, x16 x, x16 g, struct bits_lanes *sum)
{
    x16 none = x16_all(0), hi = x16_all(q->hi), lo = x16_all(q->lo), e[BITS_GATES];
    sum->edge = x16_add(sum->edge, x16_if_gt(x, hi, g, none));
    sum->edge = x16_sub(sum->edge, x16_if_gt(lo, x, x16_mul(g, x16_all(q->is_signed ? 1 : 0)), none));
    x16 dx = x16_if_gt(x, hi, none, x16_if_gt(lo, x, none, g));
    if (q->passes && !gates) return dx;
    x16 rest = bits_limit(x, q->lo, q->hi), lost = none;
    bits_code(q, 0, &rest);
    for (int b = 0; b < BITS_GATES; b++) {
        lost = x16_fma(rest, x16_all(q->open[b] * (1 - q->gate[b])), lost);
        e[b] = x16_mul(bits_code(q, b + 1, &rest), x16_all(q->step[b + 1]));
    }
    if (!q->passes) lost = x16_fma(rest, x16_all(q->open[BITS_GATES]), lost);
    sum->lost = x16_fma(g, lost, sum->lost);
    for (int b = BITS_GATES - 1; gates && b >= 0; b--) {
        if (b + 1 < BITS_GATES) e[b] = x16_fma(e[b + 1], x16_all(q->gate[b + 1]), e[b]);
        sum->gate[b] = x16_fma(g, e[b], sum->gate[b]);
    }
    return dx;
}

/* One chunk: lanes hold at most BITS_CHUNK / 16 terms each before they are added in double. */
static void row_bits_backward(const struct bits *q, bool gates, const real *x, size_t n, real *g,
                              double sum[BITS_GATES + 2])
{
    x16 none = x16_all(0);
    struct bits_lanes lanes = {{none, none, none, none}, none, none};
    size_t c = 0;
    for (; c + X16 <= n; c += X16) x16_store(g + c, bits_block(q, gates, x16_load(x + c), x16_load(g + c), &lanes));
    if (c < n) {
        int rest = (int)(n - c);
        x16_store_part(g + c, bits_block(q, gates, x16_load_part(x + c, rest), x16_load_part(g + c, rest), &lanes),
                       rest);
    }
    for (int b = 0; b < BITS_GATES; b++) sum[b] += (double)x16_sum(lanes.gate[b]);
    sum[BITS_GATES] += (double)x16_sum(lanes.lost);
    sum[BITS_GATES + 1] += (double)x16_sum(lanes.edge);
}
