/* Golden training runs: losses, gradient norms and rates of every step, the gradients of the first one, the tensors at
 * the end and the logits of an evaluation batch. Method, options and hyper-parameters come from case.json. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/preset.h"
#include "bench/schedule.h"
#include "bench/session.h"
#include "core/arith_dfp.h"
#include "core/file.h"
#include "core/text.h"
#include "tests/golden/golden.h"
#include "tests/golden/golden_extras.h"

struct plan { /* what a case says about its run */
    const struct method *method;
    const struct arith *arith;
    struct dfp_options dfp;    /* of arith_dfp */
    const struct store *store; /* of the preset that the case is named by; NULL: f32 */
    const struct extras *extras;
    void *options;
    const char *base; /* model folder */
    const json_t *batches, *trained;
    const char *init; /* initial tensors, NULL: the base's own */
    int labels, schedule, pooler;
    long steps, warmup;
    double lr, clip;
    struct adamw adamw;
    const char *suffix; /* of trajectory and final files: "" or "_hf44" */
};

/* ---- reading the case -------------------------------------------------------------------------------------------- */

static int ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

/* The method with the longest name that the case's name begins with: "lora" of "lora_qkv". NULL: none in this build. */
static const struct method *method_of(const struct check *c)
{
    const char *name = json_string_value(json_object_get(c->info, "case"));
    const struct method *best = NULL;
    size_t longest = 0;
    for (int i = 0; name && method_table[i]; i++) {
        size_t n = strlen(method_table[i]->name);
        if (n <= longest || strncmp(name, method_table[i]->name, n) != 0 || (name[n] != '_' && name[n] != '\0'))
            continue;
        best = method_table[i];
        longest = n;
    }
    return best;
}

/* The adapted sites by full name, joined by '+': those with trained tensors "<site>.<something>" that are no tensors of
 * the network itself. */
static status adapted_sites(struct check *c, const json_t *trained, struct text *sites)
{
    const char *name;
    json_t *shape;
    json_object_foreach((json_t *)trained, name, shape)
    {
        const char *dot = strrchr(name, '.');
        if (!dot || strncmp(dot, ".lora_", 6) != 0) continue;
        const char *site = arena_printf(c->arena, "%.*s", (int)(dot - name), name);
        if (!site) return ST_MEMORY;
        if (sites->s && strstr(sites->s, site)) continue;
        TRY(text_printf(sites, "%s%s", sites->n > 0 ? "+" : "", site));
    }
    return ST_OK;
}

/* One key of case.json's `adapter` as an option of the method. */
static status set_option(struct check *c, struct plan *p, const char *key, const json_t *value)
{
    const char *name = extras_option(p->extras, key);
    if (!name) return ST_OK;
    if (strcmp(key, "modules") == 0) {
        struct text sites = {0};
        status st = adapted_sites(c, p->trained, &sites);
        if (st == ST_OK)
            st = option_set(p->method->options, p->options, "sites", sites.s ? sites.s : "", "case.json", c->arena);
        text_free(&sites);
        return st;
    }
    char number[64];
    FAIL_IF(!json_is_number(value), ST_INPUT, "case.json: adapter key '%s' is no number", key);
    text_from_double(json_number_value(value), number, sizeof number);
    return option_set(p->method->options, p->options, name, number, "case.json", c->arena);
}

static status read_options(struct check *c, struct plan *p)
{
    const char *key;
    json_t *value;
    TRY(option_new(p->method->options, p->method->option_size, c->arena, &p->options));
    if (!p->options) return ST_OK;
    json_object_foreach(json_object_get(c->info, "adapter"), key, value) TRY(set_option(c, p, key, value));
    return p->extras->options ? p->extras->options(c, p->method, p->options) : ST_OK;
}

/* Labels: rows of the classifier among the trained tensors; 0, the base's own, when it is not. */
static void read_head(struct plan *p)
{
    const char *name;
    json_t *shape;
    json_object_foreach((json_t *)p->trained, name, shape)
    {
        if (strcmp(name, "classifier.weight") == 0 || strcmp(name, "classifier.out_proj.weight") == 0)
            p->labels = (int)json_integer_value(json_array_get(shape, 0));
        if (ends_in(name, "pooler.dense.weight")) p->pooler = 1;
    }
}

