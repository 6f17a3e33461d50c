/* Low-rank updates on top of the products. The factors s*e are applied to the small matrices: to B while it is packed
 * (forward) and to the [T, r] intermediates (backward). */
#include "core/lowrank.h"

#include "core/ops.h"
#include "core/wsrc.h"

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

void lowrank_forward(const struct lowrank *l, const struct mat *x, struct mat *z, struct mat *y)
{
    int n = l->hi - l->lo;
    multiply(l)(x->rows, n, l->in, (struct gemm_in){.p = x->a, .ld = x->ld}, rows_of_a(l, true), z->a + l->lo, z->ld,
                false);
    struct wsrc b = source_of_b(l);
    multiply(l)(x->rows, l->out, n, (struct gemm_in){.p = z->a + l->lo, .ld = z->ld},
                (struct gemm_in){.w = &b, .trans = true}, y->a, y->ld, true);
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

void lowrank_backward(const struct lowrank *l, const struct mat *x, const struct mat *z, const struct mat *dy, real *da,
                      real *db, real *de, int train_lo, struct mat *scratch, struct mat *dx)
{
    int n = l->hi - l->lo, from = train_lo > l->lo ? train_lo : l->lo, trained = l->hi - from, rows = x->rows;
    struct gemm_in up = {.p = dy->a, .ld = dy->ld};
    if (trained > 0 && db != NULL) { /* db += dy' (z o s e) */
        scale_columns(l, from, z, scratch);
        gemm(l->out, trained, rows, (struct gemm_in){.p = dy->a, .ld = dy->ld, .trans = true},
             (struct gemm_in){.p = scratch->a + from, .ld = scratch->ld}, db + from, l->r, true);
    }
    struct gemm_in b = {.p = l->b + l->lo, .ld = l->r};
    multiply(l)(rows, n, l->out, up, b, scratch->a + l->lo, scratch->ld, false); /* g = dy B */
    if (de != NULL) add_de(l, from, z, scratch, de);
    scale_columns(l, l->lo, scratch, scratch);
    if (trained > 0 && da != NULL)
        gemm(trained, l->in, rows, (struct gemm_in){.p = scratch->a + from, .ld = scratch->ld, .trans = true},
             (struct gemm_in){.p = x->a, .ld = x->ld}, da + (size_t)from * (size_t)l->in, l->in, true);
    if (dx != NULL)
        multiply(l)(rows, l->in, n, (struct gemm_in){.p = scratch->a + l->lo, .ld = scratch->ld}, rows_of_a(l, false),
                    dx->a, dx->ld, true);
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
    op_copy(x, out);
    op_dropout(drop, row_key, out);
    return ST_OK;
}

status lowrank_apply(const struct lowrank *l, const struct dropout *drop, const uint32_t *row_key, const struct mat *x,
                     struct arena *tape, struct arena *scratch, void **z, struct mat *y)
{
    struct mat in, inner;
    struct arena_mark mark = arena_mark(scratch);
    TRY(mat_new(tape ? tape : scratch, x->rows, l->r, &inner));
    TRY(dropped(drop, row_key, x, scratch, &in));
    lowrank_forward(l, &in, &inner, y);
    arena_reset(scratch, mark);
    *z = tape ? inner.a : NULL;
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
        op_dropout(drop, row_key, &din);
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
