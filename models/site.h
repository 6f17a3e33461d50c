/* Sites: the places of a model that a method may change. A linear site is one linear layer; a point is a named place in
 * the residual stream (free when empty) for adapters that are not on a linear layer. This is all a method sees of a
 * model. */
#ifndef PG_MODELS_SITE_H
#define PG_MODELS_SITE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/arith.h"
#include "core/param.h"
#include "core/real.h"
#include "core/rng.h"
#include "core/status.h"

struct kv;

enum site_kind { SITE_LINEAR, SITE_POINT };

enum role {
    ROLE_QUERY,
    ROLE_KEY,
    ROLE_VALUE,
    ROLE_ATTN_OUT,
    ROLE_FFN_IN,
    ROLE_GATE,
    ROLE_UP,
    ROLE_FFN_OUT,
    ROLE_POOLER, /* head layers; never chosen by "all" */
    ROLE_CLASSIFIER,
    ROLE_AFTER_ATTN, /* point: output of the attention sublayer, before the residual is added */
    ROLE_AFTER_FFN,  /* point: output of the feed-forward sublayer, before the residual is added */
    ROLES
};
const char *role_name(enum role); /* "query", "key", "value", "attn_out", "ffn_in", "gate", "up", "ffn_out", ... */
int role_by_name(const char *);   /* -1: none */

/* A packed mini-batch: sequences end to end, no padding. */
struct batch {
    int n;                    /* sequences */
    int tokens;               /* offset[n] */
    const int *offset;        /* [n+1] */
    const int32_t *ids;       /* [tokens] */
    const int32_t *types;     /* [tokens] token types; NULL: all 0 */
    const uint32_t *row_key;  /* [tokens] slot << 16 | position: the place of a dropout draw (rng.h) */
    const uint32_t *slot;     /* [n] place of the example in the whole step's batch, whatever the micro-batches */
    const int32_t *label;     /* [n] class, or [tokens] for language models (-1: no target); NULL: unlabelled */
    const float *target;      /* [n] regression targets, or NULL */
    int step_examples;        /* examples in the whole step, over all micro-batches: the loss is a mean over them */
    struct kv *const *prefix; /* decoders: [n] rows that a sequence goes on from, or NULL (language.h) */
    struct kv *const *append; /* decoders: [n] where its new rows go, or NULL */
};

enum pass_mode {
    PASS_NORMAL,
    PASS_OBSERVE, /* forward only: methods may take ranges from the data; the one place where forward changes state */
    PASS_CHECK    /* gradient checks: rounding offsets are recorded once and then held fixed */
};

/* One pass over one packed batch. Forward is a pure function of parameters, these counters and the input. */
struct pass {
    const struct batch *batch;
    const struct rng *rng;
    const struct arith *arith;
    const void *arith_options;
    uint64_t step; /* optimiser step, from 0 */
    int micro;     /* micro-batch within the step */
    bool train;    /* dropout and sampling on */
    bool keep;     /* a backward pass follows: save what it needs on the tape */
    int variant;   /* which of the method's evaluated variants; 0 in training */
    enum pass_mode mode;
    struct arena *tape;    /* lives until the backward pass is done */
    struct arena *scratch; /* mark/reset by whoever takes from it */
};

enum use_kind {
    USE_TOKENS, /* rows of x are the tokens of the batch */
    USE_TABLE,  /* rows of x are rows of the relative-position table */
    USE_FIRST   /* rows of x are the first tokens of the sequences (pooler, classifier) */
};

struct site;

/* One call of a site within one pass. A site may be used several times in a pass (DeBERTa's query and key: token rows
 * and the relative table); each use has its own saved activations. */
struct use {
    struct site *site;
    struct pass *pass;
    enum use_kind kind;
    const uint32_t *row_key; /* [x->rows], for dropout inside the adapter */
    void *saved;             /* the method's, from the tape, between forward and backward of this use */
    /* During a call: what the model wants done with the result's pieces, until somebody does it; and whether dx holds
     * nothing yet, so that the first who adds to it must set it. Both are base_*'s affair. */
    const struct gemm_finish *finish;
    bool dx_unset;
};

