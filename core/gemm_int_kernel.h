/* The integer product's kernel, compiled once a processor class by gemm_int_generic.c, gemm_int_avx2.c and
 * gemm_int_avx512.c, which name the table (INT_KERNELS). */
#include <string.h>
#include "core/gemm_int_inside.h"

#define INLINE static inline __attribute__((always_inline))

/* A vector of sums, and how many rows of two of them are computed together: as many as the compiler keeps in registers,
 * where it loads ahead. */
#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512i words;
enum { WIDTH = 16, ROWS = 8, WIDE_ROWS = 4 };
#define WORDS(operation, ...) _mm512_##operation(__VA_ARGS__)
#define WORDS_LOAD(p) _mm512_loadu_si512(p)
#define WORDS_STORE(p, x) _mm512_storeu_si512(p, x)
#define WORDS_ZERO _mm512_setzero_si512()
#define WORDS_AND(x, y) _mm512_and_si512(x, y)
#elif defined(__AVX2__)
#include <immintrin.h>
typedef __m256i words;
enum { WIDTH = 8, ROWS = 4, WIDE_ROWS = 3 };
#define WORDS(operation, ...) _mm256_##operation(__VA_ARGS__)
#define WORDS_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define WORDS_STORE(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define WORDS_ZERO _mm256_setzero_si256()
#define WORDS_AND(x, y) _mm256_and_si256(x, y)
#else
enum { WIDTH = 8, ROWS = 4, WIDE_ROWS = 4 };
#endif
enum { LANES = 2 * WIDTH };

/* sum += the products of one pair of a row with the pairs of a vector's lanes. */
#ifdef __AVX2__
INLINE words pair_of(const int16_t *a)
{
    int32_t both;
    memcpy(&both, a, sizeof both);
    return WORDS(set1_epi32, both);
}

INLINE words add_pair(words sum, words a, words b)
{
    return WORDS(add_epi32, sum, WORDS(madd_epi16, a, b));
}

/* high += sum / 2^16, rounded down; low += the rest. */
INLINE void split(words sum, words *high, words *low)
{
    *high = WORDS(add_epi32, *high, WORDS(srai_epi32, sum, 16));
    *low = WORDS(add_epi32, *low, WORDS_AND(sum, WORDS(set1_epi32, 0xffff)));
}
#else
typedef struct {
    int32_t v[WIDTH];
} words;
#define WORDS_ZERO \
    (words) \
    { \
        { \
            0 \
        } \
    }
#define WORDS_STORE(p, x) memcpy(p, (x).v, sizeof(words))

INLINE words WORDS_LOAD(const int16_t *p)
{
    words x;
    memcpy(x.v, p, sizeof x.v);
    return x;
}

INLINE words pair_of(const int16_t *a)
{
    words x;
    for (int i = 0; i < WIDTH; i++) memcpy(&x.v[i], a, sizeof x.v[i]);
    return x;
}

INLINE words add_pair(words sum, words a, words b)
{
    int16_t x[2 * WIDTH], y[2 * WIDTH];
    memcpy(x, a.v, sizeof x);
    memcpy(y, b.v, sizeof y);
    for (int i = 0; i < WIDTH; i++) sum.v[i] += x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    return sum;
}

INLINE void split(words sum, words *high, words *low)
{
    for (int i = 0; i < WIDTH; i++) {
        high->v[i] += sum.v[i] >> 16;
        low->v[i] += sum.v[i] & 0xffff;
    }
}
#endif

/* The sums of `rows` rows and one panel over some pairs, in 32 bits. */
INLINE void add_pairs(const int16_t *const *a, const int16_t *b, int from, int pairs, int rows, words (*sum)[2])
{
    for (int l = from; l < from + pairs; l++) {
        const int16_t *pairs_of_b = b + (ptrdiff_t)2 * LANES * l;
        words left = WORDS_LOAD(pairs_of_b), right = WORDS_LOAD(pairs_of_b + LANES);
        for (int r = 0; r < rows; r++) {
            words both = pair_of(a[r] + 2 * l);
            sum[r][0] = add_pair(sum[r][0], both, left);
            sum[r][1] = add_pair(sum[r][1], both, right);
        }
    }
}

