/* The shared post-LN encoder block. See block.h. */
#include "models/block.h"

#include <math.h>
#include "core/finish.h"

/* ---- building ---- */

static status build_attention(const struct layer_place *at, struct block *b)
{
    const struct model_config *c = &at->loader->model->config;
    bool deberta = c->family == FAMILY_DEBERTA_V2;
    int d = c->hidden, terms = 1;
    TRY(layer_linear(at, deberta ? "attention.self.query_proj" : "attention.self.query", ROLE_QUERY, d, d, true,
                     &b->query));
    TRY(layer_linear(at, deberta ? "attention.self.key_proj" : "attention.self.key", ROLE_KEY, d, d, true, &b->key));
    TRY(layer_linear(at, deberta ? "attention.self.value_proj" : "attention.self.value", ROLE_VALUE, d, d, true,
                     &b->value));
    if (deberta && c->relative && c->c2p) {
        terms++;
        b->rel_key = b->key;
        if (!c->share_att_key) TRY(layer_linear(at, "attention.self.pos_key_proj", ROLE_KEY, d, d, true, &b->rel_key));
    }
    if (deberta && c->relative && c->p2c) {
        terms++;
        b->rel_query = b->query;
        if (!c->share_att_key)
            TRY(layer_linear(at, "attention.self.pos_query_proj", ROLE_QUERY, d, d, true, &b->rel_query));
    }
    b->attn = (struct attention){.heads = c->heads,
                                 .head_dim = d / c->heads,
                                 .scale = 1.0 / sqrt((double)terms * (d / c->heads)),
                                 .drop = layer_drop(at, "attention.self.dropout", c->attn_dropout)};
    return ST_OK;
}

status block_build(struct loader *l, const char *prefix, int layer, struct block *b)
{
    const struct model_config *c = &l->model->config;
    const struct layer_place place = {l, prefix, layer}, *at = &place;
    *b = (struct block){.act = c->act};
    TRY(build_attention(at, b));
    TRY(layer_linear(at, "attention.output.dense", ROLE_ATTN_OUT, c->hidden, c->hidden, true, &b->attn_out));
    TRY(layer_norm(at, "attention.output.LayerNorm", false, &b->attn_norm));
    TRY(layer_linear(at, "intermediate.dense", ROLE_FFN_IN, c->hidden, c->ffn, true, &b->ffn_in));
    TRY(layer_linear(at, "output.dense", ROLE_FFN_OUT, c->ffn, c->hidden, true, &b->ffn_out));
    TRY(layer_norm(at, "output.LayerNorm", false, &b->ffn_norm));
    TRY(layer_point(at, ROLE_AFTER_ATTN, &b->after_attn));
    TRY(layer_point(at, ROLE_AFTER_FFN, &b->after_ffn));
    b->attn_drop = layer_drop(at, "attention.output.dropout", c->hidden_dropout);
    b->ffn_drop = layer_drop(at, "output.dropout", c->hidden_dropout);
    b->table_drop = layer_drop(at, "attention.self.pos_dropout", c->hidden_dropout);
    return ST_OK;
}

/* ---- forward ---- */

static void make_uses(const struct block *b, const struct block_pass *c, struct block_saved *s)
{
    const uint32_t *tokens = c->pass->batch->row_key, *rows = c->rows->row_key;
    enum use_kind kind = c->rows->kind;
    s->query = site_use(c->pass, b->query, kind, rows);
    s->key = site_use(c->pass, b->key, USE_TOKENS, tokens);
    s->value = site_use(c->pass, b->value, USE_TOKENS, tokens);
    s->attn_out = site_use(c->pass, b->attn_out, kind, rows);
    s->ffn_in = site_use(c->pass, b->ffn_in, kind, rows);
    s->ffn_out = site_use(c->pass, b->ffn_out, kind, rows);
    s->after_attn = site_use(c->pass, b->after_attn, kind, rows);
    s->after_ffn = site_use(c->pass, b->after_ffn, kind, rows);
    if (!c->rel) return;
    s->rel_query = site_use(c->pass, b->rel_query, USE_TABLE, c->rel->row_key);
    s->rel_key = site_use(c->pass, b->rel_key, USE_TABLE, c->rel->row_key);
}

