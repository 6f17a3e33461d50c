/* Row kernel of dropout. Column c of a row takes 16 bits of the Philox block (c / 8, row_key, who, salt): of its four
 * words, in order, the low half first. Body file: see row_kernels.h. */
#include "core/vec.h"

enum { SET = 64, MOST_SETS = 2 }; /* draws of 8 successive blocks; sets that are drawn side by side */

#ifdef __AVX2__
#include <immintrin.h>

/* 32 x 32 bits a lane: the low halves and, in *high, the high halves. */
X16_FN __m256i multiply_wide(__m256i x, __m256i m, __m256i *high)
{
    __m256i even = _mm256_mul_epu32(x, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), m);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* The four words of the blocks of one set, a block a lane, to draws: the words of a block side by side. */
X16_FN void store_set(const __m256i w[4], uint16_t draw[SET])
{
    __m256i a = _mm256_unpacklo_epi32(w[0], w[1]), b = _mm256_unpacklo_epi32(w[2], w[3]);
    __m256i c = _mm256_unpackhi_epi32(w[0], w[1]), d = _mm256_unpackhi_epi32(w[2], w[3]);
    __m256i quad[4] = {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d),
                       _mm256_unpackhi_epi64(c, d)}; /* quad[i]: blocks i and i + 4 */
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(void *)(draw + 8 * i), _mm256_castsi256_si128(quad[i]));
        _mm_storeu_si128((__m128i *)(void *)(draw + 8 * i + 32), _mm256_extracti128_si256(quad[i], 1));
    }
}

/* The draws of `sets` sets from `block` on; more than one at once hide each other's latency. */
X16_FN void draw_sets(const struct dropout_place *p, uint32_t block, int sets, uint16_t *draw)
{
    __m256i w[MOST_SETS][4], m0 = _mm256_set1_epi32((int)PHILOX_M0), m1 = _mm256_set1_epi32((int)PHILOX_M1);
    for (int s = 0; s < sets; s++) {
        w[s][0] = _mm256_add_epi32(_mm256_set1_epi32((int)(block + 8 * (uint32_t)s)),
                                   _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        w[s][1] = _mm256_set1_epi32((int)p->row_key);
        w[s][2] = _mm256_set1_epi32((int)p->who);
        w[s][3] = _mm256_set1_epi32((int)p->sub.salt);
    }
    uint32_t k0 = p->sub.key[0], k1 = p->sub.key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        for (int s = 0; s < sets; s++) {
            __m256i high0, high1, low0 = multiply_wide(w[s][0], m0, &high0), low1 = multiply_wide(w[s][2], m1, &high1);
            w[s][0] = _mm256_xor_si256(_mm256_xor_si256(high1, w[s][1]), _mm256_set1_epi32((int)k0));
            w[s][2] = _mm256_xor_si256(_mm256_xor_si256(high0, w[s][3]), _mm256_set1_epi32((int)k1));
            w[s][1] = low1, w[s][3] = low0;
        }
    }
    for (int s = 0; s < sets; s++) store_set(w[s], draw + SET * s);
}
#else
X16_FN void draw_sets(const struct dropout_place *p, uint32_t block, int sets, uint16_t *draw)
{
    for (uint32_t b = 0; b < 8 * (uint32_t)sets; b++) {
        uint32_t counter[4] = {block + b, p->row_key, p->who, p->sub.salt}, out[4];
        philox4x32(counter, p->sub.key, out);
        for (int i = 0; i < 8; i++) draw[8 * b + (uint32_t)i] = (uint16_t)(out[i / 2] >> 16 * (i % 2));
    }
}
#endif

X16_FN void drop_some(const uint16_t *draw, const struct dropout_place *p, int n, real *x)
{
    int i = 0;
#if defined(__AVX2__) && !defined(PG_DOUBLE)
    __m256i below = _mm256_set1_epi32((int)p->threshold - 1);
    __m256 scale = _mm256_set1_ps(p->scale);
    for (; i + 8 <= n; i += 8) {
        __m256i d = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(draw + i)));
        __m256 kept = _mm256_castsi256_ps(_mm256_cmpgt_epi32(d, below));
        _mm256_storeu_ps(x + i, _mm256_and_ps(kept, _mm256_mul_ps(_mm256_loadu_ps(x + i), scale)));
    }
#endif
    for (; i < n; i++) x[i] = draw[i] >= p->threshold ? x[i] * p->scale : 0;
}

static void row_dropout(const struct dropout_place *p, real *x, int n, int first_col)
{
    uint16_t draw[SET * MOST_SETS];
    int block = first_col / 8, skip = first_col % 8; /* columns of the first block that lie before x */
    while (n > 0) {
        int sets = skip + n > SET ? MOST_SETS : 1;
        if (sets == 1)
            draw_sets(p, (uint32_t)block, 1, draw);
        else
            draw_sets(p, (uint32_t)block, MOST_SETS, draw);
        int some = n < SET * sets - skip ? n : SET * sets - skip;
        drop_some(draw + skip, p, some, x);
        x += some, n -= some, block += 8 * sets, skip = 0;
    }
}
