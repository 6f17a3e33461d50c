#include "core/lq_decompose.h"

#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/svd.h"

/* What goes from one iteration to the next, and working memory. */
struct alternation {
    const real *w;
    int out, in;
    const struct lq_form *form;
    real *rest;            /* [out, in] W - Q, then scaled, for the decomposition; W - L1 L2 for the quantiser */
    real *values;          /* [out, in] of Q */
    double *d_row, *d_col; /* [out], [in]; NULL: no weights */
    double *row_error;     /* [out] */
    float *scales;         /* for lq_fill */
    struct svd svd;
    struct lq_parts part[2]; /* of this iteration and the one before, by turns */
};

/* ---- weights ---- */

static status check_weights(const real *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        FAIL_IF(!(f[i] >= 0) || !isfinite(f[i]), ST_INPUT, "the weight of an element is %g, expected a number >= 0",
                (double)f[i]);
    return ST_OK;
}

/* The root of each mean, not below a millionth of the largest. All 0: all alike. */
static void roots(double *sum, int n, double count)
{
    const double floor_share = 1e-6;
    double most = 0;
    for (int i = 0; i < n; i++) {
        sum[i] = sqrt(sum[i] / count);
        most = fmax(most, sum[i]);
    }
    for (int i = 0; i < n; i++) sum[i] = most > 0 ? fmax(sum[i], floor_share * most) : 1;
}

static status scalings(struct alternation *a, struct arena *temporary)
{
    const real *f = a->form->weights;
    if (!f) return ST_OK;
    TRY(check_weights(f, (size_t)a->out * (size_t)a->in));
    ZNEW(a->d_row, temporary, a->out);
    ZNEW(a->d_col, temporary, a->in);
    for (int r = 0; r < a->out; r++)
        for (int c = 0; c < a->in; c++) {
            double weight = (double)f[(size_t)r * (size_t)a->in + (size_t)c];
            a->d_row[r] += weight;
            a->d_col[c] += weight;
        }
    roots(a->d_row, a->out, a->in);
    roots(a->d_col, a->in, a->out);
    return ST_OK;
}

/* ---- one iteration ---- */

/* rest = D_row (W - Q) D_col */
static void rest_row(void *ctx, int r, int thread)
{
    const struct alternation *a = ctx;
    size_t first = (size_t)r * (size_t)a->in;
    const real *w = a->w + first, *q = a->values + first;
    real *rest = a->rest + first;
    (void)thread;
    for (int c = 0; c < a->in; c++) rest[c] = w[c] - q[c];
    for (int c = 0; a->d_row && c < a->in; c++) rest[c] = (real)(a->d_row[r] * (double)rest[c] * a->d_col[c]);
}

/* The factors, scaled back: L1 = U sqrt(S) / D_row, L2 = sqrt(S) V' / D_col. */
static void take_factors(const struct alternation *a, struct lq_parts *p)
{
    const struct svd *d = &a->svd;
    for (int i = 0; i < p->rank; i++) {
        double root = sqrt(d->s[i]);
        for (int r = 0; r < a->out; r++)
            p->l1[(size_t)r * (size_t)p->rank + (size_t)i] =
                (real)((double)mat_row(&d->u, r)[i] * root / (a->d_row ? a->d_row[r] : 1));
        for (int c = 0; c < a->in; c++)
            p->l2[(size_t)i * (size_t)a->in + (size_t)c] =
                (real)((double)mat_row(&d->v, c)[i] * root / (a->d_col ? a->d_col[c] : 1));
    }
}

/* rest holds L1 L2 and becomes W - L1 L2. */
static void remainder_row(void *ctx, int r, int thread)
{
    const struct alternation *a = ctx;
    size_t first = (size_t)r * (size_t)a->in;
    const real *w = a->w + first;
    real *rest = a->rest + first;
    (void)thread;
    for (int c = 0; c < a->in; c++) rest[c] = w[c] - rest[c];
}

struct measuring {
    const struct alternation *a;
    const struct lq *q;
};