/* One row of a tile: sums as reals to where they go. */
static void put_row(const struct int_piece *p, int row, int col, const real *sum)
{
    real *c = p->out.c + (ptrdiff_t)row * p->out.ldc + col;
    const struct fixed_power s = p->out.scale[row];
    const real *bias = p->out.bias ? p->out.bias + col : NULL;
    int cols = p->n - col < LANES ? p->n - col : LANES;
    for (int i = 0; i < cols; i++) {
        real value = sum[i] * s.factor[0] * s.factor[1];
        c[i] = p->out.accumulate ? c[i] + value : bias ? value + bias[i] : value;
    }
}

static void narrow_tile(const struct int_piece *p, const int16_t *const *a, const int16_t *b, int row, int col)
{
    words sum[ROWS][2];
    int32_t whole[LANES];
    real value[LANES];
    for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = WORDS_ZERO;
    add_pairs(a, b, 0, p->pairs, ROWS, sum);
    for (int r = 0; r < ROWS && row + r < p->m; r++) {
        WORDS_STORE(whole, sum[r][0]);
        WORDS_STORE(whole + WIDTH, sum[r][1]);
        for (int i = 0; i < LANES; i++) value[i] = (real)whole[i];
        put_row(p, row + r, col, value);
    }
}

/* Up to MOST_FOLDS sums of 32 bits, split into halves that are summed in 32 bits each. */
enum { MOST_FOLDS = 1 << 15 };
INLINE int add_folds(const int16_t *const *a, const int16_t *b, int from, int pairs, int fold, int64_t (*total)[LANES])
{
    words high[WIDE_ROWS][2], low[WIDE_ROWS][2], sum[WIDE_ROWS][2];
    int32_t h[LANES], l[LANES];
    for (int r = 0; r < WIDE_ROWS; r++) high[r][0] = high[r][1] = low[r][0] = low[r][1] = WORDS_ZERO;
    int at = from;
    for (int folds = 0; folds < MOST_FOLDS && at < pairs; folds++, at += fold) {
        for (int r = 0; r < WIDE_ROWS; r++) sum[r][0] = sum[r][1] = WORDS_ZERO;
        add_pairs(a, b, at, pairs - at < fold ? pairs - at : fold, WIDE_ROWS, sum);
        for (int r = 0; r < WIDE_ROWS; r++) {
            split(sum[r][0], &high[r][0], &low[r][0]);
            split(sum[r][1], &high[r][1], &low[r][1]);
        }
    }
    for (int r = 0; r < WIDE_ROWS; r++) {
        WORDS_STORE(h, high[r][0]);
        WORDS_STORE(h + WIDTH, high[r][1]);
        WORDS_STORE(l, low[r][0]);
        WORDS_STORE(l + WIDTH, low[r][1]);
        for (int i = 0; i < LANES; i++) total[r][i] += (int64_t)h[i] * 65536 + l[i];
    }
    return at;
}

static void wide_tile(const struct int_piece *p, const int16_t *const *a, const int16_t *b, int row, int col)
{
    int64_t total[WIDE_ROWS][LANES] = {{0}};
    real value[LANES];
    for (int at = 0; at < p->pairs;) {
        if (p->fold == 1)
            at = add_folds(a, b, at, p->pairs, 1, total);
        else
            at = add_folds(a, b, at, p->pairs, p->fold, total);
    }
    for (int r = 0; r < WIDE_ROWS && row + r < p->m; r++) {
        for (int i = 0; i < LANES; i++) value[i] = (real)total[r][i];
        put_row(p, row + r, col, value);
    }
}

static void piece(const struct int_piece *p)
{
    const int16_t *a[ROWS];
    bool narrow = p->fold >= p->pairs;
    int step = narrow ? ROWS : WIDE_ROWS;
    for (int j = 0; j < p->n; j += LANES)
        for (int i = 0; i < p->m; i += step) {
            for (int r = 0; r < step; r++) /* rows that are not there are others again */
                a[r] = p->a + (i + r < p->m ? i + r : p->m - 1) * p->lda;
            const int16_t *b = p->b + (size_t)(j / LANES) * p->panel;
            if (narrow)
                narrow_tile(p, a, b, i, j);
            else
                wide_tile(p, a, b, i, j);
        }
}

const struct int_kernels INT_KERNELS = {.lanes = LANES, .piece = piece};
