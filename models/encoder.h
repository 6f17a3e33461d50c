/* Encoders of the BERT kind as one model: embedding, post-LN blocks, head; DeBERTa adds the relative table. */
#ifndef PG_MODELS_ENCODER_H
#define PG_MODELS_ENCODER_H

#include "models/block.h"
#include "models/embedding.h"
#include "models/head.h"

struct table { /* DeBERTa's relative positions, shared by all blocks */
    struct param *rows;
    struct norm norm;
    bool normed;
    struct relative_law law;
    uint32_t who;
};

struct encoder_tape;

struct encoder {
    struct embedding embedding;
    struct block *block;
    int layers;
    bool relative;
    struct table table;
    struct head head;
    struct encoder_tape *tape; /* of the last forward pass with keep */
};

/* models/products.c */
void encoder_products(const struct model *, double l, double e, product_fn *, void *ctx);

#endif
