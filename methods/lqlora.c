/* LQ-LoRA (Guo et al. 2023; METHODS 7.1): a weight is taken apart into a quantised matrix, which is frozen, and a
 * low-rank one, which is trained:
 *
 *     y = Q x + b + s B (A drop(x)),   W ~ Q + L1 L2 (core/lq_decompose.h),   B = L1 / sqrt(s), A = L2 / sqrt(s)
 *
 * with s = alpha / rank, so step 0 computes nearly what the base computes. Ranks that the matrix does not have, or does
 * not need, start as LoRA's: A drawn, B zero.
 *
 * All matrices get one configuration of the quantiser, or, with a budget of bits a parameter over all of them, each the
 * one of `grid` that an exact allocation (core/allocate.h) gives it; what it minimises are the squared errors of full
 * decompositions. Everything is a function of the weights and the options, not of the run's seed: an adapter that was
 * saved finds the same Q, bit for bit, when the model is opened again. The method keeps the weights itself (Q takes the
 * place of site->w when the site is attached), so no store is built for them. */
#include <math.h>
#include "core/allocate.h"
#include "core/lq_kept.h"
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

struct options {
    const char *sites;
    int rank, code_bits, code_block, scale_bits, scale_block, scale_float, iterations, result;
    double alpha, dropout, budget;
};
#define AT(field) offsetof(struct options, field)

static const struct option options[] = {
    OPTION_SITES("all", "decomposed linear layers"),
    OPTION_RANK("64", 4096, "rank of the part that is trained"),
    OPTION_ALPHA("the update is scaled by alpha / rank"),
    OPTION_DROPOUT,
    {"budget", OPT_REAL, AT(budget), 0, 9, "0", NULL,
     "bits a parameter of all matrices together, each with a configuration of its own; 0: one for all, as follows", 0},
    {"code_bits", OPT_INT, AT(code_bits), LQ_BITS_MIN, LQ_BITS_MAX, "3", NULL, "bits of a code: 3 is NF3", 0},
    {"scale_bits", OPT_INT, AT(scale_bits), LQ_BITS_MIN, LQ_BITS_MAX, "8", NULL, "bits of a scale's code", 0},
    {"scale_float", OPT_ENUM, AT(scale_float), 0, 0, "fp32", LQ_FLOAT_CHOICES, "how a scale block's maximum is kept",
     0},
    {"code_block", OPT_INT, AT(code_block), 8, LQ_BLOCK_MAX, "64", NULL, "weights that share a scale", 0},
    {"scale_block", OPT_INT, AT(scale_block), 1, LQ_SCALE_BLOCK_MAX, "256", NULL, "scales that share a maximum", 0},
    {"iterations", OPT_INT, AT(iterations), 1, 1000, "100", NULL, "of a decomposition, at most", 0},
    {"result", OPT_ENUM, AT(result), 0, 0, "last", LQ_RESULT_CHOICES,
     "of a decomposition: its last iterate, as published, or the best, the one before", 0},
    OPT_END,
};

/* What a matrix may get from a budget: NF2, NF3 and NF4 with 0.05, 0.13, 0.25 and 0.5 bits a weight for scales, and
 * NF8. */
static const struct lq_config grid[] = {
    {2, 3, LQ_BF16, 64, 64},  {2, 8, LQ_FP32, 64, 256}, {2, 8, LQ_BF16, 32, 256}, {2, 8, LQ_BF16, 16, 256},
    {3, 3, LQ_BF16, 64, 64},  {3, 8, LQ_FP32, 64, 256}, {3, 8, LQ_BF16, 32, 256}, {3, 8, LQ_BF16, 16, 256},
    {4, 3, LQ_BF16, 64, 64},  {4, 8, LQ_FP32, 64, 256}, {4, 8, LQ_BF16, 32, 256}, {4, 8, LQ_BF16, 16, 256},
    {8, 8, LQ_FP32, 64, 256},
};
enum {
    GRID = sizeof grid / sizeof grid[0],
    KEPT_LEAST = 1 << 12 /* elements of a matrix whose decompositions are kept in files: smaller ones take no time */
};

/* The run's: the configuration of each site. */
struct plan {
    struct lq_config *config; /* [sites] */
};

struct adapter {
    struct param *a, *b;
    struct lq q;
    struct drop drop;
};