/* The relative table as this block sees it: with its own dropout. */
static status dropped_table(const struct block *b, const struct block_pass *c, struct mat *out)
{
    *out = *c->table;
    if (!drop_on(&b->table_drop, c->pass)) return ST_OK;
    TRY(mat_new(c->pass->scratch, c->table->rows, c->table->cols, out));
    drop_copy(&b->table_drop, c->pass, c->rel->row_key, c->table, out);
    return ST_OK;
}

static status project_table(const struct block *b, const struct block_pass *c, struct arena *save,
                            struct block_saved *s)
{
    struct arena_mark mark = arena_mark(c->pass->scratch);
    struct mat table;
    if (b->rel_key) TRY(mat_new(save, c->rel->rows, b->rel_key->out, &s->rel_k));
    if (b->rel_query) TRY(mat_new(save, c->rel->rows, b->rel_query->out, &s->rel_q));
    if (save == c->pass->scratch) mark = arena_mark(c->pass->scratch);
    TRY(dropped_table(b, c, &table));
    if (b->rel_key) TRY(site_forward(&s->rel_key, &table, &s->rel_k));
    if (b->rel_query) TRY(site_forward(&s->rel_query, &table, &s->rel_q));
    arena_reset(c->pass->scratch, mark);
    return ST_OK;
}

static struct attention_data attention_data(const struct block_pass *c, const struct block_saved *s)
{
    return (struct attention_data){
        .q = s->q, .k = s->k, .v = s->v, .probs = s->probs, .rel = c->rel, .rel_k = s->rel_k, .rel_q = s->rel_q};
}

/* The end of a sublayer, into a new sum. */
static status end_sublayer(const struct block_pass *c, struct use *last, const struct mat *x, const struct drop *drop,
                           struct use *point, const struct mat *residual, struct arena *save, struct mat *raw,
                           struct mat *sum)
{
    const struct sublayer_end end = {sum, residual, sum};
    TRY(mat_new(save, x->rows, last->site->out, sum));
    return sublayer_forward(c->pass, c->rows, drop, last, x, point, &end, save, raw);
}

/* Query, key and value read the same rows. */
static status project(const struct block_pass *c, const struct mat *xq, const struct mat *x, struct arena *save,
                      struct block_saved *s)
{
    const struct products *products = c->pass->arith->products;
    products->hold(x);
    status st = site_run(&s->query, xq, save, &s->q);
    if (st == ST_OK) st = site_run(&s->key, x, save, &s->k);
    if (st == ST_OK) st = site_run(&s->value, x, save, &s->v);
    products->release();
    return st;
}

static status attend(const struct block *b, const struct block_pass *c, const struct mat *x, bool keep,
                     struct block_saved *s, struct mat *y)
{
    struct pass *pass = c->pass;
    struct arena *save = keep ? pass->tape : pass->scratch;
    struct mat xq;
    TRY(rows_take(c->rows, x, pass->scratch, &xq));
    TRY(project(c, &xq, x, save, s));
    if (c->rel) TRY(project_table(b, c, save, s));
    if (keep) NEW(s->probs, save, c->plan->probs);
    struct attention_data data = attention_data(c, s);
    TRY(mat_new(keep && site_needs_input(b->attn_out) ? pass->tape : pass->scratch, xq.rows, s->q.cols, &s->context));
    TRY(attention_forward(&b->attn, pass, c->plan, &data, &s->context));
    TRY(end_sublayer(c, &s->attn_out, &s->context, &b->attn_drop, &s->after_attn, &xq, save, &s->attn_raw,
                     &s->attn_sum));
    NEW(s->attn_stats, save, 2 * (size_t)xq.rows);
    return norm_forward(&b->attn_norm, pass, &s->attn_sum, y, s->attn_stats);
}

