#include "bench/session.h"

#include <math.h>
#include <string.h>
#include "bench/stop.h"
#include "core/file.h"
#include "core/lap.h"
#include "core/ops.h"
#include "models/stored_file.h"
#include "models/language.h"

/* ---- open and close ---- */

/* The stored weights: made now, or kept in a file from an earlier time. */
static status open_stores(struct session *s, const char *file)
{
    int there = 0;
    if (file) TRY(file_ask(file, &there));
    if (there) {
        TRY(store_file_map(s->model, s->store, s->store_options, file));
    } else {
        TRY(model_build_stores(s->model, s->store, s->store_options));
        if (file) TRY(store_file_write(s->model, s->store, s->store_options, file));
    }
    return model_pack_weights(s->model, s->arith);
}

static status take_arith(const struct session_spec *spec, struct session *s)
{
    void *defaults;
    s->arith = spec->arith ? spec->arith : &arith_f32;
    s->arith_options = spec->arith_options;
    if (s->arith_options) return ST_OK;
    TRY(option_new(s->arith->options, s->arith->option_size, s->arena, &defaults));
    s->arith_options = defaults;
    return ST_OK;
}

static status open_parts(const struct session_spec *spec, struct session *s)
{
    struct model_spec model = spec->model;
    s->arena = arena_new("the run");
    s->tape = arena_new("activations");
    s->scratch = arena_new("scratch of a pass");
    if (!s->arena || !s->tape || !s->scratch) return ST_MEMORY;
    s->rng.seed = spec->seed;
    s->store = spec->store ? spec->store : store_find("f32");
    s->store_options = spec->store_options;
    FAIL_IF(!s->store, ST_INTERNAL, "this build has no f32 store");
    FAIL_IF((spec->method->flags & METHOD_PLAIN_STORE) && s->store != store_find("f32"), ST_USAGE,
            "method %s %s the base weights, which must then be kept as f32: store %s cannot be used",
            spec->method->name, spec->method->flags & METHOD_TRAINS_BASE ? "trains" : "itself quantises",
            s->store->name);
    TRY(take_arith(spec, s));
    TRY(registry_init(&s->reg, s->arena));
    model.rng = &s->rng;
    TRY(model_open(&model, s->arena, &s->reg, &s->model));
    s->model->whole_table = s->arith->whole_table || (spec->method->flags & METHOD_WHOLE_TABLE);
    s->run = (struct mrun){.method = spec->method,
                           .options = spec->method_options,
                           .reg = &s->reg,
                           .arena = s->arena,
                           .rng = &s->rng,
                           .site = s->model->site,
                           .sites = s->model->sites,
                           .total_steps = spec->total_steps};
    TRY(method_start(&s->run));
    return open_stores(s, spec->store_file);
}

status session_open(const struct session_spec *spec, struct session *s)
{
    *s = (struct session){0};
    status st = open_parts(spec, s);
    if (st != ST_OK) session_close(s);
    return st;
}

void session_close(struct session *s)
{
    if (s->model) model_close(s->model);
    arena_free(s->scratch);
    arena_free(s->tape);
    arena_free(s->arena);
    *s = (struct session){0};
}

/* ---- training ---- */

struct pass session_pass(struct session *s, const struct batch *batch, int variant)
{
    return (struct pass){.batch = batch,
                         .rng = &s->rng,
                         .arith = s->arith,
                         .arith_options = s->arith_options,
                         .step = s->run.step,
                         .variant = variant,
                         .tape = s->tape,
                         .scratch = s->scratch};
}

status session_forward(struct session *s, struct pass *pass, struct mat *logits)
{
    TRY(method_prepare(&s->run, pass));
    return model_forward(s->model, pass, logits, NULL);
}

static bool is_language(const struct session *s)
{
    return s->model->spec.head == HEAD_LM;
}

