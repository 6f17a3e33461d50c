/* DyLoRA (Valipour et al. 2023; METHODS 3.3): low-rank updates that work at every rank. Each optimiser step draws one
 * rank b for all sites and computes y = W0 x + c + (alpha / b) B[:, 1..b] A[1..b, :] x; after the run every rank can be
 * evaluated on its own, without training again.
 *
 *     update = frozen   only row b of A and column b of B learn, as the released code trains
 *     update = all      rows and columns 1..b learn
 *     undrawn = momentum  the others get a zero gradient: momentum and decay still move them, as in the released code
 *     undrawn = masked    the others keep their values and moments
 *
 * b is a function of (seed, step), so there is nothing to save. With one rank to draw from and update = all this is
 * LoRA of that rank. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "methods/common_options.h"
#include "methods/method.h"
#include "models/lowrank_use.h"

enum { MAX_RANK = 256 };
enum update { UPDATE_FROZEN, UPDATE_ALL };
enum undrawn { UNDRAWN_MOMENTUM, UNDRAWN_MASKED };

struct options {
    const char *sites, *ranks, *eval_ranks;
    int rank, update, undrawn;
    double alpha, dropout;
};

static const struct option options[] = {
    OPTION_SITES("query+value", "adapted linear layers"),
    OPTION_RANK("8", MAX_RANK, "largest rank"),
    {.name = "ranks",
     .type = OPT_STRING,
     .offset = offsetof(struct options, ranks),
     .def = "all",
     .choices = "LIST",
     .help = "ranks a step may draw, joined by +, or all: 1 to rank"},
    {.name = "eval_ranks",
     .type = OPT_STRING,
     .offset = offsetof(struct options, eval_ranks),
     .def = "all",
     .choices = "LIST",
     .help = "ranks that are evaluated, joined by +, or all: those that are drawn"},
    OPTION_ALPHA("the update at rank b is scaled by alpha / b"),
    OPTION_DROPOUT,
    {.name = "update",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, update),
     .choices = "frozen|all",
     .def = "frozen",
     .help = "what learns at rank b: row and column b only, or all up to b"},
    {.name = "undrawn",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, undrawn),
     .choices = "momentum|masked",
     .def = "momentum",
     .help = "rows that do not learn in a step: moved by momentum and decay, or left alone"},
    OPT_END,
};

struct ranks {
    int count, list[MAX_RANK];
};

struct state {
    struct ranks drawn, evaluated;
};

struct adapter {
    struct param *a, *b;
    struct drop drop;
    real *now_a, *now_b;   /* what this pass computes with: the tensors themselves, but in gradient checks */
    real *held_a, *held_b; /* gradient checks: see hold_detached */
};

/* ---- ranks ------------------------------------------------------------------------------------------------------- */

static status read_ranks(struct mrun *run, const char *name, const char *text, const struct ranks *all,
                         struct ranks *out)
{
    const struct options *o = run->options;
    char **words;
    int count;
    if (strcmp(text, "all") == 0) {
        *out = *all;
        return ST_OK;
    }
    out->count = 0;
    TRY(text_split(text, '+', run->arena, &words, &count));
    FAIL_IF(count == 0, ST_USAGE, "dylora: %s is empty; give ranks such as 1+2+4, or all", name);
    for (int i = 0; i < count; i++) {
        long long rank;
        FAIL_IF(!text_to_longlong(words[i], &rank) || rank < 1 || rank > o->rank, ST_USAGE,
                "dylora: %s: '%s' is no rank from 1 to %d", name, words[i], o->rank);
        for (int k = 0; k < out->count; k++)
            FAIL_IF(out->list[k] == rank, ST_USAGE, "dylora: %s names rank %lld twice", name, rank);
        out->list[out->count++] = (int)rank; /* no more than o->rank different ones */
    }
    return ST_OK;
}

static status dylora_setup(struct mrun *run)
{
    const struct options *o = run->options;
    struct state *state = run->state;
    struct ranks all = {.count = o->rank};
    for (int i = 0; i < o->rank; i++) all.list[i] = i + 1;
    TRY(read_ranks(run, "ranks", o->ranks, &all, &state->drawn));
    return read_ranks(run, "eval_ranks", o->eval_ranks, &state->drawn, &state->evaluated);
}

static int drawn_rank(const struct mrun *run, uint64_t step)
{
    const struct ranks *r = &((const struct state *)run->state)->drawn;
    return r->list[rng_below(run->rng, RNG_RANK, step, 0, 0, 0, r->count)];
}

static int variant_rank(const struct mrun *run, int variant)
{
    return ((const struct state *)run->state)->evaluated.list[variant];
}

static int rank_of(const struct mrun *run, const struct pass *pass)
{
    return pass->train ? drawn_rank(run, pass->step) : variant_rank(run, pass->variant);
}

static int dylora_variants(const struct mrun *run, struct variant *v, int max)
{
    const struct ranks *r = &((const struct state *)run->state)->evaluated;
    for (int i = 0; i < r->count && i < max; i++) {
        snprintf(v[i].name, sizeof v[i].name, "rank=%d", r->list[i]);
        v[i].key = r->list[i];
    }
    return r->count;
}

