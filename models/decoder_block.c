/* Building and forward pass of the shared decoder block. See decoder_block.h; decoder_backward.c goes back. */
#include "models/decoder_block.h"

#include <math.h>
#include <string.h>
#include "core/finish.h"

/* ---- building ---- */

/* What differs between the families beside sizes. */
struct form {
    const char *attn_out, *gate, *up, *ffn_out;
    bool parallel, rms;
};

static struct form form_of(enum family f)
{
    if (f == FAMILY_PHI) return (struct form){"self_attn.dense", NULL, "mlp.fc1", "mlp.fc2", true, false};
    return (struct form){"self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", false, true};
}

static status build_attention(const struct layer_place *at, const struct form *f, struct decoder_block *b)
{
    const struct model_config *c = &at->loader->model->config;
    int d = c->hidden, wide = c->heads * c->head_dim, narrow = c->kv_heads * c->head_dim;
    TRY(layer_linear(at, "self_attn.q_proj", ROLE_QUERY, d, wide, c->qkv_bias, &b->query));
    TRY(layer_linear(at, "self_attn.k_proj", ROLE_KEY, d, narrow, c->qkv_bias, &b->key));
    TRY(layer_linear(at, "self_attn.v_proj", ROLE_VALUE, d, narrow, c->qkv_bias, &b->value));
    TRY(layer_linear(at, f->attn_out, ROLE_ATTN_OUT, wide, d, c->attn_out_bias, &b->attn_out));
    b->attn = (struct causal){.heads = c->heads,
                              .kv_heads = c->kv_heads,
                              .head_dim = c->head_dim,
                              .scale = 1.0 / sqrt((double)c->head_dim),
                              .drop = layer_drop(at, "self_attn.dropout", c->attn_dropout)};
    return ST_OK;
}

status decoder_block_build(struct loader *l, const char *prefix, int layer, struct decoder_block *b)
{
    const struct model_config *c = &l->model->config;
    const struct form f = form_of(c->family);
    const struct layer_place place = {l, prefix, layer}, *at = &place;
    *b = (struct decoder_block){.layer = layer, .act = c->act, .parallel = f.parallel};
    TRY(layer_norm(at, "input_layernorm", f.rms, &b->attn_norm));
    TRY(build_attention(at, &f, b));
    if (!f.parallel) TRY(layer_norm(at, "post_attention_layernorm", f.rms, &b->ffn_norm));
    if (f.gate) TRY(layer_linear(at, f.gate, ROLE_GATE, c->hidden, c->ffn, c->ffn_bias, &b->gate));
    TRY(layer_linear(at, f.up, f.gate ? ROLE_UP : ROLE_FFN_IN, c->hidden, c->ffn, c->ffn_bias, &b->up));
    TRY(layer_linear(at, f.ffn_out, ROLE_FFN_OUT, c->ffn, c->hidden, c->ffn_bias, &b->ffn_out));
    TRY(layer_point(at, ROLE_AFTER_ATTN, &b->after_attn));
    TRY(layer_point(at, ROLE_AFTER_FFN, &b->after_ffn));
    b->attn_drop = layer_drop(at, "self_attn.out_dropout", c->hidden_dropout);
    b->ffn_drop = layer_drop(at, "mlp.out_dropout", c->hidden_dropout);
    return ST_OK;
}

/* ---- forward ---- */

static void make_uses(const struct decoder_block *b, const struct decoder_pass *c, struct decoder_saved *s)
{
    const uint32_t *tokens = c->pass->batch->row_key, *rows = c->rows->row_key;
    enum use_kind kind = c->rows->kind;
    s->query = site_use(c->pass, b->query, kind, rows);
    s->key = site_use(c->pass, b->key, USE_TOKENS, tokens);
    s->value = site_use(c->pass, b->value, USE_TOKENS, tokens);
    s->attn_out = site_use(c->pass, b->attn_out, kind, rows);
    s->gate = site_use(c->pass, b->gate, kind, rows);
    s->up = site_use(c->pass, b->up, kind, rows);
    s->ffn_out = site_use(c->pass, b->ffn_out, kind, rows);
    s->after_attn = site_use(c->pass, b->after_attn, kind, rows);
    s->after_ffn = site_use(c->pass, b->after_ffn, kind, rows);
}

/* The end of a sublayer, added to sum. */
static status join(const struct decoder_pass *c, struct use *last, const struct mat *x, const struct drop *drop,
                   struct use *point, struct arena *save, struct mat *raw, struct mat *sum)
{
    struct mat y;
    const struct sublayer_end end = {&y, &y, sum};
    TRY(mat_new(c->pass->scratch, x->rows, last->site->out, &y));
    return sublayer_forward(c->pass, c->rows, drop, last, x, point, &end, save, raw);
}

