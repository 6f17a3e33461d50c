/* Causal language models (HEAD_LM): what is done with them beside model_forward and model_backward.
 *
 * A batch is packed as for encoders: sequences end to end, no padding, each sees itself only. batch->label is [tokens]:
 * label[t] is the id that should FOLLOW token t (the caller shifts; the last token of a sequence normally has none), -1
 * where nothing is to be predicted. Only rows with a label are computed behind the last attention, and only they have
 * results: "rows" below are the tokens with a label, in token order; all tokens when batch->label is NULL. Where scores
 * are wanted but no loss, any label >= 0 marks the row. batch->step_examples counts the targets of the whole optimiser
 * step (over all micro-batches): the loss is the mean over them.
 *
 * Logits over a whole vocabulary are large (2,000 rows of 152,064 are 1.2 GB), so they need never exist together:
 *
 *     model_forward(m, &pass, NULL, NULL);             hidden states only
 *     lm_loss(m, &pass, true, &loss, NULL);            loss and its gradient, a few rows of logits at a time
 *     model_backward(m, &pass, NULL);                  takes the gradient that lm_loss left
 *
 * model_forward with logits, model_loss and model_backward with dlogits work as for every other head and give the same
 * gradients.
 *
 * Reuse of a beginning: batch->prefix[s] (NULL: none) holds the key and value rows that sequence s goes on from; any
 * number of sequences may share one. Token 0 of the sequence then has the position prefix[s]->rows. batch->append[s]
 * (NULL: not wanted) receives the new rows after its own; it may be the same object as prefix[s]. Both need
 * pass->keep == false. */
#ifndef PG_MODELS_LANGUAGE_H
#define PG_MODELS_LANGUAGE_H

#include "models/kv.h"
#include "models/model.h"

/* Rows of results of the last forward pass. */
int lm_rows(const struct model *);

/* Mean loss of the rows with weight 1/step_examples. grads: also the gradients of the output layer where it is trained,
 * and what model_backward(m, pass, NULL) goes on with; needs pass->keep. each [rows]: -log p of every target in nats,
 * or NULL. A label outside of the vocabulary fails. */
status lm_loss(struct model *, struct pass *, bool grads, double *loss, double *each);

/* out [rows, ids]: logits of the chosen ids in every row. log_sum [rows]: log of the sum of exp of all logits of the
 * row, so that out - log_sum are log-probabilities; NULL: not wanted (then only the chosen ids are computed). ids 0
 * with out NULL is fine. */
status lm_logits(struct model *, struct pass *, const int32_t *id, int ids, struct mat *out, double *log_sum);

/* best [rows]: the id with the largest logit of every row, the smallest such id. */
status lm_best(struct model *, struct pass *, int32_t *best);

/* Greedy continuation of one prompt. */
struct lm_generate {
    const int32_t *prompt;
    int n;
    int most;            /* new tokens at most */
    const int32_t *stop; /* ids that end it (and are not part of the result) */
    int stops;
    /* Called before every pass (method_prepare in a session); NULL: nothing. */
    status (*prepare)(void *ctx, struct pass *);
    void *ctx;
};
/* pass: arith, rng, variant and arenas to use; its batch, keep and train are replaced. out [most] receives the ids,
 * *count their number. Ends early where the model's positions end. */
status lm_generate(struct model *, const struct pass *, const struct lm_generate *, int32_t *out, int *count);

#endif