static status read_hyper(struct check *c, enum adamw_form form, struct plan *p)
{
    const json_t *h = json_object_get(c->info, "hyper");
    double steps, warmup, decay;
    TRY(check_number(h, "steps", "case.json, hyper", &steps));
    TRY(check_number(h, "warmup", "case.json, hyper", &warmup));
    TRY(check_number(h, "lr", "case.json, hyper", &p->lr));
    TRY(check_number(h, "wd", "case.json, hyper", &decay));
    TRY(check_number(h, "clip", "case.json, hyper", &p->clip));
    TRY(golden_schedule(json_string_value(json_object_get(h, "sched")), &p->schedule));
    p->steps = (long)steps;
    p->warmup = (long)warmup;
    p->suffix = form == ADAMW_HF44 ? "_hf44" : "";
    /* The decay rates of the moments and eps are the same in all cases: case.json's `optimiser` says so in words. */
    p->adamw = (struct adamw){
        .form = form, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = decay, .base_lr = p->lr};
    return ST_OK;
}

/* A case with `bits` of weights, activations and gradients computes in integers, rounded to nearest, with one scale a
 * tensor everywhere. */
static status read_arith(struct check *c, struct plan *p)
{
    const json_t *bits = json_object_get(c->info, "bits");
    double weight, activation, gradient;
    if (!json_object_get(bits, "gradients")) return ST_OK;
    TRY(check_number(bits, "weights", "case.json, bits", &weight));
    TRY(check_number(bits, "activations", "case.json, bits", &activation));
    TRY(check_number(bits, "gradients", "case.json, bits", &gradient));
    p->dfp = (struct dfp_options){(int)weight, (int)activation, (int)gradient, DFP_NEAREST, EVAL_BATCH};
    p->arith = &arith_dfp;
    return ST_OK;
}

