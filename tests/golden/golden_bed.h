/* A model with the memory of its passes, for golden cases that run a model without a method. */
#ifndef PG_TESTS_GOLDEN_BED_H
#define PG_TESTS_GOLDEN_BED_H

#include "models/model.h"
#include "tests/golden/golden.h"

struct bed {
    struct arena *arena, *tape, *scratch;
    struct registry reg;
    struct rng rng;
    struct model *model;
    struct batch batch;
    struct pass pass;
};
/* path: a model folder, or a weight file with config.json beside it. Labels as in the checkpoint. Evaluation mode. */
status bed_open(struct bed *, const char *path, enum head_kind);
void bed_close(struct bed *); /* after a failed open too */

status bed_batch(struct bed *, const struct tokens *); /* all examples in one batch */
/* Forward; hidden [layers + 1] or NULL. Memory of the last pass is given back first. */
status bed_forward(struct bed *, struct mat *logits, struct mat *hidden);
/* Forward, loss, backward of every tensor that is trained. */
status bed_step(struct bed *, struct mat *logits, struct mat *hidden, double *loss);

#endif
