/* Short runs of a method on the tiny models of method_checks.h, for tests of what one method promises. */
#ifndef PG_TESTS_METHOD_RUNS_H
#define PG_TESTS_METHOD_RUNS_H

#include "tests/method_checks.h"

enum { RUN_STEPS = 6 }; /* what the sessions are told as the length of the run */

/* The defaults of a method with some options set, in memory that lives as long as the process. */
void *run_options(const struct method *, const char *settings);
/* settings: "rank=4 alpha=8"; the rest are the method's defaults. Dropout of the model is 0. */
status run_open(const struct method *, const char *settings, enum probe_model, struct session *);
/* Steps from .. to-1 at a constant rate, all 32 examples each; clip 0: no clipping. Fails the test on an error. */
void run_steps(struct session *, uint64_t from, uint64_t to, double clip);
/* Only the gradients of one step. */
void run_gradients(struct session *, uint64_t step);
/* Logits of the 32 examples, of a variant, in memory that lives as long as the process. */
const float *run_logits(struct session *, int variant);
enum { RUN_LOGITS = 32 * 2 };

/* The nth attached site, NULL when there are fewer. */
const struct site *run_site(const struct session *, int nth);
/* The tensor "<site>.<suffix>"; fails the test when there is none. */
struct param *run_tensor(const struct session *, const struct site *, const char *suffix);

#endif
