/* What a family of models implements behind model.h. */
#ifndef PG_MODELS_FAMILY_H
#define PG_MODELS_FAMILY_H

#include "models/loading.h"
#include "models/model.h"

struct model_ops {
    const char *(*prefix)(enum family); /* of the backbone's tensor names, "deberta." */
    status (*build)(struct loader *);   /* registers tensors and sites; sets model->priv, model->num_labels */
    status (*forward)(struct model *, struct pass *, struct mat *logits, struct mat *hidden);
    status (*backward)(struct model *, struct pass *, const struct mat *dlogits);
    void (*products)(const struct model *, double l, double e, product_fn *, void *ctx);
};

extern const struct model_ops encoder_ops; /* DeBERTa-v2/v3, BERT, RoBERTa */
extern const struct model_ops decoder_ops; /* Phi, Qwen2, Llama */

#endif
