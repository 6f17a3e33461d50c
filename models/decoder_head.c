/* Heads of decoders and their place behind the final norm. See decoder.h. */
#include <string.h>
#include "core/gemm.h"
#include "core/lap.h"
#include "core/text.h"
#include "models/decoder.h"
#include "models/head.h"

/* ---- building ---- */

static status classify_build(struct loader *l, struct decoder *d)
{
    struct model *m = l->model;
    int labels, order = 1 + m->config.layers;
    bool fresh;
    TRY(head_labels(l, "score", &labels, &fresh));
    m->num_labels = labels;
    return load_linear(l,
                       &(struct linear){.name = "score",
                                        .role = ROLE_CLASSIFIER,
                                        .layer = -1,
                                        .order = order,
                                        .in = m->config.hidden,
                                        .out = labels,
                                        .in_head = true,
                                        .fresh = fresh,
                                        .trained = true,
                                        .plain = true},
                       &d->score);
}

/* The output layer belongs to the pretrained model: frozen until somebody thaws it. */
static status language_build(struct loader *l, struct decoder *d)
{
    struct model *m = l->model;
    const struct model_config *c = &m->config;
    int order = 1 + c->layers;
    m->num_labels = c->vocab;
    d->output = d->word;
    if (!c->tied) TRY(load_base(l, "lm_head.weight", c->vocab, c->hidden, order, FILL_NORMAL, &d->output));
    return c->head_bias ? load_base(l, "lm_head.bias", 1, c->vocab, order, FILL_ZERO, &d->bias) : ST_OK;
}

status decoder_head_build(struct loader *l, struct decoder *d)
{
    d->head = l->model->spec.head;
    d->who_output = text_hash32("lm_head");
    switch (d->head) {
    case HEAD_CLASSIFY: return classify_build(l, d);
    case HEAD_LM: return language_build(l, d);
    case HEAD_MLM:
        return fail(ST_UNSUPPORTED, "%s: models of the type '%s' see earlier tokens only: no masked language modelling",
                    l->model->spec.path, family_name(l->model->config.family));
    case HEAD_NONE: break;
    }
    return ST_OK;
}

/* ---- forward ---- */

status decoder_logits(const struct decoder *d, struct pass *pass, const struct decoder_tape *t, int r0, int n,
                      struct mat *logits)
{
    struct arith_call call = pass_call(pass, d->who_output);
    struct wsrc w = param_source(d->output);
    struct mat x = mat_part(&t->state, r0, n, 0, t->state.cols);
    enum lap before = lap_begin(LAP_LAYERS);
    status st = pass->arith->linear(&call, &x, &w, d->bias ? d->bias->data : NULL, NULL, logits);
    lap_end(before);
    return st;
}

status decoder_head_forward(const struct decoder *d, struct pass *pass, struct decoder_tape *t, struct mat *logits)
{
    int n = t->state.rows;
    switch (d->head) {
    case HEAD_CLASSIFY:
        TRY(mat_new(pass->tape, n, d->score->out, logits));
        t->score = site_use(pass, d->score, USE_FIRST, t->read.row_key);
        return site_forward(&t->score, &t->state, logits);
    case HEAD_LM:
        if (!logits) return ST_OK;
        TRY(mat_new(pass->tape, n, d->output->rows, logits));
        return n > 0 ? decoder_logits(d, pass, t, 0, n, logits) : ST_OK;
    default:
        TRY(mat_new(pass->tape, n, t->state.cols, logits));
        op_copy(&t->state, logits);
        return ST_OK;
    }
}

/* ---- backward ---- */

status decoder_logits_backward(const struct decoder *d, struct pass *pass, const struct decoder_tape *t, int r0, int n,
                               const struct mat *dlogits, struct mat *dstate)
{
    struct arith_call call = pass_call(pass, d->who_output);
    struct wsrc w = param_source(d->output);
    struct mat x = mat_part(&t->state, r0, n, 0, t->state.cols);
    enum lap before = lap_begin(LAP_LAYERS);
    if (dstate->a) {
        struct mat dx = mat_part(dstate, r0, n, 0, dstate->cols);
        TRY(pass->arith->linear_dx(&call, dlogits, &w, NULL, &dx, false));
    }
    if (param_trained(d->output)) {
        param_reach_all(d->output); /* it may be the table of embeddings */
        TRY(pass->arith->linear_dw(&call, &x, dlogits, d->output->grad, d->output->cols));
    }
    if (d->bias && d->bias->grad) bias_backward(dlogits, d->bias->grad);
    lap_end(before);
    return ST_OK;
}

static status classify_backward(struct decoder_tape *t, const struct mat *dlogits, struct mat *dstate)
{
    if (dstate->a) op_zero(dstate);
    return site_backward(&t->score, &t->state, dlogits, dstate->a ? dstate : NULL);
}

static status state_gradient(const struct decoder *d, struct pass *pass, struct decoder_tape *t,
                             const struct mat *dlogits, struct mat *dstate)
{
    if (!dlogits) {
        FAIL_IF(d->head != HEAD_LM || !t->dstate.a, ST_INTERNAL, "a backward pass without a gradient to begin with");
        if (dstate->a) op_copy(&t->dstate, dstate);
        return ST_OK;
    }
    switch (d->head) {
    case HEAD_CLASSIFY: return classify_backward(t, dlogits, dstate);
    case HEAD_LM:
        return t->state.rows > 0 ? decoder_logits_backward(d, pass, t, 0, t->state.rows, dlogits, dstate) : ST_OK;
    default:
        if (dstate->a) op_copy(dlogits, dstate);
        return ST_OK;
    }
}

status decoder_head_backward(const struct decoder *d, struct pass *pass, struct decoder_tape *t,
                             const struct mat *dlogits, struct mat *dtop)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat dstate = *dtop;
    if (!dstate.a && norm_trained(&d->norm)) TRY(mat_new(pass->scratch, t->state.rows, t->state.cols, &dstate));
    TRY(state_gradient(d, pass, t, dlogits, &dstate));
    if (dstate.a) TRY(norm_backward(&d->norm, pass, &t->top, t->stats, &dstate, &dstate));
    arena_reset(pass->scratch, mark);
    return ST_OK;
}
