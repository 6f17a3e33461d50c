/* The bfloat16 product from plain fused multiply-adds, compiled once a processor class by gemm_bf16_generic.c,
 * gemm_bf16_avx2.c and gemm_bf16_avx512.c, which name the table (BF16_KERNELS). Packed elements are rounded reals: a
 * tile of A is [lane][k], one of B [k][lane]. */
#include "core/gemm_bf16.h"
#include "core/gemm_bf16_inside.h"
#include "core/vec.h"

/* Rows of C that are computed together: as many chains as hide the multiply-add's latency in the class's registers. */
#if defined(__AVX512F__)
enum { ROWS = 8 };
#else
enum { ROWS = 4 };
#endif

/* Both sides are runs of memory for A's rows along k and B's across it; else one of them is walked over in steps. */
static void pack(enum bf16_side side, bool along, const real *src, ptrdiff_t ld, int lanes, int k, void *tiles)
{
    real *tile = tiles;
    ptrdiff_t lane = along ? ld : 1, next = along ? 1 : ld;
    for (int l0 = 0; l0 < k; l0 += BF16_BLOCK, tile += BF16_TILE, src += BF16_BLOCK * next) {
        int some = k - l0 < BF16_BLOCK ? k - l0 : BF16_BLOCK;
        if (some < BF16_BLOCK || lanes < BF16_LANES) memset(tile, 0, sizeof *tile * BF16_TILE);
        if (side == BF16_A && along) {
            for (int i = 0; i < lanes; i++)
                for (int l = 0; l < some; l++) tile[i * BF16_BLOCK + l] = bf16_round(src[i * ld + l]);
        } else if (side == BF16_A) {
            for (int i = 0; i < lanes; i++)
                for (int l = 0; l < some; l++) tile[i * BF16_BLOCK + l] = bf16_round(src[i * lane + l * next]);
        } else if (!along) {
            for (int l = 0; l < some; l++)
                for (int i = 0; i < lanes; i++) tile[l * BF16_LANES + i] = bf16_round(src[l * ld + i]);
        } else {
            for (int l = 0; l < some; l++)
                for (int i = 0; i < lanes; i++) tile[l * BF16_LANES + i] = bf16_round(src[i * lane + l * next]);
        }
    }
}

/* One chain over a block: its even or its odd k. */
X16_FN void chain(const real *a, const real *b, x16 sum[ROWS])
{
    for (int r = 0; r < ROWS; r++) sum[r] = x16_all(0);
    for (int l = 0; l < BF16_BLOCK; l += 2) {
        x16 lane = x16_load(b + l * BF16_LANES);
        for (int r = 0; r < ROWS; r++) sum[r] = x16_fma(x16_all(a[r * BF16_BLOCK + l]), lane, sum[r]);
    }
}

/* C from (i, j) on: ROWS rows of one tile, as far as they exist. */
static void strip(const struct bf16_piece *p, int i, int j)
{
    const int rows = p->m - i, cols = p->n - j < BF16_LANES ? p->n - j : BF16_LANES;
    real *c = p->c + i * p->ldc + j;
    x16 even[ROWS], odd[ROWS], sum[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const real *from = p->load ? c + r * p->ldc : p->bias ? p->bias + j : NULL;
        sum[r] = from && r < rows ? x16_load_part(from, cols) : x16_all(0);
    }
    for (const struct bf16_run *run = p->run; run < p->run + p->runs; run++) {
        const real *a = bf16_rows(run, i), *b = bf16_columns(run, j);
        a += i % BF16_LANES * BF16_BLOCK;
        for (int block = 0; block < run->blocks; block++, a += BF16_TILE, b += BF16_TILE) {
            chain(a, b, even);
            chain(a + 1, b + BF16_LANES, odd);
            for (int r = 0; r < ROWS; r++) sum[r] = x16_add(sum[r], x16_add(even[r], odd[r]));
        }
    }
    for (int r = 0; r < ROWS && r < rows; r++) x16_store_part(c + r * p->ldc, sum[r], cols);
}

static void piece(const struct bf16_piece *p)
{
    for (int j = 0; j < p->n; j += BF16_LANES)
        for (int i = 0; i < p->m; i += ROWS) strip(p, i, j);
}

const struct bf16_kernels BF16_KERNELS = {.unit = sizeof(real), .pack = pack, .piece = piece};
