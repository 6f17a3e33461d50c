/* A model: an embedding, blocks of sites, a head. Opened from a Hugging Face folder, from the embedded `mini`, or with
 * random weights from a config alone. */
#ifndef PG_MODELS_MODEL_H
#define PG_MODELS_MODEL_H

#include "models/checkpoint.h"
#include "models/config.h"
#include "models/site.h"
#include "models/store.h"

enum head_kind {
    HEAD_CLASSIFY, /* num_labels >= 2: logits; num_labels == 1: regression. Pooler + classifier as in Hugging Face */
    HEAD_MLM,      /* masked language modelling, decoder tied to the word embedding (`peftgrid pretrain`) */
    HEAD_LM,       /* causal language modelling (decoders): see language.h */
    HEAD_NONE      /* hidden states only: they are the logits, [tokens, hidden] */
};

struct model_spec {
    const char *path; /* folder or weight file; "mini": the embedded one */
    enum head_kind head;
    int num_labels;        /* of the task; 0: from the checkpoint's classifier or config */
    const struct rng *rng; /* initial values of tensors the checkpoint lacks (heads) */
    int random;            /* 1: no weights in the folder, everything drawn from rng (speed tests, pretraining) */
    /* Not NULL: this configuration with all weights 0 that take no memory, for counting products and parameters; path
     * is a name for messages. */
    const struct model_config *shape;
    double cls_dropout; /* < 0: the config's; the other rates likewise */
    double hidden_dropout, attn_dropout;
    bool recompute;   /* keep only every block's input for the backward pass and run the block again there;
                         the same bits, less memory */
    int train_pooler; /* -1: HF convention (trained when new or not part of the backbone), 0 frozen, 1 trained */
};

struct model {
    struct model_config config;
    struct model_spec spec;
    struct registry *reg;
    struct arena *arena;    /* life of the run */
    struct checkpoint ckpt; /* stays mapped: frozen weights point into it */
    char hash[65];          /* content hash of the checkpoint */
    struct checkpoint kept; /* a mapped file of stored weights (stored_file.h), or zero */
    struct site **site;
    int sites;
    int num_labels;
    bool whole_table; /* an arith or method has statistics over whole tensors: compute also the rows that nothing
                         reads, those of the relative table and, in the last block, those no head looks at */
    const struct model_ops *ops;
    void *priv; /* the family's */
};

/* Opens, registers all tensors (P_BASE, P_HEAD) and sites; nothing is attached yet. Tensors the model does not need are
 * skipped with one notice. Missing, misshapen or non-numeric ones fail, naming file and tensor. */
status model_open(const struct model_spec *, struct arena *, struct registry *, struct model **);
void model_close(struct model *);

/* The configuration of what model_open would open from that path. */
status model_config_read(const char *path, struct arena *, struct model_config *);

/* One forward pass. logits: [n, labels] for HEAD_CLASSIFY; [targets, vocab] for HEAD_MLM (rows with label >= 0, in
 * order; all rows of a batch without labels) and HEAD_LM, which also takes logits NULL (language.h); from pass->tape.
 * hidden, when not NULL, receives layers + 1 matrices [tokens, hidden] (tests). */
status model_forward(struct model *, struct pass *, struct mat *logits, struct mat *hidden);
/* Adds gradients of all trained tensors; stops below the lowest one. Must follow a forward with pass->keep. */
status model_backward(struct model *, struct pass *, const struct mat *dlogits);

/* Mean loss of the batch's examples with weight 1/step_examples, and its gradient (dlogits NULL: value only). For
 * HEAD_MLM step_examples counts the step's targets. A label outside of the model's range fails. */
status model_loss(struct model *, struct pass *, const struct mat *logits, struct mat *dlogits, double *loss);

/* Builds every linear site's store after attachment: site->w = store of its weight, unless the weight is trained.
 * options NULL: the store's defaults. One weight after the other, and the checkpoint's pages are given back after each,
 * so memory never exceeds the stores and one weight. */
status model_build_stores(struct model *, const struct store *, const void *options);

/* After that: packed copies of the frozen weights that lie in memory as they are (not of quantised ones), for an
 * arithmetic that has such a form, in the model's arena. None when they would take more than 1 GiB. */
status model_pack_weights(struct model *, const struct arith *);
/* The sites that this is about, and options with NULL replaced by the store's defaults. */
bool model_stores_site(const struct site *);
status model_store_options(struct model *, const struct store *, const void **options);

/* The products of one layer and pass, for BOPs and FLOPs: calls fn once a product. l: sequence length, e: rows of the
 * relative table (0: none). site NULL: a product without a weight (scores, context). (METHODS 4) */
struct product {
    const char *name; /* "query", "query table", "scores", "c2p", "p2c", "context", "ffn_in" ... */
    const struct site *site;
    int layer;
    double macs;
};
typedef void product_fn(void *ctx, const struct product *);
void model_products(const struct model *, double l, double e, product_fn *, void *ctx);

#endif
