/* One cell from start to record. (METHODS 3.0; DESIGN of data flow in docs/ARCHITECTURE.md) */
#ifndef PG_BENCH_TRAINER_H
#define PG_BENCH_TRAINER_H

#include "bench/experiment.h"
#include "models/model.h"
#include "results/record.h"

struct run_paths {
    const char *runs_dir;  /* <runs>/<experiment> */
    const char *cache_dir; /* token caches */
};

/* Called between steps and evaluations; may be NULL. phase: "train" or "eval". */
typedef void progress_fn(void *ctx, const char *phase, long done, long total, double loss);

/* Trains and evaluates one cell and writes <runs_dir>/<id>.h5. A diverged run is recorded as such and returns ST_DIVERGED. With
 * the record already there and valid, returns ST_OK at once with *skipped = 1. out_path: where the record is (arena). */
status cell_run(const struct cell *, const struct run_paths *, progress_fn *, void *ctx, struct arena *, int *skipped,
                const char **out_path);

/* The pieces, also for evaluate / predict / golden / bench / tests: */
struct session { /* a model with a method attached */
    struct arena *arena;    /* life of the run */
    struct arena *tape, *scratch;
    struct registry reg;
    struct rng rng;
    struct model *model;
    struct mrun run;
    const struct arith *arith;
    const void *arith_options;
};
struct session_spec {
    struct model_spec model;
    const struct method *method;
    const void *method_options;
    const struct store *store;
    const void *store_options;
    const struct arith *arith;
    const void *arith_options;
    uint64_t seed;
    uint64_t total_steps;
};
status session_open(const struct session_spec *, struct session *);
void session_close(struct session *);

/* A packed batch of examples of a tokenised set: index[0..n-1] are rows of it; slot0: place of the first in the whole step's
 * batch. Memory from arena. */
status batch_make(const struct tokens *, const int *index, int n, int slot0, int step_examples, int regression,
                  struct arena *, struct batch *);

/* Forward + loss + backward of one micro-batch; adds gradients, adds to *loss. */
status session_micro(struct session *, const struct batch *, uint64_t step, int micro, double *loss);
/* penalty -> clip -> AdamW -> step_end, for step (from 0). lr already scheduled. */
status session_update(struct session *, const struct adamw *, double lr, double clip, uint64_t step, double *penalty, double *grad_norm);

/* Predictions of a variant on a tokenised set: logits [n, labels] (float, arena). The same bits for any eval_batch. */
status session_predict(struct session *, const struct tokens *, int eval_batch, int variant, struct arena *, float **logits, double *mean_loss);

/* Adapter + head tensors (P_ADAPTER, P_HEAD, trained P_BASE, P_STATE) to / from a safetensors file or a peft folder. */
status adapter_save(const struct session *, const char *path);
status adapter_load(struct session *, const char *path);

#endif
