/* The bfloat16 product's kernels for the class "amx": a tile is one of the processor's tile registers, and a block of k
 * one instruction, whose arithmetic is the product's definition. */
#ifdef PG_DOUBLE
typedef int no_amx_in_double;
#else
#define ORDER \
    { \
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, \
            30, 31 \
    }
#define REORDER(x) (x)
#include "core/gemm_bf16_pack.h"

enum { ROW = 64 /* bytes of a tile's row */, TILES = 8 };

/* Registers 0 to 3: C; 4, 5: A; 6, 7: B. All of full size. */
static void configure(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < TILES; i++) config.row_bytes[i] = ROW, config.rows[i] = BF16_LANES;
    _tile_loadconfig(&config);
}

/* ---- tiles of C: 2 x 2 at a time --------------------------------------------------------------------------------- */

/* Where the four tiles of C lie: in C itself when all of them are whole, else in a square of their own. */
struct quad {
    float *c;
    ptrdiff_t ldc;
    int m, n; /* that exist, of 32 */
};

#define SUMS(two_rows, two_cols) \
    for (int block = 0; block < p->blocks; block++, a += BF16_TILE, b += BF16_TILE) { \
        _tile_loadd(4, a, ROW); \
        _tile_loadd(6, b, ROW); \
        if (two_rows) _tile_loadd(5, a + panel_a, ROW); \
        if (two_cols) _tile_loadd(7, b + panel_b, ROW); \
        _tile_dpbf16ps(0, 4, 6); \
        if (two_cols) _tile_dpbf16ps(1, 4, 7); \
        if (two_rows) _tile_dpbf16ps(2, 5, 6); \
        if ((two_rows) && (two_cols)) _tile_dpbf16ps(3, 5, 7); \
    }

static void quad_sums(const struct bf16_piece *p, const uint16_t *a, const uint16_t *b, bool two_rows, bool two_cols)
{
    size_t panel_a = p->panel_a / sizeof *a, panel_b = p->panel_b / sizeof *b;
    if (two_rows && two_cols)
        SUMS(true, true)
    else if (two_rows)
        SUMS(true, false)
    else if (two_cols)
        SUMS(false, true)
    else
        SUMS(false, false)
}

static void load_c(const float *c, ptrdiff_t ldc)
{
    ptrdiff_t bytes = ldc * (ptrdiff_t)sizeof *c;
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + 16, bytes);
    _tile_loadd(2, c + 16 * ldc, bytes);
    _tile_loadd(3, c + 16 * ldc + 16, bytes);
}

static void store_c(float *c, ptrdiff_t ldc)
{
    ptrdiff_t bytes = ldc * (ptrdiff_t)sizeof *c;
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + 16, bytes);
    _tile_stored(2, c + 16 * ldc, bytes);
    _tile_stored(3, c + 16 * ldc + 16, bytes);
}

/* What exists of the square goes between it and C. */
static void fetch(const struct quad *q, float *square)
{
    for (int i = 0; i < q->m; i++)
        for (int h = 0; h < 32; h += 16)
            _mm512_store_ps(square + i * 32 + h,
                            _mm512_maskz_loadu_ps(first(q->n - h), q->c + i * q->ldc + (h < q->n ? h : 0)));
}

static void put(const struct quad *q, const float *square, const float *bias)
{
    for (int i = 0; i < q->m; i++)
        for (int h = 0; h < q->n; h += 16) {
            __m512 x = _mm512_load_ps(square + i * 32 + h);
            __mmask16 some = first(q->n - h);
            if (bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(some, bias + h));
            _mm512_mask_storeu_ps(q->c + i * q->ldc + h, some, x);
        }
}

/* Where k is short a product is its traffic with C: the square of C that comes next, along its rows, is called for. */
static void prefetch_next(const struct bf16_piece *p, int i, int j)
{
    enum { SHORT = 2, LINE = 16 };
    if (!p->load || p->blocks > SHORT) return;
    j += 32;
    if (j + 32 > p->n) i += 32, j = 0;
    if (i + 32 > p->m || j + 32 > p->n) return;
    const float *next = p->c + i * p->ldc + j;
    for (int r = 0; r < 32; r++, next += p->ldc) {
        __builtin_prefetch(next, 0, 2);
        __builtin_prefetch(next + LINE, 0, 2);
    }
}

static void one_quad(const struct bf16_piece *p, int i, int j)
{
    _Alignas(64) float square[32 * 32];
    const uint16_t *a = (const uint16_t *)(p->a + (size_t)(i / BF16_LANES) * p->panel_a);
    const uint16_t *b = (const uint16_t *)(p->b + (size_t)(j / BF16_LANES) * p->panel_b);
    struct quad q = {p->c + i * p->ldc + j, p->ldc, p->m - i < 32 ? p->m - i : 32, p->n - j < 32 ? p->n - j : 32};
    bool whole = q.m == 32 && q.n == 32;
    if (p->load && whole) {
        load_c(q.c, q.ldc);
    } else if (p->load) {
        memset(square, 0, sizeof square);
        fetch(&q, square);
        load_c(square, 32);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    prefetch_next(p, i, j);
    quad_sums(p, a, b, q.m > BF16_LANES, q.n > BF16_LANES);
    if (whole && !p->bias) {
        store_c(q.c, q.ldc);
    } else {
        store_c(square, 32);
        put(&q, square, p->bias ? p->bias + j : NULL);
    }
}

static void piece(const struct bf16_piece *p)
{
    configure();
    for (int i = 0; i < p->m; i += 32)
        for (int j = 0; j < p->n; j += 32) one_quad(p, i, j);
    _tile_release();
}

const struct bf16_kernels bf16_amx = {.unit = sizeof(uint16_t), .pack = pack, .piece = piece};
#endif
