/* The kernels' body, compiled once a processor class by gemm_generic.c, gemm_avx2.c and gemm_avx512.c, which name the
 * entry point (GEMM_PIECE). The vector type follows from the compiler's target; lanes hold different outputs and never
 * meet, so the width shows in no bit.
 *
 * A micro-tile is up to MR1 x 1 or MR2 x 2 vectors of C, held in registers. B comes as panels of one or two vectors of
 * columns, packed as [k][width] and padded with zeros, or straight from memory where its rows are used too few times to
 * pay for packing. A is broadcast from where it lies when its rows run along k, else packed as [tile][k][rows]. */
#include <math.h>
#include <string.h>
#include "core/gemm_inside.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__) && defined(PG_DOUBLE)
enum { LANES = 8, MR1 = 12, MR2 = 12 };
typedef __m512d vec;
#define v_load _mm512_loadu_pd
#define v_store _mm512_storeu_pd
#define v_all _mm512_set1_pd
#define v_fma _mm512_fmadd_pd
#define v_zero _mm512_setzero_pd
#elif defined(__AVX512F__)
enum { LANES = 16, MR1 = 12, MR2 = 12 };
typedef __m512 vec;
#define v_load _mm512_loadu_ps
#define v_store _mm512_storeu_ps
#define v_all _mm512_set1_ps
#define v_fma _mm512_fmadd_ps
#define v_zero _mm512_setzero_ps
#elif defined(__AVX2__) && defined(PG_DOUBLE)
enum { LANES = 4, MR1 = 12, MR2 = 6 };
typedef __m256d vec;
#define v_load _mm256_loadu_pd
#define v_store _mm256_storeu_pd
#define v_all _mm256_set1_pd
#define v_fma _mm256_fmadd_pd
#define v_zero _mm256_setzero_pd
#elif defined(__AVX2__)
enum { LANES = 8, MR1 = 12, MR2 = 6 };
typedef __m256 vec;
#define v_load _mm256_loadu_ps
#define v_store _mm256_storeu_ps
#define v_all _mm256_set1_ps
#define v_fma _mm256_fmadd_ps
#define v_zero _mm256_setzero_ps
#else
/* One lane: fma() is a call of the C library here, and that is where the time goes. */
enum { LANES = 1, MR1 = 12, MR2 = 6 };
typedef real vec;
#define v_load(p) (*(p))
#define v_store(p, x) (*(p) = (x))
#define v_all(x) (x)
#define v_zero() ((real)0)
#ifdef PG_DOUBLE
#define v_fma fma
#else
#define v_fma fmaf
#endif
#endif

enum { WIDTH = 2 * LANES, ROWS = 12 }; /* of a full panel; of the tallest micro-tile */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* ---- micro-kernels ------------------------------------------------------------------------------------------------
 */

/* c[mr][nv * LANES] = (load ? c : 0) and then the chain over k of a[i*ars + l*aks] * b[l*bks + j]. */
INLINE void micro(int mr, int nv, int k, const real *a, ptrdiff_t ars, ptrdiff_t aks, const real *b, ptrdiff_t bks,
                  real *c, ptrdiff_t ldc, bool load)
{
    vec acc[ROWS][2];
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) acc[i][v] = load ? v_load(c + i * ldc + v * LANES) : v_zero();
    }
    const real *row[ROWS / 3]; /* every third row of A; x86 reaches the two between by scaled indices */
    UNROLL
    for (int i = 0; i < mr; i += 3) row[i / 3] = a + i * ars;
    for (int l = 0; l < k; l++) {
        vec bv[2];
        UNROLL
        for (int v = 0; v < nv; v++) bv[v] = v_load(b + v * LANES);
        UNROLL
        for (int i = 0; i < mr; i++) {
            vec av = v_all(row[i / 3][i % 3 * ars]);
            UNROLL
            for (int v = 0; v < nv; v++) acc[i][v] = v_fma(av, bv[v], acc[i][v]);
        }
        b += bks;
        UNROLL
        for (int i = 0; i < mr; i += 3) row[i / 3] += aks;
    }
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) v_store(c + i * ldc + v * LANES, acc[i][v]);
    }
}

typedef void micro_fn(int k, const real *a, ptrdiff_t ars, ptrdiff_t aks, const real *b, ptrdiff_t bks, real *c,
                      ptrdiff_t ldc, bool load);

#define MICRO(mr, nv) \
    static void micro_##mr##x##nv(int k, const real *a, ptrdiff_t ars, ptrdiff_t aks, const real *b, ptrdiff_t bks, \
                                  real *c, ptrdiff_t ldc, bool load) \
    { \
        micro(mr, nv, k, a, ars, aks, b, bks, c, ldc, load); \
    }
