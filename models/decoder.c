/* Forward and backward of a whole decoder. See decoder.h, decoder_block.h. */
#include "models/decoder.h"

#include <stdio.h>
#include "core/text.h"
#include "models/rotary.h"

/* ---- building ---- */

static const char *prefix_of(enum family f)
{
    (void)f;
    return "model.";
}

static status build_final_norm(struct loader *l, struct decoder *d)
{
    const struct model_config *c = &l->model->config;
    int order = 1 + c->layers;
    return c->family == FAMILY_PHI ? load_norm(l, "model.final_layernorm", c->hidden, c->norm_eps, order, &d->norm)
                                   : load_rms_norm(l, "model.norm", c->hidden, c->norm_eps, order, &d->norm);
}

static status decoder_build(struct loader *l)
{
    struct model *m = l->model;
    const struct model_config *c = &m->config;
    struct decoder *d;
    ZNEW(d, m->arena, 1);
    ZNEW(d->block, m->arena, c->layers + 1);
    d->layers = c->layers;
    d->who_word = text_hash32("model.embed_tokens");
    d->embed_drop = (struct drop){c->embed_dropout, text_hash32("model.embed_dropout")};
    TRY(load_rows(l, "model.embed_tokens.weight", c->vocab, 0, &d->word));
    for (int i = 0; i < c->layers; i++) {
        char name[128];
        snprintf(name, sizeof name, "model.layers.%d.", i);
        TRY(decoder_block_build(l, name, i, &d->block[i]));
    }
    TRY(build_final_norm(l, d));
    TRY(decoder_head_build(l, d));
    m->priv = d;
    return ST_OK;
}

/* ---- rows and positions ---- */

static int earlier_of(const struct batch *b, int s)
{
    return b->prefix && b->prefix[s] ? b->prefix[s]->rows : 0;
}

static status check_kept(const struct model *m, const struct kv *kv, int s, int more)
{
    const struct model_config *c = &m->config;
    FAIL_IF(kv->layers != c->layers || kv->width != c->kv_heads * c->head_dim, ST_INTERNAL,
            "the kept rows of sequence %d belong to another model", s);
    FAIL_IF(kv->rows + more > kv->cap, ST_INTERNAL, "%d rows of sequence %d do not fit behind %d of at most %d", more,
            s, kv->rows, kv->cap);
    return ST_OK;
}

static status check_batch(const struct model *m, const struct pass *pass)
{
    const struct batch *b = pass->batch;
    const struct model_config *c = &m->config;
    FAIL_IF(b->n < 1, ST_INTERNAL, "an empty batch");
    FAIL_IF(pass->keep && (b->prefix || b->append), ST_INTERNAL, "kept rows in a pass that goes back");
    for (int s = 0; s < b->n; s++) {
        int n = b->offset[s + 1] - b->offset[s], last = earlier_of(b, s) + n;
        FAIL_IF(n < 1, ST_INPUT, "sequence %d of the batch is empty", s);
        FAIL_IF(last > c->max_positions, ST_INPUT, "sequence %d of the batch has %d tokens, the model has %d positions",
                s, last, c->max_positions);
        if (b->prefix && b->prefix[s]) TRY(check_kept(m, b->prefix[s], s, 0));
        if (b->append && b->append[s]) TRY(check_kept(m, b->append[s], s, n));
    }
    for (int t = 0; t < b->tokens; t++)
        FAIL_IF(b->ids[t] < 0 || b->ids[t] >= c->vocab, ST_INPUT, "token id %d, but the model's vocabulary has %d rows",
                (int)b->ids[t], c->vocab);
    return ST_OK;
}

/* The tokens that the head reads: the last of each sequence, those with a label, or all. */
static status read_rows(const struct decoder *d, const struct batch *b, struct arena *arena, struct rows *r)
{
    bool last = d->head == HEAD_CLASSIFY, labelled = d->head == HEAD_LM && b->label;
    int *at, n = 0;
    uint32_t *key;
    *r = (struct rows){USE_TOKENS, b->tokens, NULL, b->row_key};
    if (!last && !labelled) return ST_OK;
    NEW(at, arena, b->tokens);
    NEW(key, arena, b->tokens);
    for (int s = 0; last && s < b->n; s++) at[n++] = b->offset[s + 1] - 1;
    for (int t = 0; labelled && t < b->tokens; t++)
        if (b->label[t] >= 0) at[n++] = t;
    for (int i = 0; i < n; i++) key[i] = b->row_key[at[i]];
    if (last || n < b->tokens) *r = (struct rows){last ? USE_FIRST : USE_TOKENS, n, at, key};
    return ST_OK;
}

