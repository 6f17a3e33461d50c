/* The bfloat16 product's kernels for the class "avx512bf16". Its instruction takes two k a step, the later one of the
 * pair first, into one chain. So the pairs are made of k that follow each other in a chain: of the even ones (2 with 0,
 * 6 with 4 ...) and of the odd ones (3 with 1 ...). */
#ifdef PG_DOUBLE
typedef int no_bf16_instructions_in_double;
#else
#define ORDER \
    { \
        2, 0, 6, 4, 10, 8, 14, 12, 18, 16, 22, 20, 26, 24, 30, 28, 3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21, 27, 25, \
            31, 29 \
    }
#define REORDER(x) \
    _mm512_permutexvar_epi16(_mm512_set_epi16(29, 31, 25, 27, 21, 23, 17, 19, 13, 15, 9, 11, 5, 7, 1, 3, 28, 30, 24, \
                                              26, 20, 22, 16, 18, 12, 14, 8, 10, 4, 6, 0, 2), \
                             x)
#include "core/gemm_bf16_pack.h"

enum { ROWS = 8 }; /* of C that are computed together */

/* One chain over a block: eight pairs. */
INLINE void chain(const uint16_t *a, const uint16_t *b, __m512 sum[ROWS])
{
    UNROLL
    for (int r = 0; r < ROWS; r++) sum[r] = _mm512_setzero_ps();
    UNROLL
    for (int p = 0; p < PAIRS / 2; p++) {
        __m512bh lane = (__m512bh)_mm512_load_si512(b + p * BF16_BLOCK);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            int pair;
            memcpy(&pair, a + r * BF16_BLOCK + 2 * p, sizeof pair);
            sum[r] = _mm512_dpbf16_ps(sum[r], (__m512bh)_mm512_set1_epi32(pair), lane);
        }
    }
}

static void strip(const struct bf16_piece *p, const uint16_t *a, const uint16_t *b, int rows, int cols, float *c,
                  const float *bias)
{
    __m512 even[ROWS], odd[ROWS], sum[ROWS];
    __mmask16 mask = first(cols);
    for (int r = 0; r < ROWS; r++)
        sum[r] = p->load && r < rows ? _mm512_maskz_loadu_ps(mask, c + r * p->ldc) : _mm512_setzero_ps();
    for (int block = 0; block < p->blocks; block++, a += BF16_TILE, b += BF16_TILE) {
        chain(a, b, even);
        chain(a + PAIRS, b + BF16_TILE / 2, odd);
        UNROLL
        for (int r = 0; r < ROWS; r++) sum[r] = _mm512_add_ps(sum[r], _mm512_add_ps(even[r], odd[r]));
    }
    for (int r = 0; r < ROWS && r < rows; r++) {
        if (bias) sum[r] = _mm512_add_ps(sum[r], _mm512_maskz_loadu_ps(mask, bias));
        _mm512_mask_storeu_ps(c + r * p->ldc, mask, sum[r]);
    }
}

static void piece(const struct bf16_piece *p)
{
    for (int j = 0; j < p->n; j += BF16_LANES) {
        const uint16_t *b = (const uint16_t *)(p->b + (size_t)(j / BF16_LANES) * p->panel_b);
        int cols = p->n - j < BF16_LANES ? p->n - j : BF16_LANES;
        for (int i = 0; i < p->m; i += ROWS) {
            const uint16_t *a =
                (const uint16_t *)(p->a + (size_t)(i / BF16_LANES) * p->panel_a) + i % BF16_LANES * BF16_BLOCK;
            strip(p, a, b, p->m - i, cols, p->c + i * p->ldc + j, p->bias ? p->bias + j : NULL);
        }
    }
}

const struct bf16_kernels bf16_avx512bf16 = {.unit = sizeof(uint16_t), .pack = pack, .piece = piece};
#endif
