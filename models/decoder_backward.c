/* Backward pass of the shared decoder block. See decoder_block.h. */
#include "core/finish.h"
#include "models/decoder_block.h"

/* Which gradients somebody reads. */
struct wants {
    bool u;       /* of norm1's output */
    bool q, k, v; /* of the attention's operands */
    bool context; /* of the attention's output */
    bool attn;    /* of the attention sublayer's output */
    bool w;       /* of the feed-forward's input: norm2's output, parallel: u */
    bool middle;  /* of the activation's output */
};

static struct wants wants_of(const struct decoder_block *b, bool dx)
{
    struct wants w = {.u = dx || norm_trained(&b->attn_norm)};
    w.q = w.u || site_trains(b->query);
    w.k = w.u || site_trains(b->key);
    w.v = w.u || site_trains(b->value);
    w.context = w.q || w.k || w.v;
    w.attn = w.context || site_trains(b->attn_out) || b->after_attn->ops;
    w.w = b->parallel ? w.u : w.attn || norm_trained(&b->ffn_norm);
    w.middle = w.w || site_trains(b->up) || (b->gate && site_trains(b->gate));
    return w;
}

/* Through the last layer and the gate: d, gradient of the layer's output, to those of up_out and gate_out. */
static status gated_backward(const struct decoder_block *b, const struct decoder_pass *c, bool wanted,
                             struct decoder_saved *s, const struct mat *d, struct mat *dup, struct mat *dgate)
{
    struct arena *scratch = c->pass->scratch;
    struct mat active = {0};
    if (site_needs_input(b->ffn_out)) {
        TRY(mat_new(scratch, d->rows, b->up->out, &active));
        op_gated(b->act, &s->gate_out, &s->up_out, &active);
    }
    if (!wanted) return site_trains(b->ffn_out) ? site_backward(&s->ffn_out, &active, d, NULL) : ST_OK;
    TRY(mat_new(scratch, d->rows, b->up->out, dup));
    TRY(mat_new(scratch, d->rows, b->up->out, dgate));
    struct finish_gated_back back = {b->act, &s->gate_out, &s->up_out, dup, dgate, dup};
    return site_backward_set(&s->ffn_out, &active, d, &(struct gemm_finish){finish_gated_back, &back}, dup);
}