static double scale_of(const struct options *o)
{
    return o->alpha / o->rank;
}

static struct lowrank update_of(const struct site *site)
{
    const struct adapter *ad = site->adapter;
    const struct options *o = ((const struct mrun *)site->run)->options;
    return lowrank_of(ad->a, ad->b, scale_of(o));
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static struct lq_config config_of(const struct options *o)
{
    return (struct lq_config){o->code_bits, o->scale_bits, (enum lq_float)o->scale_float, o->code_block,
                              o->scale_block};
}

static struct lq_form form_of(const struct options *o, const struct lq_config *c)
{
    return (struct lq_form){
        .config = *c, .rank = o->rank, .iterations = o->iterations, .result = (enum lq_result)o->result};
}

static status can_decompose(const struct site *site)
{
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "lqlora: %s is no linear layer and has no weight to decompose",
            site->name);
    FAIL_IF(param_trained(site->weight), ST_USAGE,
            "lqlora: the weight of %s is trained in full and cannot be quantised", site->name);
    return ST_OK;
}

/* Whether the budget can be kept at all: known at once, while errors take minutes. */
static status can_afford(const struct mrun *run)
{
    const struct options *o = run->options;
    double parameters = 0, least = 0;
    for (int i = 0; i < run->sites; i++) {
        if (!run->chosen[i]) continue;
        const size_t size = (size_t)run->site[i]->out * (size_t)run->site[i]->in;
        double smallest = lq_storage_bits(&grid[0], size);
        for (int j = 1; j < GRID; j++) smallest = fmin(smallest, lq_storage_bits(&grid[j], size));
        parameters += (double)size;
        least += smallest;
    }
    FAIL_IF(
        least > o->budget * parameters, ST_USAGE,
        "lqlora: budget = %g bits a parameter cannot be kept: the smallest possible is %.4f for these %.0f parameters",
        o->budget, least / parameters, parameters);
    return ST_OK;
}

/* The squared errors that each configuration of the grid leaves at one site, and the bits it takes. */
static status price(const struct options *o, const struct site *site, struct arena *temporary, double *size,
                    double *loss)
{
    real *w;
    NEW(w, temporary, (size_t)site->out * (size_t)site->in);
    site->w.tile(&site->w, 0, site->out, 0, site->in, w, site->in);
    struct lq_form form = form_of(o, &grid[0]);
    status st = lq_errors_kept(w, site->out, site->in, &form, grid, GRID, KEPT_LEAST, loss);
    if (st != ST_OK) return fail_in(st, "lqlora, %s", site->name);
    for (int j = 0; j < GRID; j++) {
        size[j] = lq_storage_bits(&grid[j], (size_t)site->out * (size_t)site->in);
        loss[j] *= loss[j];
    }
    return ST_OK;
}

static status choose_with(struct mrun *run, struct arena *temporary)
{
    const struct options *o = run->options;
    struct plan *plan = run->state;
    double *size, *loss, parameters = 0;
    int *choice, n = 0;
    struct allocation got;
    NEW(size, temporary, run->sites * GRID);
    NEW(loss, temporary, run->sites * GRID);
    NEW(choice, temporary, run->sites);
    struct arena_mark mark = arena_mark(temporary);
    for (int i = 0; i < run->sites; i++) {
        const struct site *site = run->site[i];
        if (!run->chosen[i]) continue;
        TRY(price(o, site, temporary, size + (size_t)n * GRID, loss + (size_t)n * GRID));
        arena_reset(temporary, mark);
        parameters += (double)site->out * site->in;
        n++;
    }
    TRY(allocate(n, GRID, size, loss, o->budget * parameters, temporary, choice, &got));
    for (int i = run->sites - 1; i >= 0; i--)
        if (run->chosen[i]) plan->config[i] = grid[choice[--n]];
    return ST_OK;
}

static status lqlora_setup(struct mrun *run)
{
    const struct options *o = run->options;
    struct plan *plan = run->state;
    FAIL_IF(!(o->alpha > 0), ST_USAGE,
            "lqlora: alpha = %g: expected more than 0, since the update is a part of the weight", o->alpha);
    NEW(plan->config, run->arena, run->sites);
    for (int i = 0; i < run->sites; i++) {
        plan->config[i] = config_of(o);
        if (run->chosen[i]) TRY(can_decompose(run->site[i]));
    }
    if (o->budget <= 0) return ST_OK;
    TRY(can_afford(run));
    struct arena *temporary = arena_new("allocation of bits");
    if (!temporary) return ST_MEMORY;
    status st = choose_with(run, temporary);
    arena_free(temporary);
    return st;
}

