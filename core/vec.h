/* Sixteen reals at once, the same sixteen on every processor class: one AVX-512 register, two AVX2 registers, or an
 * array. Every operation is one correctly rounded IEEE operation per lane (or a move), and sums over lanes follow one
 * fixed tree, so a function written in these gives the same bits in each class. Included by files compiled for one
 * class only. */
#ifndef PG_CORE_VEC_H
#define PG_CORE_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "core/real.h"

enum { X16 = 16 };
#define X16_FN static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__) && !defined(PG_DOUBLE)
#include <immintrin.h>
typedef __m512 x16;

X16_FN x16 x16_load(const real *p)
{
    return _mm512_loadu_ps(p);
}
X16_FN void x16_store(real *p, x16 a)
{
    _mm512_storeu_ps(p, a);
}
X16_FN __mmask16 x16_mask(int n)
{
    return (__mmask16)((1u << n) - 1);
}
X16_FN x16 x16_load_part(const real *p, int n)
{
    return _mm512_maskz_loadu_ps(x16_mask(n), p);
}
X16_FN void x16_store_part(real *p, x16 a, int n)
{
    _mm512_mask_storeu_ps(p, x16_mask(n), a);
}
X16_FN x16 x16_all(real a)
{
    return _mm512_set1_ps(a);
}
X16_FN x16 x16_add(x16 a, x16 b)
{
    return _mm512_add_ps(a, b);
}
X16_FN x16 x16_sub(x16 a, x16 b)
{
    return _mm512_sub_ps(a, b);
}
X16_FN x16 x16_mul(x16 a, x16 b)
{
    return _mm512_mul_ps(a, b);
}
X16_FN x16 x16_div(x16 a, x16 b)
{
    return _mm512_div_ps(a, b);
}
X16_FN x16 x16_fma(x16 a, x16 b, x16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
X16_FN x16 x16_max(x16 a, x16 b)
{
    return _mm512_max_ps(a, b);
}
X16_FN x16 x16_abs(x16 a)
{
    return _mm512_abs_ps(a);
}
X16_FN x16 x16_if_gt(x16 a, x16 b, x16 yes, x16 no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
X16_FN x16 x16_if_nan(x16 a, x16 yes, x16 no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), no, yes);
}
X16_FN x16 x16_shift_exponent(x16 a, x16 n)
{
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(n), 23)));
}
X16_FN x16 x16_first(x16 a, int n, x16 rest)
{
    return _mm512_mask_blend_ps(x16_mask(n), rest, a);
}

#elif defined(__AVX2__) && !defined(PG_DOUBLE)
#include <immintrin.h>
typedef struct {
    __m256 l, h;
} x16;

X16_FN x16 x16_load(const real *p)
{
    return (x16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
X16_FN void x16_store(real *p, x16 a)
{
    _mm256_storeu_ps(p, a.l), _mm256_storeu_ps(p + 8, a.h);
}
/* Lane i of the low (from 0) or high (from 8) half is set when from + i < n. */
X16_FN __m256i x16_mask(int n, int from)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - from), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
X16_FN x16 x16_load_part(const real *p, int n)
{
    return (x16){_mm256_maskload_ps(p, x16_mask(n, 0)), _mm256_maskload_ps(p + 8, x16_mask(n, 8))};
}
X16_FN void x16_store_part(real *p, x16 a, int n)
{
    _mm256_maskstore_ps(p, x16_mask(n, 0), a.l), _mm256_maskstore_ps(p + 8, x16_mask(n, 8), a.h);
}
X16_FN x16 x16_all(real a)
{
    return (x16){_mm256_set1_ps(a), _mm256_set1_ps(a)};
}
X16_FN x16 x16_add(x16 a, x16 b)
{
    return (x16){_mm256_add_ps(a.l, b.l), _mm256_add_ps(a.h, b.h)};
}
X16_FN x16 x16_sub(x16 a, x16 b)
{
    return (x16){_mm256_sub_ps(a.l, b.l), _mm256_sub_ps(a.h, b.h)};
}
X16_FN x16 x16_mul(x16 a, x16 b)
{
    return (x16){_mm256_mul_ps(a.l, b.l), _mm256_mul_ps(a.h, b.h)};
}
X16_FN x16 x16_div(x16 a, x16 b)
{
    return (x16){_mm256_div_ps(a.l, b.l), _mm256_div_ps(a.h, b.h)};
}
X16_FN x16 x16_fma(x16 a, x16 b, x16 c)
{
    return (x16){_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)};
}
X16_FN x16 x16_max(x16 a, x16 b)
{
    return (x16){_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)};
}
X16_FN x16 x16_abs(x16 a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (x16){_mm256_andnot_ps(sign, a.l), _mm256_andnot_ps(sign, a.h)};
}
X16_FN x16 x16_if_gt(x16 a, x16 b, x16 yes, x16 no)
{
    return (x16){_mm256_blendv_ps(no.l, yes.l, _mm256_cmp_ps(a.l, b.l, _CMP_GT_OQ)),
                 _mm256_blendv_ps(no.h, yes.h, _mm256_cmp_ps(a.h, b.h, _CMP_GT_OQ))};
}
X16_FN x16 x16_if_nan(x16 a, x16 yes, x16 no)
{
    return (x16){_mm256_blendv_ps(no.l, yes.l, _mm256_cmp_ps(a.l, a.l, _CMP_UNORD_Q)),
                 _mm256_blendv_ps(no.h, yes.h, _mm256_cmp_ps(a.h, a.h, _CMP_UNORD_Q))};
}
X16_FN __m256 x16_shift_half(__m256 a, __m256 n)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
}
X16_FN x16 x16_shift_exponent(x16 a, x16 n)
{
    return (x16){x16_shift_half(a.l, n.l), x16_shift_half(a.h, n.h)};
}
X16_FN x16 x16_first(x16 a, int n, x16 rest)
{
    return (x16){_mm256_blendv_ps(rest.l, a.l, _mm256_castsi256_ps(x16_mask(n, 0))),
                 _mm256_blendv_ps(rest.h, a.h, _mm256_castsi256_ps(x16_mask(n, 8)))};
}

