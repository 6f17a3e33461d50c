/* AdaLoRA (Zhang et al. 2023; METHODS 3.4): y = W0 x + c + s B diag(E) A x with s = alpha / (rank + 1e-5). All sites
 * start with `rank` triplets (row of A, E_i, column of B). After every optimiser step each triplet is scored by how
 * much the loss feels it, and a budget that shrinks from rank to target_rank a site on average says how many of all
 * sites' triplets stay: the E_i of the others is set to zero.
 *
 *     step t    0 .. t_i           all triplets; the importance sums fill
 *               t_i .. T - t_f     the budget falls along a cubic; a masked triplet may still come back
 *               T - t_f .. T       the budget is the target and the choice is fixed; survivors are tuned
 *
 * A and B are kept near orthogonal rows and columns by a penalty. Importance sums, scores and survivors are P_STATE
 * tensors, so a resumed run goes on where it was. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "core/gemm.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

enum orth { ORTH_NORM, ORTH_SQUARED };

struct options {
    const char *sites;
    int rank, delta_t, orth;
    double target_rank, alpha, dropout, t_i, t_f, gamma, beta_importance, beta_uncertainty;
};

static const struct option options[] = {
    OPTION_SITES("all", "adapted linear layers"),
    OPTION_RANK("12", 4096, "rank of every site at the start"),
    {.name = "target_rank",
     .type = OPT_REAL,
     .offset = offsetof(struct options, target_rank),
     .lo = 0,
     .hi = 4096,
     .def = "8",
     .help = "mean rank of a site at the end"},
    OPTION_ALPHA("the update is scaled by alpha / rank; 0 stands for the rank"),
    OPTION_DROPOUT,
    {.name = "t_i",
     .type = OPT_REAL,
     .offset = offsetof(struct options, t_i),
     .lo = 0,
     .hi = 1e9,
     .def = "0.1",
     .help = "steps before the budget shrinks; below 1: this fraction of the run"},
    {.name = "t_f",
     .type = OPT_REAL,
     .offset = offsetof(struct options, t_f),
     .lo = 0,
     .hi = 1e9,
     .def = "0.5",
     .help = "steps after the target is reached; below 1: this fraction of the run"},
    {.name = "delta_t",
     .type = OPT_INT,
     .offset = offsetof(struct options, delta_t),
     .lo = 1,
     .hi = 1e9,
     .def = "1",
     .help = "steps between two masks while the budget shrinks"},
    {.name = "gamma",
     .type = OPT_REAL,
     .offset = offsetof(struct options, gamma),
     .lo = 0,
     .hi = 1e3,
     .def = "0.1",
     .help = "weight of the orthogonality penalty"},
    {.name = "orth",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, orth),
     .choices = "norm|squared",
     .def = "norm",
     .help = "penalty: mean over all A and B of |AA'-I| (as released) or of its square (as printed)"},
    {.name = "beta_importance",
     .type = OPT_REAL,
     .offset = offsetof(struct options, beta_importance),
     .lo = 0,
     .hi = 0.999999,
     .def = "0.85",
     .help = "memory of the importance sums"},
    {.name = "beta_uncertainty",
     .type = OPT_REAL,
     .offset = offsetof(struct options, beta_uncertainty),
     .lo = 0,
     .hi = 0.999999,
     .def = "0.85",
     .help = "memory of the uncertainty sums"},
    OPT_END,
};

struct watched { /* a trained tensor with the running sums of its importance */
    struct param *w, *importance, *uncertainty;
};

struct adapter {
    struct watched a, b, e;
    struct param *score; /* [1, rank] of the last update */
    struct param *alive; /* [1, rank] 1: not masked, or come back since */
    struct drop drop;
};

struct state {
    struct adapter **adapter; /* attached ones */
    int attached;
    long total, t_i, t_f;  /* steps; total 0: nothing will be trained */
    long triplets, target; /* budget at the start and at the end */
    real *sorted;          /* [triplets] working memory */
};

/* ---- budget ------------------------------------------------------------------------------------------------------ */

/* Triplets that stay after step t, and whether the others are masked now. The cube is taken in long double so that its
 * rounding to double is the one of pow(). */