/* ---- sites ------------------------------------------------------------------------------------------------------- */

static bool all_zero(const real *x, int n)
{
    for (int i = 0; i < n; i++)
        if (x[i] != 0) return false;
    return true;
}

/* A = L2 / sqrt(s), B = L1 / sqrt(s) for the ranks that were needed; the others keep their start. */
static void take_factors(const struct options *o, const struct site *site, const struct lq_parts *parts)
{
    const struct adapter *ad = site->adapter;
    double root = sqrt(scale_of(o));
    for (int i = 0; i < parts->rank; i++) {
        const real *l2 = parts->l2 + (size_t)i * (size_t)site->in;
        if (all_zero(l2, site->in)) continue;
        for (int k = 0; k < site->in; k++)
            ad->a->data[(size_t)i * (size_t)site->in + (size_t)k] = (real)((double)l2[k] / root);
        for (int j = 0; j < site->out; j++)
            ad->b->data[(size_t)j * (size_t)o->rank + (size_t)i] =
                (real)((double)parts->l1[(size_t)j * (size_t)parts->rank + (size_t)i] / root);
    }
}

static status decompose(struct mrun *run, struct site *site, const real *w, struct arena *temporary)
{
    const struct plan *plan = run->state;
    struct adapter *ad = site->adapter;
    struct lq_form form = form_of(run->options, &plan->config[site->index]);
    struct lq_parts parts;
    status st = lq_decompose_kept(w, site->out, site->in, &form, KEPT_LEAST, temporary, &parts);
    if (st != ST_OK) return fail_in(st, "lqlora, %s", site->name);
    take_factors(run->options, site, &parts);
    TRY(lq_copy(&parts.q, run->arena, &ad->q));
    site->w = lq_source(&ad->q, site->out, site->in);
    site->own_weight = true;
    return ST_OK;
}

static status lqlora_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    double bound = 1 / sqrt((double)site->in);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lq_A", o->rank, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lq_B", site->out, o->rank, &ad->b));
    rng_fill_uniform(run->rng, ad->a->name, ad->a->data, param_size(ad->a), -bound, bound);
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a->name)};
    struct arena *temporary = arena_new("parts of a weight");
    if (!temporary) return ST_MEMORY;
    status st = decompose(run, site, w, temporary);
    arena_free(temporary);
    return st;
}

static status lqlora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    return lowrank_layer_forward(u, update_of(u->site), &ad->drop, x, &u->saved, y);
}

static status lqlora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct lowrank_grads g = {.a = ad->a->grad, .b = ad->b->grad};
    return lowrank_layer_backward(u, update_of(u->site), &ad->drop, x, u->saved, dy, &g, dx);
}

static void lqlora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    const struct adapter *ad = site->adapter;
    (void)variant;
    out->rank = out->rank_max = o->rank;
    out->trained = out->deployed = out->adapter_macs_per_token = (double)o->rank * (site->in + site->out);
    out->bits_stored = 8.0 * (double)lq_bytes(&ad->q) / (double)ad->q.size;
}

static status lqlora_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    struct lowrank lr = update_of(site);
    (void)run, (void)variant, (void)b;
    lowrank_merge(&lr, w);
    return ST_OK;
}

const struct method method_lqlora = {
    .name = "lqlora",
    .summary = "LoRA that starts from a weight's low-rank part, over the quantised rest, with bits by a budget",
    .source = "Guo et al. 2023, arXiv 2311.12023; METHODS 7.1",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_NEEDS_WEIGHT | METHOD_OWNS_WEIGHTS,
    .options = options,
    .option_size = sizeof(struct options),
    .run_size = sizeof(struct plan),
    .site_size = sizeof(struct adapter),
    .setup = lqlora_setup,
    .attach = lqlora_attach,
    .site_ops = {.forward = lqlora_forward, .backward = lqlora_backward, .fused = true},
    .report = lqlora_report,
    .effective = lqlora_effective,
};
