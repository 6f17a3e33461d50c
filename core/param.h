/* The registry: every tensor of a run, by class. Saving, resume, AdamW, clipping, counting, lr and decay groups are
 * loops over it, so a method adds no save, load or count code of its own. */
#ifndef PG_CORE_PARAM_H
#define PG_CORE_PARAM_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/rng.h"
#include "core/status.h"
#include "core/wsrc.h"

enum param_class {
    P_BASE,    /* of the pretrained checkpoint; frozen until thawed */
    P_HEAD,    /* task head: trained by every method, reported apart */
    P_ADAPTER, /* added and trained by the method */
    P_STATE,   /* kept in checkpoints, not trained (AdaLoRA's importance sums, learned rank counters) */
    P_CONST    /* rebuilt from the seed or the options, never saved (VeRA's shared matrices) */
};

struct param {
    const char *name; /* unique; base and head names as in Hugging Face checkpoints */
    enum param_class cls;
    int rows, cols; /* a vector is [1, n]; row-major, contiguous */
    int order;  /* place of the lowest site or layer that reads it: 0 embeddings, 1 + layer, then head; backward stops
                   below the smallest order that is trained */
    real *data; /* NULL while only src holds the values (frozen base tensors) */
    struct wsrc src; /* where a base tensor's values come from; src.rows == 0: data only */
    real *grad;      /* NULL = frozen */
    real *m, *v;     /* AdamW moments; made by the optimiser */
    /* Tables of embeddings, whose gradients come to the rows that a batch names (by_rows, before the tensor is thawed):
     * [rows] whether a row ever had one. All others have zeros as gradient and moments, which nobody reads. NULL: any
     * row may have a gradient. */
    bool by_rows;
    unsigned char *reached;
    double lr; /* multiplier of the run's rate, or the rate itself when lr_own */
    bool lr_own;
    double
        decay;  /* multiplier of the run's weight decay; 0 for names with "bias" or "LayerNorm"/"norm" (METHODS 3.0) */
    int lo, hi; /* rows the optimiser may touch in this step; all by default (DyLoRA's masked variant) */
    int left, right;  /* columns likewise */
    long idle;        /* optimiser steps before the first it learns in: its bias correction counts from there */
    uint64_t version; /* raised by every write, so that packed or merged copies know they are stale */
};

struct registry {
    struct arena *arena; /* owns names, data, grads; lives as long as the run */
    struct param **list;
    int count, cap;
};

status registry_init(struct registry *, struct arena *);

/* A new tensor; data zeroed (and grad, for P_HEAD and P_ADAPTER). name is copied. Fails on a duplicate name. */
status param_add(struct registry *, enum param_class, const char *name, int rows, int cols, int order, struct param **);
/* A frozen base tensor whose values come from src. */
status param_add_base(struct registry *, const char *name, struct wsrc src, int order, struct param **);
/* Makes a base tensor trainable: private copy of its values and a gradient. Doing it twice is fine. */
status param_thaw(struct registry *, struct param *);
/* Makes sure data holds the values (a copy of src), still frozen. */
status param_load(struct registry *, struct param *);
struct param *param_find(const struct registry *, const char *name); /* NULL: none */

static inline bool param_trained(const struct param *p)
{
    return p->grad != NULL;
}
static inline size_t param_size(const struct param *p)
{
    return (size_t)p->rows * (size_t)p->cols;
}
/* Before gradients are added: to these rows; to any row. */
void param_reach(struct param *, const int32_t *row, int n);
void param_reach_all(struct param *);
void param_zero_grads(struct registry *);
int param_lowest_trained(const struct registry *); /* smallest order with a gradient; INT_MAX when none */
size_t param_count(const struct registry *, enum param_class, bool trained_only);
void param_touch(struct param *); /* version++ */

#endif