/* clang-format off */
MICRO(1, 1) MICRO(2, 1) MICRO(3, 1) MICRO(4, 1) MICRO(5, 1) MICRO(6, 1)
MICRO(7, 1) MICRO(8, 1) MICRO(9, 1) MICRO(10, 1) MICRO(11, 1) MICRO(12, 1)
MICRO(1, 2) MICRO(2, 2) MICRO(3, 2) MICRO(4, 2) MICRO(5, 2) MICRO(6, 2)
static micro_fn *const micro_one[ROWS] = {micro_1x1, micro_2x1, micro_3x1, micro_4x1, micro_5x1, micro_6x1,
                                          micro_7x1, micro_8x1, micro_9x1, micro_10x1, micro_11x1, micro_12x1};
#ifdef __AVX512F__
MICRO(7, 2) MICRO(8, 2) MICRO(9, 2) MICRO(10, 2) MICRO(11, 2) MICRO(12, 2)
static micro_fn *const micro_two[ROWS] = {micro_1x2, micro_2x2, micro_3x2, micro_4x2, micro_5x2, micro_6x2,
                                          micro_7x2, micro_8x2, micro_9x2, micro_10x2, micro_11x2, micro_12x2};
#else
static micro_fn *const micro_two[ROWS] = {micro_1x2, micro_2x2, micro_3x2, micro_4x2, micro_5x2, micro_6x2};
#endif
/* clang-format on */

/* ---- packing ------------------------------------------------------------------------------------------------------
 */

/* dst[l*width + j] = src[l*ld + j] for k rows of n <= width values, zeros beyond. */
static void copy_panel(const real *src, ptrdiff_t ld, int k, int n, int width, real *dst)
{
    for (int l = 0; l < k; l++, src += ld, dst += width) {
        if (n == WIDTH) {
            v_store(dst, v_load(src));
            v_store(dst + LANES, v_load(src + LANES));
        } else {
            for (int j = 0; j < n; j++) dst[j] = src[j];
            for (int j = n; j < width; j++) dst[j] = 0;
        }
    }
}

#if defined(__AVX2__) && !defined(PG_DOUBLE)
enum { SQUARE = 8 };
/* dst[l*width + j] = src[j*ld + l], 8 x 8: halves of rows j and j+4 share a register, so no shuffle crosses its middle.
 */
INLINE void transpose_square(const real *src, ptrdiff_t ld, real *dst, ptrdiff_t width)
{
    UNROLL
    for (int h = 0; h < 8; h += 4) {
        __m256 r[4];
        UNROLL
        for (int j = 0; j < 4; j++)
            r[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(src + j * ld + h)),
                                        _mm_loadu_ps(src + (j + 4) * ld + h), 1);
        __m256 lo01 = _mm256_unpacklo_ps(r[0], r[1]), hi01 = _mm256_unpackhi_ps(r[0], r[1]);
        __m256 lo23 = _mm256_unpacklo_ps(r[2], r[3]), hi23 = _mm256_unpackhi_ps(r[2], r[3]);
        _mm256_storeu_ps(dst + (h + 0) * width, _mm256_shuffle_ps(lo01, lo23, 0x44));
        _mm256_storeu_ps(dst + (h + 1) * width, _mm256_shuffle_ps(lo01, lo23, 0xee));
        _mm256_storeu_ps(dst + (h + 2) * width, _mm256_shuffle_ps(hi01, hi23, 0x44));
        _mm256_storeu_ps(dst + (h + 3) * width, _mm256_shuffle_ps(hi01, hi23, 0xee));
    }
}
#else
enum { SQUARE = 1 };
INLINE void transpose_square(const real *src, ptrdiff_t ld, real *dst, ptrdiff_t width)
{
    (void)ld, (void)width;
    *dst = *src;
}
#endif

/* dst[l*width + j] = src[j*ld + l] for n <= width rows of k values, zeros beyond. */
static void transpose_panel(const real *src, ptrdiff_t ld, int k, int n, int width, real *dst)
{
    int whole_k = k / SQUARE * SQUARE, whole_n = n / SQUARE * SQUARE;
    for (int j = 0; j < whole_n; j += SQUARE)
        for (int l = 0; l < whole_k; l += SQUARE)
            transpose_square(src + j * ld + l, ld, dst + (ptrdiff_t)l * width + j, width);
    for (int j = 0; j < n; j++)
        for (int l = j < whole_n ? whole_k : 0; l < k; l++) dst[(ptrdiff_t)l * width + j] = src[j * ld + l];
    if (n == width) return;
    for (int l = 0; l < k; l++)
        for (int j = n; j < width; j++) dst[(ptrdiff_t)l * width + j] = 0;
}

