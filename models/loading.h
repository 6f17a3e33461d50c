/* Making a model's tensors and sites from a checkpoint: looking names up (with the family's prefix or without, old
 * gamma/beta names of LayerNorms), checking shapes and types, initial values for what a checkpoint does not hold. */
#ifndef PG_MODELS_LOADING_H
#define PG_MODELS_LOADING_H

#include "models/model.h"
#include "models/parts.h"

struct loader {
    struct model *model;
    const char *prefix; /* "deberta.": tensor names may lack it */
    bool *used;         /* [ckpt.count] tensors that became part of the model */
};

enum fill { FILL_NORMAL /* N(0, init_range) */, FILL_ZERO, FILL_ONE }; /* values that no checkpoint gives */

/* Whether the checkpoint holds the tensor; always false for a model with random weights. */
bool loader_has(const struct loader *, const char *name);
/* Its first dimension; 0 when it is missing. */
int loader_rows(const struct loader *, const char *name);

/* A frozen base tensor. It must be in the checkpoint; a model with random weights fills it. rows == 1: a vector, loaded
 * at once; a matrix stays in the checkpoint's memory. */
status load_base(struct loader *, const char *name, int rows, int cols, int order, enum fill, struct param **);
/* The same for a table of embeddings as wide as the hidden states, whose gradients come by rows (param.h). */
status load_rows(struct loader *, const char *name, int rows, int order, struct param **);
/* A tensor of the head: trained (P_HEAD) or frozen (P_BASE), from the checkpoint or, with fresh, filled. */
status load_head(struct loader *, const char *name, int rows, int cols, int order, enum fill, bool fresh, bool trained,
                 struct param **);

/* A base LayerNorm: name.weight, name.bias. */
status load_norm(struct loader *, const char *name, int size, double eps, int order, struct norm *);
/* A base RMSNorm: name.weight. */
status load_rms_norm(struct loader *, const char *name, int size, double eps, int order, struct norm *);

/* A linear site with its bias: base layers, and head layers (in_head: the two flags of load_head). */
struct linear {
    const char *name; /* without ".weight" */
    enum role role;
    int layer, order, in, out;
    bool in_head, fresh, trained;
    bool plain; /* no bias */
};
status load_linear(struct loader *, const struct linear *, struct site **);
/* A point in the residual stream; `size` wide. */
status load_point(struct loader *, const char *name, enum role, int layer, int order, int size, struct site **);

/* The parts of one block of a network: their names begin with its prefix, "deberta.encoder.layer.3.". */
struct layer_place {
    struct loader *loader;
    const char *prefix;
    int layer;
};
status layer_linear(const struct layer_place *, const char *name, enum role, int in, int out, bool bias,
                    struct site **);
/* A norm over the hidden size. rms: an RMSNorm. */
status layer_norm(const struct layer_place *, const char *name, bool rms, struct norm *);
/* The point of the role's name. */
status layer_point(const struct layer_place *, enum role, struct site **);
/* Dropout with probability p. */
struct drop layer_drop(const struct layer_place *, const char *name, double p);

/* One notice about the tensors of the checkpoint that the model does not use. */
void loader_notice(const struct loader *);

#endif