#else
/* Here a function is a loop over sixteen calls of fma(): forced inlining would make the kernels' code, and the time to
 * compile it, explode and gain nothing. */
#undef X16_FN
#define X16_FN static __attribute__((noinline, unused))
typedef struct {
    real v[X16];
} x16;

#ifdef PG_DOUBLE
#define X16_FMA fma
#define X16_ABS fabs
#else
#define X16_FMA fmaf
#define X16_ABS fabsf
#endif
#define X16_MAP(expr) \
    x16 y; \
    for (int i = 0; i < X16; i++) y.v[i] = (expr); \
    return y

X16_FN x16 x16_load(const real *p)
{
    X16_MAP(p[i]);
}
X16_FN void x16_store(real *p, x16 a)
{
    memcpy(p, a.v, sizeof a.v);
}
X16_FN x16 x16_load_part(const real *p, int n)
{
    X16_MAP(i < n ? p[i] : 0);
}
X16_FN void x16_store_part(real *p, x16 a, int n)
{
    memcpy(p, a.v, sizeof *p * (size_t)n);
}
X16_FN x16 x16_all(real a)
{
    X16_MAP(a);
}
X16_FN x16 x16_add(x16 a, x16 b)
{
    X16_MAP(a.v[i] + b.v[i]);
}
X16_FN x16 x16_sub(x16 a, x16 b)
{
    X16_MAP(a.v[i] - b.v[i]);
}
X16_FN x16 x16_mul(x16 a, x16 b)
{
    X16_MAP(a.v[i] * b.v[i]);
}
X16_FN x16 x16_div(x16 a, x16 b)
{
    X16_MAP(a.v[i] / b.v[i]);
}
X16_FN x16 x16_fma(x16 a, x16 b, x16 c)
{
    X16_MAP(X16_FMA(a.v[i], b.v[i], c.v[i]));
}
X16_FN x16 x16_max(x16 a, x16 b)
{
    X16_MAP(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}
X16_FN x16 x16_abs(x16 a)
{
    X16_MAP(X16_ABS(a.v[i]));
}
X16_FN x16 x16_if_gt(x16 a, x16 b, x16 yes, x16 no)
{
    X16_MAP(a.v[i] > b.v[i] ? yes.v[i] : no.v[i]);
}
X16_FN x16 x16_if_nan(x16 a, x16 yes, x16 no)
{
    X16_MAP(isnan(a.v[i]) ? yes.v[i] : no.v[i]);
}
X16_FN x16 x16_first(x16 a, int n, x16 rest)
{
    X16_MAP(i < n ? a.v[i] : rest.v[i]);
}
#ifndef PG_DOUBLE
X16_FN x16 x16_shift_exponent(x16 a, x16 n)
{
    for (int i = 0; i < X16; i++) {
        uint32_t bits, shift;
        memcpy(&bits, &a.v[i], 4);
        memcpy(&shift, &n.v[i], 4);
        bits += shift << 23;
        memcpy(&a.v[i], &bits, 4);
    }
    return a;
}
#endif
#endif

/* What the classes share. max(a, b) is a > b ? a : b in each, so of a NaN and a number it gives b. load_part fills with
 * zeros; first(a, n, rest) keeps the first n lanes of a; shift_exponent(a, n) adds the integer in n's low bits (see
 * x16_exp) to a's exponent. */

/* The lanes added in one tree: halves of 8, of 4, of 2, of 1; and the largest by the same tree. */
#if defined(__AVX2__) && !defined(PG_DOUBLE)
#ifdef __AVX512F__
#define X16_HALF(x, i) _mm256_castsi256_ps(_mm512_extracti64x4_epi64(_mm512_castps_si512(x), i))
#else
#define X16_HALF(x, i) ((i) ? (x).h : (x).l)
#endif
#define X16_FOLD(x, op256, op128, op1) \
    __m256 eight = op256(X16_HALF(x, 0), X16_HALF(x, 1)); \
    __m128 four = op128(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1)); \
    __m128 two = op128(four, _mm_movehl_ps(four, four)); \
    return _mm_cvtss_f32(op1(two, _mm_movehdup_ps(two)))

X16_FN real x16_sum(x16 a)
{
    X16_FOLD(a, _mm256_add_ps, _mm_add_ps, _mm_add_ss);
}

X16_FN real x16_largest(x16 a)
{
    X16_FOLD(a, _mm256_max_ps, _mm_max_ps, _mm_max_ss);
}
#else
X16_FN real x16_sum(x16 a)
{
    for (int half = X16 / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) a.v[i] += a.v[i + half];
    return a.v[0];
}

X16_FN real x16_largest(x16 a)
{
    for (int half = X16 / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
    return a.v[0];
}
#endif

#endif