status session_observe(struct session *s, const struct batch *batch)
{
    struct mat logits;
    if (!(s->run.method->flags & METHOD_OBSERVES)) return ST_OK;
    struct pass pass = session_pass(s, batch, 0);
    pass.train = true;
    pass.step = 0;
    pass.mode = PASS_OBSERVE;
    struct arena_mark tape = arena_mark(s->tape), scratch = arena_mark(s->scratch);
    bool whole = s->model->whole_table;
    s->model->whole_table = true; /* what is taken from the data must not depend on which rows a pass may leave out */
    status st = session_forward(s, &pass, is_language(s) ? NULL : &logits);
    s->model->whole_table = whole;
    arena_reset(s->tape, tape);
    arena_reset(s->scratch, scratch);
    return st;
}

/* What a number that is not finite is called: the sign of a NaN, which %g shows, differs between machines. */
static const char *lost(double x)
{
    return isnan(x) ? "NaN" : "infinite";
}

static status check_loss(const struct pass *pass, double part)
{
    FAIL_IF(!isfinite(part), ST_DIVERGED, "the loss is %s at step %llu", lost(part), (unsigned long long)pass->step);
    return ST_OK;
}

/* Logits over a vocabulary never exist all at once. */
static status learn_language(struct session *s, struct pass *pass, double *loss)
{
    double part;
    TRY(session_forward(s, pass, NULL));
    TRY(lm_loss(s->model, pass, true, &part, NULL));
    *loss += part;
    TRY(check_loss(pass, part));
    return model_backward(s->model, pass, NULL);
}

static status learn(struct session *s, struct pass *pass, double *loss)
{
    struct mat logits, dlogits;
    double part;
    if (is_language(s)) return learn_language(s, pass, loss);
    TRY(session_forward(s, pass, &logits));
    dlogits = mat_of(arena_alloc(s->tape, sizeof(real) * (size_t)logits.rows * (size_t)logits.cols), logits.rows,
                     logits.cols);
    if (!dlogits.a) return ST_MEMORY;
    TRY(model_loss(s->model, pass, &logits, &dlogits, &part));
    *loss += part;
    TRY(check_loss(pass, part));
    return model_backward(s->model, pass, &dlogits);
}

status session_micro(struct session *s, const struct batch *batch, uint64_t step, int micro, double *loss)
{
    struct pass pass = session_pass(s, batch, 0);
    pass.step = step;
    pass.micro = micro;
    pass.train = pass.keep = true;
    if (micro == 0) {
        s->run.step = step;
        param_zero_grads(&s->reg);
        if (s->run.method->step_begin) TRY(s->run.method->step_begin(&s->run));
    }
    struct arena_mark tape = arena_mark(s->tape), scratch = arena_mark(s->scratch);
    status st = learn(s, &pass, loss);
    arena_reset(s->tape, tape);
    arena_reset(s->scratch, scratch);
    return st;
}

static status update(struct session *s, const struct adamw *adamw, double lr, double clip, uint64_t step,
                     double *penalty, double *grad_norm)
{
    const struct method *m = s->run.method;
    *penalty = 0;
    TRY(adamw_init(adamw, &s->reg));
    if (m->penalty) TRY(m->penalty(&s->run, penalty));
    *grad_norm = gradients_clip(&s->reg, clip);
    FAIL_IF(!isfinite(*penalty), ST_DIVERGED, "the penalty is %s at step %llu", lost(*penalty),
            (unsigned long long)step);
    FAIL_IF(!isfinite(*grad_norm), ST_DIVERGED, "the gradient's norm is %s at step %llu", lost(*grad_norm),
            (unsigned long long)step);
    adamw_step(adamw, &s->reg, lr, (long)step + 1);
    return m->step_end ? m->step_end(&s->run) : ST_OK;
}

status session_update(struct session *s, const struct adamw *adamw, double lr, double clip, uint64_t step,
                      double *penalty, double *grad_norm)
{
    enum lap before = lap_begin(LAP_UPDATE);
    status st = update(s, adamw, lr, clip, step, penalty, grad_norm);
    lap_end(before);
    return st;
}

/* ---- evaluation ---- */

int session_variants(const struct session *s, struct variant v[SESSION_MAX_VARIANTS])
{
    v[0] = (struct variant){.name = "", .key = 0};
    if (!s->run.method->variants) return 1;
    int n = s->run.method->variants(&s->run, v, SESSION_MAX_VARIANTS);
    return n < SESSION_MAX_VARIANTS ? n : SESSION_MAX_VARIANTS;
}

