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

/* Of C, 8 rows x 1 panel or 4 rows x 2 panels of columns are computed together: what both chains and the sums take is
 * three quarters of the registers. Two panels ask for six loads in place of nine for eight instructions. */
enum { TILES = 8 };

/* One chain over a block, eight pairs, for rows x panels; b's panels lie `apart` elements from each other. */
INLINE void chain(const uint16_t *a, const uint16_t *b, size_t apart, int panels, __m512 sum[TILES])
{
    UNROLL
    for (int t = 0; t < TILES; t++) sum[t] = _mm512_setzero_ps();
    UNROLL
    for (int p = 0; p < PAIRS / 2; p++) {
        __m512bh lane[2];
        UNROLL
        for (int q = 0; q < panels; q++) lane[q] = (__m512bh)_mm512_load_si512(b + q * apart + p * BF16_BLOCK);
        UNROLL
        for (int t = 0; t < TILES; t++) {
            int pair;
            memcpy(&pair, a + t / panels * BF16_BLOCK + 2 * p, sizeof pair);
            sum[t] = _mm512_dpbf16_ps(sum[t], (__m512bh)_mm512_set1_epi32(pair), lane[t % panels]);
        }
    }
}

/* C from (i, j) on: at most TILES / panels rows x 16 panels columns of it. */
INLINE void strip(const struct bf16_piece *p, int i, int j, int panels)
{
    const int rows = p->m - i;
    float *c = p->c + i * p->ldc + j;
    __m512 even[TILES], odd[TILES], sum[TILES];
    const __mmask16 mask[2] = {first(p->n - j), first(p->n - j - BF16_LANES)};
    UNROLL
    for (int t = 0; t < TILES; t++) {
        const int q = t % panels, col = q * BF16_LANES;
        const float *from = p->load ? c + t / panels * p->ldc + col : p->bias ? p->bias + j + col : NULL;
        sum[t] = from && t / panels < rows ? _mm512_maskz_loadu_ps(mask[q], from) : _mm512_setzero_ps();
    }
    for (const struct bf16_run *r = p->run; r < p->run + p->runs; r++) {
        const size_t apart = r->panel_b / sizeof(uint16_t);
        const uint16_t *a = bf16_rows(r, i), *b = bf16_columns(r, j);
        a += i % BF16_LANES * BF16_BLOCK;
        for (int block = 0; block < r->blocks; block++, a += BF16_TILE, b += BF16_TILE) {
            chain(a, b, apart, panels, even);
            chain(a + PAIRS, b + BF16_TILE / 2, apart, panels, odd);
            UNROLL
            for (int t = 0; t < TILES; t++) sum[t] = _mm512_add_ps(sum[t], _mm512_add_ps(even[t], odd[t]));
        }
    }
    UNROLL
    for (int t = 0; t < TILES; t++) {
        if (t / panels >= rows) break;
        _mm512_mask_storeu_ps(c + t / panels * p->ldc + t % panels * BF16_LANES, mask[t % panels], sum[t]);
    }
}

/* A column of C, `panels` panels wide. */
INLINE void column(const struct bf16_piece *p, int j, int panels)
{
    for (int i = 0; i < p->m; i += TILES / panels) strip(p, i, j, panels);
}

static void piece(const struct bf16_piece *p)
{
    int j = 0;
    for (; j + BF16_LANES < p->n; j += 2 * BF16_LANES) column(p, j, 2);
    if (j < p->n) column(p, j, 1);
}

const struct bf16_kernels bf16_avx512bf16 = {.unit = sizeof(uint16_t), .pack = pack, .piece = piece};
#endif
