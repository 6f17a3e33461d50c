/* VeRA (Kopiczko et al. 2024): y = W0 x + c + b o (B (d o (A x))). A [rank, in] and B [out, rank] are random, frozen
 * and shared by all layers of one width; trained are only d [rank] and b [out]. b starts at 0, so step 0 computes what
 * the base computes. A and B come from the seed and the width alone and are never saved. */
#include <math.h>
#include <stdio.h>
#include "core/gemm.h"
#include "core/ops.h"
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

struct options {
    const char *sites;
    int rank;
    double d_initial, dropout;
};

static const struct option options[] = {
    OPTION_SITES("query+value", "adapted linear layers"),
    OPTION_RANK("256", 4096, "rows of the shared A"),
    {.name = "d_initial",
     .type = OPT_REAL,
     .offset = offsetof(struct options, d_initial),
     .lo = 0,
     .hi = 1e3,
     .def = "0.1",
     .help = "start of d"},
    OPTION_DROPOUT,
    OPT_END,
};

struct adapter {
    const struct param *a, *b; /* shared */
    struct param *d, *gain;    /* gain: the paper's b */
    struct drop drop;
};

/* The shared matrix of that name, made when the first site asks for it: Kaiming-uniform, gain sqrt(2). */
static status shared(struct mrun *run, const char *side, int width, int rows, int cols, const struct param **out)
{
    char name[64];
    double bound = sqrt(6.0 / cols);
    struct param *p;
    snprintf(name, sizeof name, "vera_%s.%d", side, width);
    if (!(p = param_find(run->reg, name))) {
        TRY(param_add(run->reg, P_CONST, name, rows, cols, 0, &p));
        rng_fill_uniform(run->rng, name, p->data, param_size(p), -bound, bound);
    }
    *out = p;
    return ST_OK;
}

static status vera_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "vera: %s is no linear layer and cannot take a low-rank update",
            site->name);
    TRY(shared(run, "A", site->in, o->rank, site->in, &ad->a));
    TRY(shared(run, "B", site->out, site->out, o->rank, &ad->b));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "vera_d", 1, o->rank, &ad->d));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "vera_b", 1, site->out, &ad->gain));
    for (int i = 0; i < o->rank; i++) ad->d->data[i] = (real)o->d_initial;
    ad->drop = (struct drop){o->dropout, text_hash32(ad->d->name)};
    return ST_OK;
}

/* B (d o (A x)), before the gain. */
static struct lowrank inner_of(const struct site *site)
{
    const struct adapter *ad = site->adapter;
    struct lowrank l = lowrank_of(ad->a, ad->b, 1);
    l.e = ad->d->data;
    return l;
}

struct kept {
    void *z;          /* of the low-rank part */
    struct mat inner; /* B (d o (A x)) */
};

static status vera_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    struct pass *p = u->pass;
    struct arena *save = p->keep ? p->tape : p->scratch;
    struct kept *kept;
    struct mat update;
    NEW(kept, save, 1);
    TRY(base_forward(u, x, y));
    struct arena_mark mark = arena_mark(p->scratch);
    TRY(mat_new(save, y->rows, y->cols, &kept->inner));
    op_zero(&kept->inner);
    TRY(lowrank_use_forward(u, inner_of(u->site), &ad->drop, x, &kept->z, &kept->inner));
    TRY(mat_new(p->scratch, y->rows, y->cols, &update));
    op_scale_columns(&kept->inner, ad->gain->data, &update);
    op_add(&update, y);
    arena_reset(p->scratch, mark);
    u->saved = p->keep ? kept : NULL;
    return ST_OK;
}

/* db = sum dy o inner; the low-rank part gets dy o b. */
static status vera_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct lowrank_grads g = {.e = ad->d->grad};
    const struct kept *kept = u->saved;
    struct arena *scratch = u->pass->scratch;
    struct mat work;
    TRY(base_backward(u, x, dy, dx));
    struct arena_mark mark = arena_mark(scratch);
    TRY(mat_new(scratch, dy->rows, dy->cols, &work));
    op_copy(dy, &work);
    op_multiply(&kept->inner, &work);
    bias_backward(&work, ad->gain->grad);
    op_scale_columns(dy, ad->gain->data, &work);
    TRY(lowrank_use_backward(u, inner_of(u->site), &ad->drop, x, kept->z, &work, &g, dx));
    arena_reset(scratch, mark);
    return ST_OK;
}

static void vera_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    (void)variant;
    out->rank = out->rank_max = o->rank;
    out->trained = out->deployed = (double)o->rank + site->out;
    out->adapter_macs_per_token = (double)o->rank * (site->in + site->out) + o->rank + site->out;
}

/* W0 + diag(b) B diag(d) A */
static status vera_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    const struct adapter *ad = site->adapter;
    struct lowrank update = inner_of(site);
    real *scaled;
    (void)variant, (void)b;
    struct arena_mark mark = arena_mark(run->arena);
    NEW(scaled, run->arena, update.out * update.r);
    for (int j = 0; j < update.out; j++)
        for (int i = 0; i < update.r; i++) scaled[j * update.r + i] = update.b[j * update.r + i] * ad->gain->data[j];
    update.b = scaled;
    lowrank_merge(&update, w);
    arena_reset(run->arena, mark);
    return ST_OK;
}

const struct method method_vera = {
    .name = "vera",
    .summary = "learned gains around frozen random matrices shared by all layers",
    .source = "Kopiczko et al. 2024, arXiv 2310.11454",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .attach = vera_attach,
    .site_ops = {.forward = vera_forward, .backward = vera_backward},
    .report = vera_report,
    .effective = vera_effective,
};
