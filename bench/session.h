/* A session: a model with a method attached, and everything one needs to train and evaluate it step by step. The
 * trainer, evaluate, predict, the golden runner, the speed test and the tests all drive models through it. */
#ifndef PG_BENCH_SESSION_H
#define PG_BENCH_SESSION_H

#include "bench/batch.h"
#include "bench/optimizer.h"
#include "methods/method.h"
#include "models/model.h"

/* Not to be moved or copied once open: parts of it point at others. */
struct session {
    struct arena *arena;          /* life of the run */
    struct arena *tape, *scratch; /* life of a pass */
    struct registry reg;
    struct rng rng; /* replay may be set after opening (golden cases) */
    struct model *model;
    struct mrun run;
    const struct arith *arith;
    const void *arith_options;
    const struct store *store;
    const void *store_options;
};
struct session_spec {
    struct model_spec model; /* .rng is set by session_open */
    const struct method *method;
    const void *method_options; /* filled from method->options; NULL only for methods without options */
    const struct store *store;  /* NULL: f32 */
    const void *store_options;  /* NULL: the store's defaults */
    const char *store_file;    /* stored weights are mapped from this file, or written there when it is missing; NULL */
    const struct arith *arith; /* NULL: f32 */
    const void *arith_options; /* NULL: the arithmetic's defaults */
    uint64_t seed;
    uint64_t total_steps;
};

/* Opens the model, attaches the method, builds the stores. After a failure nothing has to be closed. */
status session_open(const struct session_spec *, struct session *);
void session_close(struct session *); /* a zeroed session is fine */

/* Lets the method look at a batch before step 0 (METHOD_OBSERVES; others: does nothing). It should be the whole batch
 * of step 0, so that what is seen does not depend on micro-batches; all rows of tables and of the last block are
 * computed. */
status session_observe(struct session *, const struct batch *);

/* Forward + loss + backward of micro-batch `micro` of optimiser step `step`; adds to gradients and to *loss. micro 0
 * begins the step: gradients are cleared and the method draws what it draws a step. ST_DIVERGED: the loss is not
 * finite. */
status session_micro(struct session *, const struct batch *, uint64_t step, int micro, double *loss);

/* Penalty -> clip -> AdamW -> step_end, for step (from 0) at the scheduled rate lr. ST_DIVERGED, before anything is
 * written: the gradient is not finite. grad_norm: before clipping. */
status session_update(struct session *, const struct adamw *, double lr, double clip, uint64_t step, double *penalty,
                      double *grad_norm);

/* A pass over a batch in the session's arenas, not training; and forward with the method prepared for it. logits may be
 * NULL where the model's head is a language model's. The caller marks and resets tape and scratch. */
struct pass session_pass(struct session *, const struct batch *, int variant);
status session_forward(struct session *, struct pass *, struct mat *logits);

/* The evaluated forms of the run: at least one. */
enum { SESSION_MAX_VARIANTS = 256 };
int session_variants(const struct session *, struct variant v[SESSION_MAX_VARIANTS]);

/* Logits [n, labels] of a variant on a tokenised set (arena), and the mean loss over its labelled examples (NULL: not
 * wanted; NAN without labels). The same bits for any eval_batch. Changes nothing that training depends on. */
status session_predict(struct session *, const struct tokens *, int eval_batch, int variant, struct arena *,
                       float **logits, double *mean_loss);

/* Puts effective weights in place of base weight + adapter for every attached site (METHOD_MERGEABLE); the sites then
 * compute as plain layers. For evaluation and export: the session cannot train afterwards. */
status session_merge(struct session *, int variant);

#endif
