/* Row kernel of dropout. Column c of a row takes 16 bits of the Philox block (c / 8, row_key, who, salt): of its four
 * words, in order, the low half first. Body file: see row_kernels.h. */
#include "core/vec.h"

enum { BLOCKS = 8, DRAWS = 8 * BLOCKS }; /* blocks drawn at once; 16-bit draws in them */

#ifdef __AVX2__
#include <immintrin.h>

/* 32 x 32 bits a lane: the low halves and, in *high, the high halves. */
X16_FN __m256i multiply_wide(__m256i x, __m256i m, __m256i *high)
{
    __m256i even = _mm256_mul_epu32(x, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), m);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* The draws of 8 successive blocks, each in its own lane; then 4 words a block side by side. */
X16_FN void draw_blocks(const struct dropout_place *p, uint32_t block, uint16_t draw[DRAWS])
{
    __m256i c0 = _mm256_add_epi32(_mm256_set1_epi32((int)block), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i c1 = _mm256_set1_epi32((int)p->row_key), c2 = _mm256_set1_epi32((int)p->who);
    __m256i c3 = _mm256_set1_epi32((int)p->sub.salt), m0 = _mm256_set1_epi32((int)PHILOX_M0);
    __m256i m1 = _mm256_set1_epi32((int)PHILOX_M1);
    uint32_t k0 = p->sub.key[0], k1 = p->sub.key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        __m256i high0, high1, low0 = multiply_wide(c0, m0, &high0), low1 = multiply_wide(c2, m1, &high1);
        c0 = _mm256_xor_si256(_mm256_xor_si256(high1, c1), _mm256_set1_epi32((int)k0));
        c2 = _mm256_xor_si256(_mm256_xor_si256(high0, c3), _mm256_set1_epi32((int)k1));
        c1 = low1, c3 = low0;
    }
    __m256i a = _mm256_unpacklo_epi32(c0, c1), b = _mm256_unpacklo_epi32(c2, c3);
    __m256i c = _mm256_unpackhi_epi32(c0, c1), d = _mm256_unpackhi_epi32(c2, c3);
    __m256i quad[4] = {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d),
                       _mm256_unpackhi_epi64(c, d)}; /* quad[i]: blocks i and i + 4 */
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(void *)(draw + 8 * i), _mm256_castsi256_si128(quad[i]));
        _mm_storeu_si128((__m128i *)(void *)(draw + 8 * i + 32), _mm256_extracti128_si256(quad[i], 1));
    }
}
#else
X16_FN void draw_blocks(const struct dropout_place *p, uint32_t block, uint16_t draw[DRAWS])
{
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint32_t counter[4] = {block + b, p->row_key, p->who, p->sub.salt}, out[4];
        philox4x32(counter, p->sub.key, out);
        for (int i = 0; i < 8; i++) draw[8 * b + (uint32_t)i] = (uint16_t)(out[i / 2] >> 16 * (i % 2));
    }
}
#endif

static void row_dropout(const struct dropout_place *p, real *x, int n, int first_col)
{
    uint16_t draw[DRAWS];
    int block = first_col / 8, skip = first_col % 8; /* columns of the first block that lie before x */
    for (int c = 0; c < n; block += BLOCKS, skip = 0) {
        draw_blocks(p, (uint32_t)block, draw);
        int some = n - c < DRAWS - skip ? n - c : DRAWS - skip;
        for (int i = 0; i < some; i++) x[c + i] = draw[skip + i] >= p->threshold ? x[c + i] * p->scale : 0;
        c += some;
    }
}