INLINE int panel_width(int columns)
{
    return columns <= LANES ? LANES : WIDTH;
}

/* Rows l0 .. l0+k-1, columns j0 .. j0+n-1 of B as panels, one after the other. */
static void pack_b(const struct gemm_in *b, int l0, int k, int j0, int n, struct gemm_buffers *buf)
{
    if (b->w != NULL && !b->trans) { /* whole rows of the weight, as many as the buffer takes */
        int some = GEMM_RAW / n;
        for (int l = 0; l < k; l += some) {
            int rows = k - l < some ? k - l : some;
            b->w->tile(b->w, l0 + l, rows, j0, n, buf->raw, n);
            for (int j = 0; j < n; j += WIDTH) {
                int cols = n - j < WIDTH ? n - j : WIDTH, width = panel_width(cols);
                copy_panel(buf->raw + j, n, rows, cols, width, buf->b + (ptrdiff_t)j * k + (ptrdiff_t)l * width);
            }
        }
        return;
    }
    for (int j = 0; j < n; j += WIDTH) {
        int cols = n - j < WIDTH ? n - j : WIDTH, width = panel_width(cols);
        real *dst = buf->b + (ptrdiff_t)j * k;
        if (b->w != NULL) {
            b->w->tile(b->w, j0 + j, cols, l0, k, buf->raw, k);
            transpose_panel(buf->raw, k, k, cols, width, dst);
        } else if (b->trans) {
            transpose_panel(b->p + (ptrdiff_t)(j0 + j) * b->ld + l0, b->ld, k, cols, width, dst);
        } else {
            copy_panel(b->p + (ptrdiff_t)l0 * b->ld + j0 + j, b->ld, k, cols, width, dst);
        }
    }
}

/* Rows of a block are cut into tiles of nearly equal height: tile t begins at row t*m/tiles. */
INLINE int tile_begin(int m, int tiles, int t)
{
    return t * m / tiles;
}

INLINE void copy_columns(int mr, const real *src, ptrdiff_t ld, int k, real *dst)
{
    for (int l = 0; l < k; l++, src += ld, dst += mr) {
        UNROLL
        for (int i = 0; i < mr; i++) dst[i] = src[i];
    }
}

/* k rows (of k_all) of m values, each row an l, into the tiles' [k_all][rows] from row l on. */
static void pack_columns(const real *src, ptrdiff_t ld, int l, int k, int k_all, int m, int tiles, real *dst)
{
    for (int t = 0; t < tiles; t++) {
        int i = tile_begin(m, tiles, t), mr = tile_begin(m, tiles, t + 1) - i;
        real *to = dst + (ptrdiff_t)i * k_all + (ptrdiff_t)l * mr;
        switch (mr) {
        case 4: copy_columns(4, src + i, ld, k, to); break;
        case 5: copy_columns(5, src + i, ld, k, to); break;
        case 6: copy_columns(6, src + i, ld, k, to); break;
        case 8: copy_columns(8, src + i, ld, k, to); break;
        case 11: copy_columns(11, src + i, ld, k, to); break;
        case 12: copy_columns(12, src + i, ld, k, to); break;
        default: copy_columns(mr, src + i, ld, k, to);
        }
    }
}

/* A block of A as the micro-kernels read it: element (i, l) of tile t is p[t's first row * tile_step + i*ars + l*aks].
 */
struct block_a {
    const real *p;
    ptrdiff_t tile_step, ars; /* ars 1: packed, the stride along l is the tile's height */
};

static struct block_a take_a(const struct gemm_in *a, int i0, int m, int l0, int k, int tiles, struct gemm_buffers *buf)
{
    if (a->w != NULL && !a->trans) {
        a->w->tile(a->w, i0, m, l0, k, buf->a, k);
        return (struct block_a){buf->a, k, k};
    }
    if (!a->trans) return (struct block_a){a->p + (ptrdiff_t)i0 * a->ld + l0, a->ld, a->ld};
    if (a->w != NULL) {
        int some = GEMM_RAW / m;
        for (int l = 0; l < k; l += some) {
            int rows = k - l < some ? k - l : some;
            a->w->tile(a->w, l0 + l, rows, i0, m, buf->raw, m);
            pack_columns(buf->raw, m, l, rows, k, m, tiles, buf->a);
        }
    } else {
        pack_columns(a->p + (ptrdiff_t)l0 * a->ld + i0, a->ld, 0, k, k, m, tiles, buf->a);
    }
    return (struct block_a){buf->a, k, 1};
}

/* ---- one piece ----------------------------------------------------------------------------------------------------
 */

