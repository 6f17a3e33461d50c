/* Multi-head softmax attention over packed sequences, with DeBERTa's relative terms when asked. Work is cut into
 * (sequence, head) pieces; every piece is a handful of serial products, so nothing depends on the thread count or on
 * the other sequences of the batch.
 *
 * The probabilities are kept for the backward pass, [queries, L] a head: at the lengths of GLUE that is a tenth of what
 * a block keeps anyway, and computing them anew would cost all score products a second time. Dropout masks are not kept
 * but drawn again. */
#ifndef PG_MODELS_ATTENTION_H
#define PG_MODELS_ATTENTION_H

#include "models/parts.h"
#include "models/relative.h"

struct attention { /* of one block */
    int heads, head_dim;
    double scale;     /* of the scores, 1/sqrt(terms * head_dim) */
    struct drop drop; /* of the probabilities */
};

/* How one batch is cut up; shared by all blocks with the same queries. */
struct attention_plan {
    int n, longest;
    const int *offset;       /* [n+1] keys: tokens of sequence s are offset[s] .. offset[s+1]-1 */
    const int *query_offset; /* [n+1] rows of q and of the output */
    const uint32_t *row_key; /* [query rows] */
    const int *order;        /* [n] sequences, longest first */
    const size_t *probs_at;  /* [n] where the probabilities of a sequence begin: [heads][queries][L] */
    size_t probs;            /* of the whole batch */
    int lanes;               /* sequences are dealt to so many lanes; a lane sums its table gradients in order */
};
/* rows: the rows that act as queries, all tokens or the first of each sequence. */
status attention_plan_new(const struct batch *, const struct rows *queries, int heads, struct arena *,
                          struct attention_plan **);

struct attention_data {
    struct mat q;                    /* [query rows, hidden]; heads are column slices */
    struct mat k, v;                 /* [tokens, hidden] */
    real *probs;                     /* [plan->probs], NULL: not kept */
    const struct relative_rows *rel; /* NULL: no relative terms */
    struct mat rel_k, rel_q;         /* [rel->rows, hidden]; a == NULL: that term is off */
};

/* out [query rows, hidden] = softmax(scale * (q k' + relative terms)) v */
status attention_forward(const struct attention *, struct pass *, const struct attention_plan *,
                         const struct attention_data *, struct mat *out);

/* Gradients; matrices with a == NULL are not wanted. q, k, v are set; rel_k and rel_q are set. */
struct attention_grads {
    struct mat q, k, v, rel_k, rel_q;
};
status attention_backward(const struct attention *, struct pass *, const struct attention_plan *,
                          const struct attention_data *, const struct mat *dout, struct attention_grads *);

#endif