static long budget_at(const struct state *s, const struct options *o, long t, bool *mask)
{
    *mask = false;
    if (t <= s->t_i) return s->triplets;
    *mask = true;
    if (t > s->total - s->t_f) return s->target;
    *mask = t % o->delta_t == 0;
    double left = 1 - (double)(t - s->t_i) / (double)(s->total - s->t_f - s->t_i);
    double cube = (double)((long double)left * left * left);
    return (long)((double)s->target + (double)(s->triplets - s->target) * cube);
}

static status steps_of(const char *name, double value, long total, long *steps)
{
    FAIL_IF(value >= 1 && value != floor(value), ST_USAGE,
            "adalora: %s = %g is neither a number of steps nor a fraction of the run below 1", name, value);
    *steps = (long)(value < 1 ? floor(value * (double)total) : value);
    return ST_OK;
}

/* The run must end with a mask that leaves the target: after any other step the optimiser may have brought masked
 * triplets back. */
static status check_end(const struct state *s, const struct options *o)
{
    bool mask;
    long left = budget_at(s, o, s->total - 1, &mask);
    FAIL_IF(left != s->target || (!mask && s->target < s->triplets), ST_USAGE,
            "adalora: with t_f = %ld and delta_t = %d the run's %ld steps do not end with a mask down to the %ld "
            "triplets of target_rank: make t_f at least 2",
            s->t_f, o->delta_t, s->total, s->target);
    return ST_OK;
}

static status check_schedule(struct state *s, const struct options *o)
{
    FAIL_IF(o->target_rank > o->rank, ST_USAGE, "adalora: target_rank = %g is more than rank = %d", o->target_rank,
            o->rank);
    FAIL_IF(s->target < 1, ST_USAGE, "adalora: target_rank = %g leaves no triplet on %d sites", o->target_rank,
            s->attached);
    if (s->total == 0) return ST_OK;
    TRY(steps_of("t_i", o->t_i, s->total, &s->t_i));
    TRY(steps_of("t_f", o->t_f, s->total, &s->t_f));
    FAIL_IF(s->t_i + s->t_f >= s->total, ST_USAGE,
            "adalora: t_i + t_f = %ld + %ld steps leave none of the run's %ld for the budget to shrink in", s->t_i,
            s->t_f, s->total);
    return check_end(s, o);
}

static status adalora_setup(struct mrun *run)
{
    const struct options *o = run->options;
    struct state *s = run->state;
    for (int i = 0; i < run->sites; i++) s->attached += run->chosen[i];
    s->triplets = (long)s->attached * o->rank;
    s->target = (long)floor(s->attached * o->target_rank + 0.5);
    s->total = (long)run->total_steps;
    TRY(check_schedule(s, o));
    NEW(s->adapter, run->arena, s->attached);
    NEW(s->sorted, run->arena, s->triplets);
    s->attached = 0;
    return ST_OK;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static status add_watched(struct mrun *run, const struct site *site, const char *suffix, int rows, int cols,
                          struct watched *w)
{
    char importance[64], uncertainty[64];
    snprintf(importance, sizeof importance, "%s.importance", suffix);
    snprintf(uncertainty, sizeof uncertainty, "%s.uncertainty", suffix);
    TRY(site_tensor(site, run->reg, P_ADAPTER, suffix, rows, cols, &w->w));
    TRY(site_tensor(site, run->reg, P_STATE, importance, rows, cols, &w->importance));
    return site_tensor(site, run->reg, P_STATE, uncertainty, rows, cols, &w->uncertainty);
}

static status adalora_attach(struct mrun *run, struct site *site, const real *w)
{
    const double spread = 0.02; /* of A and B; E starts at 0 */
    const struct options *o = run->options;
    struct state *s = run->state;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "adalora: %s is no linear layer and cannot take a low-rank update",
            site->name);
    TRY(add_watched(run, site, "lora_A", o->rank, site->in, &ad->a));
    TRY(add_watched(run, site, "lora_B", site->out, o->rank, &ad->b));
    TRY(add_watched(run, site, "lora_E", 1, o->rank, &ad->e));
    TRY(site_tensor(site, run->reg, P_STATE, "lora_score", 1, o->rank, &ad->score));
    TRY(site_tensor(site, run->reg, P_STATE, "lora_alive", 1, o->rank, &ad->alive));
    rng_fill_normal(run->rng, ad->a.w->name, ad->a.w->data, param_size(ad->a.w), 0, spread);
    rng_fill_normal(run->rng, ad->b.w->name, ad->b.w->data, param_size(ad->b.w), 0, spread);
    for (int i = 0; i < o->rank; i++) ad->alive->data[i] = 1;
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a.w->name)};
    s->adapter[s->attached++] = ad;
    return ST_OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

