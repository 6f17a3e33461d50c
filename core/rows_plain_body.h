/* Row kernels without mathematics. Body file: see row_kernels.h. */
#include "core/vec.h"

static void row_add(const real *x, int n, real *y)
{
    int c = 0;
    for (; c + X16 <= n; c += X16) x16_store(y + c, x16_add(x16_load(y + c), x16_load(x + c)));
    for (; c < n; c++) y[c] += x[c];
}

static void row_multiply(const real *x, int n, real *y)
{
    int c = 0;
    for (; c + X16 <= n; c += X16) x16_store(y + c, x16_mul(x16_load(y + c), x16_load(x + c)));
    for (; c < n; c++) y[c] *= x[c];
}

static void row_scale(real *x, int n, real s)
{
    int c = 0;
    for (; c + X16 <= n; c += X16) x16_store(x + c, x16_mul(x16_load(x + c), x16_all(s)));
    for (; c < n; c++) x[c] *= s;
}

/* Squares of floats are exact in double. */
static double row_sum_squares(const real *x, size_t n)
{
    double lane[X16] = {0};
    size_t c = 0;
    for (; c + X16 <= n; c += X16)
        for (int i = 0; i < X16; i++) lane[i] += (double)x[c + (size_t)i] * (double)x[c + (size_t)i];
    for (int i = 0; c < n; c++, i++) lane[i] += (double)x[c] * (double)x[c];
    for (int half = X16 / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

/* x - x is 0 for finite x and NaN for others. */
static int row_all_finite(const real *x, size_t n)
{
    x16 sum = x16_all(0);
    size_t c = 0;
    for (; c + X16 <= n; c += X16) {
        x16 v = x16_load(x + c);
        sum = x16_add(sum, x16_sub(v, v));
    }
    real rest = x16_sum(sum);
    for (; c < n; c++) rest += x[c] - x[c];
    return rest == 0;
}

/* Magnitudes are ordered as their bits are, the infinite after the finite ones and NaNs last. */
static real row_largest(const real *x, size_t n)
{
#ifdef PG_DOUBLE
    typedef uint64_t word;
#else
    typedef uint32_t word;
#endif
    const word magnitude = (word)-1 >> 1;
    word most = 0;
    for (size_t i = 0; i < n; i++) {
        word bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= magnitude;
        most = bits > most ? bits : most;
    }
    real largest;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

#if defined(__F16C__) && !defined(PG_DOUBLE)
#include <immintrin.h>
enum { HALVES = 8 };
X16_FN void convert_halves(const void *half, real *y)
{
    _mm256_storeu_ps(y, _mm256_cvtph_ps(_mm_loadu_si128(half)));
}
#else
enum { HALVES = 1 };
/* Exponent and fraction move to the float's place; the missing 112 of the exponent's offset come in by a product, exact
 * like everything here. Subnormal halves are normal floats. A quiet NaN stays what it is, a signalling one becomes
 * quiet. */
X16_FN void convert_halves(const void *half, real *y)
{
    uint16_t h;
    memcpy(&h, half, sizeof h);
    uint32_t bits = (uint32_t)(h & 0x7fff) << 13;
    float f;
    if (bits >= 0x0f800000u) { /* infinity, NaN */
        bits |= bits > 0x0f800000u ? 0x7fc00000u : 0x7f800000u;
        memcpy(&f, &bits, sizeof f);
    } else if (bits < 0x00800000u) {
        f = (float)(h & 0x3ff) * 0x1p-24f;
    } else {
        memcpy(&f, &bits, sizeof f);
        f *= 0x1p112f;
    }
    *y = h & 0x8000 ? -f : f;
}
#endif

static void row_from_half(const void *half, int n, real *y)
{
    const unsigned char *h = half;
    int c = 0;
    for (; c + HALVES <= n; c += HALVES) convert_halves(h + 2 * c, y + c);
    if (c >= n) return;
    unsigned char rest[2 * HALVES] = {0};
    real out[HALVES];
    memcpy(rest, h + 2 * c, 2 * (size_t)(n - c));
    convert_halves(rest, out);
    memcpy(y + c, out, sizeof *y * (size_t)(n - c));
}
