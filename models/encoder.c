/* Forward and backward of a whole encoder. See encoder.h, block.h. */
#include "models/encoder.h"

#include <stdio.h>
#include "core/text.h"
#include "models/family.h"

/* Everything between forward and backward of one pass. */
struct encoder_tape {
    struct pass *pass;
    struct rows all, first;
    struct attention_plan *plan_all, *plan_first;
    struct relative_rows *rel;
    struct mat table_raw, table; /* rows of the relative table before and after its norm */
    real *table_stats;
    struct embedding_saved embedding;
    int first_kept; /* blocks below it keep nothing */
    struct mat
        *input; /* [layers] of a block; a NULL unless it is kept: the first's where it needs it, with recompute all */
    struct block_saved *block;
    struct head_saved head;
    bool first_only; /* the last block computed the first tokens only */
};

/* ---- building ---- */

static const char *prefix_of(enum family f)
{
    return f == FAMILY_BERT ? "bert." : f == FAMILY_ROBERTA ? "roberta." : "deberta.";
}

static status table_build(struct loader *l, struct table *t)
{
    const struct model_config *c = &l->model->config;
    t->law = (struct relative_law){c->position_buckets, c->max_relative};
    t->who = text_hash32("deberta.encoder.rel_embeddings");
    t->normed = c->norm_rel;
    FAIL_IF(relative_span(&t->law) < 1, ST_INPUT, "%s: the relative position table has no rows", l->model->spec.path);
    TRY(load_rows(l, "deberta.encoder.rel_embeddings.weight", 2 * relative_span(&t->law), 0, &t->rows));
    return t->normed ? load_norm(l, "deberta.encoder.LayerNorm", c->hidden, c->norm_eps, 0, &t->norm) : ST_OK;
}

static status encoder_build(struct loader *l)
{
    struct model *m = l->model;
    const struct model_config *c = &m->config;
    const char *prefix = prefix_of(c->family);
    struct encoder *e;
    FAIL_IF(c->heads < 1 || c->hidden % c->heads != 0, ST_INPUT,
            "%s: %d attention heads do not divide the hidden size %d", m->spec.path, c->heads, c->hidden);
    ZNEW(e, m->arena, 1);
    ZNEW(e->block, m->arena, c->layers + 1);
    e->layers = c->layers;
    e->relative = c->family == FAMILY_DEBERTA_V2 && c->relative;
    TRY(embedding_build(l, prefix, &e->embedding));
    if (e->relative) TRY(table_build(l, &e->table));
    for (int i = 0; i < c->layers; i++) {
        char name[128];
        snprintf(name, sizeof name, "%sencoder.layer.%d.", prefix, i);
        TRY(block_build(l, name, i, &e->block[i]));
    }
    TRY(head_build(l, e->embedding.word, &e->head));
    m->priv = e;
    return ST_OK;
}

/* ---- forward ---- */

static status first_rows(const struct batch *b, struct arena *arena, struct rows *r)
{
    int *at;
    uint32_t *key;
    NEW(at, arena, b->n);
    NEW(key, arena, b->n);
    for (int s = 0; s < b->n; s++) {
        at[s] = b->offset[s];
        key[s] = b->row_key[b->offset[s]];
    }
    *r = (struct rows){USE_FIRST, b->n, at, key};
    return ST_OK;
}

static status table_forward(const struct encoder *e, struct pass *pass, bool whole, struct encoder_tape *t)
{
    const struct table *table = &e->table;
    struct arith_call call = pass_call(pass, table->who);
    struct wsrc src = param_source(table->rows);
    TRY(relative_rows_new(&table->law, t->plan_all->longest, whole, pass->tape, &t->rel));
    TRY(mat_new(pass->tape, t->rel->rows, src.cols, &t->table_raw));
    TRY(pass->arith->embed(&call, &src, t->rel->id, &t->table_raw));
    t->table = t->table_raw;
    if (!table->normed) return ST_OK;
    TRY(mat_new(pass->tape, t->rel->rows, src.cols, &t->table));
    NEW(t->table_stats, pass->tape, 2 * (size_t)t->rel->rows);
    return norm_forward(&table->norm, pass, &t->table_raw, &t->table, t->table_stats);
}

