/* Low-rank updates on top of the products. The factors s*e are applied to the small matrices: to B while it is packed
 * (forward) and to the [T, r] intermediates (backward). */
#include "core/lowrank.h"

#include "core/gemm.h"
#include "core/parallel.h"
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

static struct gemm_in rows_of_a(const struct lowrank *l, bool trans)
{
    return (struct gemm_in){.p = l->a + (size_t)l->lo * (size_t)l->in, .ld = l->in, .trans = trans};
}

void lowrank_forward(const struct lowrank *l, const struct mat *x, struct mat *z, struct mat *y)
{
    int n = l->hi - l->lo;
    gemm(x->rows, n, l->in, (struct gemm_in){.p = x->a, .ld = x->ld}, rows_of_a(l, true), z->a + l->lo, z->ld, false);
    struct wsrc b = {.rows = l->out, .cols = n, .tile = scaled_b, .bits = 32, .ctx = l};
    gemm(x->rows, l->out, n, (struct gemm_in){.p = z->a + l->lo, .ld = z->ld}, (struct gemm_in){.w = &b, .trans = true},
         y->a, y->ld, true);
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
    if (trained > 0) { /* db += dy' (z o s e) */
        scale_columns(l, from, z, scratch);
        gemm(l->out, trained, rows, (struct gemm_in){.p = dy->a, .ld = dy->ld, .trans = true},
             (struct gemm_in){.p = scratch->a + from, .ld = scratch->ld}, db + from, l->r, true);
    }
    struct gemm_in b = {.p = l->b + l->lo, .ld = l->r};
    gemm(rows, n, l->out, up, b, scratch->a + l->lo, scratch->ld, false); /* g = dy B */
    if (de != NULL) add_de(l, from, z, scratch, de);
    scale_columns(l, l->lo, scratch, scratch);
    if (trained > 0)
        gemm(trained, l->in, rows, (struct gemm_in){.p = scratch->a + from, .ld = scratch->ld, .trans = true},
             (struct gemm_in){.p = x->a, .ld = x->ld}, da + (size_t)from * (size_t)l->in, l->in, true);
    if (dx != NULL)
        gemm(rows, l->in, n, (struct gemm_in){.p = scratch->a + l->lo, .ld = scratch->ld}, rows_of_a(l, false), dx->a,
             dx->ld, true);
}