static status feed_forward(const struct block *b, const struct block_pass *c, const struct mat *y, bool keep,
                           struct block_saved *s, struct mat *out)
{
    struct pass *pass = c->pass;
    struct arena *save = keep ? pass->tape : pass->scratch;
    struct mat active;
    TRY(activated_forward(pass, b->act, &s->ffn_in, y, b->ffn_out, keep, &s->middle, &active));
    TRY(end_sublayer(c, &s->ffn_out, &active, &b->ffn_drop, &s->after_ffn, y, save, &s->ffn_raw, &s->ffn_sum));
    NEW(s->ffn_stats, save, 2 * (size_t)y->rows);
    return norm_forward(&b->ffn_norm, pass, &s->ffn_sum, out, s->ffn_stats);
}

status block_forward(const struct block *b, const struct block_pass *c, const struct mat *x, bool keep,
                     struct block_saved *s, struct mat *out)
{
    struct arena_mark mark = arena_mark(c->pass->scratch);
    struct mat y;
    *s = (struct block_saved){0};
    make_uses(b, c, s);
    TRY(mat_new(c->pass->scratch, out->rows, out->cols, &y));
    TRY(attend(b, c, x, keep, s, &y));
    TRY(feed_forward(b, c, &y, keep, s, out));
    arena_reset(c->pass->scratch, mark);
    return ST_OK;
}

status block_output(const struct block *b, const struct block_pass *c, const struct block_saved *s, struct mat *out)
{
    return norm_forward(&b->ffn_norm, c->pass, &s->ffn_sum, out, NULL);
}

/* ---- backward ---- */

/* Which gradients of a block somebody reads. */
struct wants {
    bool q, k, v, rel_q, rel_k; /* of the attention's operands */
    bool context, attn, middle; /* of the attention's output; of the attention sublayer; of the activation */
};

static struct wants wants_of(const struct block *b, const struct block_pass *c, bool dx, bool dtable)
{
    struct wants w = {
        .q = dx || site_trains(b->query), .k = dx || site_trains(b->key), .v = dx || site_trains(b->value)};
    w.rel_q = c->rel && b->rel_query && (dtable || site_trains(b->rel_query));
    w.rel_k = c->rel && b->rel_key && (dtable || site_trains(b->rel_key));
    w.context = w.q || w.k || w.v || w.rel_q || w.rel_k;
    w.attn = w.context || site_trains(b->attn_out) || b->after_attn->ops || norm_trained(&b->attn_norm);
    w.middle = w.attn || site_trains(b->ffn_in);
    return w;
}

bool block_needs_input(const struct block *b)
{
    return site_needs_input(b->query) || site_needs_input(b->key) || site_needs_input(b->value);
}

static status maybe_new(bool wanted, struct arena *arena, int rows, int cols, struct mat *m)
{
    *m = (struct mat){0};
    return wanted ? mat_new(arena, rows, cols, m) : ST_OK;
}

