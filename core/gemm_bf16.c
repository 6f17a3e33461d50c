/* The bfloat16 product: from a call to packed operands and pieces of C; see gemm_bf16_inside.h for the way on from
 * there. Everything decided here moves time and no bit: a block's sum is added to C, wherever C lies meanwhile.
 *
 * Rounding an operand costs as much as several products of a tile, so each element is packed once a call: in a first
 * round over the threads both operands go to buffers that all threads see, in a second one pieces of C are computed. */
#include "core/gemm_bf16.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "core/cpu.h"
#include "core/gemm_bf16_inside.h"
#include "core/parallel.h"

/* Bytes of packed operands. Untouched pages of the shared ones cost nothing. */
enum {
    SHARED = 1 << 24,
    OWN = 1 << 18,
    PLUS = 1 << 21,   /* of a term on top */
    GROUP = 64,       /* lanes that are packed in one go */
    RAW_K = 512,      /* k of 16 lanes of a weight source ... */
    RAW = 16 * RAW_K, /* ... in the buffer before they are packed */
    RAW_LINES = RAW / GROUP,
};
struct store {
    unsigned char *a, *b;
    size_t bytes; /* of each */
    int most_k;
};
static _Alignas(64) unsigned char shared_a[SHARED], shared_b[SHARED], plus_a[PLUS], plus_b[PLUS];
static atomic_flag shared_taken = ATOMIC_FLAG_INIT;
static _Thread_local _Alignas(64) unsigned char own_a[OWN], own_b[OWN];
static _Thread_local _Alignas(64) real raw[RAW];

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int parts_of(int n, int part)
{
    return (n + part - 1) / part;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static const struct bf16_kernels *const table[] = {
    [CPU_GENERIC] = &bf16_generic,       [CPU_AVX2] = &bf16_avx2, [CPU_AVX512] = &bf16_avx512,
#ifndef PG_DOUBLE
    [CPU_AVX512BF16] = &bf16_avx512bf16, [CPU_AMX] = &bf16_amx,
#endif
};
enum { CLASSES = sizeof table / sizeof table[0] };

#ifndef PG_DOUBLE
/* m x n of C, at most 2 x 2 tiles, over two blocks, operands of many sizes, by the kernels and by the definition. What
 * lies beside C stays as it is. C starts as what it is, or as a bias. */
static bool agree_on(const struct bf16_kernels *k, int m, int n, bool load)
{
    enum { MOST = 2 * BF16_LANES, K = 2 * BF16_BLOCK, LD = MOST + 1 };
    static _Alignas(64) unsigned char packed[2][MOST * K * sizeof(real)];
    real x[2][MOST * K], got[MOST * LD], want[MOST * LD], bias[MOST] = {0};
    const size_t panel = 2 * BF16_TILE * k->unit;
    uint32_t state = 1;
    for (int side = 0; side < 2; side++) {
        const int lanes = side ? n : m;
        for (int i = 0; i < lanes * K; i++) {
            state = state * 1664525u + 1013904223u;
            x[side][i] = (real)ldexp((double)(int32_t)state, (int)(state >> 8) % 24 - 40);
        }
        for (int i = 0; i < lanes; i += BF16_LANES)
            k->pack(side ? BF16_B : BF16_A, true, x[side] + i * K, K, smaller(BF16_LANES, lanes - i), K,
                    packed[side] + (size_t)(i / BF16_LANES) * panel);
    }
    for (int i = 0; i < MOST * LD; i++) got[i] = want[i] = x[0][i % (m * K)] * x[1][i % (n * K)]; /* as large as sums */
    for (int j = 0; j < n; j++) bias[j] = x[1][j];
    for (int i = 0; !load && i < m; i++) memcpy(want + i * LD, bias, sizeof *bias * (size_t)n);
    k->piece(&(struct bf16_piece){.run = {{packed[0], packed[1], panel, panel, 2}},
                                  .runs = 1,
                                  .m = m,
                                  .n = n,
                                  .c = got,
                                  .ldc = LD,
                                  .load = load,
                                  .bias = load ? NULL : bias});
    gemm_bf16_reference(m, n, K, (struct gemm_in){.p = x[0], .ld = K},
                        (struct gemm_in){.p = x[1], .ld = K, .trans = true}, want, LD, true);
    return memcmp(got, want, sizeof got) == 0;
}

/* A whole tile, and tiles that are cut on one side or both: registers of other shapes. */
static bool agree(const struct bf16_kernels *k)
{
    return agree_on(k, BF16_LANES, BF16_LANES, false) && agree_on(k, 21, 27, true) && agree_on(k, 21, 27, false);
}

/* Instructions of bfloat16 are tried before their first use: their arithmetic is the maker's choice. */
static bool trusted(int c)
{
    static atomic_int known[CLASSES]; /* 0: not yet tried; 1: right; 2: other bits */
    static atomic_flag trying = ATOMIC_FLAG_INIT;
    int now = atomic_load_explicit(&known[c], memory_order_relaxed);
    if (now == 0) {
        while (atomic_flag_test_and_set(&trying)) continue;
        now = agree(table[c]) ? 1 : 2;
        atomic_store(&known[c], now);
        atomic_flag_clear(&trying);
    }
    return now == 1;
}
#endif

enum cpu_class gemm_bf16_class(void)
{
    int c = smaller((int)cpu_class(), CLASSES - 1);
#ifndef PG_DOUBLE
    while (c > CPU_AVX512 && !trusted(c)) c--;
#endif
    return (enum cpu_class)c;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

static size_t panel_bytes(const struct bf16_kernels *kernels, int k)
{
    return (size_t)parts_of(k, BF16_BLOCK) * BF16_TILE * kernels->unit;
}

static size_t packed_bytes(const struct bf16_kernels *kernels, int lanes, int k)
{
    return (size_t)parts_of(lanes, BF16_LANES) * panel_bytes(kernels, k);
}

/* Lanes first .. first+lanes-1 and k from .. from+k-1 of an operand. */
struct packing {
    const struct bf16_kernels *kernels;
    const struct gemm_in *in;
    enum bf16_side side;
    int first, lanes, from, k;
    size_t panel; /* bytes */
    unsigned char *to;
};

/* From memory, where element l of a lane lies `step` from element l-1 when not along. */
static void pack_dense(const struct packing *p, bool along, int lane, int lanes)
{
    ptrdiff_t ld = p->in->ld, i = p->first + lane, l = p->from;
    const real *src = p->in->p + (along ? i * ld + l : l * ld + i);
    p->kernels->pack(p->side, along, src, ld, lanes, p->k, p->to + (size_t)(lane / BF16_LANES) * p->panel);
}

/* A source whose rows are lanes. */
static void pack_rows(const struct packing *p, int lane, int lanes)
{
    const struct wsrc *w = p->in->w;
    unsigned char *to = p->to + (size_t)(lane / BF16_LANES) * p->panel;
    for (int l = 0; l < p->k; l += RAW_K) {
        int some = smaller(RAW_K, p->k - l);
        w->tile(w, p->first + lane, lanes, p->from + l, some, raw, RAW_K);
        p->kernels->pack(p->side, true, raw, RAW_K, lanes, some, to + (size_t)l * BF16_LANES * p->kernels->unit);
    }
}

/* A source whose columns are lanes: some rows of it at a time. */
static void pack_columns(const struct packing *p, int lane, int lanes)
{
    const struct wsrc *w = p->in->w;
    for (int l = 0; l < p->k; l += RAW_LINES) {
        int some = smaller(RAW_LINES, p->k - l);
        w->tile(w, p->from + l, some, p->first + lane, lanes, raw, GROUP);
        for (int i = 0; i < lanes; i += BF16_LANES) {
            unsigned char *to = p->to + (size_t)((lane + i) / BF16_LANES) * p->panel;
            p->kernels->pack(p->side, false, raw + i, GROUP, smaller(BF16_LANES, lanes - i), some,
                             to + (size_t)l * BF16_LANES * p->kernels->unit);
        }
    }
}

static void pack_group(const struct packing *p, int group)
{
    int lane = group * GROUP, lanes = smaller(GROUP, p->lanes - lane);
    bool along = p->in->trans == (p->side == BF16_B);
    if (p->in->w && !along) {
        pack_columns(p, lane, lanes);
        return;
    }
    for (int i = 0; i < lanes; i += BF16_LANES) {
        int some = smaller(BF16_LANES, lanes - i);
        if (p->in->w)
            pack_rows(p, lane + i, some);
        else
            pack_dense(p, along, lane + i, some);
    }
}

struct two_packings {
    struct packing a, b;
    int groups_a;
};

static void pack_piece(void *ctx, int i, int thread)
{
    (void)thread;
    const struct two_packings *t = ctx;
    if (i < t->groups_a)
        pack_group(&t->a, i);
    else
        pack_group(&t->b, i - t->groups_a);
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

struct problem {
    int m, n, k;
    struct gemm_in a, b;
    real *c;
    ptrdiff_t ldc;
    bool accumulate, serial;
    const real *bias;
    struct gemm_after after; /* the packed form of its term is in plus_a and plus_b */
};

/* One part of the problem whose operands are packed, and how it is cut. A piece goes through k in steps of `depth`
 * tiles: what two panels of each operand hold then stays in the nearest cache, what a piece of each holds, in the next.
 * The term on top, whose packed operands are run 1, comes with the last step. Where there is a finish, that one is done
 * in bands of rows, so that a band is still near when it is finished. */
enum { BAND = 64 };
struct block {
    const struct bf16_kernels *kernels;
    struct bf16_piece all;
    const struct gemm_finish *finish; /* NULL: there is none, or not yet */
    int i0, j0;                       /* where the part lies in C */
    int rows, cols, depth;            /* of a piece */
    int down;                         /* pieces along m */
};

/* Where rows from i and columns from j on begin in packed operands. */
static void move_to(struct bf16_run *r, int i, int j)
{
    r->a = bf16_rows(r, i);
    r->b = bf16_columns(r, j);
}

/* m x n of a piece, or of all, from (i, j) on. */
static struct bf16_piece cut_out(const struct bf16_piece *from, int i, int m, int j, int n)
{
    struct bf16_piece p = *from;
    for (int r = 0; r < p.runs; r++) move_to(&p.run[r], i, j);
    p.c += i * p.ldc + j;
    p.m = m;
    p.n = n;
    if (p.bias) p.bias += j;
    return p;
}

static void last_step(const struct block *b, const struct bf16_piece *p, int i, int j)
{
    int band = b->finish ? BAND : p->m;
    for (int r = 0; r < p->m; r += band) {
        struct bf16_piece part = cut_out(p, r, smaller(band, p->m - r), 0, p->n);
        b->kernels->piece(&part);
        if (b->finish) b->finish->fn(b->finish->ctx, b->i0 + i + r, part.m, b->j0 + j, part.n);
    }
}

static void compute_piece(void *ctx, int index, int thread)
{
    (void)thread;
    const struct block *b = ctx;
    int i = index % b->down * b->rows, j = index / b->down * b->cols;
    struct bf16_piece p = cut_out(&b->all, i, smaller(b->rows, b->all.m - i), j, smaller(b->cols, b->all.n - j));
    int left = p.run[0].blocks;
    p.runs = 1;
    for (; left > b->depth; left -= b->depth) { /* C is added to in the order of k: only where it lies changes */
        p.run[0].blocks = b->depth;
        b->kernels->piece(&p);
        size_t done = (size_t)b->depth * BF16_TILE * b->kernels->unit;
        p.run[0].a += done, p.run[0].b += done;
        p.load = true;
    }
    p.run[0].blocks = left;
    p.runs = b->all.runs;
    last_step(b, &p, i, j);
}

/* n in equal parts of at most `most`, but for rounding up to whole pairs of panels. */
static int part_size(int n, int most)
{
    const int pair = 2 * BF16_LANES;
    int parts = parts_of(n, most < pair ? pair : most);
    return parts_of(parts_of(n, parts), pair) * pair;
}

static void cut_up(struct block *b, int threads)
{
    enum { ROWS = 256, COLS = 512, DEPTH = 12, PIECES_A_THREAD = 4, LEAST = 64 };
    const struct bf16_piece *p = &b->all;
    const int blocks = p->run[0].blocks;
    b->depth = blocks > 0 ? parts_of(blocks, parts_of(blocks, DEPTH)) : 1;
    b->rows = part_size(p->m, ROWS);
    b->cols = part_size(p->n, COLS);
    while (threads > 1 && parts_of(p->m, b->rows) * parts_of(p->n, b->cols) < threads * PIECES_A_THREAD) {
        int *side = b->rows >= b->cols ? &b->rows : &b->cols, half = part_size(*side, (*side + 1) / 2);
        if (*side <= LEAST || half >= *side) break;
        *side = half;
    }
    b->down = parts_of(p->m, b->rows);
}

static void for_each(bool serial, int n, void (*fn)(void *, int, int), void *ctx)
{
    if (serial)
        for (int i = 0; i < n; i++) fn(ctx, i, 0);
    else
        parallel_for(n, fn, ctx);
}

/* A packed operand, whole: panels of `panel` bytes. to: where it is packed by the next part; NULL: it is there. */
struct packed {
    const unsigned char *at;
    unsigned char *to;
    size_t panel;
};

/* The part of C from (i0, j0) on of m x n, k from l0 on. */
struct part {
    int i0, m, j0, n, l0, k;
};

static void one_part(const struct problem *p, const struct part *t, const struct bf16_kernels *kernels,
                     const struct packed *a, const struct packed *b)
{
    struct two_packings pack = {{kernels, &p->a, BF16_A, t->i0, t->m, t->l0, t->k, a->panel, a->to},
                                {kernels, &p->b, BF16_B, t->j0, t->n, t->l0, t->k, b->panel, b->to},
                                a->to ? parts_of(t->m, GROUP) : 0};
    int groups = pack.groups_a + (b->to ? parts_of(t->n, GROUP) : 0);
    if (groups > 0) for_each(p->serial, groups, pack_piece, &pack);
    bool last = t->l0 + t->k >= p->k;
    struct block block = {.kernels = kernels, .finish = last ? p->after.finish : NULL, .i0 = t->i0, .j0 = t->j0};
    block.all = (struct bf16_piece){.run = {{a->at, b->at, a->panel, b->panel, parts_of(t->k, BF16_BLOCK)}},
                                    .runs = 1,
                                    .m = t->m,
                                    .n = t->n,
                                    .c = p->c + t->i0 * p->ldc + t->j0,
                                    .ldc = p->ldc,
                                    .load = p->accumulate || t->l0 > 0,
                                    .bias = p->bias ? p->bias + t->j0 : NULL};
    if (p->after.plus && last) {
        int k = p->after.plus->k;
        size_t panel = panel_bytes(kernels, k);
        block.all.run[1] = (struct bf16_run){plus_a, plus_b, panel, panel, parts_of(k, BF16_BLOCK)};
        block.all.runs = 2;
        move_to(&block.all.run[1], t->i0, t->j0);
    }
    cut_up(&block, p->serial ? 1 : parallel_threads());
    for_each(p->serial, block.down * parts_of(t->n, block.cols), compute_piece, &block);
}

static struct gemm_in dense_if_possible(struct gemm_in in)
{
    if (in.w != NULL && in.w->dense != NULL)
        in = (struct gemm_in){.p = in.w->dense, .ld = in.w->cols, .trans = in.trans};
    return in;
}

/* ---- operands that are packed once for several calls ------------------------------------------------------------- */

/* All of an operand, on all threads. */
static void pack_all(const struct bf16_kernels *kernels, const struct gemm_in *in, enum bf16_side side, int lanes,
                     int k, unsigned char *to)
{
    struct two_packings pack = {
        {kernels, in, side, 0, lanes, 0, k, panel_bytes(kernels, k), to}, {0}, parts_of(lanes, GROUP)};
    parallel_for(pack.groups_a, pack_piece, &pack);
}

/* What this thread holds, and the number of its packing; that of the last one, whoever's, is kept beside the bytes. */
static _Thread_local struct {
    struct mat x;
    int depth;
    const struct bf16_kernels *kernels;
    unsigned long packing;
} held;
static _Alignas(64) unsigned char held_bytes[SHARED]; /* whoever has the shared buffers has this one too */
static unsigned long last_packing;

void gemm_bf16_hold(const struct mat *x)
{
    if (held.depth++ > 0) return;
    held.x = *x;
    held.packing = 0;
}

void gemm_bf16_release(void)
{
    held.depth--;
}

/* A's packed form when it is what this thread holds, and room for it; else NULL. */
static const unsigned char *held_form(const struct problem *p, const struct bf16_kernels *kernels)
{
    const struct gemm_in *a = &p->a;
    bool same = held.depth > 0 && !a->w && !a->trans && a->p == held.x.a && a->ld == held.x.ld && p->m == held.x.rows &&
                p->k == held.x.cols;
    if (!same || packed_bytes(kernels, p->m, p->k) > SHARED) return NULL;
    if (held.packing == 0 || held.packing != last_packing || held.kernels != kernels) {
        pack_all(kernels, a, BF16_A, p->m, p->k, held_bytes);
        held.packing = ++last_packing;
        held.kernels = kernels;
    }
    return held_bytes;
}

struct bf16_weight {
    struct wsrc of; /* the source that was packed */
    const struct bf16_kernels *kernels;
    const unsigned char *copy[2]; /* lanes are rows (for x W'); lanes are columns (for dy W), or NULL */
};

static status pack_copy(const struct bf16_weight *p, bool rows, struct arena *arena, const unsigned char **out)
{
    struct gemm_in in = {.w = &p->of, .trans = rows};
    int lanes = rows ? p->of.rows : p->of.cols, k = rows ? p->of.cols : p->of.rows;
    unsigned char *to;
    NEW(to, arena, packed_bytes(p->kernels, lanes, k));
    in = dense_if_possible(in);
    pack_all(p->kernels, &in, BF16_B, lanes, k, to);
    *out = to;
    return ST_OK;
}

status gemm_bf16_pack_weight(struct wsrc *w, bool backward, struct arena *arena)
{
    struct bf16_weight *p;
    ZNEW(p, arena, 1);
    p->of = *w;
    p->of.packed = NULL;
    p->kernels = table[gemm_bf16_class()];
    TRY(pack_copy(p, true, arena, &p->copy[0]));
    if (backward) TRY(pack_copy(p, false, arena, &p->copy[1]));
    w->packed = p;
    return ST_OK;
}

size_t gemm_bf16_weight_bytes(const struct wsrc *w, bool backward)
{
    const struct bf16_kernels *k = table[gemm_bf16_class()];
    return packed_bytes(k, w->rows, w->cols) + (backward ? packed_bytes(k, w->cols, w->rows) : 0);
}

/* B's packed form when it is a weight that has one; else NULL. A source that was changed after packing has none. */
static const unsigned char *weight_form(const struct gemm_in *b, const struct bf16_kernels *kernels)
{
    const struct bf16_weight *p = b->w ? b->w->packed : NULL;
    if (!p || p->kernels != kernels || p->of.tile != b->w->tile || p->of.ctx != b->w->ctx || p->of.dense != b->w->dense)
        return NULL;
    return p->copy[b->trans ? 0 : 1];
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* kept: packed forms of the whole operands, or NULL. */
static void all_parts(const struct problem *p, const struct bf16_kernels *k, const struct store *store,
                      const unsigned char *kept_a, const unsigned char *kept_b)
{
    struct part t = {0};
    size_t whole_panel = panel_bytes(k, p->k);
    do {
        t.k = smaller(p->k - t.l0, store->most_k);
        size_t panel = panel_bytes(k, t.k), done = panel_bytes(k, t.l0);
        size_t fit = panel ? store->bytes / panel * BF16_LANES : store->bytes;
        int most = fit > 1 << 30 ? 1 << 30 : (int)fit;
        for (t.j0 = 0; t.j0 < p->n; t.j0 += t.n) {
            t.n = kept_b ? p->n : smaller(most, p->n - t.j0);
            for (t.i0 = 0; t.i0 < p->m; t.i0 += t.m) {
                t.m = kept_a ? p->m : smaller(most, p->m - t.i0);
                struct packed a = {store->a, store->a, panel}, b = {store->b, t.i0 == 0 ? store->b : NULL, panel};
                if (kept_a) a = (struct packed){kept_a + done, NULL, whole_panel};
                if (kept_b) b = (struct packed){kept_b + done, NULL, whole_panel};
                one_part(p, &t, k, &a, &b);
            }
        }
        t.l0 += t.k;
    } while (t.l0 < p->k);
}

/* The term's operands into their buffers, while this call has the shared ones; no when they are too large. */
static bool pack_plus(const struct problem *p, const struct bf16_kernels *kernels)
{
    const struct gemm_term *t = p->after.plus;
    if (packed_bytes(kernels, p->m, t->k) > PLUS || packed_bytes(kernels, p->n, t->k) > PLUS) return false;
    pack_all(kernels, &t->a, BF16_A, p->m, t->k, plus_a);
    pack_all(kernels, &t->b, BF16_B, p->n, t->k, plus_b);
    return true;
}

/* Takes what comes after the product out of it, for a call of its own. */
static struct gemm_after put_off(struct problem *p)
{
    struct gemm_after after = p->after;
    p->after = (struct gemm_after){0};
    return after;
}

static struct problem problem(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc,
                              bool accumulate)
{
    return (struct problem){.m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .ldc = ldc, .accumulate = accumulate};
}

static void multiply(struct problem *p)
{
    if (p->m <= 0 || p->n <= 0) return;
    const struct bf16_kernels *k = table[gemm_bf16_class()];
    const struct store shared = {shared_a, shared_b, SHARED, 4096}, own = {own_a, own_b, OWN, 1024};
    const unsigned char *weight = weight_form(&p->b, k);
    struct gemm_after later = {0};
    p->a = dense_if_possible(p->a);
    p->b = dense_if_possible(p->b);
    if (p->serial || parallel_inside() || atomic_flag_test_and_set(&shared_taken)) {
        p->serial = true;
        if (p->after.plus) later = put_off(p);
        all_parts(p, k, &own, NULL, weight);
    } else {
        if (p->after.plus && !pack_plus(p, k)) later = put_off(p);
        all_parts(p, k, &shared, held_form(p, k), weight);
        atomic_flag_clear(&shared_taken);
    }
    if (later.plus) {
        const struct gemm_term *t = later.plus;
        struct problem rest = problem(p->m, p->n, t->k, t->a, t->b, p->c, (int)p->ldc, true);
        rest.after.finish = later.finish;
        multiply(&rest);
    }
}

void gemm_bf16(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct problem p = problem(m, n, k, a, b, c, ldc, accumulate);
    multiply(&p);
}

void gemm_bf16_serial(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct problem p = problem(m, n, k, a, b, c, ldc, accumulate);
    p.serial = true;
    multiply(&p);
}

static struct gemm_in whole(const struct mat *m, bool trans)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld, .trans = trans};
}

void linear_bf16_forward(const struct mat *x, const struct wsrc *w, const real *bias, const struct gemm_after *after,
                         struct mat *y)
{
    struct gemm_in weight = {.w = w, .trans = true};
    struct problem p = problem(x->rows, w->rows, w->cols, whole(x, false), weight, y->a, y->ld, false);
    p.bias = bias;
    if (after) p.after = *after;
    multiply(&p);
}

void linear_bf16_backward_x(const struct mat *dy, const struct wsrc *w, const struct gemm_after *after, struct mat *dx,
                            bool accumulate)
{
    struct gemm_in weight = {.w = w};
    struct problem p = problem(dy->rows, w->cols, w->rows, whole(dy, false), weight, dx->a, dx->ld, accumulate);
    if (after) p.after = *after;
    multiply(&p);
}

void linear_bf16_backward_w(const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    gemm_bf16(dy->cols, x->cols, x->rows, whole(dy, true), whole(x, false), dw, ld, true);
}

const struct products products_bf16 = {
    gemm_bf16,      gemm_bf16_serial, linear_bf16_forward, linear_bf16_backward_x, linear_bf16_backward_w,
    gemm_bf16_hold, gemm_bf16_release};