/* A micro-tile that is not whole vectors of one row of C: through a buffer. */
static void micro_through(micro_fn *fn, int mr, int cols, int k, const real *a, ptrdiff_t ars, ptrdiff_t aks,
                          const real *b, ptrdiff_t bks, real *c, ptrdiff_t row, ptrdiff_t col, bool load)
{
    real tile[ROWS * WIDTH];
    if (load) {
        memset(tile, 0, sizeof tile);
        for (int i = 0; i < mr; i++)
            for (int j = 0; j < cols; j++) tile[i * WIDTH + j] = c[i * row + j * col];
    }
    fn(k, a, ars, aks, b, bks, tile, WIDTH, load);
    if (col == 1) {
        for (int i = 0; i < mr; i++)
            for (int j = 0; j < cols; j++) c[i * row + j] = tile[i * WIDTH + j];
    } else {
        for (int j = 0; j < cols; j++)
            for (int i = 0; i < mr; i++) c[i + j * col] = tile[i * WIDTH + j];
    }
}

static void add_bias(const struct gemm_problem *p, int i0, int m, int j0, int n)
{
    if (p->bias == NULL) return;
    if (p->turned) {
        for (int j = j0; j < j0 + n; j++)
            for (int i = i0; i < i0 + m; i++) p->c[i * p->row + j * p->col] += p->bias[i];
    } else {
        for (int i = i0; i < i0 + m; i++)
            for (int j = j0; j < j0 + n; j++) p->c[i * p->row + j] += p->bias[j];
    }
}

struct block {
    const struct gemm_problem *p;
    int i0, m, j0, n, l0, k;
    int tiles;
    bool load;
};

/* Columns j .. j+cols-1 of the block: all tiles of rows against one panel of B. */
static void one_panel(const struct block *s, const struct block_a *a, int j, int cols, const real *b, ptrdiff_t bks)
{
    const struct gemm_problem *p = s->p;
    bool two = cols > LANES, whole = cols == (two ? WIDTH : LANES) && p->col == 1;
    for (int t = 0; t < s->tiles; t++) {
        int i = tile_begin(s->m, s->tiles, t), mr = tile_begin(s->m, s->tiles, t + 1) - i;
        micro_fn *fn = two ? micro_two[mr - 1] : micro_one[mr - 1];
        const real *at = a->p + i * a->tile_step;
        ptrdiff_t aks = a->ars == 1 ? mr : 1;
        real *c = p->c + (s->i0 + i) * p->row + (s->j0 + j) * p->col;
        if (whole)
            fn(s->k, at, a->ars, aks, b, bks, c, p->row, s->load);
        else
            micro_through(fn, mr, cols, s->k, at, a->ars, aks, b, bks, c, p->row, p->col, s->load);
    }
}

void GEMM_PIECE(const struct gemm_problem *p, int i0, int m, int j0, int n, struct gemm_buffers *buf)
{
    int mr = n <= LANES ? MR1 : MR2;
    int k_blocks = p->k > GEMM_KC ? (p->k + GEMM_KC - 1) / GEMM_KC : 1, m_blocks = (m + GEMM_MC - 1) / GEMM_MC;
    int k_step = ((p->k + k_blocks - 1) / k_blocks + 7) / 8 * 8;
    bool direct = p->b.w == NULL && !p->b.trans && m <= 2 * mr;
    struct block s = {.p = p, .j0 = j0, .n = n};
    do {
        s.k = p->k - s.l0 < k_step ? p->k - s.l0 : k_step;
        s.load = p->accumulate || s.l0 > 0;
        const real *b = direct ? p->b.p + (ptrdiff_t)s.l0 * p->b.ld + j0 : NULL;
        int packed_from = direct ? n / LANES * LANES : 0; /* a vector may not reach beyond the row's end */
        if (packed_from < n) pack_b(&p->b, s.l0, s.k, j0 + packed_from, n - packed_from, buf);
        for (int t = 0; t < m_blocks; t++) {
            s.i0 = i0 + tile_begin(m, m_blocks, t), s.m = i0 + tile_begin(m, m_blocks, t + 1) - s.i0;
            s.tiles = (s.m + mr - 1) / mr;
            struct block_a a = take_a(&p->a, s.i0, s.m, s.l0, s.k, s.tiles, buf);
            for (int j = 0; j < packed_from; j += WIDTH)
                one_panel(&s, &a, j, packed_from - j < WIDTH ? LANES : WIDTH, b + j, p->b.ld);
            for (int j = packed_from; j < n; j += WIDTH) {
                int cols = n - j < WIDTH ? n - j : WIDTH;
                one_panel(&s, &a, j, cols, buf->b + (ptrdiff_t)(j - packed_from) * s.k, panel_width(cols));
            }
            if (s.l0 + s.k >= p->k) add_bias(p, s.i0, s.m, j0, n);
        }
        s.l0 += s.k;
    } while (s.l0 < p->k);
}