/* dout: gradient of the block's output, becomes that of y, the attention sublayer's output. */
static status feed_forward_backward(const struct block *b, const struct block_pass *c, const struct wants *w,
                                    struct block_saved *s, struct mat *dout)
{
    struct pass *pass = c->pass;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat d, dmiddle = {0}, y = {0};
    TRY(norm_backward(&b->ffn_norm, pass, &s->ffn_sum, s->ffn_stats, dout, dout));
    TRY(sublayer_backward(c->pass, c->rows, &b->ffn_drop, &s->after_ffn, &s->ffn_raw, dout, &d));
    TRY(activated_backward(pass, &s->ffn_out, &d, w->middle, &s->middle, &dmiddle));
    if (w->middle) {
        if (site_needs_input(b->ffn_in)) {
            TRY(mat_new(pass->scratch, dout->rows, b->ffn_in->in, &y));
            TRY(norm_forward(&b->attn_norm, pass, &s->attn_sum, &y, NULL));
        }
        TRY(site_backward(&s->ffn_in, &y, &dmiddle, w->attn ? dout : NULL));
    }
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* Both uses of the relative table; its gradient goes back through the block's dropout. */
static status table_backward(const struct block *b, const struct block_pass *c, struct block_saved *s,
                             const struct attention_grads *g, struct mat *dtable)
{
    struct arena_mark mark = arena_mark(c->pass->scratch);
    struct mat table, d = {0};
    TRY(dropped_table(b, c, &table));
    if (dtable->a) TRY(mat_zeros(c->pass->scratch, dtable->rows, dtable->cols, &d));
    if (g->rel_k.a) TRY(site_backward(&s->rel_key, &table, &g->rel_k, mat_wanted(&d)));
    if (g->rel_q.a) TRY(site_backward(&s->rel_query, &table, &g->rel_q, mat_wanted(&d)));
    if (dtable->a) {
        drop_apply(&b->table_drop, c->pass, c->rel->row_key, &d);
        op_add(&d, dtable);
    }
    arena_reset(c->pass->scratch, mark);
    return ST_OK;
}

static status query_backward(const struct block_pass *c, const struct mat *x, struct block_saved *s,
                             const struct mat *dq, struct mat *dx)
{
    struct mat xq = {0}, dxq = {0};
    if (x->a) TRY(rows_take(c->rows, x, c->pass->scratch, &xq));
    if (!c->rows->at) return site_backward(&s->query, &xq, dq, mat_wanted(dx));
    if (dx->a) TRY(mat_zeros(c->pass->scratch, dq->rows, dx->cols, &dxq));
    TRY(site_backward(&s->query, &xq, dq, mat_wanted(&dxq)));
    if (dx->a) rows_add(c->rows, &dxq, dx);
    return ST_OK;
}

/* dy: gradient of the attention sublayer's output; overwritten. */
static status attend_backward(const struct block *b, const struct block_pass *c, const struct wants *w,
                              const struct mat *x, struct block_saved *s, struct mat *dy, struct mat *dx,
                              struct mat *dtable)
{
    struct pass *pass = c->pass;
    struct arena_mark mark = arena_mark(pass->scratch);
    int rows = dy->rows, tokens = s->k.rows, width = s->q.cols;
    struct attention_grads g;
    struct mat d, dcontext = {0};
    TRY(norm_backward(&b->attn_norm, pass, &s->attn_sum, s->attn_stats, dy, dy));
    TRY(sublayer_backward(c->pass, c->rows, &b->attn_drop, &s->after_attn, &s->attn_raw, dy, &d));
    if (w->context) {
        TRY(mat_new(pass->scratch, rows, width, &dcontext));
        TRY(site_backward_set(&s->attn_out, &s->context, &d, NULL, &dcontext));
    } else if (site_trains(b->attn_out)) {
        TRY(site_backward(&s->attn_out, &s->context, &d, NULL));
    }
    if (dx->a) rows_put(c->rows, dy, dx);
    if (w->context) {
        struct attention_data data = attention_data(c, s);
        TRY(maybe_new(w->q, pass->scratch, rows, width, &g.q));
        TRY(maybe_new(w->k, pass->scratch, tokens, s->k.cols, &g.k));
        TRY(maybe_new(w->v, pass->scratch, tokens, s->v.cols, &g.v));
        TRY(maybe_new(w->rel_k, pass->scratch, s->rel_k.rows, s->rel_k.cols, &g.rel_k));
        TRY(maybe_new(w->rel_q, pass->scratch, s->rel_q.rows, s->rel_q.cols, &g.rel_q));
        TRY(attention_backward(&b->attn, pass, c->plan, &data, &dcontext, &g));
        if (w->q) TRY(query_backward(c, x, s, &g.q, dx));
        if (w->k) TRY(site_backward(&s->key, x, &g.k, mat_wanted(dx)));
        if (w->v) TRY(site_backward(&s->value, x, &g.v, mat_wanted(dx)));
        if (w->rel_k || w->rel_q) TRY(table_backward(b, c, s, &g, dtable));
    }
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

status block_backward(const struct block *b, const struct block_pass *c, const struct mat *x, struct block_saved *s,
                      struct mat *dout, struct mat *dx, struct mat *dtable)
{
    struct wants w = wants_of(b, c, dx->a != NULL, dtable->a != NULL);
    TRY(feed_forward_backward(b, c, &w, s, dout));
    return w.attn ? attend_backward(b, c, &w, x, s, dout, dx, dtable) : ST_OK;
}
