/* Golden cases of methods whose rank changes: DyLoRA's recorded ranks, AdaLoRA's budgets, scores and masks. */
#include "tests/golden/golden_extras.h"

#include <math.h>
#include <string.h>
#include "bench/accounting.h"

/* ---- DyLoRA ------------------------------------------------------------------------------------------------------ */

static int recorded_rank(void *ctx, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element,
                         double *u)
{
    const struct check *c = ctx;
    const json_t *adapter = json_object_get(c->info, "adapter"),
                 *b = json_array_get(json_object_get(adapter, "b"), step);
    (void)micro, (void)who, (void)element;
    if (stream != RNG_RANK || !b) return 0;
    *u = (json_number_value(b) - 0.5) / json_number_value(json_object_get(adapter, "r"));
    return 1;
}

/* What learns is told in words; the case's name says the same. */
static status dylora_options(struct check *c, const struct method *m, void *options)
{
    const char *name = json_string_value(json_object_get(c->info, "case"));
    bool all = strstr(name, "_allb") != NULL, masked = strstr(name, "_masked") != NULL;
    TRY(option_set(m->options, options, "update", all ? "all" : "frozen", "case.json", c->arena));
    return option_set(m->options, options, "undrawn", masked ? "masked" : "momentum", "case.json", c->arena);
}

static status dylora_open(struct extras_run *r)
{
    const json_t *b = json_object_get(json_object_get(r->c->info, "adapter"), "b");
    FAIL_IF(json_array_size(b) != r->s->run.total_steps, ST_INPUT,
            "case.json: adapter.b must hold a rank for each of the %llu steps",
            (unsigned long long)r->s->run.total_steps);
    r->s->rng.replay = recorded_rank;
    r->s->rng.replay_ctx = r->c;
    return ST_OK;
}

/* ---- AdaLoRA ----------------------------------------------------------------------------------------------------- */

struct adalora {
    const struct checkpoint *scores;
    const json_t *modules;
    size_t n;
    const struct site **site; /* [n] */
    double tolerance, loss_abs;
};

static status adalora_open(struct extras_run *r)
{
    struct adalora *a;
    NEW(a, r->c->arena, 1);
    a->modules = json_object_get(json_object_get(r->c->info, "adapter"), "modules");
    a->n = json_array_size(a->modules);
    NEW(a->site, r->c->arena, a->n + 1);
    for (size_t i = 0; i < a->n; i++) {
        const char *name = json_string_value(json_array_get(a->modules, i));
        a->site[i] = NULL;
        for (int k = 0; name && k < r->s->run.sites; k++)
            if (strcmp(r->s->run.site[k]->name, name) == 0) a->site[i] = r->s->run.site[k];
        FAIL_IF(!a->site[i], ST_INPUT, "case.json: the model has no layer '%s'", name ? name : "");
    }
    TRY(check_tensors(r->c, "scores.safetensors", &a->scores));
    TRY(check_tolerance(r->c, "scores_rel_normwise", &a->tolerance));
    TRY(check_tolerance(r->c, "loss_abs", &a->loss_abs));
    r->own = a;
    return ST_OK;
}

static status tensor_of(const struct extras_run *r, size_t module, const char *suffix, const struct param **p)
{
    const struct adalora *a = r->own;
    const char *name = arena_printf(r->c->arena, "%s.%s", a->site[module]->name, suffix);
    if (!name) return ST_MEMORY;
    *p = param_find(&r->s->reg, name);
    FAIL_IF(!*p, ST_INPUT, "the method has no tensor '%s'", name);
    return ST_OK;
}

static bool listed(const json_t *list, int i)
{
    size_t k;
    const json_t *v;
    json_array_foreach(list, k, v) if (json_integer_value(v) == i) return true;
    return false;
}