/* Logits of rows first .. first+n-1 of the set. */
static status predict_batch(struct session *s, const struct tokens *t, int first, int n, int variant, real *out)
{
    struct batch batch;
    struct mat logits;
    int *index;
    struct pass pass = session_pass(s, &batch, variant);
    NEW(index, s->tape, n);
    for (int i = 0; i < n; i++) index[i] = first + i;
    TRY(batch_make(t, index, n, 0, n, s->model->num_labels == 1 ? BATCH_VALUES : BATCH_CLASSES, s->tape, &batch));
    TRY(session_forward(s, &pass, &logits));
    struct mat to = mat_of(out, n, logits.cols);
    op_copy(&logits, &to);
    return ST_OK;
}

/* One call over all rows, so that the bits do not depend on how they were batched. */
static status loss_of(const struct tokens *t, const struct mat *logits, struct arena *arena, double *loss)
{
    int32_t *label;
    *loss = NAN;
    if (!t->label || t->n == 0) return ST_OK;
    if (logits->cols == 1) {
        *loss = op_mse(logits, t->label, 1.0 / t->n, NULL);
        return ST_OK;
    }
    NEW(label, arena, t->n);
    for (int i = 0; i < t->n; i++) label[i] = (int32_t)t->label[i];
    *loss = op_cross_entropy(logits, label, 1.0 / t->n, NULL);
    return ST_OK;
}

status session_predict(struct session *s, const struct tokens *t, int eval_batch, int variant, struct arena *arena,
                       float **logits, double *mean_loss)
{
    int labels = s->model->num_labels;
    size_t total = (size_t)t->n * (size_t)labels;
    NEW(*logits, arena, total);
    struct arena_mark mark = arena_mark(arena);
    real *exact;
    NEW(exact, arena, total);
    for (int first = 0; first < t->n; first += eval_batch) {
        int n = t->n - first < eval_batch ? t->n - first : eval_batch;
        TRY(stop_check_signal());
        struct arena_mark tape = arena_mark(s->tape), scratch = arena_mark(s->scratch);
        status st = predict_batch(s, t, first, n, variant, exact + (size_t)first * (size_t)labels);
        arena_reset(s->tape, tape);
        arena_reset(s->scratch, scratch);
        if (st != ST_OK) return st;
    }
    for (size_t i = 0; i < total; i++) (*logits)[i] = (float)exact[i];
    struct mat all = mat_of(exact, t->n, labels);
    status st = mean_loss ? loss_of(t, &all, arena, mean_loss) : ST_OK;
    arena_reset(arena, mark);
    return st;
}

/* ---- merging ---- */

static status merge_site(struct session *s, struct site *site, int variant)
{
    real *w, *b;
    NEW(w, s->arena, (size_t)site->out * (size_t)site->in);
    ZNEW(b, s->arena, site->out);
    site->w.tile(&site->w, 0, site->out, 0, site->in, w, site->in);
    if (site->bias) TRY(param_load(&s->reg, site->bias));
    if (site->bias) memcpy(b, site->bias->data, sizeof *b * (size_t)site->out);
    TRY(s->run.method->effective(&s->run, site, variant, w, b));
    bool bias = false; /* a layer that had none may need one now */
    for (int j = 0; j < site->out; j++) bias |= b[j] != 0;
    if (bias && !site->bias) TRY(site_tensor(site, &s->reg, P_CONST, "bias", 1, site->out, &site->bias));
    site->w = wsrc_dense(w, site->out, site->in);
    if (site->bias) memcpy(site->bias->data, b, sizeof *b * (size_t)site->out);
    site->ops = NULL;
    return ST_OK;
}

status session_merge(struct session *s, int variant)
{
    FAIL_IF(!(s->run.method->flags & METHOD_MERGEABLE), ST_UNSUPPORTED, "method %s cannot be merged into the weights",
            s->run.method->name);
    for (int i = 0; i < s->run.sites; i++)
        if (s->run.chosen[i]) TRY(merge_site(s, s->run.site[i], variant));
    return ST_OK;
}
