/* The input side of an encoder: rows of the word table (+ position and token-type tables where the model has them),
 * LayerNorm, dropout. Tables are read through their tile sources, so a frozen f16 table is never expanded. */
#ifndef PG_MODELS_EMBEDDING_H
#define PG_MODELS_EMBEDDING_H

#include "models/loading.h"

struct embedding {
    struct param *word, *position, *type; /* position, type NULL: the model has none */
    struct norm norm;
    struct drop drop;
    int first_position; /* of the first token: 0, or pad_id + 1 (RoBERTa) */
    int skip_id;        /* RoBERTa: this id takes no position; -1: none */
    uint32_t who_word, who_position, who_type;
};
status embedding_build(struct loader *, const char *prefix, struct embedding *);
bool embedding_trained(const struct embedding *);

struct embedding_saved {
    struct mat sum; /* input of the norm; a NULL: not kept */
    real *stats;
};

/* Fails on ids, types or lengths that the tables do not cover. */
status embedding_check(const struct embedding *, const struct batch *);
/* out [tokens, hidden]. saved NULL: nothing is kept. */
status embedding_forward(const struct embedding *, struct pass *, struct embedding_saved *, struct mat *out);
/* dout is overwritten. */
status embedding_backward(const struct embedding *, struct pass *, const struct embedding_saved *, struct mat *dout);

#endif
