/* Low-rank updates on top of the products. The factors s*e are applied to the small matrices: to B while it is packed
 * (forward) and to the [T, r] intermediates (backward). */
#include "core/lowrank.h"

#include "core/ops.h"
#include "core/parallel.h"
#include "core/wsrc.h"

struct lowrank lowrank_of(const struct param *a, const struct param *b, double scale)
{
    return (struct lowrank){
        .a = a->data, .b = b->data, .in = a->cols, .out = b->rows, .r = a->rows, .hi = a->rows, .scale = scale};
}

static real factor(const struct lowrank *l, int i)
{
    return (real)(l->e != NULL ? l->scale * (double)l->e[i] : l->scale);
}

/* Tiles of B[:, lo..hi) diag(s e), a [out, hi-lo] weight. */
static void scaled_b(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const struct lowrank *l = w->ctx;
    for (int c = 0; c < nc; c++) {
        int i = l->lo + c0 + c;
        real f = factor(l, i);
        for (int r = 0; r < nr; r++) dst[(size_t)r * (size_t)ld + c] = l->b[(size_t)(r0 + r) * (size_t)l->r + i] * f;
    }
}

static gemm_fn *multiply(const struct lowrank *l)
{
    return l->products ? l->products->gemm : gemm;
}

static struct gemm_in rows_of_a(const struct lowrank *l, bool trans)
{
    return (struct gemm_in){.p = l->a + (size_t)l->lo * (size_t)l->in, .ld = l->in, .trans = trans};
}

static struct wsrc source_of_b(const struct lowrank *l)
{
    return (struct wsrc){.rows = l->out, .cols = l->hi - l->lo, .tile = scaled_b, .bits = 32, .ctx = l};
}

/* z (B diag(s e))'. The scaled factor is laid out as [hi-lo, out] once, where the product reads its rows as they lie;
 * as a source of tiles every piece of the product would scale it anew. */
static struct gemm_term expansion(const struct lowrank *l, const struct mat *z, real *scaled)
{
    int n = l->hi - l->lo;
    for (int c = 0; c < n; c++) {
        real f = factor(l, l->lo + c), *to = scaled + (size_t)c * (size_t)l->out;
        const real *from = l->b + l->lo + c;
        for (int r = 0; r < l->out; r++) to[r] = from[(size_t)r * (size_t)l->r] * f;
    }
    return (struct gemm_term){n, {.p = z->a + l->lo, .ld = z->ld}, {.p = scaled, .ld = l->out}};
}

struct gemm_term lowrank_begin(const struct lowrank *l, const struct mat *x, struct mat *z, real *work)
{
    multiply(l)(x->rows, l->hi - l->lo, l->in, (struct gemm_in){.p = x->a, .ld = x->ld}, rows_of_a(l, true),
                z->a + l->lo, z->ld, false);
    return expansion(l, z, work);
}

void lowrank_forward(const struct lowrank *l, const struct mat *x, struct mat *z, real *work, struct mat *y)
{
    struct gemm_term rest = lowrank_begin(l, x, z, work);
    gemm_add_term(multiply(l), &rest, y);
}

/* ---- sums over tokens ----------------------------------------------------------------------------------------------
 *
 * The gradients of both factors are sums over the rows of a large matrix that is read once: time is what memory takes.
 * So a piece owns some columns and goes down the rows in chunks, each a product that goes on with the sums of the one
 * before; what the next chunk reads is called for meanwhile. A chain over k that is stored and taken up again has the
 * same bits. */

enum {
    SUM_RANK = 24,    /* more rank rows, and the product's own way of packing pays */
    SUM_NARROW = 128, /* columns of a piece */
    SUM_WIDE = 512,   /* of a piece of a wide matrix, whose rows lie far apart */
    SUM_LEAST = 32,   /* of a piece where many threads wait for one */
    SUM_CHUNK = 128,  /* rows */
    SUM_SHORT = 16,   /* rows where they lie whole pages apart and so share few places of the near cache */
    PAGE = 4096 / sizeof(real),
    LINE = 64 / sizeof(real)
};

struct sums {
    const struct mat *x; /* [T, cols] */
    const real *g;       /* [T, rank], row distance ldg */
    int rank, ldg;
    real *c; /* [rank, cols], or [cols, rank] when turned; row distance ldc */
    int ldc;
    bool turned;
    int width, chunk;
};

