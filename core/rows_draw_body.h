/* Row kernels that draw: dropout and stochastic rounding. Column c of a row takes 16 bits of the Philox block (c / 8,
 * row_key, who, salt): of its four words, in order, the low half first. Body file: see row_kernels.h. */
#include "core/vec.h"

#ifdef __AVX2__
#include <immintrin.h>

/* A vector of words, a block a lane. */
#ifdef __AVX512F__
typedef __m512i words;
enum { BLOCKS = 16 };
#define WORDS_ALL(x) _mm512_set1_epi32((int)(x))
#define WORDS_COUNT _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define WORDS(operation, ...) _mm512_##operation(__VA_ARGS__)
#define WORDS_XOR(x, y) _mm512_xor_si512(x, y)
#define WORDS_ODD(even, odd) _mm512_mask_blend_epi32(0xaaaa, even, odd) /* odd's odd lanes, even's even ones */
#define WORDS_QUARTER(x, i) _mm512_extracti32x4_epi32(x, i)
#else
typedef __m256i words;
enum { BLOCKS = 8 };
#define WORDS_ALL(x) _mm256_set1_epi32((int)(x))
#define WORDS_COUNT _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
#define WORDS(operation, ...) _mm256_##operation(__VA_ARGS__)
#define WORDS_XOR(x, y) _mm256_xor_si256(x, y)
#define WORDS_ODD(even, odd) _mm256_blend_epi32(even, odd, 0xaa)
#define WORDS_QUARTER(x, i) _mm256_extracti128_si256(x, i)
#endif
enum { SET = 8 * BLOCKS, MOST_SETS = 2 }; /* draws of successive blocks; sets that are drawn side by side */

/* 32 x 32 bits a lane: the low halves and, in *high, the high halves. */
X16_FN words multiply_wide(words x, words m, words *high)
{
    words even = WORDS(mul_epu32, x, m), odd = WORDS(mul_epu32, WORDS(srli_epi64, x, 32), m);
    *high = WORDS_ODD(WORDS(srli_epi64, even, 32), odd);
    return WORDS_ODD(even, WORDS(slli_epi64, odd, 32));
}

X16_FN void store_block(uint16_t *draw, __m128i block)
{
    _mm_storeu_si128((__m128i *)(void *)draw, block);
}

/* The four words of the blocks of one set to draws: the words of a block side by side. */
X16_FN void store_set(const words w[4], uint16_t draw[SET])
{
    words a = WORDS(unpacklo_epi32, w[0], w[1]), b = WORDS(unpacklo_epi32, w[2], w[3]);
    words c = WORDS(unpackhi_epi32, w[0], w[1]), d = WORDS(unpackhi_epi32, w[2], w[3]);
    words quad[4] = {WORDS(unpacklo_epi64, a, b), WORDS(unpackhi_epi64, a, b), WORDS(unpacklo_epi64, c, d),
                     WORDS(unpackhi_epi64, c, d)}; /* quad[i]: blocks i, i + 4, ... */
    for (int i = 0; i < 4; i++) {
        store_block(draw + 8 * i, WORDS_QUARTER(quad[i], 0));
        store_block(draw + 8 * i + 32, WORDS_QUARTER(quad[i], 1));
#ifdef __AVX512F__
        store_block(draw + 8 * i + 64, WORDS_QUARTER(quad[i], 2));
        store_block(draw + 8 * i + 96, WORDS_QUARTER(quad[i], 3));
#endif
    }
}

/* The draws of `sets` sets from `block` on; more than one at once hide each other's latency. */
X16_FN void draw_sets(const struct draw_place *p, uint32_t block, int sets, uint16_t *draw)
{
    words w[MOST_SETS][4], m0 = WORDS_ALL(PHILOX_M0), m1 = WORDS_ALL(PHILOX_M1);
    for (int s = 0; s < sets; s++) {
        w[s][0] = WORDS(add_epi32, WORDS_ALL(block + BLOCKS * (uint32_t)s), WORDS_COUNT);
        w[s][1] = WORDS_ALL(p->row_key);
        w[s][2] = WORDS_ALL(p->who);
        w[s][3] = WORDS_ALL(p->sub.salt);
    }
    uint32_t k0 = p->sub.key[0], k1 = p->sub.key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        for (int s = 0; s < sets; s++) {
            words high0, high1, low0 = multiply_wide(w[s][0], m0, &high0), low1 = multiply_wide(w[s][2], m1, &high1);
            w[s][0] = WORDS_XOR(WORDS_XOR(high1, w[s][1]), WORDS_ALL(k0));
            w[s][2] = WORDS_XOR(WORDS_XOR(high0, w[s][3]), WORDS_ALL(k1));
            w[s][1] = low1, w[s][3] = low0;
        }
    }
    for (int s = 0; s < sets; s++) store_set(w[s], draw + SET * s);
}
#else
enum { BLOCKS = 8, SET = 8 * BLOCKS, MOST_SETS = 2 };

