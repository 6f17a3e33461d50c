/* What sits on an encoder: a classifier as in Hugging Face's sequence classification classes, a masked language model,
 * or nothing. Hidden states come either for all tokens or only for the first of each sequence (see block.h). */
#ifndef PG_MODELS_HEAD_H
#define PG_MODELS_HEAD_H

#include "core/ops.h"
#include "models/loading.h"

struct head {
    enum head_kind kind;
    /* HEAD_CLASSIFY: classifier(drop_out(act(pooler(drop_in(u))))), u the first token's state.
     * HEAD_MLM: decoder(norm(act(pooler(h)))) for the rows with a target; the decoder is the word table plus a bias. */
    struct site *pooler, *classifier;
    enum activation act;
    struct drop drop_in, drop_out;
    struct norm norm;
    struct param *word, *bias;
    uint32_t who_decoder;
};
/* The number of outputs of a classifier, from the task, the checkpoint's classifier of that name or the configuration,
 * and whether it is a new one. */
status head_labels(struct loader *, const char *classifier, int *labels, bool *fresh);

/* Builds the head that the specification asks for; sets model->num_labels. word: the embedding the MLM decoder is tied
 * to. */
status head_build(struct loader *, struct param *word, struct head *);

struct head_saved {
    struct use pooler, classifier;
    struct rows rows;                 /* the rows of the hidden states that are read */
    struct mat input, middle, output; /* of the pooler (dropped); before the activation; of the classifier or decoder */
    struct mat active;                /* HEAD_MLM: input of the norm */
    real *stats;
};

/* hidden: [tokens, d], or [n, d] when first_only. All that backward needs goes to the tape when pass->keep. */
status head_forward(const struct head *, struct pass *, const struct rows *first, bool first_only,
                    const struct mat *hidden, struct head_saved *, struct mat *logits);
/* dhidden, shaped like hidden: set; a NULL: not wanted. */
status head_backward(const struct head *, struct pass *, struct head_saved *, const struct mat *dlogits,
                     struct mat *dhidden);

/* The masked language model's part (head_mlm.c). */
status mlm_build(struct loader *, struct param *word, struct head *);
status mlm_forward(const struct head *, struct pass *, const struct mat *hidden, struct head_saved *,
                   struct mat *logits);
status mlm_backward(const struct head *, struct pass *, struct head_saved *, const struct mat *dlogits,
                    struct mat *dhidden);

#endif