static status positions(const struct model *m, struct pass *pass, struct decoder_tape *t)
{
    const struct batch *b = pass->batch;
    int *position, *read, lo = INT32_MAX, hi = 0;
    NEW(position, pass->tape, b->tokens);
    NEW(read, pass->tape, t->read.n);
    for (int s = 0; s < b->n; s++)
        for (int i = b->offset[s]; i < b->offset[s + 1]; i++) {
            position[i] = earlier_of(b, s) + i - b->offset[s];
            if (position[i] < lo) lo = position[i];
            if (position[i] > hi) hi = position[i];
        }
    for (int i = 0; i < t->read.n; i++) read[i] = position[t->read.at ? t->read.at[i] : i];
    t->position = position;
    t->read_position = read;
    return rotary_table(&m->config, lo, hi - lo + 1, pass->tape, &t->rotary);
}

/* Rows, plans and angles of this batch. */
static status begin(const struct model *m, const struct decoder *d, struct pass *pass, struct decoder_tape *t)
{
    const struct batch *b = pass->batch;
    t->pass = pass;
    t->all = (struct rows){USE_TOKENS, b->tokens, NULL, b->row_key};
    TRY(read_rows(d, b, pass->tape, &t->read));
    TRY(positions(m, pass, t));
    TRY(causal_plan_new(b, &t->all, t->position, pass->tape, &t->plan_all));
    TRY(causal_plan_new(b, &t->read, t->position, pass->tape, &t->plan_read));
    ZNEW(t->block, pass->tape, d->layers + 1);
    ZNEW(t->input, pass->tape, d->layers + 1);
    return ST_OK;
}

static struct decoder_pass pass_of(const struct decoder *d, const struct decoder_tape *t, int layer)
{
    bool read = t->read_only && layer == d->layers - 1;
    return (struct decoder_pass){.pass = t->pass,
                                 .rows = read ? &t->read : &t->all,
                                 .plan = read ? t->plan_read : t->plan_all,
                                 .rotary = &t->rotary,
                                 .position = t->position,
                                 .row_position = read ? t->read_position : t->position};
}

/* ---- forward ---- */

static status keep_hidden(struct pass *pass, const struct mat *x, struct mat *hidden, int i)
{
    if (!hidden) return ST_OK;
    TRY(mat_new(pass->tape, x->rows, x->cols, &hidden[i]));
    op_copy(x, &hidden[i]);
    return ST_OK;
}

static status embed(const struct decoder *d, struct pass *pass, struct mat *x)
{
    struct arith_call call = pass_call(pass, d->who_word);
    struct wsrc word = param_source(d->word);
    TRY(pass->arith->embed(&call, &word, pass->batch->ids, x));
    drop_apply(&d->embed_drop, pass, pass->batch->row_key, x);
    return ST_OK;
}

/* One block; its input stays on the tape when it will go back. */
static status run_block(const struct model *m, const struct decoder *d, struct decoder_tape *t, int i, struct mat *x,
                        struct mat *spare)
{
    struct pass *pass = t->pass;
    struct decoder_pass c = pass_of(d, t, i);
    bool back = pass->keep && i >= t->first_kept, keep = back && !m->spec.recompute;
    struct mat out = mat_of(spare->a, c.rows->n, spare->cols);
    if (back) {
        TRY(mat_new(pass->tape, x->rows, x->cols, &t->input[i]));
        op_copy(x, &t->input[i]);
    }
    struct arena_mark tape = arena_mark(pass->tape);
    TRY(decoder_block_forward(&d->block[i], &c, x, keep, &t->block[i], &out));
    if (!keep) arena_reset(pass->tape, tape);
    spare->a = x->a;
    *x = out;
    return ST_OK;
}

/* x: the last block's output. */
static status finish(const struct decoder *d, struct pass *pass, struct decoder_tape *t, const struct mat *x,
                     struct mat *logits)
{
    struct mat top;
    bool gathered = t->read_only && d->layers > 0;
    if (gathered)
        top = *x;
    else
        TRY(rows_take(&t->read, x, pass->scratch, &top));
    TRY(mat_new(pass->tape, top.rows, top.cols, &t->top));
    op_copy(&top, &t->top);
    TRY(mat_new(pass->tape, top.rows, top.cols, &t->state));
    NEW(t->stats, pass->tape, 2 * (size_t)top.rows);
    TRY(norm_forward(&d->norm, pass, &t->top, &t->state, t->stats));
    return decoder_head_forward(d, pass, t, logits);
}

