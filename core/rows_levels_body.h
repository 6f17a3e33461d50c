/* The row kernel of quantised weights: one product of a table's entry and a scale. Body file: see row_kernels.h. */
#include "core/vec.h"

#if defined(__AVX512F__) && !defined(PG_DOUBLE)
enum { CODES = 16 };
struct level_table {
    __m512 all;
};
X16_FN struct level_table level_table(const float *level)
{
    return (struct level_table){_mm512_loadu_ps(level)};
}
X16_FN void take_levels(const uint8_t *code, const struct level_table *t, float scale, real *y)
{
    __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)code));
    _mm512_storeu_ps(y, _mm512_mul_ps(_mm512_permutexvar_ps(index, t->all), _mm512_set1_ps(scale)));
}
#elif defined(__AVX2__) && !defined(PG_DOUBLE)
enum { CODES = 8 };
struct level_table {
    __m256 low, high;
};
X16_FN struct level_table level_table(const float *level)
{
    return (struct level_table){_mm256_loadu_ps(level), _mm256_loadu_ps(level + 8)};
}
/* A permutation reads three bits of the code; the fourth, moved to the sign's place, chooses the half. */
X16_FN void take_levels(const uint8_t *code, const struct level_table *t, float scale, real *y)
{
    __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)code));
    __m256 low = _mm256_permutevar8x32_ps(t->low, index), high = _mm256_permutevar8x32_ps(t->high, index);
    __m256 value = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
    _mm256_storeu_ps(y, _mm256_mul_ps(value, _mm256_set1_ps(scale)));
}
#else
enum { CODES = 1 };
struct level_table {
    const float *level;
};
X16_FN struct level_table level_table(const float *level)
{
    return (struct level_table){level};
}
X16_FN void take_levels(const uint8_t *code, const struct level_table *t, float scale, real *y)
{
    float value = t->level[*code] * scale;
    *y = value;
}
#endif

static void row_levels(const uint8_t *code, int n, const float level[16], float scale, real *y)
{
    const struct level_table table = level_table(level);
    int c = 0;
    for (; c + CODES <= n; c += CODES) take_levels(code + c, &table, scale, y + c);
    for (; c < n; c++) {
        float value = level[code[c]] * scale;
        y[c] = value;
    }
}
