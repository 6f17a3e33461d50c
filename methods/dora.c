/* DoRA (Liu et al. 2024): a weight's rows are taken apart into magnitude and direction; the direction gets a low-rank
 * update, the magnitude m [out] is trained itself:
 *
 *     y = f o (V x) + c,   V = W0 + (alpha / rank) B A,   f = m / |V|   (norms of rows)
 *
 * As in the paper |V| counts as a constant in the gradient (its section 4.3). B starts at 0 and m at |W0|, so step 0
 * computes what the base computes; the tensor holds m - |W0|, so that this holds on a store that rounds W0 too. Dropout
 * is on the adapter's input only.
 *
 * No dense V is made: |V|^2 = |W0|^2 + 2 s B (W0 A')' + s^2 B A A' B', row by row. */
#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/ops.h"
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

struct options {
    const char *sites;
    int rank;
    double alpha, dropout;
};

static const struct option options[] = {
    OPTION_SITES("all", "adapted linear layers"),
    OPTION_RANK("8", 4096, "rank of the update"),
    OPTION_ALPHA("the update is scaled by alpha / rank"),
    OPTION_DROPOUT,
    OPT_END,
};

struct adapter {
    struct param *a, *b, *magnitude; /* magnitude: m - |W0| */
    struct drop drop;
    double *base;        /* [out] |W0|^2; made in the first pass, when the store holds the weight */
    real *norm, *factor; /* [out] |V| and m / |V| of this pass */
    real *held;          /* gradient checks: |V| of the pass that goes back */
};

static struct lowrank update_of(const struct site *site)
{
    const struct adapter *ad = site->adapter;
    const struct options *o = ((const struct mrun *)site->run)->options;
    return lowrank_of(ad->a, ad->b, o->alpha / o->rank);
}

static status dora_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    double bound = 1 / sqrt((double)site->in);
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "dora: %s is no linear layer and has no weight to take apart",
            site->name);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", o->rank, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, o->rank, &ad->b));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "magnitude", 1, site->out, &ad->magnitude));
    ad->magnitude->decay = 0;
    rng_fill_uniform(run->rng, ad->a->name, ad->a->data, param_size(ad->a), -bound, bound);
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a->name)};
    return ST_OK;
}

/* ---- norms ------------------------------------------------------------------------------------------------------- */

static status base_norms(struct mrun *run, const struct site *site, struct arena *scratch, double **base)
{
    real *row;
    NEW(*base, run->arena, site->out);
    struct arena_mark mark = arena_mark(scratch);
    NEW(row, scratch, site->in);
    for (int j = 0; j < site->out; j++) {
        site->w.tile(&site->w, j, 1, 0, site->in, row, site->in);
        (*base)[j] = op_sum_squares(row, (size_t)site->in);
    }
    arena_reset(scratch, mark);
    return ST_OK;
}

/* norm [out] = |V|. */
static status norms(const struct site *site, struct arena *scratch, real *norm)
{
    const struct adapter *ad = site->adapter;
    struct lowrank l = update_of(site);
    const struct gemm_in a = {.p = l.a, .ld = l.in}, a_turned = {.p = l.a, .ld = l.in, .trans = true};
    real *wa, *aa;
    struct arena_mark mark = arena_mark(scratch);
    NEW(wa, scratch, l.out * l.r);
    NEW(aa, scratch, l.r * l.r);
    gemm(l.out, l.r, l.in, (struct gemm_in){.w = &site->w}, a_turned, wa, l.r, false);
    gemm(l.r, l.r, l.in, a, a_turned, aa, l.r, false);
    for (int j = 0; j < l.out; j++) {
        const real *b = l.b + (size_t)j * (size_t)l.r, *w = wa + (size_t)j * (size_t)l.r;
        double mixed = 0, own = 0;
        for (int i = 0; i < l.r; i++) {
            double row = 0;
            for (int k = 0; k < l.r; k++) row += (double)aa[i * l.r + k] * (double)b[k];
            own += (double)b[i] * row;
            mixed += (double)b[i] * (double)w[i];
        }
        double square = ad->base[j] + 2 * l.scale * mixed + l.scale * l.scale * own;
        norm[j] = (real)sqrt(square > 0 ? square : 0);
    }
    arena_reset(scratch, mark);
    return ST_OK;
}

/* f = m / |V|; 0 for a row of zeros, which stays one. */
static void factors(const struct site *site, const real *norm, real *f)
{
    const struct adapter *ad = site->adapter;
    for (int j = 0; j < site->out; j++) {
        double m = sqrt(ad->base[j]) + (double)ad->magnitude->data[j];
        f[j] = norm[j] > 0 ? (real)m / norm[j] : 0;
    }
}