static void call_for(const struct mat *x, int row, int rows, int col, int cols)
{
    for (int i = row; i < row + rows && i < x->rows; i++)
        for (int c = 0; c < cols; c += LINE) __builtin_prefetch(mat_row(x, i) + col + c, 0, 2);
}

static void copy_turned(const struct sums *s, int col, int cols, real *own, bool back)
{
    for (int j = 0; j < cols; j++) {
        real *theirs = s->c + (size_t)(col + j) * (size_t)s->ldc;
        for (int i = 0; i < s->rank; i++)
            if (back)
                theirs[i] = own[i * cols + j];
            else
                own[i * cols + j] = theirs[i];
    }
}

static void sum_piece(void *ctx, int piece, int thread)
{
    (void)thread;
    const struct sums *s = ctx;
    const struct mat *x = s->x;
    real own[SUM_RANK * SUM_WIDE], *c = s->c;
    int col = piece * s->width, cols = x->cols - col < s->width ? x->cols - col : s->width, ldc = s->ldc;
    if (s->turned) {
        copy_turned(s, col, cols, own, false);
        c = own, ldc = cols;
    } else {
        c += col;
    }
    call_for(x, 0, s->chunk, col, cols);
    for (int row = 0; row < x->rows; row += s->chunk) {
        int rows = x->rows - row < s->chunk ? x->rows - row : s->chunk;
        call_for(x, row + s->chunk, s->chunk, col, cols);
        gemm_serial(s->rank, cols, rows,
                    (struct gemm_in){.p = s->g + (size_t)row * (size_t)s->ldg, .ld = s->ldg, .trans = true},
                    (struct gemm_in){.p = mat_row(x, row) + col, .ld = x->ld}, c, ldc, true);
    }
    if (s->turned) copy_turned(s, col, cols, own, true);
}

void lowrank_sums(const real *g, int ldg, int rank, const struct mat *x, real *c, int ldc, bool turned)
{
    struct gemm_in some = {.p = g, .ld = ldg, .trans = !turned}, all = {.p = x->a, .ld = x->ld, .trans = turned};
    if (rank > SUM_RANK || gemm_backend() != GEMM_OWN) {
        if (turned)
            gemm(x->cols, rank, x->rows, all, some, c, ldc, true);
        else
            gemm(rank, x->cols, x->rows, some, all, c, ldc, true);
        return;
    }
    struct sums s = {x, g, rank, ldg, c, ldc, turned, .width = SUM_NARROW, .chunk = SUM_CHUNK};
    if (x->cols > 2 * SUM_WIDE) s.width = SUM_WIDE;
    int share = (x->cols / (2 * parallel_threads()) + SUM_LEAST - 1) / SUM_LEAST * SUM_LEAST; /* moves no bit */
    if (share < s.width) s.width = share > SUM_LEAST ? share : SUM_LEAST;
    if (x->ld % PAGE == 0) s.chunk = SUM_SHORT;
    parallel_for((x->cols + s.width - 1) / s.width, sum_piece, &s);
}

/* out[:, from..hi) = in[:, from..hi) o (s e) */
static void scale_columns(const struct lowrank *l, int from, const struct mat *in, struct mat *out)
{
    for (int i = from; i < l->hi; i++) {
        real f = factor(l, i);
        for (int t = 0; t < in->rows; t++) mat_row(out, t)[i] = mat_row(in, t)[i] * f;
    }
}

static void add_de(const struct lowrank *l, int from, const struct mat *z, const struct mat *g, real *de)
{
    for (int i = from; i < l->hi; i++) {
        double sum = 0;
        for (int t = 0; t < z->rows; t++) sum += (double)mat_row(g, t)[i] * (double)mat_row(z, t)[i];
        de[i] += (real)(l->scale * sum);
    }
}