static struct lowrank update_of(const struct site *site)
{
    const struct adapter *ad = site->adapter;
    const struct options *o = ((const struct mrun *)site->run)->options;
    struct lowrank l = lowrank_of(ad->a.w, ad->b.w, (o->alpha > 0 ? o->alpha : o->rank) / (o->rank + 1e-5));
    l.e = ad->e.w->data;
    return l;
}

static status adalora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    return lowrank_layer_forward(u, update_of(u->site), &ad->drop, x, &u->saved, y);
}

static status adalora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct lowrank_grads g = {.a = ad->a.w->grad, .b = ad->b.w->grad, .e = ad->e.w->grad};
    return lowrank_layer_backward(u, update_of(u->site), &ad->drop, x, u->saved, dy, &g, dx);
}

/* ---- orthogonality ----------------------------------------------------------------------------------------------- */

/* The penalty of one matrix, M = A A' - I or B' B - I, each [r, r]; adds weight times its gradient. Of |M| that is
 * 2 M A / |M| (and 2 B M / |M|), of |M|^2 4 M A. */
static double orthogonality(const struct options *o, const struct param *p, bool columns, double weight, real *memory)
{
    int r = o->rank, n = columns ? p->rows : p->cols;
    struct mat m = mat_of(memory, r, r);
    const struct gemm_in plain = {.p = p->data, .ld = p->cols}, turned = {.p = p->data, .ld = p->cols, .trans = true};
    gemm(r, r, n, columns ? turned : plain, columns ? plain : turned, m.a, r, false);
    for (int i = 0; i < r; i++) mat_row(&m, i)[i] -= 1;
    double squares = op_sum_squares(m.a, (size_t)r * (size_t)r), norm = sqrt(squares);
    double factor = o->orth == ORTH_SQUARED ? 4 : norm > 0 ? 2 / norm : 0;
    op_scale(&m, weight * factor);
    const struct gemm_in by = {.p = m.a, .ld = r};
    if (columns)
        gemm(n, r, r, plain, by, p->grad, r, true);
    else
        gemm(r, n, r, by, plain, p->grad, n, true);
    return o->orth == ORTH_SQUARED ? squares : norm;
}

static status adalora_penalty(struct mrun *run, double *value)
{
    const struct options *o = run->options;
    const struct state *s = run->state;
    double weight = o->gamma / (2.0 * s->attached), sum = 0;
    real *memory;
    *value = 0;
    if (o->gamma == 0) return ST_OK;
    struct arena_mark mark = arena_mark(run->arena);
    NEW(memory, run->arena, (size_t)o->rank * (size_t)o->rank);
    for (int i = 0; i < s->attached; i++) {
        sum += orthogonality(o, s->adapter[i]->a.w, false, weight, memory);
        sum += orthogonality(o, s->adapter[i]->b.w, true, weight, memory);
    }
    arena_reset(run->arena, mark);
    *value = weight * sum;
    return ST_OK;
}

/* ---- importance and masks ---------------------------------------------------------------------------------------- */

/* I = |w dL/dw| with the new weight and the clipped gradient; its running mean, and that of its distance from the
 * mean. */
static void watch(const struct options *o, const struct watched *t)
{
    const real b1 = (real)o->beta_importance, b2 = (real)o->beta_uncertainty;
    const real *w = t->w->data, *g = t->w->grad;
    real *mean = t->importance->data, *spread = t->uncertainty->data;
    for (size_t k = 0, n = param_size(t->w); k < n; k++) {
        real now = w[k] * g[k];
        if (now < 0) now = -now;
        mean[k] = b1 * mean[k] + (1 - b1) * now;
        real off = now > mean[k] ? now - mean[k] : mean[k] - now;
        spread[k] = b2 * spread[k] + (1 - b2) * off;
    }
}

static double score_at(const struct watched *t, size_t k)
{
    return (double)t->importance->data[k] * (double)t->uncertainty->data[k];
}

