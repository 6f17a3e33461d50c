/* The integer product: from a call to packed operands and pieces of C; see gemm_int_inside.h for the way on from
 * there. Sums are exact, so what is decided here moves time and no bit. */
#include "core/gemm_int.h"

#include <string.h>
#include "core/cpu.h"
#include "core/gemm_int_inside.h"
#include "core/parallel.h"

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int parts_of(int n, int part)
{
    return (n + part - 1) / part;
}

static const struct int_kernels *kernels(void)
{
    switch (cpu_class()) {
    case CPU_GENERIC: return &int_generic;
    case CPU_AVX2: return &int_avx2;
    default: return &int_avx512;
    }
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

enum { LINES = 32 }; /* rows of A that are packed in one go */

struct packing {
    const struct gemm_int_in *in;
    int size, k; /* rows of A or columns of B */
    int lanes;   /* of a panel of B */
    int16_t *to;
};

/* A whose rows are not runs of whole pairs in memory: [row][k], with one number more where k is odd. */
static void pack_lines(void *ctx, int piece, int thread)
{
    (void)thread;
    const struct packing *p = ctx;
    int i0 = piece * LINES, lines = smaller(LINES, p->size - i0), full = p->k + p->k % 2;
    ptrdiff_t ld = p->in->ld;
    for (int l = 0; l < p->k; l++)
        for (int i = i0; i < i0 + lines; i++)
            p->to[(size_t)i * (size_t)full + (size_t)l] = p->in->m[p->in->trans ? l * ld + i : i * ld + l];
    for (int i = i0; i < i0 + lines && full > p->k; i++) p->to[(size_t)i * (size_t)full + (size_t)p->k] = 0;
}

/* A panel of B, [pair][lane][2]. */
static void pack_panel(void *ctx, int panel, int thread)
{
    (void)thread;
    const struct packing *p = ctx;
    int j0 = panel * p->lanes, lanes = smaller(p->lanes, p->size - j0), full = p->k + p->k % 2;
    int16_t *to = p->to + (size_t)panel * (size_t)(full * p->lanes);
    ptrdiff_t ld = p->in->ld;
    if (lanes < p->lanes || full > p->k) memset(to, 0, sizeof *to * (size_t)full * (size_t)p->lanes);
    if (p->in->trans) { /* a lane is a run of memory */
        for (int i = 0; i < lanes; i++) {
            const int16_t *from = p->in->m + (j0 + i) * ld;
            for (int l = 0; l + 1 < p->k; l += 2) memcpy(to + l * p->lanes + 2 * i, from + l, 2 * sizeof *to);
            if (full > p->k) to[(p->k - 1) * p->lanes + 2 * i] = from[p->k - 1];
        }
        return;
    }
    for (int l = 0; l < p->k; l++) {
        const int16_t *from = p->in->m + l * ld + j0;
        int16_t *line = to + l / 2 * 2 * p->lanes + l % 2;
        for (int i = 0; i < lanes; i++) line[2 * i] = from[i];
    }
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

enum { PIECE_ROWS = 96, PIECE_COLS = 128 }; /* multiples of every kernel's tile */

struct block {
    const struct int_kernels *kernels;
    struct int_piece all;
    int down; /* pieces along m */
};

static void compute_piece(void *ctx, int index, int thread)
{
    (void)thread;
    const struct block *b = ctx;
    int i = index % b->down * PIECE_ROWS, j = index / b->down * PIECE_COLS;
    struct int_piece p = b->all;
    p.a += i * p.lda;
    p.b += (size_t)(j / b->kernels->lanes) * p.panel;
    p.m = smaller(PIECE_ROWS, p.m - i);
    p.n = smaller(PIECE_COLS, p.n - j);
    p.out.c += (ptrdiff_t)i * p.out.ldc + j;
    p.out.scale += i;
    if (p.out.bias) p.out.bias += j;
    b->kernels->piece(&p);
}

/* Pairs whose sum fits 32 bits, however large their numbers. */
static int pairs_that_fit(int bits_a, int bits_b)
{
    int64_t product = (int64_t)fixed_limit(bits_a) * fixed_limit(bits_b), fit = INT32_MAX / (2 * product);
    return (int)fit;
}

static status multiply(int m, int n, int k, const struct gemm_int_in *a, const struct gemm_int_in *b,
                       const struct gemm_int_out *out, struct arena *scratch)
{
    const struct int_kernels *kern = kernels();
    int full = k + k % 2, panels = parts_of(n, kern->lanes);
    struct packing pack_a = {a, m, k, 0, NULL}, pack_b = {b, n, k, kern->lanes, NULL};
    struct block block = {.kernels = kern, .down = parts_of(m, PIECE_ROWS)};
    struct int_piece *p = &block.all;
    *p = (struct int_piece){.a = a->m, .lda = a->ld, .m = m, .n = n, .pairs = full / 2, .out = *out};
    p->panel = (size_t)full * (size_t)kern->lanes;
    p->fold = pairs_that_fit(a->bits, b->bits);
    if (a->trans || full > k) {
        NEW(pack_a.to, scratch, (size_t)m * (size_t)full);
        parallel_for(parts_of(m, LINES), pack_lines, &pack_a);
        p->a = pack_a.to;
        p->lda = full;
    }
    NEW(pack_b.to, scratch, (size_t)panels * p->panel);
    parallel_for(panels, pack_panel, &pack_b);
    p->b = pack_b.to;
    parallel_for(block.down * parts_of(n, PIECE_COLS), compute_piece, &block);
    return ST_OK;
}

status gemm_int(int m, int n, int k, struct gemm_int_in a, struct gemm_int_in b, const struct gemm_int_out *out,
                struct arena *scratch)
{
    if (m <= 0 || n <= 0) return ST_OK;
    struct arena_mark mark = arena_mark(scratch);
    status st = multiply(m, n, k, &a, &b, out, scratch);
    arena_reset(scratch, mark);
    return st;
}
