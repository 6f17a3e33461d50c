/* Key and value rows of one sequence, of every block of a decoder: what later tokens need of earlier ones. One
 * structure serves greedy decoding (grown a token at a time) and prompts that share a beginning (computed once, read by
 * many sequences). Rows are the same bits as those that a pass over the whole sequence computes, so results with and
 * without reuse are equal. */
#ifndef PG_MODELS_KV_H
#define PG_MODELS_KV_H

#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"

struct model;

struct kv {
    int layers, width; /* width: kv_heads * head_dim */
    int rows, cap;     /* tokens held, and at most; setting rows lower forgets the last ones */
    real *k, *v;       /* [layers][cap][width]; keys already rotated */
};

/* Room for cap tokens of this model; ST_UNSUPPORTED when the model is no decoder. */
status kv_new(const struct model *, int cap, struct arena *, struct kv **);
/* to becomes equal to from; fails when it has no room. */
status kv_copy(const struct kv *from, struct kv *to);
struct mat kv_keys(const struct kv *, int layer); /* [rows, width] */
struct mat kv_values(const struct kv *, int layer);

#endif
