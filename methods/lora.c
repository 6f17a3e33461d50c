/* LoRA: y = W0 x + b + s B (A drop(x)), A [r, in], B [out, r] (Hu et al. 2022; METHODS 3.2). s = alpha / r, or
 * alpha / sqrt(r) with rslora (Kalajdzievski 2023). B starts at zero, so step 0 computes what the base computes. The
 * adapter sits on the linear layer wherever it is used: token rows and rows of a relative-position table alike. */
#include <math.h>
#include <string.h>
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

enum init { INIT_KAIMING, INIT_GAUSSIAN };

struct options {
    const char *sites;
    int rank, rslora, init;
    double alpha, dropout;
};

static const struct option options[] = {
    OPTION_SITES("all", "adapted linear layers"),
    OPTION_RANK("8", 4096, "rank r"),
    OPTION_ALPHA("the update is scaled by alpha / rank"),
    OPTION_DROPOUT,
    {.name = "rslora",
     .type = OPT_BOOL,
     .offset = offsetof(struct options, rslora),
     .def = "no",
     .help = "scale by alpha / sqrt(rank) instead"},
    {.name = "init",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, init),
     .choices = "kaiming|gaussian",
     .def = "kaiming",
     .help = "start of A: U(-1/sqrt(in), 1/sqrt(in)) or N(0, 1/rank); B starts at 0"},
    OPT_END,
};

struct adapter {
    struct param *a, *b;
    struct drop drop;
};

static double scale_of(const struct options *o)
{
    return o->rslora ? o->alpha / sqrt((double)o->rank) : o->alpha / o->rank;
}

static struct lowrank update_of(const struct site *site)
{
    const struct adapter *ad = site->adapter;
    const struct options *o = ((const struct mrun *)site->run)->options;
    return lowrank_of(ad->a, ad->b, scale_of(o));
}

static status lora_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "lora: %s is no linear layer and cannot take a low-rank update",
            site->name);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", o->rank, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, o->rank, &ad->b));
    if (o->init == INIT_KAIMING) {
        double bound = 1 / sqrt((double)site->in);
        rng_fill_uniform(run->rng, ad->a->name, ad->a->data, param_size(ad->a), -bound, bound);
    } else {
        rng_fill_normal(run->rng, ad->a->name, ad->a->data, param_size(ad->a), 0, 1.0 / o->rank);
    }
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a->name)};
    return ST_OK;
}

static status lora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    return lowrank_layer_forward(u, update_of(u->site), &ad->drop, x, &u->saved, y);
}

static status lora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct lowrank_grads g = {.a = ad->a->grad, .b = ad->b->grad};
    return lowrank_layer_backward(u, update_of(u->site), &ad->drop, x, u->saved, dy, &g, dx);
}

static void lora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    (void)variant;
    out->rank = out->rank_max = o->rank;
    out->trained = out->deployed = out->adapter_macs_per_token = (double)o->rank * (site->in + site->out);
}

static status lora_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    struct lowrank lr = update_of(site);
    (void)run, (void)variant, (void)b;
    lowrank_merge(&lr, w);
    return ST_OK;
}

/* "<site>.lora_A", as loralib writes it, or "<site>.lora_A.weight", as peft does; both in our shapes. */
static struct param *lora_foreign(struct mrun *run, const char *name, bool *transpose)
{
    char ours[512];
    size_t n = strlen(name), tail = strlen(".weight");
    if (n > tail && strcmp(name + n - tail, ".weight") == 0) n -= tail;
    if (n >= sizeof ours) return NULL;
    memcpy(ours, name, n);
    ours[n] = 0;
    struct param *p = param_find(run->reg, ours);
    *transpose = false;
    return p && p->cls == P_ADAPTER ? p : NULL;
}

const struct method method_lora = {
    .name = "lora",
    .summary = "low-rank updates of linear layers",
    .source = "Hu et al. 2022, arXiv 2106.09685; METHODS 3.2",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .attach = lora_attach,
    .site_ops = {.forward = lora_forward, .backward = lora_backward, .fused = true},
    .report = lora_report,
    .effective = lora_effective,
    .foreign = lora_foreign,
};
