/* Row kernels of the normalisations, and sums over rows. Body file: see row_kernels.h. */
#include "core/vec.h"

/* 1 / sqrt(square / n + eps), in double until the end. */
X16_FN real inverse_deviation(real square, int n, double eps)
{
    return (real)(1 / sqrt((double)square / n + eps));
}

static void row_layernorm(const real *x, int n, const real *gamma, const real *beta, double eps, real *y, real stats[2])
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 sum = x16_load_part(x + whole, rest), square = x16_all(0);
    for (int c = 0; c < whole; c += X16) sum = x16_add(sum, x16_load(x + c));
    real mean = x16_sum(sum) / (real)n;
    x16 m = x16_all(mean);
    for (int c = 0; c < whole; c += X16) {
        x16 d = x16_sub(x16_load(x + c), m);
        square = x16_fma(d, d, square);
    }
    x16 d = x16_first(x16_sub(x16_load_part(x + whole, rest), m), rest, x16_all(0));
    square = x16_fma(d, d, square);
    real rstd = inverse_deviation(x16_sum(square), n, eps);
    x16 s = x16_all(rstd);
    for (int c = 0; c < whole; c += X16)
        x16_store(y + c, x16_fma(x16_mul(x16_sub(x16_load(x + c), m), s), x16_load(gamma + c), x16_load(beta + c)));
    if (rest > 0) {
        d = x16_mul(x16_sub(x16_load_part(x + whole, rest), m), s);
        d = x16_fma(d, x16_load_part(gamma + whole, rest), x16_load_part(beta + whole, rest));
        x16_store_part(y + whole, d, rest);
    }
    stats[0] = mean;
    stats[1] = rstd;
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = gamma dy. */
static void row_layernorm_backward(const real *x, int n, const real stats[2], const real *gamma, const real *dy,
                                   real *dx)
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 m = x16_all(stats[0]), s = x16_all(stats[1]);
    x16 sum = x16_mul(x16_load_part(gamma + whole, rest), x16_load_part(dy + whole, rest));
    x16 dot = x16_mul(sum, x16_mul(x16_sub(x16_load_part(x + whole, rest), m), s));
    for (int c = 0; c < whole; c += X16) {
        x16 g = x16_mul(x16_load(gamma + c), x16_load(dy + c));
        sum = x16_add(sum, g);
        dot = x16_fma(g, x16_mul(x16_sub(x16_load(x + c), m), s), dot);
    }
    x16 mean_g = x16_all(x16_sum(sum) / (real)n), mean_dot = x16_all(-x16_sum(dot) / (real)n);
    for (int c = 0; c < whole; c += X16) {
        x16 g = x16_mul(x16_load(gamma + c), x16_load(dy + c)), hat = x16_mul(x16_sub(x16_load(x + c), m), s);
        x16_store(dx + c, x16_mul(s, x16_fma(hat, mean_dot, x16_sub(g, mean_g))));
    }
    if (rest > 0) {
        x16 g = x16_mul(x16_load_part(gamma + whole, rest), x16_load_part(dy + whole, rest));
        x16 hat = x16_mul(x16_sub(x16_load_part(x + whole, rest), m), s);
        x16_store_part(dx + whole, x16_mul(s, x16_fma(hat, mean_dot, x16_sub(g, mean_g))), rest);
    }
}

static void row_rmsnorm(const real *x, int n, const real *gamma, double eps, real *y, real *rstd)
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 tail = x16_load_part(x + whole, rest), square = x16_mul(tail, tail);
    for (int c = 0; c < whole; c += X16) {
        x16 v = x16_load(x + c);
        square = x16_fma(v, v, square);
    }
    *rstd = inverse_deviation(x16_sum(square), n, eps);
    x16 s = x16_all(*rstd);
    for (int c = 0; c < whole; c += X16) x16_store(y + c, x16_mul(x16_mul(x16_load(x + c), s), x16_load(gamma + c)));
    if (rest > 0) x16_store_part(y + whole, x16_mul(x16_mul(tail, s), x16_load_part(gamma + whole, rest)), rest);
}