/* The norms are constants of the loss: a gradient check holds them where they were in the pass it went back through. */
static status hold(struct mrun *run, const struct site *site, const struct pass *pass, struct adapter *ad)
{
    bool first = !ad->held;
    if (first) NEW(ad->held, run->arena, site->out);
    if (first || pass->keep) memcpy(ad->held, ad->norm, sizeof *ad->held * (size_t)site->out);
    ad->norm = ad->held;
    return ST_OK;
}

static status dora_prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    struct adapter *ad = site->adapter;
    if (!ad->base) TRY(base_norms(run, site, pass->scratch, &ad->base));
    NEW(ad->norm, pass->tape, site->out);
    NEW(ad->factor, pass->tape, site->out);
    TRY(norms(site, pass->scratch, ad->norm));
    if (pass->mode == PASS_CHECK) TRY(hold(run, site, pass, ad));
    factors(site, ad->norm, ad->factor);
    return ST_OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

struct kept {
    void *z;              /* of the low-rank update */
    struct mat direction; /* V x */
};

static void take_bias_off(const struct site *site, struct mat *y)
{
    for (int t = 0; site->bias && t < y->rows; t++)
        for (int j = 0; j < y->cols; j++) mat_row(y, t)[j] -= site->bias->data[j];
}

/* At step 0 f is exactly 1; y o f + (1 - f) o c, not (y - c) o f + c, then changes no bit. */
static status dora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct site *site = u->site;
    const struct adapter *ad = site->adapter;
    struct pass *p = u->pass;
    struct kept *kept;
    NEW(kept, p->keep ? p->tape : p->scratch, 1);
    TRY(lowrank_layer_forward(u, update_of(site), &ad->drop, x, &kept->z, y));
    if (p->keep) {
        TRY(mat_new(p->tape, y->rows, y->cols, &kept->direction));
        op_copy(y, &kept->direction);
        take_bias_off(site, &kept->direction);
        u->saved = kept;
    }
    op_scale_columns(y, ad->factor, y);
    for (int t = 0; site->bias && t < y->rows; t++)
        for (int j = 0; j < y->cols; j++) mat_row(y, t)[j] += site->bias->data[j] * (1 - ad->factor[j]);
    return ST_OK;
}

/* dm = sum dy o (V x) / |V|; base and update get dy o f. */
static status dora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct lowrank_grads g = {.a = ad->a->grad, .b = ad->b->grad};
    struct kept *kept = u->saved;
    struct arena *scratch = u->pass->scratch;
    struct arena_mark mark = arena_mark(scratch);
    struct mat work;
    real *over;
    TRY(mat_new(scratch, dy->rows, dy->cols, &work));
    NEW(over, scratch, dy->cols);
    for (int j = 0; j < dy->cols; j++) over[j] = ad->norm[j] > 0 ? 1 / ad->norm[j] : 0;
    op_scale_columns(dy, over, &work);
    op_multiply(&kept->direction, &work);
    bias_backward(&work, ad->magnitude->grad);
    op_scale_columns(dy, ad->factor, &work);
    TRY(lowrank_layer_backward(u, update_of(u->site), &ad->drop, x, kept->z, &work, &g, dx));
    arena_reset(scratch, mark);
    return ST_OK;
}

/* ---- what it comes to -------------------------------------------------------------------------------------------- */

static void dora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    (void)variant;
    out->rank = out->rank_max = o->rank;
    out->trained = out->deployed = (double)o->rank * (site->in + site->out) + site->out;
    out->adapter_macs_per_token = out->trained;
}

/* m o V / |V| */
static status dora_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    const struct lowrank lr = update_of(site);
    real *norm, *f;
    (void)variant, (void)b;
    struct arena_mark mark = arena_mark(run->arena);
    NEW(norm, run->arena, site->out);
    NEW(f, run->arena, site->out);
    TRY(norms(site, run->arena, norm));
    factors(site, norm, f);
    lowrank_merge(&lr, w);
    for (int j = 0; j < site->out; j++)
        for (int i = 0; i < site->in; i++) w[(size_t)j * (size_t)site->in + (size_t)i] *= f[j];
    arena_reset(run->arena, mark);
    return ST_OK;
}

const struct method method_dora = {
    .name = "dora",
    .summary = "low-rank updates of directions, with trained magnitudes",
    .source = "Liu et al. 2024, arXiv 2402.09353",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .attach = dora_attach,
    .prepare = dora_prepare,
    .site_ops = {.forward = dora_forward, .backward = dora_backward},
    .report = dora_report,
    .effective = dora_effective,
};