/* Rows, plans and the relative table of this batch. */
static status begin(const struct model *m, const struct encoder *e, struct pass *pass, struct encoder_tape *t)
{
    const struct batch *b = pass->batch;
    bool whole = m->whole_table || pass->arith->whole_table;
    int heads = m->config.heads;
    t->pass = pass;
    t->all = (struct rows){USE_TOKENS, b->tokens, NULL, b->row_key};
    TRY(first_rows(b, pass->tape, &t->first));
    TRY(attention_plan_new(b, &t->all, heads, pass->tape, &t->plan_all));
    TRY(attention_plan_new(b, &t->first, heads, pass->tape, &t->plan_first));
    ZNEW(t->block, pass->tape, e->layers + 1);
    ZNEW(t->input, pass->tape, e->layers + 1);
    if (e->relative) TRY(table_forward(e, pass, whole, t));
    return ST_OK;
}

static struct block_pass block_pass_of(const struct encoder *e, const struct encoder_tape *t, int layer)
{
    bool first = t->first_only && layer == e->layers - 1;
    return (struct block_pass){.pass = t->pass,
                               .rows = first ? &t->first : &t->all,
                               .plan = first ? t->plan_first : t->plan_all,
                               .rel = t->rel,
                               .table = t->rel ? &t->table : NULL};
}

static status keep_hidden(struct pass *pass, const struct mat *x, struct mat *hidden, int i)
{
    if (!hidden) return ST_OK;
    TRY(mat_new(pass->tape, x->rows, x->cols, &hidden[i]));
    op_copy(x, &hidden[i]);
    return ST_OK;
}

static status keep_input(const struct model *m, struct encoder_tape *t, int layer, const struct mat *x)
{
    const struct encoder *e = m->priv;
    bool first = layer == t->first_kept && block_needs_input(&e->block[layer]);
    if (!first && !m->spec.recompute) return ST_OK;
    TRY(mat_new(t->pass->tape, x->rows, x->cols, &t->input[layer]));
    op_copy(x, &t->input[layer]);
    return ST_OK;
}

/* x is replaced by the last hidden states. */
static status run_blocks(const struct model *m, struct encoder_tape *t, struct mat *x, struct mat *spare,
                         struct mat *hidden)
{
    const struct encoder *e = m->priv;
    struct pass *pass = t->pass;
    for (int i = 0; i < e->layers; i++) {
        struct block_pass c = block_pass_of(e, t, i);
        bool back = pass->keep && i >= t->first_kept, keep = back && !m->spec.recompute;
        struct mat out = mat_of(spare->a, c.rows->n, spare->cols);
        if (back) TRY(keep_input(m, t, i, x));
        struct arena_mark tape = arena_mark(pass->tape);
        TRY(block_forward(&e->block[i], &c, x, keep, &t->block[i], &out));
        if (!keep) arena_reset(pass->tape, tape);
        spare->a = x->a;
        *x = out;
        TRY(keep_hidden(pass, x, hidden, i + 1));
    }
    return ST_OK;
}

static status forward(struct model *m, struct pass *pass, struct mat *logits, struct mat *hidden)
{
    struct encoder *e = m->priv;
    struct encoder_tape *t;
    struct mat x, spare;
    TRY(embedding_check(&e->embedding, pass->batch));
    ZNEW(t, pass->tape, 1);
    TRY(begin(m, e, pass, t));
    int lowest = param_lowest_trained(m->reg);
    t->first_kept = lowest < 1 ? 0 : lowest - 1;
    t->first_only = e->head.kind == HEAD_CLASSIFY && !hidden && !m->whole_table && !pass->arith->whole_table;
    struct arena_mark mark = arena_mark(pass->scratch);
    TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &x));
    TRY(mat_new(pass->scratch, pass->batch->tokens, m->config.hidden, &spare));
    bool keep_embedding = pass->keep && embedding_trained(&e->embedding);
    TRY(embedding_forward(&e->embedding, pass, keep_embedding ? &t->embedding : NULL, &x));
    TRY(keep_hidden(pass, &x, hidden, 0));
    TRY(run_blocks(m, t, &x, &spare, hidden));
    bool first_only = t->first_only && e->layers > 0;
    TRY(head_forward(&e->head, pass, &t->first, first_only, &x, &t->head, logits));
    arena_reset(pass->scratch, mark);
    e->tape = pass->keep ? t : NULL;
    return ST_OK;
}