X16_FN void draw_sets(const struct draw_place *p, uint32_t block, int sets, uint16_t *draw)
{
    for (uint32_t b = 0; b < BLOCKS * (uint32_t)sets; b++) {
        uint32_t counter[4] = {block + b, p->row_key, p->who, p->sub.salt}, out[4];
        philox4x32(counter, p->sub.key, out);
        for (int i = 0; i < 8; i++) draw[8 * b + (uint32_t)i] = (uint16_t)(out[i / 2] >> 16 * (i % 2));
    }
}
#endif

X16_FN void drop_some(const uint16_t *draw, const struct dropout_place *p, int n, const real *x, real *y)
{
    int i = 0;
#if defined(__AVX2__) && !defined(PG_DOUBLE)
    __m256i below = _mm256_set1_epi32((int)p->threshold - 1);
    __m256 scale = _mm256_set1_ps(p->scale);
    for (; i + 8 <= n; i += 8) {
        __m256i d = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(draw + i)));
        __m256 kept = _mm256_castsi256_ps(_mm256_cmpgt_epi32(d, below));
        _mm256_storeu_ps(y + i, _mm256_and_ps(kept, _mm256_mul_ps(_mm256_loadu_ps(x + i), scale)));
    }
#endif
    for (; i < n; i++) y[i] = draw[i] >= p->threshold ? x[i] * p->scale : 0;
}

static void row_dropout(const struct dropout_place *p, const real *x, int n, int first_col, real *y)
{
    uint16_t draw[SET * MOST_SETS];
    int block = first_col / 8, skip = first_col % 8; /* columns of the first block that lie before x */
    while (n > 0) {
        int sets = skip + n > SET ? MOST_SETS : 1;
        if (sets == 1)
            draw_sets(&p->at, (uint32_t)block, 1, draw);
        else
            draw_sets(&p->at, (uint32_t)block, MOST_SETS, draw);
        int some = n < SET * sets - skip ? n : SET * sets - skip;
        drop_some(draw + skip, p, some, x, y);
        x += some, y += some, n -= some, block += BLOCKS * sets, skip = 0;
    }
}

/* ---- dynamic fixed point (fixed_point.h) ---- */

#ifdef PG_DOUBLE
#define FIXED_RINT rint
#else
#define FIXED_RINT rintf
#endif

/* x in units of the scale, within the range of the mantissas: what clamping does after rounding it does before too. */
X16_FN real fixed_ratio(const struct fixed_row *f, real x)
{
    real ratio = x * f->up[0] * f->up[1];
    return ratio > f->limit ? f->limit : ratio < -f->limit ? -f->limit : ratio;
}

/* floor(ratio + u) in integers with 16 bits behind the point: none overflows, as a mantissa has 15 before it. */
X16_FN void fixed_some(const struct fixed_row *f, const uint16_t *draw, const real *x, int n, int16_t *m)
{
    for (int i = 0; i < n; i++) {
        int32_t whole = (int32_t)FIXED_RINT(fixed_ratio(f, x[i]) * 65536) + draw[i];
        m[i] = (int16_t)(whole >> 16);
    }
}

static void row_fixed(const struct fixed_row *f, const real *x, int n, int16_t *m)
{
    uint16_t draw[SET * MOST_SETS];
    if (!f->draw)
        for (int i = 0; i < n; i++) m[i] = (int16_t)(int32_t)FIXED_RINT(fixed_ratio(f, x[i]));
    for (int i = 0; f->draw && i < n; i += SET * MOST_SETS) {
        draw_sets(f->draw, (uint32_t)i / 8, MOST_SETS, draw);
        fixed_some(f, draw, x + i, n - i < SET * MOST_SETS ? n - i : SET * MOST_SETS, m + i);
    }
}