static void count_appended(const struct batch *b)
{
    for (int s = 0; b->append && s < b->n; s++)
        if (b->append[s]) b->append[s]->rows += b->offset[s + 1] - b->offset[s];
}

static status forward(struct model *m, struct pass *pass, struct mat *logits, struct mat *hidden)
{
    struct decoder *d = m->priv;
    struct decoder_tape *t;
    struct mat x, spare;
    FAIL_IF(!logits && d->head != HEAD_LM, ST_INTERNAL, "only a language model computes without logits");
    d->pass = NULL;
    TRY(check_batch(m, pass));
    ZNEW(t, pass->tape, 1);
    TRY(begin(m, d, pass, t));
    int lowest = param_lowest_trained(m->reg);
    t->first_kept = lowest < 1 ? 0 : lowest - 1;
    t->read_only = !hidden && !m->whole_table && !pass->arith->whole_table;
    struct arena_mark mark = arena_mark(pass->scratch);
    TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &x));
    TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &spare));
    TRY(embed(d, pass, &x));
    TRY(keep_hidden(pass, &x, hidden, 0));
    for (int i = 0; i < d->layers; i++) {
        TRY(run_block(m, d, t, i, &x, &spare));
        TRY(keep_hidden(pass, &x, hidden, i + 1));
    }
    count_appended(pass->batch);
    TRY(finish(d, pass, t, &x, logits));
    arena_reset(pass->scratch, mark);
    d->tape = t;
    d->pass = pass;
    return ST_OK;
}

/* ---- backward ---- */

static status block_back(const struct model *m, const struct decoder *d, struct decoder_tape *t, int i,
                         struct mat *dout, struct mat *dx, struct mat *room)
{
    struct pass *pass = t->pass;
    struct decoder_pass c = pass_of(d, t, i);
    struct arena_mark tape = arena_mark(pass->tape);
    if (m->spec.recompute) {
        struct mat out = mat_of(room->a, c.rows->n, room->cols);
        TRY(decoder_block_forward(&d->block[i], &c, &t->input[i], true, &t->block[i], &out));
    }
    TRY(decoder_block_backward(&d->block[i], &c, &t->input[i], &t->block[i], dout, dx));
    if (m->spec.recompute) arena_reset(pass->tape, tape);
    return ST_OK;
}

/* dtop: gradient of the last block's output, [tokens or read rows, hidden]. */
static status blocks_backward(const struct model *m, const struct decoder *d, struct decoder_tape *t, struct mat *dtop,
                              struct mat *spare)
{
    struct pass *pass = t->pass;
    struct mat dout = *dtop, room = {0};
    bool embedding = param_trained(d->word);
    if (m->spec.recompute) TRY(mat_new(pass->scratch, spare->rows, spare->cols, &room));
    for (int i = d->layers - 1; i >= t->first_kept; i--) {
        struct mat dx = {0};
        if (i > t->first_kept || embedding) dx = mat_of(spare->a, spare->rows, spare->cols);
        TRY(block_back(m, d, t, i, &dout, &dx, &room));
        spare->a = dout.a;
        dout = dx;
    }
    if (!embedding) return ST_OK;
    drop_apply(&d->embed_drop, pass, pass->batch->row_key, &dout);
    return table_rows_backward(d->word, pass, d->who_word, pass->batch->ids, &dout);
}

static status backward(struct model *m, struct pass *pass, const struct mat *dlogits)
{
    struct decoder *d = m->priv;
    struct decoder_tape *t = d->tape;
    FAIL_IF(d->pass != pass || !pass->keep, ST_INTERNAL, "a backward pass without the forward pass that it belongs to");
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat dread = {0}, dtop, spare;
    bool blocks = param_lowest_trained(m->reg) <= d->layers;
    if (blocks) {
        TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &dtop));
        TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &spare));
        dread = mat_of(spare.a, t->read.n, spare.cols);
        if (t->read_only && d->layers > 0) dread = dtop = mat_of(dtop.a, t->read.n, dtop.cols);
    }
    TRY(decoder_head_backward(d, pass, t, dlogits, &dread));
    if (blocks && dread.a != dtop.a) {
        op_zero(&dtop);
        rows_add(&t->read, &dread, &dtop);
    }
    if (blocks) TRY(blocks_backward(m, d, t, &dtop, &spare));
    d->pass = NULL;
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

const struct model_ops decoder_ops = {
    .prefix = prefix_of,
    .build = decoder_build,
    .forward = forward,
    .backward = backward,
    .products = decoder_products,
};