/* The values of Q and the squared error of one row. */
static void measure_row(void *ctx, int r, int thread)
{
    const struct measuring *m = ctx;
    const struct alternation *a = m->a;
    size_t first = (size_t)r * (size_t)a->in;
    const real *rest = a->rest + first, *f = a->form->weights ? a->form->weights + first : NULL;
    real *q = a->values + first;
    double sum = 0;
    (void)thread;
    lq_values(m->q, first, a->in, q);
    for (int c = 0; c < a->in; c++) {
        double e = (double)rest[c] - (double)q[c];
        sum += f ? (double)f[c] * e * e : e * e;
    }
    a->row_error[r] = sum;
}

static status iterate(struct alternation *a, struct lq_parts *p)
{
    const struct mat rest = mat_of(a->rest, a->out, a->in);
    struct measuring m = {.a = a, .q = &p->q};
    double sum = 0;
    parallel_for(a->out, rest_row, a);
    svd_compute(&a->svd, &rest);
    take_factors(a, p);
    gemm(a->out, a->in, p->rank, (struct gemm_in){.p = p->l1, .ld = p->rank}, (struct gemm_in){.p = p->l2, .ld = a->in},
         a->rest, a->in, false);
    parallel_for(a->out, remainder_row, a);
    TRY(lq_fill(&p->q, a->rest, a->scales));
    parallel_for(a->out, measure_row, &m);
    for (int r = 0; r < a->out; r++) sum += a->row_error[r];
    p->error = sqrt(sum);
    return ST_OK;
}

/* ---- all of them ---- */

static status begin(struct alternation *a, struct arena *temporary)
{
    size_t n = (size_t)a->out * (size_t)a->in;
    FAIL_IF(!op_all_finite(a->w, n), ST_INPUT, "a weight is no finite number and cannot be decomposed");
    TRY(scalings(a, temporary));
    NEW(a->rest, temporary, n);
    ZNEW(a->values, temporary, n);
    NEW(a->row_error, temporary, a->out);
    TRY(svd_begin(a->out, a->in, a->form->rank, temporary, &a->svd));
    for (int i = 0; i < 2; i++) {
        struct lq_parts *p = &a->part[i];
        p->rank = a->svd.rank;
        TRY(lq_new(n, &a->form->config, temporary, &p->q));
        NEW(p->l1, temporary, (size_t)a->out * (size_t)p->rank);
        NEW(p->l2, temporary, (size_t)a->in * (size_t)p->rank);
    }
    NEW(a->scales, temporary, a->part[0].q.blocks);
    return ST_OK;
}

static status keep_parts(const struct alternation *a, const struct lq_parts *from, struct arena *keep,
                         struct lq_parts *to)
{
    size_t left = (size_t)a->out * (size_t)from->rank, right = (size_t)a->in * (size_t)from->rank;
    to->rank = from->rank;
    to->error = from->error;
    NEW(to->l1, keep, left);
    NEW(to->l2, keep, right);
    memcpy(to->l1, from->l1, left * sizeof *to->l1);
    memcpy(to->l2, from->l2, right * sizeof *to->l2);
    return lq_copy(&from->q, keep, &to->q);
}

static status alternate(struct alternation *a, struct arena *temporary, struct arena *keep, struct lq_parts *out)
{
    bool falls = true;
    int now = 0;
    TRY(begin(a, temporary));
    *out = (struct lq_parts){0};
    NEW(out->errors, keep, a->form->iterations);
    for (int i = 0; i < a->form->iterations && falls; i++) {
        now = i % 2;
        TRY(iterate(a, &a->part[now]));
        out->errors[i] = a->part[now].error;
        out->iterations = i + 1;
        falls = i == 0 || out->errors[i] < out->errors[i - 1];
    }
    if (!falls && a->form->result == LQ_BEST) now = 1 - now;
    return keep_parts(a, &a->part[now], keep, out);
}

status lq_decompose(const real *w, int out, int in, const struct lq_form *form, struct arena *keep,
                    struct lq_parts *parts)
{
    struct alternation a = {.w = w, .out = out, .in = in, .form = form};
    FAIL_IF(form->iterations < 1, ST_USAGE, "a decomposition of %d iterations; expected at least one",
            form->iterations);
    struct arena *temporary = arena_new("a decomposition");
    if (!temporary) return ST_MEMORY;
    status st = alternate(&a, temporary, keep, parts);
    arena_free(temporary);
    return st;
}