/* The first rank row (from 0) that learns when b is drawn. */
static int first_learning(const struct options *o, int b)
{
    return o->update == UPDATE_FROZEN ? b - 1 : 0;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static status dylora_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "dylora: %s is no linear layer and cannot take a low-rank update",
            site->name);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", o->rank, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, o->rank, &ad->b));
    double bound = 1 / sqrt((double)site->in);
    rng_fill_uniform(run->rng, ad->a->name, ad->a->data, param_size(ad->a), -bound, bound);
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a->name)};
    return ST_OK;
}

static status dylora_step_begin(struct mrun *run)
{
    const struct options *o = run->options;
    int b = drawn_rank(run, run->step), first = first_learning(o, b);
    if (o->undrawn == UNDRAWN_MOMENTUM) return ST_OK;
    for (int i = 0; i < run->sites; i++) {
        if (!run->chosen[i]) continue;
        const struct adapter *ad = run->site[i]->adapter;
        ad->a->lo = ad->b->left = first;
        ad->a->hi = ad->b->right = b;
    }
    return ST_OK;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* The values of a tensor at the point that is checked, taken in the pass that goes back through them, and a working
 * copy of them for this pass. */
static status hold(struct mrun *run, const struct param *p, const struct pass *pass, real **held, real **now)
{
    size_t n = param_size(p);
    bool first = !*held;
    if (first) NEW(*held, run->arena, n);
    if (first || pass->keep) memcpy(*held, p->data, sizeof **held * n);
    NEW(*now, pass->tape, n);
    memcpy(*now, *held, sizeof **now * n);
    return ST_OK;
}

/* Detached rows are constants of the loss, so a gradient check holds them where they were: only row b of A and column b
 * of B move with the tensors. */
static status hold_detached(struct mrun *run, struct adapter *ad, int b, const struct pass *pass)
{
    const size_t in = (size_t)ad->a->cols, rank = (size_t)ad->b->cols, row = (size_t)(b - 1);
    TRY(hold(run, ad->a, pass, &ad->held_a, &ad->now_a));
    TRY(hold(run, ad->b, pass, &ad->held_b, &ad->now_b));
    memcpy(ad->now_a + row * in, ad->a->data + row * in, sizeof(real) * in);
    for (size_t j = 0; j < (size_t)ad->b->rows; j++) ad->now_b[j * rank + row] = ad->b->data[j * rank + row];
    return ST_OK;
}

static status dylora_prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    ad->now_a = ad->a->data;
    ad->now_b = ad->b->data;
    if (pass->mode != PASS_CHECK || o->update != UPDATE_FROZEN) return ST_OK;
    return hold_detached(run, ad, rank_of(run, pass), pass);
}

static struct lowrank update_at(const struct site *site, const struct options *o, int b)
{
    const struct adapter *ad = site->adapter;
    struct lowrank l = lowrank_of(ad->a, ad->b, o->alpha / b);
    l.hi = b;
    return l;
}

static struct lowrank update_in(const struct use *u)
{
    const struct mrun *run = u->site->run;
    const struct adapter *ad = u->site->adapter;
    struct lowrank lr = update_at(u->site, run->options, rank_of(run, u->pass));
    lr.a = ad->now_a;
    lr.b = ad->now_b;
    return lr;
}

static status dylora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    return lowrank_layer_forward(u, update_in(u), &ad->drop, x, &u->saved, y);
}

static status dylora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct options *o = ((const struct mrun *)u->site->run)->options;
    const struct lowrank lr = update_in(u);
    const struct lowrank_grads g = {.a = ad->a->grad, .b = ad->b->grad, .from = first_learning(o, lr.hi)};
    return lowrank_layer_backward(u, lr, &ad->drop, x, u->saved, dy, &g, dx);
}

/* ---- what it comes to -------------------------------------------------------------------------------------------- */

static void dylora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    out->rank = variant_rank(run, variant);
    out->rank_max = o->rank;
    out->trained = (double)o->rank * (site->in + site->out);
    out->deployed = out->adapter_macs_per_token = (double)out->rank * (site->in + site->out);
}

/* W0 + (alpha / b) B[:, 1..b] A[1..b, :] */
static status dylora_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    struct lowrank lr = update_at(site, run->options, variant_rank(run, variant));
    (void)b;
    lowrank_merge(&lr, w);
    return ST_OK;
}

const struct method method_dylora = {
    .name = "dylora",
    .summary = "low-rank updates trained for every rank at once",
    .source = "Valipour et al. 2023, arXiv 2210.07558; METHODS 3.3",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .run_size = sizeof(struct state),
    .site_size = sizeof(struct adapter),
    .setup = dylora_setup,
    .attach = dylora_attach,
    .step_begin = dylora_step_begin,
    .prepare = dylora_prepare,
    .site_ops = {.forward = dylora_forward, .backward = dylora_backward, .fused = true},
    .variants = dylora_variants,
    .report = dylora_report,
    .effective = dylora_effective,
};
