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

enum { ROW = 64 /* bytes of a tile's row */, TILES = 8, QUAD = 2 * BF16_LANES };

struct config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Slow, and all tiles become zero: once or twice a piece. */
static void configure(const struct config *config)
{
    /* gcc believes that the instruction reads eight bytes; the others must be there too. */
    __asm__ volatile("" : : "r"(config) : "memory");
    _tile_loadconfig(config);
}

/* A tile of C starts as what it is, as the bias of its columns from j on (a stride of 0 makes all rows the same one),
 * or as zeros. */
#define BEGIN(tile, from, j) \
    do { \
        if (p->load) \
            _tile_loadd(tile, from, ldc); \
        else if (p->bias) \
            _tile_loadd(tile, p->bias + (j), 0); \
        else \
            _tile_zero(tile); \
    } while (0)

/* ---- whole tiles of C: 2 x 2 at a time --------------------------------------------------------------------------- */

/* Registers 0 to 3: C; 4, 5: A; 6, 7: B. All of full size. */
static void configure_inside(void)
{
    struct config config = {.palette = 1};
    for (int t = 0; t < TILES; t++) config.row_bytes[t] = ROW, config.rows[t] = BF16_LANES;
    configure(&config);
}

#define SUMS(two_rows, two_cols) \
    for (int block = 0; block < r->blocks; block++, a += BF16_TILE, b += BF16_TILE) { \
        _tile_loadd(4, a, ROW); \
        _tile_loadd(6, b, ROW); \
        if (two_rows) _tile_loadd(5, a + panel_a, ROW); \
        if (two_cols) _tile_loadd(7, b + panel_b, ROW); \
        _tile_dpbf16ps(0, 4, 6); \
        if (two_cols) _tile_dpbf16ps(1, 4, 7); \
        if (two_rows) _tile_dpbf16ps(2, 5, 6); \
        if ((two_rows) && (two_cols)) _tile_dpbf16ps(3, 5, 7); \
    }

static void quad_sums(const struct bf16_run *r, int i, int j, bool two_rows, bool two_cols)
{
    const uint16_t *a = bf16_rows(r, i), *b = bf16_columns(r, j);
    const size_t panel_a = r->panel_a / sizeof *a, panel_b = r->panel_b / sizeof *b;
    if (two_rows && two_cols)
        SUMS(true, true)
    else if (two_rows)
        SUMS(true, false)
    else if (two_cols)
        SUMS(false, true)
    else
        SUMS(false, false)
}

/* Where k is short a product is its traffic with C: the square of C that comes next, along its rows, is called for. */
static void prefetch_next(const struct bf16_piece *p, int i, int j)
{
    enum { SHORT = 2, LINE = 16 };
    if (!p->load || p->run[0].blocks > SHORT) return;
    j += QUAD;
    if (j + QUAD > p->n) i += QUAD, j = 0;
    if (i + QUAD > p->m || j + QUAD > p->n) return;
    const float *next = p->c + i * p->ldc + j;
    for (int r = 0; r < QUAD; r++, next += p->ldc) {
        __builtin_prefetch(next, 0, 2);
        __builtin_prefetch(next + LINE, 0, 2);
    }
}

static void quad(const struct bf16_piece *p, int i, int j, bool two_rows, bool two_cols)
{
    const ptrdiff_t ldc = p->ldc * (ptrdiff_t)sizeof *p->c;
    float *c = p->c + i * p->ldc + j, *below = c + BF16_LANES * p->ldc;
    BEGIN(0, c, j);
    if (two_cols) BEGIN(1, c + BF16_LANES, j + BF16_LANES);
    if (two_rows) BEGIN(2, below, j);
    if (two_rows && two_cols) BEGIN(3, below + BF16_LANES, j + BF16_LANES);
    prefetch_next(p, i, j);
    for (const struct bf16_run *r = p->run; r < p->run + p->runs; r++) quad_sums(r, i, j, two_rows, two_cols);
    _tile_stored(0, c, ldc);
    if (two_cols) _tile_stored(1, c + BF16_LANES, ldc);
    if (two_rows) _tile_stored(2, below, ldc);
    if (two_rows && two_cols) _tile_stored(3, below + BF16_LANES, ldc);
}

/* The first m x n of C, whole tiles. */
static void inside(const struct bf16_piece *p, int m, int n)
{
    configure_inside();
    for (int i = 0; i < m; i += QUAD)
        for (int j = 0; j < n; j += QUAD) quad(p, i, j, i + BF16_LANES < m, j + BF16_LANES < n);
}

/* ---- tiles of C that its right and lower edge cut ------------------------------------------------------------------
 */

