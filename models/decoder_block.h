/* The pre-norm block that Phi, Qwen2 and Llama share, as one struct of sites, norms and flags:
 *
 *   one after the other (Qwen2, Llama)            side by side (Phi)
 *   a   = x + attn_out(attention(norm1(x)))       u   = norm1(x)
 *   out = a + ffn(norm2(a))                       out = x + attn_out(attention(u)) + ffn(u)
 *
 * where ffn(u) = ffn_out(act(gate u) o (up u)), or ffn_out(act(ffn_in u)) without a gate. Norms are RMSNorm or
 * LayerNorm; query, key and value rows are rotated by their position; every sublayer's output passes dropout and a
 * point before it joins the residual stream.
 *
 * Kept for the backward pass are the block's input, rotated q, k, v, the context where its layer needs it, the sum
 * after attention and what the feed-forward leaves: both branches of a gate, or the activation's slope and, where a
 * layer needs it, the activation itself (struct activated). Norms, gated products and probabilities are computed again.
 * With recomputation only the block's input is kept and the whole block is run again.
 *
 * The last block may compute a part of the rows only (targets, or last tokens): keys and values for all tokens,
 * everything else for these rows. Rows never influence each other outside of attention, so this changes no bit. */
#ifndef PG_MODELS_DECODER_BLOCK_H
#define PG_MODELS_DECODER_BLOCK_H

#include "core/ops.h"
#include "models/causal.h"
#include "models/loading.h"

struct decoder_block {
    int layer;
    struct site *query, *key, *value, *attn_out;
    struct site *gate; /* NULL: the feed-forward has none */
    struct site *up;   /* the other branch of the gate, or the only one */
    struct site *ffn_out;
    struct site *after_attn, *after_ffn;
    struct norm attn_norm, ffn_norm; /* parallel: attn_norm serves both */
    bool parallel;
    struct causal attn;
    enum activation act;
    struct drop attn_drop, ffn_drop;
};
/* prefix: "model.layers.3." */
status decoder_block_build(struct loader *, const char *prefix, int layer, struct decoder_block *);

/* What the blocks of one pass have in common. */
struct decoder_pass {
    struct pass *pass;
    const struct rows *rows; /* rows computed behind the keys and values */
    const struct causal_plan *plan;
    const struct rotary *rotary;
    const int *position;     /* [tokens] */
    const int *row_position; /* [rows] */
};

struct decoder_saved {
    struct use query, key, value, attn_out, gate, up, ffn_out, after_attn, after_ffn;
    struct mat q, k, v;           /* rotated */
    struct mat context;           /* a NULL unless attn_out needs its input */
    struct mat attn_sum;          /* x + attention; parallel: not used */
    struct mat gate_out, up_out;  /* with a gate */
    struct activated middle;      /* without one */
    struct mat attn_raw, ffn_raw; /* inputs of points that are in use */
    real *attn_stats, *ffn_stats;
};

/* x [tokens, hidden] -> out [rows, hidden]. keep: saved will be used by decoder_block_backward and lies on the tape;
 * else it is only working memory. */
status decoder_block_forward(const struct decoder_block *, const struct decoder_pass *, const struct mat *x, bool keep,
                             struct decoder_saved *, struct mat *out);
/* x: the block's input. dout [rows, hidden] is overwritten. dx [tokens, hidden]: set; a NULL: not wanted. */
status decoder_block_backward(const struct decoder_block *, const struct decoder_pass *, const struct mat *x,
                              struct decoder_saved *, struct mat *dout, struct mat *dx);

#endif
