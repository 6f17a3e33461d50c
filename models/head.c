/* Sequence classification and regression heads. See head.h.
 *
 * One shape serves the three families: dropout, dense, activation, dropout, dense. DeBERTa's ContextPooler has its own
 * rate and activation, BERT's pooler is part of the backbone and uses tanh, RoBERTa's head drops before both layers. */
#include "models/head.h"

#include <stdio.h>
#include "core/text.h"

struct head_names {
    const char *pooler, *classifier;
};

static struct head_names names_of(enum family f)
{
    switch (f) {
    case FAMILY_BERT: return (struct head_names){"bert.pooler.dense", "classifier"};
    case FAMILY_ROBERTA: return (struct head_names){"classifier.dense", "classifier.out_proj"};
    default: return (struct head_names){"pooler.dense", "classifier"};
    }
}

static bool in_checkpoint(const struct loader *l, const char *site)
{
    char name[128];
    snprintf(name, sizeof name, "%s.weight", site);
    if (loader_has(l, name)) return true;
    snprintf(name, sizeof name, "%s.bias", site);
    return loader_has(l, name);
}

status head_labels(struct loader *l, const char *classifier, int *labels, bool *fresh)
{
    struct model *m = l->model;
    char name[128];
    snprintf(name, sizeof name, "%s.weight", classifier);
    int stored = loader_rows(l, name);
    *fresh = !in_checkpoint(l, classifier);
    *labels = m->spec.num_labels > 0 ? m->spec.num_labels : stored > 0 ? stored : m->config.num_labels;
    FAIL_IF(*labels < 1, ST_INPUT, "%s: neither the task, nor a classifier, nor id2label tells the number of labels",
            m->spec.path);
    if (stored > 0 && stored != *labels) {
        notice("%s: '%s' has %d labels, the task %d: a new classifier is used", m->spec.path, classifier, stored,
               *labels);
        *fresh = true;
    }
    return ST_OK;
}

/* BERT's pooler belongs to the backbone: a checkpoint's own stays frozen unless the caller asks; all others are new. */
static bool pooler_trained(const struct loader *l, bool fresh)
{
    const struct model *m = l->model;
    if (m->spec.train_pooler >= 0) return m->spec.train_pooler > 0;
    return m->config.family != FAMILY_BERT || fresh;
}

static status classify_build(struct loader *l, struct head *h)
{
    struct model *m = l->model;
    const struct model_config *c = &m->config;
    struct head_names names = names_of(c->family);
    bool fresh_pooler = !in_checkpoint(l, names.pooler), fresh;
    int labels, order = 1 + c->layers;
    TRY(head_labels(l, names.classifier, &labels, &fresh));
    m->num_labels = labels;
    TRY(load_linear(l,
                    &(struct linear){.name = names.pooler,
                                     .role = ROLE_POOLER,
                                     .layer = -1,
                                     .order = order,
                                     .in = c->hidden,
                                     .out = c->hidden,
                                     .in_head = true,
                                     .fresh = fresh_pooler,
                                     .trained = pooler_trained(l, fresh_pooler)},
                    &h->pooler));
    TRY(load_linear(l,
                    &(struct linear){.name = names.classifier,
                                     .role = ROLE_CLASSIFIER,
                                     .layer = -1,
                                     .order = order,
                                     .in = c->hidden,
                                     .out = labels,
                                     .in_head = true,
                                     .fresh = fresh,
                                     .trained = true},
                    &h->classifier));
    bool deberta = c->family == FAMILY_DEBERTA_V2, roberta = c->family == FAMILY_ROBERTA;
    h->act = deberta ? c->pooler_act : ACT_TANH;
    h->drop_in = (struct drop){deberta ? c->pooler_dropout : roberta ? c->cls_dropout : 0, text_hash32("head.drop_in")};
    h->drop_out = (struct drop){c->cls_dropout, text_hash32("head.drop_out")};
    return ST_OK;
}