struct gemm_term lowrank_gradients(const struct lowrank *l, const struct mat *x, const struct mat *z,
                                   const struct mat *dy, real *da, real *db, real *de, int train_lo,
                                   struct mat *scratch)
{
    int n = l->hi - l->lo, from = train_lo > l->lo ? train_lo : l->lo, trained = l->hi - from;
    struct gemm_in up = {.p = dy->a, .ld = dy->ld};
    if (trained > 0 && db != NULL) { /* db += dy' (z o s e) */
        scale_columns(l, from, z, scratch);
        lowrank_sums(scratch->a + from, scratch->ld, trained, dy, db + from, l->r, true);
    }
    struct gemm_in b = {.p = l->b + l->lo, .ld = l->r};
    multiply(l)(dy->rows, n, l->out, up, b, scratch->a + l->lo, scratch->ld, false); /* g = dy B */
    if (de != NULL) add_de(l, from, z, scratch, de);
    scale_columns(l, l->lo, scratch, scratch);
    if (trained > 0 && da != NULL)
        lowrank_sums(scratch->a + from, scratch->ld, trained, x, da + (size_t)from * (size_t)l->in, l->in, false);
    return (struct gemm_term){n, {.p = scratch->a + l->lo, .ld = scratch->ld}, rows_of_a(l, false)};
}

void lowrank_backward(const struct lowrank *l, const struct mat *x, const struct mat *z, const struct mat *dy, real *da,
                      real *db, real *de, int train_lo, struct mat *scratch, struct mat *dx)
{
    struct gemm_term rest = lowrank_gradients(l, x, z, dy, da, db, de, train_lo, scratch);
    if (dx != NULL) gemm_add_term(multiply(l), &rest, dx);
}

/* ---- as an adapter uses it -----------------------------------------------------------------------------------------
 */

/* What the update reads: x itself, or a copy with dropout. */
static status dropped(const struct dropout *drop, const uint32_t *row_key, const struct mat *x, struct arena *scratch,
                      struct mat *out)
{
    *out = *x;
    if (drop->p <= 0) return ST_OK;
    TRY(mat_new(scratch, x->rows, x->cols, out));
    op_dropout(drop, row_key, x, out);
    return ST_OK;
}

status lowrank_prepare(const struct lowrank *l, const struct dropout *drop, const uint32_t *row_key,
                       const struct mat *x, struct arena *tape, struct arena *scratch, void **z, struct gemm_term *rest)
{
    struct mat in, inner;
    real *work;
    TRY(mat_new(tape ? tape : scratch, x->rows, l->r, &inner));
    TRY(dropped(drop, row_key, x, scratch, &in));
    NEW(work, scratch, (size_t)l->r * (size_t)l->out);
    *rest = lowrank_begin(l, &in, &inner, work);
    *z = tape ? inner.a : NULL;
    return ST_OK;
}

status lowrank_apply(const struct lowrank *l, const struct dropout *drop, const uint32_t *row_key, const struct mat *x,
                     struct arena *tape, struct arena *scratch, void **z, struct mat *y)
{
    struct gemm_term rest;
    struct arena_mark mark = arena_mark(scratch);
    TRY(lowrank_prepare(l, drop, row_key, x, tape, scratch, z, &rest));
    gemm_add_term(multiply(l), &rest, y);
    arena_reset(scratch, mark);
    return ST_OK;
}

status lowrank_unapply(const struct lowrank *l, const struct dropout *drop, const uint32_t *row_key,
                       const struct mat *x, void *z, const struct mat *dy, const struct lowrank_grads *g,
                       struct arena *scratch, struct mat *dx)
{
    struct mat in, work, din, inner = mat_of(z, x->rows, l->r);
    bool apart = dx && drop->p > 0; /* the gradient must go through the dropout before it is added */
    struct arena_mark mark = arena_mark(scratch);
    TRY(dropped(drop, row_key, x, scratch, &in));
    TRY(mat_new(scratch, x->rows, l->r, &work));
    if (apart) {
        TRY(mat_new(scratch, x->rows, x->cols, &din));
        op_zero(&din);
    }
    lowrank_backward(l, &in, &inner, dy, g->a, g->b, g->e, g->from, &work, apart ? &din : dx);
    if (apart) {
        op_dropout(drop, row_key, &din, &din);
        op_add(&din, dx);
    }
    arena_reset(scratch, mark);
    return ST_OK;
}

void lowrank_merge(const struct lowrank *l, real *w)
{
    struct wsrc b = source_of_b(l);
    gemm(l->out, l->in, l->hi - l->lo, (struct gemm_in){.w = &b}, rows_of_a(l, false), w, l->in, true);
}