static status read_plan(struct check *c, enum adamw_form form, struct plan *p)
{
    const char *base = check_input(c, "model.safetensors"), *batches = check_input(c, "*batches.json");
    json_t *root;
    FAIL_IF(!base || !batches, ST_INPUT, "case.json: inputs without model.safetensors and *batches.json");
    TRY(check_json(c, batches, &root));
    const char *weights = check_path(c, base);
    if (!weights) return ST_MEMORY;
    p->base = arena_printf(c->arena, "%.*s", (int)(strrchr(weights, '/') - weights), weights);
    if (!p->base) return ST_MEMORY;
    p->batches = root;
    p->init = check_input(c, "init.safetensors");
    p->trained = json_object_get(c->info, "trainable");
    FAIL_IF(!json_is_object(p->trained), ST_INPUT, "case.json: key 'trainable' is missing");
    read_head(p);
    TRY(read_hyper(c, form, p));
    return read_options(c, p);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* The trained tensors are exactly those the case names. */
static status check_trained(const struct plan *p, struct session *s)
{
    const char *name;
    json_t *shape;
    int trained = 0;
    json_object_foreach((json_t *)p->trained, name, shape)
    {
        const struct param *q = param_find(&s->reg, name);
        FAIL_IF(!q || !param_trained(q), ST_INPUT, "tensor '%s' should be trained and is not", name);
    }
    for (int i = 0; i < s->reg.count; i++) trained += param_trained(s->reg.list[i]);
    FAIL_IF(trained != (int)json_object_size(p->trained), ST_INPUT, "%d tensors are trained, expected %zu", trained,
            json_object_size(p->trained));
    return ST_OK;
}

static status set_values(struct check *c, const char *file, struct session *s)
{
    const struct checkpoint *init;
    TRY(check_tensors(c, file, &init));
    for (int i = 0; i < init->count; i++) {
        const struct tensor *t = &init->tensor[i];
        struct param *q = param_find(&s->reg, t->name);
        FAIL_IF(!q || !q->data, ST_INPUT, "%s: the model has no trained tensor '%s'", t->file, t->name);
        struct arena_mark mark = arena_mark(c->arena);
        double *v;
        NEW(v, c->arena, param_size(q));
        TRY(tensor_to_f64(t, v, param_size(q)));
        for (size_t k = 0; k < param_size(q); k++) q->data[k] = (real)v[k];
        arena_reset(c->arena, mark);
        param_touch(q);
    }
    return ST_OK;
}

/* A case's tolerances are of single precision. Those of bfloat16 products: an operand's rounding is off by at most
 * 2^-9, by 2^-9/sqrt(3) in the mean square, and two operands make sqrt(2) of that, 0.0016, of the norm of a product's
 * result. The cases' networks of two layers and a head put about 20 products one after the other into the gradient of
 * the lowest tensor, whose errors add like independent ones: sqrt(20) * 0.0016 = 0.7 %, and a factor of 4 over the mean
 * for the worst of hundreds of values. Losses and logits lie behind half as many products; losses count in units of
 * themselves where they are greater than 1. Gradients are compared as one vector, since single tensors' may cancel to
 * a tenth of what they are summed from. AdamW divides by the gradient's own size, so that small elements move by their
 * sign: the tensors at the end are not compared. */
static const struct {
    const char *key;
    double value;
} bf16_tolerance[] = {{"grad_norm_rel", 0.03}, {"loss_abs", 0.02}, {"eval_abs", 0.02}};

static status tolerance_of(const struct check *c, const struct plan *p, const char *key, double *out)
{
    for (size_t i = 0; p->arith == &arith_bf16 && i < sizeof bf16_tolerance / sizeof bf16_tolerance[0]; i++)
        if (strcmp(bf16_tolerance[i].key, key) == 0) {
            *out = bf16_tolerance[i].value;
            return ST_OK;
        }
    return check_tolerance(c, key, out);
}

static bool is_small(const struct check *c, const char *name)
{
    size_t i;
    const json_t *small;
    json_array_foreach(json_object_get(c->info, "grads_small"), i,
                       small) if (strcmp(json_string_value(small), name) == 0) return true;
    return false;
}

/* Of bf16: all gradients of the first step as one vector. */
static status compare_whole_gradient(struct check *c, const struct checkpoint *want, const struct session *s)
{
    const double tolerance = 0.03;
    double error = 0, norm = 0;
    for (int i = 0; i < s->reg.count; i++) {
        const struct param *q = s->reg.list[i];
        if (!param_trained(q)) continue;
        const struct tensor *t = checkpoint_find(want, q->name);
        FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is missing", want->path, q->name);
        struct arena_mark mark = arena_mark(c->arena);
        double *v;
        NEW(v, c->arena, param_size(q));
        TRY(tensor_to_f64(t, v, param_size(q)));
        for (size_t k = 0; k < param_size(q); k++) {
            double d = (double)q->grad[k] - v[k];
            error += d * d;
            norm += v[k] * v[k];
        }
        arena_reset(c->arena, mark);
    }
    check_measure(c, sqrt(error / norm), tolerance, "gradient of the first step");
    return ST_OK;
}

static status compare_grads(struct check *c, const struct plan *p, const struct session *s)
{
    const struct checkpoint *want;
    double tolerance;
    TRY(check_tensors(c, "grads_step1.safetensors", &want));
    if (p->arith == &arith_bf16) return compare_whole_gradient(c, want, s);
    TRY(tolerance_of(c, p, "grads_step1_rel_normwise", &tolerance));
    for (int i = 0; i < s->reg.count; i++) {
        const struct param *q = s->reg.list[i];
        if (!param_trained(q) || is_small(c, q->name)) continue;
        struct arena_mark mark = arena_mark(c->arena);
        TRY(check_values(c, want, q->name, q->grad, param_size(q), DISTANCE_NORM, tolerance));
        arena_reset(c->arena, mark);
    }
    return ST_OK;
}

/* The gradients of the loss and the penalty together. The update will add the penalty's again, so they are put back. */
static status compare_total_grads(struct check *c, const struct plan *plan, struct session *s)
{
    const struct method *m = s->run.method;
    real **before;
    double penalty;
    if (!m->penalty) return compare_grads(c, plan, s);
    ZNEW(before, c->arena, s->reg.count);
    for (int i = 0; i < s->reg.count; i++) {
        const struct param *p = s->reg.list[i];
        if (!param_trained(p)) continue;
        NEW(before[i], c->arena, param_size(p));
        memcpy(before[i], p->grad, sizeof(real) * param_size(p));
    }
    TRY(m->penalty(&s->run, &penalty));
    TRY(compare_grads(c, plan, s));
    for (int i = 0; i < s->reg.count; i++)
        if (before[i]) memcpy(s->reg.list[i]->grad, before[i], sizeof(real) * param_size(s->reg.list[i]));
    return ST_OK;
}

static status compare_final(struct check *c, const struct plan *p, struct session *s)
{
    const struct checkpoint *want;
    double norm, absolute;
    const char *file = arena_printf(c->arena, "final%s.safetensors", p->suffix),
               *path = file ? check_path(c, file) : NULL;
    if (!path) return ST_MEMORY;
    if (!file_exists(path)) return ST_OK; /* not every case keeps them */
    TRY(check_tensors(c, file, &want));
    TRY(tolerance_of(c, p, "final_rel_normwise", &norm));
    TRY(tolerance_of(c, p, "final_abs", &absolute));
    for (int i = 0; i < s->reg.count; i++) {
        const struct param *q = s->reg.list[i];
        if (!param_trained(q)) continue;
        TRY(check_values(c, want, q->name, q->data, param_size(q), DISTANCE_NORM, norm));
        TRY(check_values(c, want, q->name, q->data, param_size(q), DISTANCE_ABS, absolute));
    }
    return ST_OK;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

struct trajectory { /* the reference, [steps] each */
    double *loss, *norm, *lr;
    double loss_abs, norm_rel;
};

static status read_column(const struct checkpoint *ck, const char *name, long n, struct arena *a, double **out)
{
    const struct tensor *t = checkpoint_find(ck, name);
    FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is missing", ck->path, name);
    NEW(*out, a, n);
    return tensor_to_f64(t, *out, (size_t)n);
}

static status read_trajectory(struct check *c, const struct plan *p, struct trajectory *t)
{
    const struct checkpoint *ck;
    const char *file = arena_printf(c->arena, "trajectory%s.safetensors", p->suffix);
    if (!file) return ST_MEMORY;
    TRY(check_tensors(c, file, &ck));
    TRY(read_column(ck, "loss", p->steps, c->arena, &t->loss));
    TRY(read_column(ck, "grad_norm", p->steps, c->arena, &t->norm));
    TRY(read_column(ck, "lr", p->steps, c->arena, &t->lr));
    TRY(tolerance_of(c, p, "loss_abs", &t->loss_abs));
    return tolerance_of(c, p, "grad_norm_rel", &t->norm_rel);
}

static status step_batch(struct check *c, const struct plan *p, struct session *s, long k, struct batch *b)
{
    struct tokens t;
    int *index;
    const json_t *step = json_array_get(json_object_get(p->batches, "steps"), (size_t)k);
    TRY(golden_examples(step, "batches.json", c->arena, &t));
    NEW(index, c->arena, t.n);
    for (int i = 0; i < t.n; i++) index[i] = i;
    return batch_make(&t, index, t.n, 0, t.n, s->model->num_labels == 1, c->arena, b);
}

static status run_step(struct check *c, const struct plan *p, struct extras_run *extra, const struct trajectory *want,
                       long k)
{
    struct session *s = extra->s;
    struct batch b;
    double loss = 0, penalty, norm, lr = schedule_rate((enum schedule)p->schedule, p->lr, p->warmup, p->steps, k);
    struct arena_mark mark = arena_mark(c->arena);
    TRY(step_batch(c, p, s, k, &b));
    if (k == 0) TRY(session_observe(s, &b));
    TRY(session_micro(s, &b, (uint64_t)k, 0, &loss));
    arena_reset(c->arena, mark);
    if (k == 0) TRY(compare_total_grads(c, p, s));
    TRY(session_update(s, &p->adamw, lr, p->clip, (uint64_t)k, &penalty, &norm));
    double unit = p->arith == &arith_bf16 ? fmax(1, fabs(want->loss[k])) : 1;
    check_measure(c, fabs(loss + penalty - want->loss[k]) / unit, want->loss_abs, "loss of step %ld", k + 1);
    check_measure(c, fabs(norm / want->norm[k] - 1), want->norm_rel, "gradient norm of step %ld", k + 1);
    check_measure(c, fabs(lr - want->lr[k]), 1e-12 * p->lr, "rate of step %ld", k + 1);
    bool more = p->extras->step && p->arith != &arith_bf16; /* in the digits of single precision */
    return more ? p->extras->step(extra, k, loss, penalty) : ST_OK;
}

static status compare_logits(struct check *c, const struct plan *p, const struct checkpoint *want,
                             const struct tokens *t, struct session *s, int variant, const char *name)
{
    float *logits;
    real *got;
    double tolerance;
    TRY(tolerance_of(c, p, "eval_abs", &tolerance));
    TRY(session_predict(s, t, t->n, variant, c->arena, &logits, NULL));
    size_t n = (size_t)t->n * (size_t)s->model->num_labels;
    NEW(got, c->arena, n);
    for (size_t i = 0; i < n; i++) got[i] = (real)logits[i];
    return check_values(c, want, name, got, n, DISTANCE_ABS, tolerance);
}

/* Logits after the last step, of every variant: "logits", or "logits_rank4" for one that is named "rank=4". The
 * references are of the torch form of AdamW. */
static status compare_eval(struct check *c, const struct plan *p, struct session *s)
{
    const struct checkpoint *want;
    struct tokens t;
    struct variant v[SESSION_MAX_VARIANTS];
    int variants = session_variants(s, v);
    if (p->suffix[0]) return ST_OK;
    TRY(check_tensors(c, "eval.safetensors", &want));
    TRY(golden_examples(json_object_get(p->batches, "eval"), "batches.json", c->arena, &t));
    FAIL_IF(want->count != variants, ST_INPUT, "%s holds %d tensors for %d evaluated variants", want->path, want->count,
            variants);
    for (int i = 0; i < variants; i++) {
        char name[64] = "logits";
        if (v[i].name[0])
            snprintf(name, sizeof name, "logits_%.*s%g", (int)strcspn(v[i].name, "="), v[i].name, v[i].key);
        TRY(compare_logits(c, p, want, &t, s, i, name));
    }
    return ST_OK;
}

static status run_plan(struct check *c, const struct plan *p, struct session *s)
{
    struct trajectory want;
    struct extras_run extra = {.c = c, .s = s};
    TRY(check_trained(p, s));
    if (p->init) TRY(set_values(c, p->init, s));
    TRY(read_trajectory(c, p, &want));
    if (p->extras->open) TRY(p->extras->open(&extra));
    for (long k = 0; k < p->steps; k++) TRY(run_step(c, p, &extra, &want, k));
    if (p->arith != &arith_bf16) TRY(compare_final(c, p, s));
    return compare_eval(c, p, s);
}

/* The method that runs. A case tells all options itself, so of a preset only the store counts. */
static status read_method(struct check *c, const struct method *asked, struct plan *p)
{
    struct preset preset;
    TRY(preset_resolve(asked, c->arena, &preset));
    const char *store = preset_value(&preset, "store");
    p->method = preset.method;
    p->extras = extras_of(preset.method);
    if (!store) return ST_OK;
    p->store = store_find(store);
    FAIL_IF(!p->store, ST_INPUT, "method %s needs the store %s", asked->name, store);
    return ST_OK;
}

status check_trajectory(struct check *c, void *ctx)
{
    const struct trajectory_form *form = ctx;
    struct plan p = {.arith = form->arith};
    struct session s;
    const struct method *asked = method_of(c);
    if (!asked) return check_skip(c, "its method is not built yet");
    if (asked->unavailable) return check_skip(c, "%s: %s", asked->name, asked->unavailable);
    TRY(read_method(c, asked, &p));
    if (p.arith == &arith_bf16 && strcmp(p.method->name, "blora") == 0)
        return check_skip(c, "its quantisers are steps, and a rounding that crosses one changes gradients by a whole");
    TRY(read_plan(c, form->adamw, &p));
    TRY(read_arith(c, &p));
    struct session_spec spec = {.model = {.path = p.base,
                                          .head = HEAD_CLASSIFY,
                                          .num_labels = p.labels,
                                          .cls_dropout = -1,
                                          .hidden_dropout = -1,
                                          .attn_dropout = -1,
                                          .train_pooler = p.pooler},
                                .method = p.method,
                                .method_options = p.options,
                                .store = p.store,
                                .arith = p.arith,
                                .arith_options = p.arith == &arith_dfp ? &p.dfp : NULL,
                                .total_steps = (uint64_t)p.steps};
    TRY(session_open(&spec, &s));
    status st = run_plan(c, &p, &s);
    session_close(&s);
    return st;
}