status head_build(struct loader *l, struct param *word, struct head *h)
{
    *h = (struct head){.kind = l->model->spec.head};
    switch (h->kind) {
    case HEAD_CLASSIFY: return classify_build(l, h);
    case HEAD_MLM: return mlm_build(l, word, h);
    case HEAD_LM:
        return fail(ST_UNSUPPORTED, "%s: an encoder is no causal language model; use phi, qwen2 or llama",
                    l->model->spec.path);
    case HEAD_NONE: break;
    }
    return ST_OK;
}

/* ---- forward ---- */

static status classify_forward(const struct head *h, struct pass *pass, const struct mat *hidden, struct head_saved *s,
                               struct mat *logits)
{
    struct arena *tape = pass->tape;
    TRY(mat_new(tape, s->rows.n, hidden->cols, &s->input));
    struct mat rows;
    TRY(rows_take(&s->rows, hidden, pass->scratch, &rows));
    op_copy(&rows, &s->input);
    drop_apply(&h->drop_in, pass, s->rows.row_key, &s->input);
    s->pooler = site_use(pass, h->pooler, USE_FIRST, s->rows.row_key);
    s->classifier = site_use(pass, h->classifier, USE_FIRST, s->rows.row_key);
    TRY(mat_new(tape, s->rows.n, h->pooler->out, &s->middle));
    TRY(mat_new(tape, s->rows.n, h->pooler->out, &s->output));
    TRY(mat_new(tape, s->rows.n, h->classifier->out, logits));
    TRY(site_forward(&s->pooler, &s->input, &s->middle));
    op_activation(h->act, &s->middle, &s->output);
    drop_apply(&h->drop_out, pass, s->rows.row_key, &s->output);
    return site_forward(&s->classifier, &s->output, logits);
}

status head_forward(const struct head *h, struct pass *pass, const struct rows *first, bool first_only,
                    const struct mat *hidden, struct head_saved *s, struct mat *logits)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    status st = ST_OK;
    *s = (struct head_saved){.rows = *first};
    if (first_only) s->rows.at = NULL;
    switch (h->kind) {
    case HEAD_CLASSIFY: st = classify_forward(h, pass, hidden, s, logits); break;
    case HEAD_MLM: st = mlm_forward(h, pass, hidden, s, logits); break;
    case HEAD_LM: st = fail(ST_INTERNAL, "an encoder with a causal head"); break;
    case HEAD_NONE:
        TRY(mat_new(pass->tape, hidden->rows, hidden->cols, logits));
        op_copy(hidden, logits);
        break;
    }
    arena_reset(pass->scratch, mark);
    return st;
}

/* ---- backward ---- */

static status classify_backward(const struct head *h, struct pass *pass, struct head_saved *s,
                                const struct mat *dlogits, struct mat *dhidden)
{
    struct mat d, du = {0};
    bool below = dhidden->a != NULL, middle = below || site_trains(h->pooler);
    TRY(mat_new(pass->scratch, s->middle.rows, s->middle.cols, &d));
    op_zero(&d);
    TRY(site_backward(&s->classifier, &s->output, dlogits, middle ? &d : NULL));
    if (!middle) return ST_OK;
    drop_apply(&h->drop_out, pass, s->rows.row_key, &d);
    op_activation_backward(h->act, &s->middle, &d, &d);
    if (below) {
        TRY(mat_new(pass->scratch, s->input.rows, s->input.cols, &du));
        op_zero(&du);
    }
    TRY(site_backward(&s->pooler, &s->input, &d, below ? &du : NULL));
    if (!below) return ST_OK;
    drop_apply(&h->drop_in, pass, s->rows.row_key, &du);
    op_zero(dhidden);
    rows_add(&s->rows, &du, dhidden);
    return ST_OK;
}

status head_backward(const struct head *h, struct pass *pass, struct head_saved *s, const struct mat *dlogits,
                     struct mat *dhidden)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    status st = ST_OK;
    switch (h->kind) {
    case HEAD_CLASSIFY: st = classify_backward(h, pass, s, dlogits, dhidden); break;
    case HEAD_MLM: st = mlm_backward(h, pass, s, dlogits, dhidden); break;
    case HEAD_LM: break;
    case HEAD_NONE:
        if (dhidden->a) op_copy(dlogits, dhidden);
        break;
    }
    arena_reset(pass->scratch, mark);
    return st;
}