/* ---- backward ---- */

static bool table_trained(const struct encoder *e)
{
    return e->relative && (param_trained(e->table.rows) || (e->table.normed && norm_trained(&e->table.norm)));
}

static status table_backward(const struct encoder *e, struct pass *pass, const struct encoder_tape *t, struct mat *d)
{
    const struct table *table = &e->table;
    if (!d->a) return ST_OK;
    if (table->normed) TRY(norm_backward(&table->norm, pass, &t->table_raw, t->table_stats, d, d));
    if (!param_trained(table->rows)) return ST_OK;
    return table_rows_backward(table->rows, pass, table->who, t->rel->id, d);
}

/* The input of a block again: the one that was kept, or the output of the block below from what that one kept. */
static status block_input(const struct encoder *e, const struct encoder_tape *t, int layer, struct mat *room,
                          struct mat *x)
{
    *x = t->input[layer];
    if (x->a || !block_needs_input(&e->block[layer])) return ST_OK;
    *x = *room;
    struct block_pass below = block_pass_of(e, t, layer - 1);
    return block_output(&e->block[layer - 1], &below, &t->block[layer - 1], x);
}

/* One block; with recompute its forward pass first, once more. room: working memory of a block's output. */
static status block_back(const struct model *m, struct encoder_tape *t, int layer, struct mat *d, struct mat *dx,
                         struct mat *dtable, struct mat *room)
{
    const struct encoder *e = m->priv;
    struct pass *pass = t->pass;
    struct block_pass c = block_pass_of(e, t, layer);
    struct arena_mark tape = arena_mark(pass->tape);
    struct mat x;
    if (m->spec.recompute) {
        struct mat out = mat_of(room->a, c.rows->n, room->cols);
        TRY(block_forward(&e->block[layer], &c, &t->input[layer], true, &t->block[layer], &out));
    }
    TRY(block_input(e, t, layer, room, &x));
    TRY(block_backward(&e->block[layer], &c, &x, &t->block[layer], d, dx, dtable));
    if (m->spec.recompute) arena_reset(pass->tape, tape);
    return ST_OK;
}

static status blocks_backward(const struct model *m, struct encoder_tape *t, struct mat *d, struct mat *spare,
                              struct mat *dtable)
{
    const struct encoder *e = m->priv;
    struct mat room;
    TRY(mat_new(t->pass->scratch, spare->rows, spare->cols, &room));
    for (int i = e->layers - 1; i >= t->first_kept; i--) {
        bool below = i > t->first_kept || embedding_trained(&e->embedding);
        struct mat dx = {0};
        if (below) dx = mat_of(spare->a, spare->rows, spare->cols);
        TRY(block_back(m, t, i, d, &dx, dtable, &room));
        spare->a = d->a;
        *d = dx;
    }
    return ST_OK;
}

static status backward(struct model *m, struct pass *pass, const struct mat *dlogits)
{
    struct encoder *e = m->priv;
    struct encoder_tape *t = e->tape;
    FAIL_IF(!t || t->pass != pass, ST_INTERNAL, "a backward pass without the forward pass that it belongs to");
    int lowest = param_lowest_trained(m->reg), tokens = pass->batch->tokens, width = m->config.hidden;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat d = {0}, spare, dtable = {0};
    if (lowest <= e->layers) {
        TRY(mat_new(pass->scratch, tokens, width, &d));
        TRY(mat_new(pass->scratch, tokens, width, &spare));
        if (t->first_only && e->layers > 0) d.rows = t->first.n;
    }
    TRY(head_backward(&e->head, pass, &t->head, dlogits, &d));
    if (d.a) {
        if (table_trained(e)) {
            TRY(mat_new(pass->scratch, t->rel->rows, width, &dtable));
            op_zero(&dtable);
        }
        TRY(blocks_backward(m, t, &d, &spare, &dtable));
        TRY(table_backward(e, pass, t, &dtable));
        if (embedding_trained(&e->embedding)) TRY(embedding_backward(&e->embedding, pass, &t->embedding, &d));
    }
    e->tape = NULL;
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

const struct model_ops encoder_ops = {
    .prefix = prefix_of,
    .build = encoder_build,
    .forward = forward,
    .backward = backward,
    .products = encoder_products,
};
