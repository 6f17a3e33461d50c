/* The post-LN block that DeBERTa-v2/v3, BERT and RoBERTa share:
 *
 *   y   = norm1(drop(attn_out(attention(query(x), key(x), value(x)))) + x)
 *   out = norm2(drop(ffn_out(act(ffn_in(y)))) + y)
 *
 * with a point before each residual addition. A block is a struct of sites, norms and flags; what the backward pass
 * needs lies in one struct block_saved. Kept are q, k, v, the attention probabilities, the inputs of the two norms, the
 * activation's slope and, where a layer needs it on the way back, the activation itself (struct activated); the outputs
 * of norms are computed again where a site trains. The block's input is not kept at all: it is the output of the block
 * below.
 *
 * The last block of a classifier computes only the rows that the head reads: queries and everything behind them for the
 * first token of each sequence, keys and values for all. Rows never influence each other outside of attention, so this
 * changes no bit of the result. */
#ifndef PG_MODELS_BLOCK_H
#define PG_MODELS_BLOCK_H

#include "core/ops.h"
#include "models/attention.h"
#include "models/loading.h"

struct block {
    struct site *query, *key, *value, *attn_out, *ffn_in, *ffn_out;
    struct site *rel_query, *rel_key; /* project the relative table; NULL: the term is off. Usually query and key */
    struct site *after_attn, *after_ffn;
    struct norm attn_norm, ffn_norm;
    struct attention attn;
    enum activation act;
    struct drop attn_drop, ffn_drop, table_drop;
};
/* prefix: "deberta.encoder.layer.3." */
status block_build(struct loader *, const char *prefix, int layer, struct block *);

/* What the blocks of one pass have in common. */
struct block_pass {
    struct pass *pass;
    const struct rows *rows; /* rows computed from the queries on */
    const struct attention_plan *plan;
    const struct relative_rows *rel; /* NULL: no relative terms */
    const struct mat *table;         /* [rel->rows, hidden], before the block's dropout */
};

struct block_saved {
    struct use query, key, value, attn_out, ffn_in, ffn_out, rel_query, rel_key, after_attn, after_ffn;
    struct mat q, k, v, rel_q, rel_k, context; /* context: a NULL unless attn_out needs its input */
    real *probs;
    struct mat attn_raw, ffn_raw; /* inputs of points that are in use */
    struct mat attn_sum, ffn_sum;
    struct activated middle;
    real *attn_stats, *ffn_stats;
};

/* x [tokens, hidden] -> out [rows, hidden]. keep: saved will be used by block_backward and lies on the tape; else it is
 * only working memory. */
status block_forward(const struct block *, const struct block_pass *, const struct mat *x, bool keep,
                     struct block_saved *, struct mat *out);
/* out again, from what was kept. */
status block_output(const struct block *, const struct block_pass *, const struct block_saved *, struct mat *out);

/* The query, key or value site needs x in the backward pass. */
bool block_needs_input(const struct block *);
/* dout [rows, hidden] is overwritten. x: a NULL unless block_needs_input. dx [tokens, hidden]: set; a NULL: not wanted.
 * dtable [rel->rows, hidden]: added to; a NULL: not wanted. */
status block_backward(const struct block *, const struct block_pass *, const struct mat *x, struct block_saved *,
                      struct mat *dout, struct mat *dx, struct mat *dtable);

#endif
