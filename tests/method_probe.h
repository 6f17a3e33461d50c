/* Tiny models with a method attached, and a few steps with them: what the checks of methods are made with. */
#ifndef PG_TESTS_METHOD_PROBE_H
#define PG_TESTS_METHOD_PROBE_H

#include "bench/session.h"

enum { PROBE_EXAMPLES = 32, PROBE_LABELS = 2, PROBE_STEPS = 3 };

enum probe_model { PROBE_DEBERTA, PROBE_BERT, PROBE_DECODER, PROBE_MODELS };
const char *probe_model_name(enum probe_model);

struct probe { /* what is checked */
    const struct method *method;
    const void *options;
    enum probe_model model;
    const struct store *store;
    const struct arith *arith; /* NULL: f32 */
    const void *arith_options; /* NULL: its defaults */
};
/* Defaults of the method's options, in memory that lives as long as the process. */
void *probe_options(const struct method *);
/* A session on a tiny model with random weights (the folder is made on first use). dropout: rate everywhere. */
status probe_open(const struct probe *, double dropout, struct session *);
/* 32 short examples of two classes. */
const struct tokens *probe_data(void);
/* One optimiser step on examples 0 .. 31 in `micro_batches` equal parts. */
status probe_step(struct session *, uint64_t step, int micro_batches, double *loss);
/* A batch of examples first .. first+n-1 of 32. */
status probe_batch(int first, int n, struct arena *, struct batch *);
/* The gradients of a step, without the step. */
status probe_gradients(struct session *, uint64_t step, int micro_batches, double *loss);
/* Steps from .. to-1 in one part each. */
status probe_train(struct session *, uint64_t from, uint64_t to);
/* One forward pass over all examples, in evaluation or training mode; logits in out[PROBE_EXAMPLES * PROBE_LABELS]. */
status probe_forward(struct session *, bool training, bool keep, real *out);
/* The loss of the training batch with dropout on, as a function of the parameters; PASS_CHECK holds rounding offsets
 * and detached values fixed. With backward: adds gradients. */
status probe_loss(struct session *, bool backward, double *loss);

#endif