/* Which E are zero, and the rank that is reported, of every site; the largest score among those masked. */
static status compare_masks(struct extras_run *r, const json_t *want, long k)
{
    const struct adalora *a = r->own;
    int wrong = 0, kept = 0;
    double threshold = 0;
    for (size_t i = 0; i < a->n; i++) {
        const json_t *zeroed = json_array_get(json_object_get(want, "zeroed"), i);
        const json_t *rank = json_array_get(json_object_get(want, "rank_per_module"), i);
        const struct param *e, *score;
        TRY(tensor_of(r, i, "lora_E", &e));
        TRY(tensor_of(r, i, "lora_score", &score));
        struct site_report report = site_report_of(r->s, a->site[i], 0);
        wrong += report.rank != (int)json_integer_value(rank);
        kept += report.rank;
        for (int j = 0; j < e->cols; j++) {
            bool zero = e->data[j] == 0;
            wrong += zero != listed(zeroed, j);
            if (zero) threshold = fmax(threshold, (double)score->data[j]);
        }
    }
    check_measure(r->c, wrong, 0, "ranks and masks of step %ld", k + 1);
    if (!json_is_true(json_object_get(want, "masked"))) return ST_OK;
    double expected = json_number_value(json_object_get(want, "threshold"));
    check_measure(r->c, fabs((double)kept - json_number_value(json_object_get(want, "budget"))), 0,
                  "budget of step %ld", k + 1);
    check_measure(r->c, fabs(threshold / expected - 1), a->tolerance, "threshold of step %ld", k + 1);
    return ST_OK;
}

static status compare_scores(struct extras_run *r, const char *name)
{
    const struct adalora *a = r->own;
    const struct param *score;
    real *got;
    TRY(tensor_of(r, 0, "lora_score", &score));
    size_t rank = param_size(score);
    NEW(got, r->c->arena, a->n * rank);
    for (size_t i = 0; i < a->n; i++) {
        TRY(tensor_of(r, i, "lora_score", &score));
        memcpy(got + i * rank, score->data, sizeof *got * rank);
    }
    return check_values(r->c, a->scores, name, got, a->n * rank, DISTANCE_NORM, a->tolerance);
}

static status adalora_step(struct extras_run *r, long k, double loss, double penalty)
{
    const struct adalora *a = r->own;
    const json_t *terms = json_array_get(json_object_get(r->c->info, "loss_terms"), (size_t)k);
    const json_t *masks = json_array_get(json_object_get(r->c->info, "allocator"), (size_t)k);
    struct arena_mark mark = arena_mark(r->c->arena);
    double ce, orth, gamma;
    FAIL_IF(!masks, ST_INPUT, "case.json: allocator has no step %ld", k);
    TRY(check_number(json_object_get(r->c->info, "adapter"), "gamma", "case.json, adapter", &gamma));
    TRY(check_number(terms, "ce", "case.json, loss_terms", &ce));
    TRY(check_number(terms, "orth", "case.json, loss_terms", &orth));
    check_measure(r->c, fabs(loss - ce), a->loss_abs, "cross entropy of step %ld", k + 1);
    check_measure(r->c, fabs(penalty - gamma * orth), a->loss_abs, "penalty of step %ld", k + 1);
    TRY(compare_masks(r, masks, k));
    if (listed(json_object_get(r->c->info, "score_steps"), (int)k)) {
        const char *name = arena_printf(r->c->arena, "t%ld", k);
        if (!name) return ST_MEMORY;
        TRY(compare_scores(r, name));
    }
    arena_reset(r->c->arena, mark);
    return ST_OK;
}

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

static const struct key_name dylora_names[] = {{"b", NULL}, {NULL, NULL}};
static const struct key_name adalora_names[] = {{"avg_target", "target_rank"},
                                                {"ti", "t_i"},
                                                {"tf", "t_f"},
                                                {"dT", "delta_t"},
                                                {"beta1", "beta_importance"},
                                                {"beta2", "beta_uncertainty"},
                                                {"b0", NULL}, /* follow from the ranks */
                                                {"b_target", NULL},
                                                {NULL, NULL}};
/* "scale" follows from the others. */
static const struct key_name common_names[] = {{"r", "rank"}, {"scale", NULL}, {NULL, NULL}};

static const struct extras extras_dylora = {"dylora", dylora_names, dylora_options, dylora_open, NULL};
static const struct extras extras_adalora = {"adalora", adalora_names, NULL, adalora_open, adalora_step};
static const struct extras *const rows[] = {&extras_dylora, &extras_adalora, &extras_blora};

const struct extras *extras_of(const struct method *m)
{
    static const struct extras none = {.method = ""};
    if (m->preset_of) m = m->preset_of;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i]->method, m->name) == 0) return rows[i];
    return &none;
}

static const struct key_name *find_key(const struct key_name *list, const char *key)
{
    for (; list && list->key; list++)
        if (strcmp(list->key, key) == 0) return list;
    return NULL;
}

const char *extras_option(const struct extras *e, const char *key)
{
    const struct key_name *n = find_key(e->names, key);
    if (!n) n = find_key(common_names, key);
    return n ? n->option : key;
}