/* What a method puts on a site. NULL forward: base_forward. Both get the whole linear layer and call base_* themselves.
 */
struct site_ops {
    status (*forward)(struct use *, const struct mat *x, struct mat *y); /* y [rows, out] = set */
    status (*backward)(struct use *, const struct mat *x, const struct mat *dy,
                       struct mat *dx); /* dx += ; NULL: not wanted */
    /* y and dx are changed by one lowrank_layer_forward and one lowrank_layer_backward (lowrank_use.h) alone, which
     * then take along what the model wants done with them. Never wrong to leave out, only slower. */
    bool fused;
};

struct site {
    const char *name; /* as in the checkpoint, without ".weight": "deberta.encoder.layer.0.attention.self.query_proj" */
    enum site_kind kind;
    enum role role;
    int layer; /* 0 .. ; -1 for head layers */
    int order; /* see struct param */
    int in, out;
    bool causal;                 /* of a decoder: a row is computed before those behind it are known */
    int index;                   /* place in the model's site list */
    struct wsrc w;               /* the weight as products see it; a store or a method may replace it */
    bool own_weight;             /* ... and it is a source of the method's own: no store is built for it */
    struct param *weight, *bias; /* bias NULL: none; both NULL for points */
    const struct site_ops *ops;  /* NULL: nothing attached */
    void *adapter;               /* the method's memory for this site (method->site_size bytes, zeroed) */
    void *run;                   /* the method's run (struct mrun *), for its hooks */
};

/* What models call. y is set; dx is accumulated (dx += ...), NULL when nothing below needs it. */
struct use site_use(struct pass *, struct site *, enum use_kind, const uint32_t *row_key);
status site_forward(struct use *, const struct mat *x, struct mat *y);
/* The same into a new y [x->rows, out] from keep. */
status site_run(struct use *, const struct mat *x, struct arena *keep, struct mat *y);
status site_backward(struct use *, const struct mat *x, const struct mat *dy, struct mat *dx);
/* The same with a finish (core/finish.h; NULL: none) over all of y; and, dx being set instead of added to, over dx. */
status site_forward_then(struct use *, const struct mat *x, const struct gemm_finish *, struct mat *y);
status site_backward_set(struct use *, const struct mat *x, const struct mat *dy, const struct gemm_finish *,
                         struct mat *dx);

/* What methods call: the frozen or trained base layer. y = x W' + b; dx += dy W; dW and db where the weight or bias is
 * trained. For points: y = x, dx += dy. */
status base_forward(struct use *, const struct mat *x, struct mat *y);
status base_backward(struct use *, const struct mat *x, const struct mat *dy, struct mat *dx);
/* The same for linear sites alone, as the last change of y or dx, with a term that is added too (NULL: none): takes the
 * model's finish along. With a term dx must be wanted. */
status base_forward_last(struct use *, const struct mat *x, const struct gemm_term *, struct mat *y);
status base_backward_last(struct use *, const struct mat *x, const struct mat *dy, const struct gemm_term *,
                          struct mat *dx);

/* For adapters: registers "<site>.<suffix>", a tensor of this site (see param_add). */
status site_tensor(const struct site *, struct registry *, enum param_class, const char *suffix, int rows, int cols,
                   struct param **);

/* One place of dropout. */
struct drop {
    double p;
    uint32_t who; /* hash of the place's name; inside an adapter, of the adapter's first tensor */
};
bool drop_on(const struct drop *, const struct pass *);             /* training and p > 0 */
struct dropout drop_call(const struct drop *, const struct pass *); /* p 0 unless drop_on() */
/* The same for a place inside an adapter, in one use. Table rows and token rows are different places and draw different
 * masks. */
struct dropout use_dropout(const struct use *, const struct drop *);

/* Sites by role or name. spec: words joined by '+': role names, "qkv", "attention" (q,k,v,attn_out), "ffn", "all"
 * (every linear site outside the head), or shell patterns matched against site names. *chosen[i] is set per site; a
 * word that matches nothing is an error that lists the roles this model has. */
status sites_choose(struct site *const *sites, int count, const char *spec, bool *chosen);

#endif
