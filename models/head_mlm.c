/* Masked language modelling: dense, activation, LayerNorm, and a decoder tied to the word table plus a bias, as in
 * Hugging Face's MaskedLM classes. Only rows with a target are computed (all rows when the batch has no labels); logits
 * are [targets, vocab] in token order. */
#include "models/head.h"

#include <stdio.h>
#include "core/gemm.h"
#include "core/text.h"

struct mlm_names {
    const char *dense, *norm, *bias;
};

static struct mlm_names names_of(enum family f)
{
    if (f == FAMILY_ROBERTA) return (struct mlm_names){"lm_head.dense", "lm_head.layer_norm", "lm_head.bias"};
    return (struct mlm_names){"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                              "cls.predictions.bias"};
}

static status build_norm(struct loader *l, const char *name, bool fresh, struct norm *n)
{
    const struct model_config *c = &l->model->config;
    char full[128];
    int order = 1 + c->layers;
    n->eps = c->norm_eps;
    n->who = text_hash32(name);
    snprintf(full, sizeof full, "%s.weight", name);
    TRY(load_head(l, full, 1, c->hidden, order, FILL_ONE, fresh, true, &n->gamma));
    snprintf(full, sizeof full, "%s.bias", name);
    return load_head(l, full, 1, c->hidden, order, FILL_ZERO, fresh, true, &n->beta);
}

status mlm_build(struct loader *l, struct param *word, struct head *h)
{
    const struct model_config *c = &l->model->config;
    struct mlm_names names = names_of(c->family);
    char weight[128];
    int order = 1 + c->layers;
    snprintf(weight, sizeof weight, "%s.weight", names.dense);
    bool fresh = !loader_has(l, weight); /* the whole head, or none of it */
    TRY(load_linear(l,
                    &(struct linear){.name = names.dense,
                                     .role = ROLE_POOLER,
                                     .layer = -1,
                                     .order = order,
                                     .in = c->hidden,
                                     .out = c->hidden,
                                     .in_head = true,
                                     .fresh = fresh,
                                     .trained = true},
                    &h->pooler));
    TRY(build_norm(l, names.norm, fresh, &h->norm));
    TRY(load_head(l, names.bias, 1, c->vocab, order, FILL_ZERO, fresh, true, &h->bias));
    h->word = word;
    h->act = c->act;
    h->who_decoder = text_hash32("head.decoder");
    l->model->num_labels = c->vocab;
    return ST_OK;
}

/* The rows with a target. */
static status targets(struct pass *pass, struct rows *rows)
{
    const struct batch *b = pass->batch;
    int *at, n = 0;
    uint32_t *key;
    NEW(at, pass->tape, b->tokens);
    NEW(key, pass->tape, b->tokens);
    for (int t = 0; t < b->tokens; t++)
        if (!b->label || b->label[t] >= 0) {
            at[n] = t;
            key[n++] = b->row_key[t];
        }
    *rows = (struct rows){USE_TOKENS, n, at, key};
    return ST_OK;
}

status mlm_forward(const struct head *h, struct pass *pass, const struct mat *hidden, struct head_saved *s,
                   struct mat *logits)
{
    struct arena *tape = pass->tape;
    TRY(targets(pass, &s->rows));
    int n = s->rows.n, d = hidden->cols;
    s->pooler = site_use(pass, h->pooler, USE_TOKENS, s->rows.row_key);
    TRY(rows_take(&s->rows, hidden, tape, &s->input));
    TRY(mat_new(tape, n, d, &s->middle));
    TRY(mat_new(tape, n, d, &s->active));
    TRY(mat_new(tape, n, d, &s->output));
    NEW(s->stats, tape, 2 * (size_t)n);
    TRY(mat_new(tape, n, h->word->rows, logits));
    if (n == 0) return ST_OK;
    TRY(site_forward(&s->pooler, &s->input, &s->middle));
    op_activation(h->act, &s->middle, &s->active);
    TRY(norm_forward(&h->norm, pass, &s->active, &s->output, s->stats));
    struct arith_call call = pass_call(pass, h->who_decoder);
    struct wsrc word = param_source(h->word);
    return pass->arith->linear(&call, &s->output, &word, h->bias->data, NULL, logits);
}

status mlm_backward(const struct head *h, struct pass *pass, struct head_saved *s, const struct mat *dlogits,
                    struct mat *dhidden)
{
    struct arith_call call = pass_call(pass, h->who_decoder);
    struct wsrc word = param_source(h->word);
    struct mat d, dinput = {0};
    if (dhidden->a) op_zero(dhidden);
    if (s->rows.n == 0) return ST_OK;
    TRY(mat_new(pass->scratch, s->output.rows, s->output.cols, &d));
    TRY(pass->arith->linear_dx(&call, dlogits, &word, NULL, &d, false));
    if (param_trained(h->word)) {
        param_reach_all(h->word); /* the table of embeddings */
        TRY(pass->arith->linear_dw(&call, &s->output, dlogits, h->word->grad, h->word->cols));
    }
    if (h->bias->grad) bias_backward(dlogits, h->bias->grad);
    TRY(norm_backward(&h->norm, pass, &s->active, s->stats, &d, &d));
    op_activation_backward(h->act, &s->middle, &d, &d);
    if (dhidden->a) {
        TRY(mat_new(pass->scratch, d.rows, dhidden->cols, &dinput));
        op_zero(&dinput);
    }
    TRY(site_backward(&s->pooler, &s->input, &d, dhidden->a ? &dinput : NULL));
    if (dhidden->a) rows_add(&s->rows, &dinput, dhidden);
    return ST_OK;
}
