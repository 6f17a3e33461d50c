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

#ifdef __SSE__
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

enum {
    WIDTH = 2 * LANES,        /* of a full panel */
    ROWS = 12,                /* of the tallest micro-tile */
    LINE = 64 / sizeof(real), /* of the cache */
    AHEAD = 64,               /* steps of k; some hundred cycles, what memory takes to answer */
    AT_ONCE = 2,              /* steps of k in one go of packed operands; of more gcc spills a sum */
    STRIP = 8,                /* rows that are packed together where they run along the panels or tiles */
};
#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__ /* its releases know GCC's pragma from late on only, and without it the sums live in memory */
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_K _Pragma("clang loop unroll_count(4)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_K _Pragma("GCC unroll 4")
#endif

/* ---- micro-kernels ------------------------------------------------------------------------------------------------
 */

/* One micro-tile: c[mr][nv * LANES] = (load ? c : 0) and then the chain over k of a[i*ars + l*aks] * b[l*bks + j]. */
struct work {
    int k;
    bool load;
    const real *a, *b;
    ptrdiff_t ars, aks, bks;
    real *c;
    ptrdiff_t ldc;
    const real *next; /* where in C the tile begins that comes after this one */
    ptrdiff_t next_ld;
};

/* Some steps of k where A and B are packed: all strides are constants, so that a step is nothing but its loads and
 * products. That counts where two threads of a processor's core share what it can take in a cycle. Returns l. */
INLINE int packed_steps(int mr, int nv, int l, int end, int unroll, const real **a, const real **b, vec acc[ROWS][2])
{
    for (; l + unroll <= end; l += unroll) {
        UNROLL
        for (int u = 0; u < unroll; u++) {
            vec bv[2];
            UNROLL
            for (int v = 0; v < nv; v++) bv[v] = v_load(*b + (u * nv + v) * LANES);
            UNROLL
            for (int i = 0; i < mr; i++) {
                vec av = v_all((*a)[u * mr + i]);
                UNROLL
                for (int v = 0; v < nv; v++) acc[i][v] = v_fma(av, bv[v], acc[i][v]);
            }
        }
        *a += unroll * mr, *b += unroll * nv * LANES;
    }
    return l;
}

/* All steps of k at any strides. */
INLINE void strided_steps(int mr, int nv, const struct work *w, vec acc[ROWS][2])
{
    const real *b = w->b, *row[ROWS / 3]; /* every third row of A; x86 reaches the two between by scaled indices */
    ptrdiff_t ars = w->ars, aks = w->aks, bks = w->bks;
    UNROLL
    for (int i = 0; i < mr; i += 3) row[i / 3] = w->a + i * ars;
    UNROLL_K
    for (int l = 0; l < w->k; l++) {
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
}

/* The lines of the next tile of C are called for AHEAD steps before the end. Called for at the start they would be gone
 * again: rows that lie a large power of two apart share few places of the nearest cache with each other and with all
 * that this tile reads. */
INLINE void micro(int mr, int nv, const struct work *w)
{
    vec acc[ROWS][2];
    real *c = w->c;
    ptrdiff_t ldc = w->ldc;
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) acc[i][v] = w->load ? v_load(c + i * ldc + v * LANES) : v_zero();
    }
    if (w->ars == 1 && w->aks == mr && w->bks == nv * LANES) {
        const real *a = w->a, *b = w->b;
        int l = packed_steps(mr, nv, 0, w->k - AHEAD, AT_ONCE, &a, &b, acc);
        UNROLL
        for (int i = 0; i < mr; i++) __builtin_prefetch(w->next + i * w->next_ld, 1);
        l = packed_steps(mr, nv, l, w->k, AT_ONCE, &a, &b, acc);
        packed_steps(mr, nv, l, w->k, 1, &a, &b, acc);
    } else {
        strided_steps(mr, nv, w, acc);
    }
    UNROLL
    for (int i = 0; i < mr; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) v_store(c + i * ldc + v * LANES, acc[i][v]);
    }
}