/* Tiles of what exists, so that they are loaded and stored in place. One configuration for all of them; registers
 * 0, 1: C on the right, two tiles at a time; 2: B there. 3, 4: C at the bottom; 5: A there. 6: C in the corner. 7:
 * tiles of A on the right and of B at the bottom, which are whole, one after the other. */
static void configure_edges(int rows, int cols)
{
    struct config config = {.palette = 1};
    for (int t = 0; t < TILES; t++) {
        const bool right = t <= 2 || t == 6, bottom = t >= 3 && t <= 6;
        config.row_bytes[t] = (uint16_t)(right ? cols * (int)sizeof(float) : ROW);
        config.rows[t] = (uint8_t)(bottom ? rows : BF16_LANES);
    }
    configure(&config);
}

/* What is added to a strip of one or two tiles of C along an edge. The operand that the edge cuts, whose panels lie at
 * `from`, goes to tile `cut`; of the other one, whose panels lie at `whole` and `panel` bytes apart, tile 7 holds one
 * tile after the other. left, right: which is A, which B. */
#define STRIP_SUMS(tile, next_tile, cut, from, whole, panel, left, right) \
    for (int block = 0; block < r->blocks; block++, from += BF16_TILE, whole += BF16_TILE) { \
        _tile_loadd(cut, from, ROW); \
        _tile_loadd(7, whole, ROW); \
        _tile_dpbf16ps(tile, left, right); \
        if (!two) continue; \
        _tile_loadd(7, whole + panel / sizeof *whole, ROW); \
        _tile_dpbf16ps(next_tile, left, right); \
    }

static void right_edge(const struct bf16_piece *p, int i, bool two, int j)
{
    const ptrdiff_t ldc = p->ldc * (ptrdiff_t)sizeof *p->c;
    float *c = p->c + i * p->ldc + j, *below = c + BF16_LANES * p->ldc;
    BEGIN(0, c, j);
    if (two) BEGIN(1, below, j);
    for (const struct bf16_run *r = p->run; r < p->run + p->runs; r++) {
        const uint16_t *a = bf16_rows(r, i), *b = bf16_columns(r, j);
        STRIP_SUMS(0, 1, 2, b, a, r->panel_a, 7, 2)
    }
    _tile_stored(0, c, ldc);
    if (two) _tile_stored(1, below, ldc);
}

static void bottom_edge(const struct bf16_piece *p, int i, int j, bool two)
{
    const ptrdiff_t ldc = p->ldc * (ptrdiff_t)sizeof *p->c;
    float *c = p->c + i * p->ldc + j, *beside = c + BF16_LANES;
    BEGIN(3, c, j);
    if (two) BEGIN(4, beside, j + BF16_LANES);
    for (const struct bf16_run *r = p->run; r < p->run + p->runs; r++) {
        const uint16_t *a = bf16_rows(r, i), *b = bf16_columns(r, j);
        STRIP_SUMS(3, 4, 5, a, b, r->panel_b, 5, 7)
    }
    _tile_stored(3, c, ldc);
    if (two) _tile_stored(4, beside, ldc);
}

static void corner(const struct bf16_piece *p, int i, int j)
{
    const ptrdiff_t ldc = p->ldc * (ptrdiff_t)sizeof *p->c;
    float *c = p->c + i * p->ldc + j;
    BEGIN(6, c, j);
    for (const struct bf16_run *r = p->run; r < p->run + p->runs; r++) {
        const uint16_t *a = bf16_rows(r, i), *b = bf16_columns(r, j);
        for (int block = 0; block < r->blocks; block++, a += BF16_TILE, b += BF16_TILE) {
            _tile_loadd(5, a, ROW);
            _tile_loadd(2, b, ROW);
            _tile_dpbf16ps(6, 5, 2);
        }
    }
    _tile_stored(6, c, ldc);
}

/* What is left of C after its first m x n. */
static void edges(const struct bf16_piece *p, int m, int n)
{
    const int rows = p->m - m, cols = p->n - n;
    configure_edges(rows > 0 ? rows : BF16_LANES, cols > 0 ? cols : BF16_LANES);
    if (cols > 0)
        for (int i = 0; i < m; i += QUAD) right_edge(p, i, i + BF16_LANES < m, n);
    if (rows > 0)
        for (int j = 0; j < n; j += QUAD) bottom_edge(p, m, j, j + BF16_LANES < n);
    if (rows > 0 && cols > 0) corner(p, m, n);
}

static void piece(const struct bf16_piece *p)
{
    const int m = p->m / BF16_LANES * BF16_LANES, n = p->n / BF16_LANES * BF16_LANES;
    if (m > 0 && n > 0) inside(p, m, n);
    if (m < p->m || n < p->n) edges(p, m, n);
    _tile_release();
}

const struct bf16_kernels bf16_amx = {.unit = sizeof(uint16_t), .pack = pack, .piece = piece};
#endif
