/* Causal multi-head attention over packed sequences, with fewer key and value heads than query heads where the model
 * has it (query head h reads key head h / (heads / kv_heads)), and with key and value rows of earlier tokens put before
 * a sequence's own (kv.h).
 *
 * Work is cut into (sequence, head) pieces and these into blocks of query rows, each of which sees the keys up to its
 * last row. Only q, k and v are kept for the backward pass: probabilities are computed again, block by block, so memory
 * grows with the length and not with its square. A row's result depends on its own sequence alone, and is the same bits
 * whether earlier rows come from this pass or from kept ones: every sum is one chain in the order of the keys. */
#ifndef PG_MODELS_CAUSAL_H
#define PG_MODELS_CAUSAL_H

#include "models/kv.h"
#include "models/parts.h"

struct causal { /* of one block */
    int heads, kv_heads, head_dim;
    double scale;
    struct drop drop; /* of the probabilities */
};

/* How one batch is cut up; shared by all blocks with the same queries. */
struct causal_plan {
    int n, longest;           /* sequences; keys of the longest, earlier ones included */
    const int *offset;        /* [n+1] tokens */
    const int *query_offset;  /* [n+1] rows of q and of the output */
    const int *position;      /* [query rows] place in the sequence, earlier tokens counted: row i sees as many + 1 */
    const uint32_t *row_key;  /* [query rows] */
    const int *order;         /* [n] sequences, longest first */
    struct kv *const *prefix; /* [n] or NULL */
};
/* rows: the tokens that act as queries, in rising order. position [tokens]. */
status causal_plan_new(const struct batch *, const struct rows *, const int *position, struct arena *,
                       struct causal_plan **);

/* q [query rows, heads * head_dim], k and v [tokens, kv_heads * head_dim], rotated; layer: of the kept rows. */
struct causal_data {
    struct mat q, k, v;
    int layer;
};
/* out, shaped like q: set. */
status causal_forward(const struct causal *, struct pass *, const struct causal_plan *, const struct causal_data *,
                      struct mat *out);
/* dq, dk, dv: set; a NULL: not wanted. */
status causal_backward(const struct causal *, struct pass *, const struct causal_plan *, const struct causal_data *,
                       const struct mat *dout, struct mat *dq, struct mat *dk, struct mat *dv);

#endif