/* The new rows of every sequence that asks for them, behind those it holds; the count rises after the last block. */
static status append(const struct decoder_pass *c, int layer, const struct mat *k, const struct mat *v)
{
    const struct batch *b = c->pass->batch;
    for (int s = 0; b->append && s < b->n; s++) {
        struct kv *kv = b->append[s];
        int n = b->offset[s + 1] - b->offset[s];
        if (!kv) continue;
        size_t at = ((size_t)layer * (size_t)kv->cap + (size_t)kv->rows) * (size_t)kv->width;
        size_t bytes = sizeof(real) * (size_t)n * (size_t)kv->width;
        memcpy(kv->k + at, mat_row(k, b->offset[s]), bytes);
        memcpy(kv->v + at, mat_row(v, b->offset[s]), bytes);
    }
    return ST_OK;
}

/* u: norm1(x) of all tokens, uq: of the rows. */
static status attend(const struct decoder_block *b, const struct decoder_pass *c, const struct mat *u,
                     const struct mat *uq, bool keep, struct decoder_saved *s, struct mat *sum)
{
    struct pass *pass = c->pass;
    struct arena *save = keep ? pass->tape : pass->scratch;
    TRY(site_run(&s->query, uq, save, &s->q));
    TRY(site_run(&s->key, u, save, &s->k));
    TRY(site_run(&s->value, u, save, &s->v));
    op_rotate(c->rotary, c->row_position, b->attn.head_dim, false, &s->q);
    op_rotate(c->rotary, c->position, b->attn.head_dim, false, &s->k);
    TRY(append(c, b->layer, &s->k, &s->v));
    struct causal_data data = {s->q, s->k, s->v, b->layer};
    TRY(mat_new(keep && site_needs_input(b->attn_out) ? pass->tape : pass->scratch, s->q.rows, s->q.cols, &s->context));
    TRY(causal_forward(&b->attn, pass, c->plan, &data, &s->context));
    return join(c, &s->attn_out, &s->context, &b->attn_drop, &s->after_attn, save, &s->attn_raw, sum);
}

/* up_out and gate_out, and from their pieces active. */
static status gated_forward(const struct decoder_block *b, struct pass *pass, const struct mat *u, bool keep,
                            struct decoder_saved *s, struct mat *active)
{
    struct arena *save = keep ? pass->tape : pass->scratch;
    struct finish_gated gated = {b->act, &s->gate_out, &s->up_out, active};
    TRY(mat_new(save, u->rows, b->up->out, &s->up_out));
    *active = s->up_out;
    if (keep) TRY(mat_new(pass->scratch, active->rows, active->cols, active));
    TRY(site_forward(&s->up, u, &s->up_out));
    TRY(mat_new(save, u->rows, b->gate->out, &s->gate_out));
    return site_forward_then(&s->gate, u, &(struct gemm_finish){finish_gated, &gated}, &s->gate_out);
}

static status feed_forward(const struct decoder_block *b, const struct decoder_pass *c, const struct mat *u, bool keep,
                           struct decoder_saved *s, struct mat *sum)
{
    struct pass *pass = c->pass;
    struct arena *save = keep ? pass->tape : pass->scratch;
    struct mat active;
    if (b->gate)
        TRY(gated_forward(b, pass, u, keep, s, &active));
    else
        TRY(activated_forward(pass, b->act, &s->up, u, b->ffn_out, keep, &s->middle, &active));
    return join(c, &s->ffn_out, &active, &b->ffn_drop, &s->after_ffn, save, &s->ffn_raw, sum);
}

static status run(const struct decoder_block *b, const struct decoder_pass *c, const struct mat *x, bool keep,
                  struct decoder_saved *s, struct mat *out)
{
    struct pass *pass = c->pass;
    struct arena *save = keep ? pass->tape : pass->scratch;
    struct mat u, uq, xq;
    TRY(mat_new(pass->scratch, x->rows, x->cols, &u));
    NEW(s->attn_stats, save, 2 * (size_t)x->rows);
    TRY(norm_forward(&b->attn_norm, pass, x, &u, s->attn_stats));
    TRY(rows_take(c->rows, &u, pass->scratch, &uq));
    TRY(rows_take(c->rows, x, pass->scratch, &xq));
    op_copy(&xq, out);
    TRY(attend(b, c, &u, &uq, keep, s, out));
    if (b->parallel) return feed_forward(b, c, &uq, keep, s, out);
    s->attn_sum = *out;
    if (keep) {
        TRY(mat_new(pass->tape, out->rows, out->cols, &s->attn_sum));
        op_copy(out, &s->attn_sum);
    }
    struct mat middle = mat_of(u.a, out->rows, out->cols);
    NEW(s->ffn_stats, save, 2 * (size_t)out->rows);
    TRY(norm_forward(&b->ffn_norm, pass, out, &middle, s->ffn_stats));
    return feed_forward(b, c, &middle, keep, s, out);
}

status decoder_block_forward(const struct decoder_block *b, const struct decoder_pass *c, const struct mat *x,
                             bool keep, struct decoder_saved *s, struct mat *out)
{
    struct arena_mark mark = arena_mark(c->pass->scratch);
    *s = (struct decoder_saved){0};
    make_uses(b, c, s);
    TRY(run(b, c, x, keep, s, out));
    arena_reset(c->pass->scratch, mark);
    return ST_OK;
}