/* s(E_i) + mean of s over row i of A + mean of s over column i of B */
static double triplet_score(const struct adapter *ad, int i)
{
    size_t rank = (size_t)ad->e.w->cols, in = (size_t)ad->a.w->cols, out = (size_t)ad->b.w->rows;
    double a = 0, b = 0;
    for (size_t j = 0; j < in; j++) a += score_at(&ad->a, (size_t)i * in + j);
    for (size_t j = 0; j < out; j++) b += score_at(&ad->b, j * rank + (size_t)i);
    return score_at(&ad->e, (size_t)i) + a / (double)in + b / (double)out;
}

static void update_scores(void *ctx, int site, int thread)
{
    const struct mrun *run = ctx;
    const struct adapter *ad = ((const struct state *)run->state)->adapter[site];
    (void)thread;
    watch(run->options, &ad->a);
    watch(run->options, &ad->b);
    watch(run->options, &ad->e);
    for (int i = 0; i < ad->e.w->cols; i++) ad->score->data[i] = (real)triplet_score(ad, i);
}

static int rising(const void *a, const void *b)
{
    real x = *(const real *)a, y = *(const real *)b;
    return (x > y) - (x < y);
}

/* Zeroes every E_i whose score is at most the `out`-th smallest of all sites. */
static void mask_lowest(struct state *s, long out)
{
    long n = 0;
    if (out == 0) return;
    for (int k = 0; k < s->attached; k++)
        for (int i = 0; i < s->adapter[k]->score->cols; i++) s->sorted[n++] = s->adapter[k]->score->data[i];
    qsort(s->sorted, (size_t)n, sizeof *s->sorted, rising);
    real threshold = s->sorted[out - 1];
    for (int k = 0; k < s->attached; k++) {
        const struct adapter *ad = s->adapter[k];
        for (int i = 0; i < ad->score->cols; i++) {
            bool stays = ad->score->data[i] > threshold;
            ad->alive->data[i] = stays;
            if (!stays) ad->e.w->data[i] = 0;
        }
        param_touch(ad->e.w);
    }
}

static int rank_now(const struct adapter *ad)
{
    int n = 0;
    for (int i = 0; i < ad->alive->cols; i++) n += ad->alive->data[i] != 0;
    return n;
}

/* Between masks the optimiser may move the E_i of a masked triplet away from zero. */
static void revive(const struct state *s)
{
    for (int k = 0; k < s->attached; k++)
        for (int i = 0; i < s->adapter[k]->alive->cols; i++)
            if (s->adapter[k]->e.w->data[i] != 0) s->adapter[k]->alive->data[i] = 1;
}

static status check_budget(const struct state *s)
{
    long survivors = 0;
    for (int k = 0; k < s->attached; k++) survivors += rank_now(s->adapter[k]);
    FAIL_IF(survivors > s->target, ST_INTERNAL, "adalora: %ld triplets survive where the budget is %ld", survivors,
            s->target);
    return ST_OK;
}

static status adalora_step_end(struct mrun *run)
{
    struct state *s = run->state;
    long t = (long)run->step;
    bool mask;
    long budget = budget_at(s, run->options, t, &mask);
    if (t < s->total - s->t_f) parallel_for(s->attached, update_scores, run);
    revive(s);
    if (mask) mask_lowest(s, s->triplets - budget);
    return t + 1 == s->total ? check_budget(s) : ST_OK;
}

/* ---- what it comes to -------------------------------------------------------------------------------------------- */

static void adalora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    double triplet = site->in + site->out + 1.0;
    (void)variant;
    out->rank = rank_now(site->adapter);
    out->rank_max = o->rank;
    out->trained = o->rank * triplet;
    out->deployed = out->adapter_macs_per_token = out->rank * triplet;
}

/* W0 + s B diag(E) A */
static status adalora_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    struct lowrank lr = update_of(site);
    (void)run, (void)variant, (void)b;
    lowrank_merge(&lr, w);
    return ST_OK;
}

const struct method method_adalora = {
    .name = "adalora",
    .summary = "low-rank updates whose ranks follow their importance",
    .source = "Zhang et al. 2023, arXiv 2303.10512; METHODS 3.4",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .run_size = sizeof(struct state),
    .site_size = sizeof(struct adapter),
    .setup = adalora_setup,
    .attach = adalora_attach,
    .site_ops = {.forward = adalora_forward, .backward = adalora_backward, .fused = true},
    .penalty = adalora_penalty,
    .step_end = adalora_step_end,
    .report = adalora_report,
    .effective = adalora_effective,
};