/* dx = rstd (g - xhat mean(g xhat)), g = gamma dy. */
static void row_rmsnorm_backward(const real *x, int n, real rstd, const real *gamma, const real *dy, real *dx)
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 s = x16_all(rstd);
    x16 g_tail = x16_mul(x16_load_part(gamma + whole, rest), x16_load_part(dy + whole, rest));
    x16 hat_tail = x16_mul(x16_load_part(x + whole, rest), s), dot = x16_mul(g_tail, hat_tail);
    for (int c = 0; c < whole; c += X16)
        dot = x16_fma(x16_mul(x16_load(gamma + c), x16_load(dy + c)), x16_mul(x16_load(x + c), s), dot);
    x16 mean_dot = x16_all(-x16_sum(dot) / (real)n);
    for (int c = 0; c < whole; c += X16) {
        x16 g = x16_mul(x16_load(gamma + c), x16_load(dy + c));
        x16_store(dx + c, x16_mul(s, x16_fma(x16_mul(x16_load(x + c), s), mean_dot, g)));
    }
    if (rest > 0) x16_store_part(dx + whole, x16_mul(s, x16_fma(hat_tail, mean_dot, g_tail)), rest);
}

/* ---- sums over rows -----------------------------------------------------------------------------------------------
 */

enum { ROW_CHUNK = 64 }; /* rows summed from zero before they join the total: keeps rounding small on long columns */

X16_FN void add_part(real *sum, x16 part, int n)
{
    if (n >= X16)
        x16_store(sum, x16_add(x16_load(sum), part));
    else
        x16_store_part(sum, x16_add(x16_load_part(sum, n), part), n);
}

X16_FN x16 load_some(const real *p, int n)
{
    return n >= X16 ? x16_load(p) : x16_load_part(p, n);
}

/* Up to 16 columns: dgamma += sum dy xhat, dbeta += sum dy. */
X16_FN void gain_part(const struct gain_columns *g, int from, int n, real *dgamma, real *dbeta)
{
    for (int r0 = 0; r0 < g->rows; r0 += ROW_CHUNK) {
        int end = g->rows - r0 < ROW_CHUNK ? g->rows : r0 + ROW_CHUNK;
        x16 gain = x16_all(0), bias = x16_all(0);
        for (int r = r0; r < end; r++) {
            x16 dy = load_some(g->dy + r * g->lddy + from, n), hat = load_some(g->x + r * g->ldx + from, n);
            if (g->pairs)
                hat = x16_mul(x16_sub(hat, x16_all(g->stats[2 * r])), x16_all(g->stats[2 * r + 1]));
            else
                hat = x16_mul(hat, x16_all(g->stats[r]));
            gain = x16_fma(dy, hat, gain);
            bias = x16_add(bias, dy);
        }
        if (dgamma != NULL) add_part(dgamma + from, gain, n);
        if (dbeta != NULL) add_part(dbeta + from, bias, n);
    }
}

static void columns_gain_backward(const struct gain_columns *g, int n, real *dgamma, real *dbeta)
{
    int from = 0;
    for (; from + X16 <= n; from += X16) gain_part(g, from, X16, dgamma, dbeta);
    if (from < n) gain_part(g, from, n - from, dgamma, dbeta);
}

X16_FN void sum_part(const real *x, ptrdiff_t ld, int rows, int n, real *sum)
{
    for (int r0 = 0; r0 < rows; r0 += ROW_CHUNK) {
        int end = rows - r0 < ROW_CHUNK ? rows : r0 + ROW_CHUNK;
        x16 part = x16_all(0);
        for (int r = r0; r < end; r++) part = x16_add(part, load_some(x + r * ld, n));
        add_part(sum, part, n);
    }
}

static void columns_sum(const real *x, ptrdiff_t ld, int rows, int n, real *sum)
{
    int from = 0;
    for (; from + X16 <= n; from += X16) sum_part(x + from, ld, rows, X16, sum + from);
    if (from < n) sum_part(x + from, ld, rows, n - from, sum + from);
}
