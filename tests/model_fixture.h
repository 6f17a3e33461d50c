/* For tests of models: one model with its arenas, a batch, and passes over it. Models come from a folder or are tiny
 * random ones made from a config.json text, with every tensor drawn wide so that each term of the forward pass matters.
 */
#ifndef PG_TESTS_MODEL_FIXTURE_H
#define PG_TESTS_MODEL_FIXTURE_H

#include "core/arith.h"
#include "models/model.h"

struct fixture {
    struct arena *arena, *tape, *scratch;
    struct registry reg;
    struct rng rng;
    struct model *model;
    struct batch batch;
    struct pass pass; /* keep, not train, over batch */
};

/* From a folder or file; every field of the specification that is not given here is Hugging Face's default. After a
 * failure nothing is left to close. */
status fixture_open(struct fixture *, const char *path, enum head_kind, int labels);
/* A random model from the text of a config.json; fails the test on an error. */
void fixture_random(struct fixture *, const char *config, enum head_kind, int labels);
void fixture_close(struct fixture *);

/* The sequences of a golden batch.json (with HEAD_LM every token predicts the next), or random ones of these lengths
 * (labels or targets are set by the head). */
void fixture_batch_file(struct fixture *, const char *path);
void fixture_batch_random(struct fixture *, const int *length, int n);
/* Sequences first .. first+n-1 of the batch of another fixture, same places of randomness. */
void fixture_batch_part(struct fixture *, const struct fixture *whole, int first, int n);

void fixture_thaw_all(struct fixture *);
/* Forward and loss, memory of the pass given back before. logits and hidden may be NULL. */
double fixture_forward(struct fixture *, struct mat *logits, struct mat *hidden);
/* The same with all gradients, zeroed before. */
double fixture_step(struct fixture *, struct mat *logits, struct mat *hidden);

#endif