/* u: the feed-forward's input; a NULL when no site needs it. du += ; a NULL: not wanted. */
static status feed_forward_backward(const struct decoder_block *b, const struct decoder_pass *c, const struct wants *w,
                                    const struct mat *u, struct decoder_saved *s, const struct mat *dout,
                                    struct mat *du)
{
    struct pass *pass = c->pass;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat d, dup = {0}, dgate = {0};
    TRY(sublayer_backward(c->pass, c->rows, &b->ffn_drop, &s->after_ffn, &s->ffn_raw, dout, &d));
    if (b->gate)
        TRY(gated_backward(b, c, w->middle, s, &d, &dup, &dgate));
    else
        TRY(activated_backward(pass, &s->ffn_out, &d, w->middle, &s->middle, &dup));
    if (dgate.a && (du->a || site_trains(b->gate))) TRY(site_backward(&s->gate, u, &dgate, mat_wanted(du)));
    if (dup.a && (du->a || site_trains(b->up))) TRY(site_backward(&s->up, u, &dup, mat_wanted(du)));
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* Gradients of a site whose input is a part of the rows of u. */
static status query_backward(const struct decoder_pass *c, struct use *use, const struct mat *uq, const struct mat *dq,
                             struct mat *du)
{
    struct mat part = {0};
    if (!c->rows->at) return site_backward(use, uq, dq, mat_wanted(du));
    if (du->a) TRY(mat_zeros(c->pass->scratch, dq->rows, du->cols, &part));
    TRY(site_backward(use, uq, dq, mat_wanted(&part)));
    if (du->a) rows_add(c->rows, &part, du);
    return ST_OK;
}

/* dsum: gradient of the residual sum that attention joined. du [tokens, hidden] += ; a NULL: not wanted. */
static status attend_backward(const struct decoder_block *b, const struct decoder_pass *c, const struct wants *w,
                              const struct mat *u, const struct mat *uq, struct decoder_saved *s,
                              const struct mat *dsum, struct mat *du)
{
    struct pass *pass = c->pass;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat d, dcontext = {0}, dq = {0}, dk = {0}, dv = {0};
    TRY(sublayer_backward(c->pass, c->rows, &b->attn_drop, &s->after_attn, &s->attn_raw, dsum, &d));
    if (!w->context && site_trains(b->attn_out)) TRY(site_backward(&s->attn_out, &s->context, &d, NULL));
    if (w->context) {
        TRY(mat_new(pass->scratch, dsum->rows, b->attn_out->in, &dcontext));
        TRY(site_backward_set(&s->attn_out, &s->context, &d, NULL, &dcontext));
        struct causal_data data = {s->q, s->k, s->v, b->layer};
        if (w->q) TRY(mat_new(pass->scratch, s->q.rows, s->q.cols, &dq));
        if (w->k) TRY(mat_new(pass->scratch, s->k.rows, s->k.cols, &dk));
        if (w->v) TRY(mat_new(pass->scratch, s->v.rows, s->v.cols, &dv));
        TRY(causal_backward(&b->attn, pass, c->plan, &data, &dcontext, &dq, &dk, &dv));
    }
    if (w->q) op_rotate(c->rotary, c->row_position, b->attn.head_dim, true, &dq);
    if (w->k) op_rotate(c->rotary, c->position, b->attn.head_dim, true, &dk);
    if (w->q) TRY(query_backward(c, &s->query, uq, &dq, du));
    if (w->k) TRY(site_backward(&s->key, u, &dk, mat_wanted(du)));
    if (w->v) TRY(site_backward(&s->value, u, &dv, mat_wanted(du)));
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

static bool input_needed(const struct decoder_block *b)
{
    return site_needs_input(b->query) || site_needs_input(b->key) || site_needs_input(b->value) ||
           (b->parallel && site_needs_input(b->up)) || (b->parallel && b->gate && site_needs_input(b->gate));
}

/* The feed-forward's half of the block one after the other: dout becomes the gradient of the sum after attention. */
static status second_half(const struct decoder_block *b, const struct decoder_pass *c, const struct wants *w,
                          struct decoder_saved *s, struct mat *dout)
{
    struct pass *pass = c->pass;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat u = {0}, du = {0};
    if (site_needs_input(b->up) || (b->gate && site_needs_input(b->gate))) {
        TRY(mat_new(pass->scratch, dout->rows, dout->cols, &u));
        TRY(norm_forward(&b->ffn_norm, pass, &s->attn_sum, &u, NULL));
    }
    if (w->w) TRY(mat_zeros(pass->scratch, dout->rows, dout->cols, &du));
    TRY(feed_forward_backward(b, c, w, &u, s, dout, &du));
    if (w->w) {
        TRY(norm_backward(&b->ffn_norm, pass, &s->attn_sum, s->ffn_stats, &du, &du));
        op_add(&du, dout);
    }
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

static status both_halves(const struct decoder_block *b, const struct decoder_pass *c, const struct wants *w,
                          const struct mat *x, struct decoder_saved *s, struct mat *dout, struct mat *dx)
{
    struct pass *pass = c->pass;
    struct mat u = {0}, uq = {0}, du = {0}, dw = {0};
    if (input_needed(b)) {
        TRY(mat_new(pass->scratch, x->rows, x->cols, &u));
        TRY(norm_forward(&b->attn_norm, pass, x, &u, NULL));
        TRY(rows_take(c->rows, &u, pass->scratch, &uq));
    }
    if (w->u) TRY(mat_zeros(pass->scratch, x->rows, x->cols, &du));
    if (b->parallel) {
        if (w->u) TRY(mat_zeros(pass->scratch, dout->rows, dout->cols, &dw));
        TRY(feed_forward_backward(b, c, w, &uq, s, dout, &dw));
        if (w->u) rows_add(c->rows, &dw, &du);
    } else {
        TRY(second_half(b, c, w, s, dout));
    }
    if (w->attn) TRY(attend_backward(b, c, w, &u, &uq, s, dout, &du));
    if (w->u) TRY(norm_backward(&b->attn_norm, pass, x, s->attn_stats, &du, &du));
    if (dx->a) {
        op_copy(&du, dx);
        rows_add(c->rows, dout, dx);
    }
    return ST_OK;
}

status decoder_block_backward(const struct decoder_block *b, const struct decoder_pass *c, const struct mat *x,
                              struct decoder_saved *s, struct mat *dout, struct mat *dx)
{
    struct arena_mark mark = arena_mark(c->pass->scratch);
    struct wants w = wants_of(b, dx->a != NULL);
    TRY(both_halves(b, c, &w, x, s, dout, dx));
    arena_reset(c->pass->scratch, mark);
    return ST_OK;
}