typedef void micro_fn(const struct work *);

#define MICRO(mr, nv) \
    static void micro_##mr##x##nv(const struct work *w) \
    { \
        micro(mr, nv, w); \
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
/* dst[l*width + j] = row[j][l], 8 x 8: halves of rows j and j+4 share a register, so no shuffle crosses its middle. */
INLINE void transpose_square(const real *const row[SQUARE], int l, real *dst, ptrdiff_t width)
{
    UNROLL
    for (int h = 0; h < 8; h += 4) {
        __m256 r[4];
        UNROLL
        for (int j = 0; j < 4; j++)
            r[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[j] + l + h)),
                                        _mm_loadu_ps(row[j + 4] + l + h), 1);
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
INLINE void transpose_square(const real *const row[SQUARE], int l, real *dst, ptrdiff_t width)
{
    (void)width;
    *dst = row[0][l];
}
#endif

/* The rows of a square of which only `rows` exist: the last one stands in for those beyond. */
INLINE void square_rows(const real *src, ptrdiff_t ld, int rows, const real *row[SQUARE])
{
    UNROLL
    for (int i = 0; i < SQUARE; i++) row[i] = src + (i < rows ? i : rows - 1) * ld;
}

/* dst[l*width + j] = src[j*ld + l] for n <= width rows of k values, zeros beyond. */
static void transpose_panel(const real *src, ptrdiff_t ld, int k, int n, int width, real *dst)
{
    int whole_k = k / SQUARE * SQUARE, whole_n = n / SQUARE * SQUARE;
    for (int j = 0; j < whole_n; j += SQUARE) {
        const real *row[SQUARE];
        square_rows(src + j * ld, ld, SQUARE, row);
        for (int l = 0; l < whole_k; l += SQUARE) transpose_square(row, l, dst + (ptrdiff_t)l * width + j, width);
    }
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

/* Rows of B from row l of k_all on into the panels; a few rows at a time, so that both sides are runs of memory. */
static void copy_panels(const real *src, ptrdiff_t ld, int l, int k, int k_all, int n, real *dst)
{
    for (int end = l + k; l < end; l += STRIP, src += STRIP * ld) {
        int rows = end - l < STRIP ? end - l : STRIP;
        for (int j = 0; j < n; j += WIDTH) {
            int cols = n - j < WIDTH ? n - j : WIDTH, width = panel_width(cols);
            copy_panel(src + j, ld, rows, cols, width, dst + (ptrdiff_t)j * k_all + (ptrdiff_t)l * width);
        }
    }
}

/* Rows l0 .. l0+k-1, columns j0 .. j0+n-1 of B as panels, one after the other. */
static void pack_b(const struct gemm_in *b, int l0, int k, int j0, int n, struct gemm_buffers *buf)
{
    if (!b->trans && b->w == NULL) {
        copy_panels(b->p + (ptrdiff_t)l0 * b->ld + j0, b->ld, 0, k, k, n, buf->b);
        return;
    }
    if (!b->trans) { /* whole rows of the weight, as many as the buffer takes */
        int some = GEMM_RAW / n;
        for (int l = 0; l < k; l += some) {
            int rows = k - l < some ? k - l : some;
            b->w->tile(b->w, l0 + l, rows, j0, n, buf->raw, n);
            copy_panels(buf->raw, n, l, rows, k, n, buf->b);
        }
        return;
    }
    for (int j = 0; j < n; j += WIDTH) {
        int cols = n - j < WIDTH ? n - j : WIDTH, width = panel_width(cols);
        const real *src = b->p + (ptrdiff_t)(j0 + j) * b->ld + l0;
        ptrdiff_t ld = b->ld;
        if (b->w != NULL) {
            b->w->tile(b->w, j0 + j, cols, l0, k, buf->raw, k);
            src = buf->raw, ld = k;
        }
        transpose_panel(src, ld, k, cols, width, buf->b + (ptrdiff_t)j * k);
    }
}

/* Rows of a block are cut into tiles of nearly equal height: tile t begins at row t*m/tiles. */
INLINE int tile_begin(int m, int tiles, int t)
{
    return t * m / tiles;
}

INLINE void copy_columns(int mr, const real *src, ptrdiff_t ld, int k, real *dst)
{
    for (int l = 0; l < k; l++, src += ld, dst += mr) memcpy(dst, src, sizeof *dst * (size_t)mr);
}

/* k rows (of k_all) of m values, each row an l, into the tiles' [k_all][rows] from row l on; a few rows at a time, so
 * that both sides are runs of memory. */
static void pack_columns(const real *src, ptrdiff_t ld, int l, int k, int k_all, int m, int tiles, real *dst)
{
    for (int end = l + k; l < end; l += STRIP, src += STRIP * ld) {
        int rows = end - l < STRIP ? end - l : STRIP;
        for (int t = 0; t < tiles; t++) {
            int i = tile_begin(m, tiles, t), mr = tile_begin(m, tiles, t + 1) - i;
            real *to = dst + (ptrdiff_t)i * k_all + (ptrdiff_t)l * mr;
            switch (mr) {
            case 4: copy_columns(4, src + i, ld, rows, to); break;
            case 5: copy_columns(5, src + i, ld, rows, to); break;
            case 6: copy_columns(6, src + i, ld, rows, to); break;
            case 8: copy_columns(8, src + i, ld, rows, to); break;
            case 11: copy_columns(11, src + i, ld, rows, to); break;
            case 12: copy_columns(12, src + i, ld, rows, to); break;
            default: copy_columns(mr, src + i, ld, rows, to);
            }
        }
    }
}

/* m rows of k values into the tiles' [k][rows]. A tile is seldom a multiple of a square high: the surplus of a square's
 * stores falls on places that are written later (the tile's next l, after which squares of lower rows follow; the next
 * tile) or behind the block, where the buffer has room. */
static void pack_rows(const real *src, ptrdiff_t ld, int k, int m, int tiles, real *dst)
{
    int whole_k = k / SQUARE * SQUARE;
    for (int t = 0; t < tiles; t++) {
        int i = tile_begin(m, tiles, t), mr = tile_begin(m, tiles, t + 1) - i;
        const real *from = src + i * ld;
        real *to = dst + (ptrdiff_t)i * k;
        for (int r = (mr - 1) / SQUARE * SQUARE; r >= 0; r -= SQUARE) {
            const real *row[SQUARE];
            square_rows(from + r * ld, ld, mr - r, row);
            for (int l = 0; l < whole_k; l += SQUARE) {
                if (r == 0 && l % LINE == 0 && t + 1 < tiles)
                    for (int j = 0; j < mr; j++) __builtin_prefetch(from + (mr + j) * ld + l);
                transpose_square(row, l, to + (ptrdiff_t)l * mr + r, mr);
            }
        }
        for (int l = whole_k; l < k; l++)
            for (int r = 0; r < mr; r++) to[(ptrdiff_t)l * mr + r] = from[r * ld + l];
    }
}

/* A block of A as the micro-kernels read it: element (i, l) of tile t is p[t's first row * tile_step + i*ars + l*aks].
 */
struct block_a {
    const real *p;
    ptrdiff_t tile_step, ars; /* ars 1: packed, the stride along l is the tile's height */
};

/* Rows that run along k can be read where they lie; for many columns a packed copy is faster, whose tiles are one
 * stream of memory each. */
enum { PACK_FOR = 160 };

static struct block_a take_a(const struct gemm_in *a, int i0, int m, int l0, int k, int tiles, int n,
                             struct gemm_buffers *buf)
{
    if (a->w != NULL && !a->trans) {
        a->w->tile(a->w, i0, m, l0, k, buf->a, k);
        return (struct block_a){buf->a, k, k};
    }
    if (!a->trans && n < PACK_FOR) return (struct block_a){a->p + (ptrdiff_t)i0 * a->ld + l0, a->ld, a->ld};
    if (a->w != NULL) {
        int some = GEMM_RAW / m;
        for (int l = 0; l < k; l += some) {
            int rows = k - l < some ? k - l : some;
            a->w->tile(a->w, l0 + l, rows, i0, m, buf->raw, m);
            pack_columns(buf->raw, m, l, rows, k, m, tiles, buf->a);
        }
    } else if (!a->trans) {
        pack_rows(a->p + (ptrdiff_t)i0 * a->ld + l0, a->ld, k, m, tiles, buf->a);
    } else {
        pack_columns(a->p + (ptrdiff_t)l0 * a->ld + i0, a->ld, 0, k, k, m, tiles, buf->a);
    }
    return (struct block_a){buf->a, k, 1};
}

/* ---- one piece ----------------------------------------------------------------------------------------------------
 */

/* A micro-tile that is not whole vectors of one row of C: through a buffer. */
static void micro_through(micro_fn *fn, int mr, int cols, const struct work *w, ptrdiff_t col)
{
    real tile[ROWS * WIDTH], *c = w->c;
    ptrdiff_t row = w->ldc;
    if (w->load) {
        memset(tile, 0, sizeof tile);
        for (int i = 0; i < mr; i++)
            for (int j = 0; j < cols; j++) tile[i * WIDTH + j] = c[i * row + j * col];
    }
    struct work inner = *w;
    inner.c = tile, inner.ldc = WIDTH;
    fn(&inner);
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

/* ---- one block: the product of one block of A and the panels of B ---------------------------------------------------
 */

/* Where the panels of B begin, and from which column on they are packed ones. */
struct block_b {
    const real *direct, *packed;
    int packed_from;
    ptrdiff_t ld; /* of direct */
};

struct panel {
    int j, cols;
    const real *b;
    ptrdiff_t bks;
    bool more; /* another packed panel follows it in memory */
};

static struct panel panel_at(const struct block *s, const struct block_b *b, int j)
{
    if (j < b->packed_from) {
        int rest = b->packed_from - j;
        return (struct panel){j, rest < WIDTH ? LANES : WIDTH, b->direct + j, b->ld, false};
    }
    int rest = s->n - j, cols = rest < WIDTH ? rest : WIDTH;
    const real *at = b->packed + (ptrdiff_t)(j - b->packed_from) * s->k;
    return (struct panel){j, cols, at, panel_width(cols), rest > WIDTH};
}

struct tile {
    int i, rows;
    const real *a;
    ptrdiff_t aks;
};

static struct tile tile_at(const struct block *s, const struct block_a *a, int t)
{
    int i = tile_begin(s->m, s->tiles, t), rows = tile_begin(s->m, s->tiles, t + 1) - i;
    return (struct tile){i, rows, a->p + i * a->tile_step, a->ars == 1 ? rows : 1};
}

static void one_tile(const struct block *s, const struct block_a *a, const struct tile *t, const struct panel *p,
                     const real *next)
{
    const struct gemm_problem *g = s->p;
    bool two = p->cols > LANES;
    micro_fn *fn = two ? micro_two[t->rows - 1] : micro_one[t->rows - 1]; /* gcc's size check follows this form */
    struct work w = {.k = s->k, .load = s->load, .a = t->a, .b = p->b, .ars = a->ars, .aks = t->aks, .bks = p->bks};
    w.c = g->c + (s->i0 + t->i) * g->row + (s->j0 + p->j) * g->col, w.ldc = g->row;
    w.next = next, w.next_ld = g->row;
    if (p->cols == (two ? WIDTH : LANES) && g->col == 1)
        fn(&w);
    else
        micro_through(fn, t->rows, p->cols, &w, g->col);
}

/* Where in C the tile begins that follows tile `now` of the panel; the last one names itself. */
static const real *next_tile(const struct block *s, int t, const struct tile *now, const struct panel *p)
{
    const real *c = s->p->c + s->i0 * s->p->row + s->j0 + p->j;
    if (t + 1 < s->tiles) return c + (now->i + now->rows) * s->p->row;
    return p->more ? c + p->cols : c + now->i * s->p->row;
}

/* While a tile is computed: the next one's rows of A when they are read where they lie, and this tile's share of the
 * next panel of B. */
static void prefetch_for(const struct block *s, const struct block_a *a, int t, const struct tile *now,
                         const struct panel *p)
{
    if (p->j == 0 && a->ars > 1 && t + 1 < s->tiles)
        for (int i = 0; i < now->rows; i++)
            for (int l = 0; l < s->k; l += LINE) __builtin_prefetch(now->a + (now->rows + i) * a->ars + l);
    ptrdiff_t size = p->more ? s->k * p->bks : 0;
    for (ptrdiff_t i = size * t / s->tiles; i < size * (t + 1) / s->tiles; i += LINE)
        __builtin_prefetch(p->b + size + i, 0, 2);
}

/* Panel by panel, so that one panel of B stays in the nearest cache; or, where k is so short that most of the traffic
 * is C and all of B stays near, tile by tile along the rows of C. */
static void one_block(const struct block *s, const struct block_a *a, const struct block_b *b)
{
    enum { SHORT = 32 };
    if (s->k <= SHORT) {
        for (int t = 0; t < s->tiles; t++) {
            struct tile now = tile_at(s, a, t);
            for (int j = 0; j < s->n;) {
                struct panel p = panel_at(s, b, j);
                one_tile(s, a, &now, &p, s->p->c);
                j += p.cols;
            }
        }
        return;
    }
    for (int j = 0; j < s->n;) {
        struct panel p = panel_at(s, b, j);
        for (int t = 0; t < s->tiles; t++) {
            struct tile now = tile_at(s, a, t);
            prefetch_for(s, a, t, &now, &p);
            one_tile(s, a, &now, &p, next_tile(s, t, &now, &p));
        }
        j += p.cols;
    }
}

void GEMM_PIECE(const struct gemm_problem *p, int i0, int m, int j0, int n, struct gemm_buffers *buf)
{
    int mr = n <= LANES ? MR1 : MR2;
    int k_blocks = p->k > GEMM_KC ? (p->k + GEMM_KC - 1) / GEMM_KC : 1, m_blocks = (m + GEMM_MC - 1) / GEMM_MC;
    int k_step = ((p->k + k_blocks - 1) / k_blocks + 7) / 8 * 8,
        m_step = ((m + m_blocks - 1) / m_blocks + mr - 1) / mr * mr;
    bool direct = p->b.w == NULL && !p->b.trans && m <= 2 * mr;
    struct block s = {.p = p, .j0 = j0, .n = n};
    do {
        s.k = p->k - s.l0 < k_step ? p->k - s.l0 : k_step;
        s.load = p->accumulate || s.l0 > 0;
        struct block_b b = {.packed = buf->b, .ld = p->b.ld};
        if (direct) {
            b.direct = p->b.p + (ptrdiff_t)s.l0 * p->b.ld + j0;
            b.packed_from = n / LANES * LANES; /* a vector may not reach beyond the row's end */
        }
        if (b.packed_from < n) pack_b(&p->b, s.l0, s.k, j0 + b.packed_from, n - b.packed_from, buf);
        for (int i = 0; i < m; i += m_step) {
            s.i0 = i0 + i, s.m = m - i < m_step ? m - i : m_step;
            s.tiles = (s.m + mr - 1) / mr;
            struct block_a a = take_a(&p->a, s.i0, s.m, s.l0, s.k, s.tiles, n, buf);
            one_block(&s, &a, &b);
            if (s.l0 + s.k >= p->k) add_bias(p, s.i0, s.m, j0, n);
        }
        s.l0 += s.k;
    } while (s.l0 < p->k);
}
