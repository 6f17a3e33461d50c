/* Decoders as one model: word embedding, pre-norm blocks, final norm, and a head: a language model over the vocabulary,
 * a classifier on the last token of every sequence (Hugging Face's ...ForSequenceClassification), or nothing. */
#ifndef PG_MODELS_DECODER_H
#define PG_MODELS_DECODER_H

#include "models/decoder_block.h"
#include "models/family.h"

struct decoder_tape;

struct decoder {
    struct param *word;
    uint32_t who_word;
    struct drop embed_drop;
    struct decoder_block *block;
    int layers;
    struct norm norm; /* behind the last block */
    enum head_kind head;
    struct site *score;          /* HEAD_CLASSIFY */
    struct param *output, *bias; /* HEAD_LM; output is `word` in tied models, bias may be NULL */
    uint32_t who_output;
    const struct pass *pass;   /* the last forward pass; NULL after its backward pass */
    struct decoder_tape *tape; /* of that pass */
};

/* Everything between forward and backward of one pass, or until the tape is reset. */
struct decoder_tape {
    struct pass *pass;
    struct rows all, read; /* all tokens; those that the head reads */
    bool read_only;        /* the last block computed only the latter */
    const int *position, *read_position;
    struct causal_plan *plan_all, *plan_read;
    struct rotary rotary;
    int first_kept;              /* blocks below it keep nothing */
    struct mat *input;           /* [layers] of every block that is kept */
    struct decoder_saved *block; /* [layers] */
    struct mat top;              /* [read rows, hidden] input of the final norm */
    real *stats;
    struct mat state; /* [read rows, hidden] output of the final norm */
    struct use score;
    struct mat dstate; /* left by lm_loss for the backward pass; a NULL: not yet */
};

/* Output layer of the rows r0 .. r0+n-1 of the read states: logits [n, vocab] (decoder_head.c). */
status decoder_logits(const struct decoder *, struct pass *, const struct decoder_tape *, int r0, int n,
                      struct mat *logits);
/* Its gradients for the same rows: dstate, shaped like the states, set there; a NULL: not wanted. */
status decoder_logits_backward(const struct decoder *, struct pass *, const struct decoder_tape *, int r0, int n,
                               const struct mat *dlogits, struct mat *dstate);

status decoder_head_build(struct loader *, struct decoder *);
/* From t->state to logits; NULL logits: nothing (HEAD_LM). */
status decoder_head_forward(const struct decoder *, struct pass *, struct decoder_tape *, struct mat *logits);
/* d [read rows, hidden]: gradient of t->top, set; a NULL: not wanted. dlogits NULL: from what lm_loss left. */
status decoder_head_backward(const struct decoder *, struct pass *, struct decoder_tape *, const struct mat *dlogits,
                             struct mat *d);

/* models/products.c */
void decoder_products(const struct model *, double l, double e, product_fn *, void *ctx);

#endif
