/* From a tokenised set to packed batches: the order of an epoch, and sequences end to end without padding. */
#ifndef PG_BENCH_BATCH_H
#define PG_BENCH_BATCH_H

#include "datasets/dataset.h"
#include "models/site.h"

enum { BATCH_MAX_EXAMPLES = 1 << 16, BATCH_MAX_LENGTH = 1 << 16 }; /* what a row key has room for */

/* order[n]: the examples of an epoch in training order; optimiser step k takes order[k*batch .. ), and the last step of
 * the epoch takes what is left, so every example is seen once an epoch. A function of (seed, epoch) alone.
 * group_lengths: within windows of 50 batches examples are sorted by length and cut into batches, whose order is then
 * drawn anew: batches of like lengths, still in random order. scratch: given back before return. */
status batch_order(const struct rng *, const struct tokens *, int epoch, int batch, bool group_lengths,
                   struct arena *scratch, int *order);

/* What a sequence is to be compared with: its class, its value, or for its target tokens what follows (TASK_LM). */
enum batch_target { BATCH_CLASSES, BATCH_VALUES, BATCH_TOKENS };
enum batch_target task_target(const struct task *);

/* A packed batch of examples of a tokenised set: index[0..n-1] are rows of it; slot0: place of the first in the whole
 * step's batch (dropout is keyed by it); step_examples: what the whole step's loss is a mean over, batch_weight of it.
 * Memory from arena. */
status batch_make(const struct tokens *, const int *index, int n, int slot0, int step_examples, enum batch_target,
                  struct arena *, struct batch *);

/* Examples, or with BATCH_TOKENS target tokens (at least 1). */
int batch_weight(const struct tokens *, const int *index, int n, enum batch_target);

#endif
