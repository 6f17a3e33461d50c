/* A low-rank update (core/lowrank.h) in a use of a site: products, row keys and memory are those of the pass.
 * The drop is of what the update reads. */
#ifndef PG_MODELS_LOWRANK_USE_H
#define PG_MODELS_LOWRANK_USE_H

#include "core/lowrank.h"
#include "models/site.h"

/* y += the update of drop(x). *z: what the backward pass needs, where one follows; else NULL. */
status lowrank_use_forward(const struct use *, struct lowrank, const struct drop *, const struct mat *x, void **z,
                           struct mat *y);
/* Adds to the gradients and to dx (NULL: not wanted). z as forward left it. */
status lowrank_use_backward(const struct use *, struct lowrank, const struct drop *, const struct mat *x, void *z,
                            const struct mat *dy, const struct lowrank_grads *, struct mat *dx);

/* The whole linear layer with the update on it: y = base(x) + the update of drop(x), set. */
status lowrank_layer_forward(struct use *, struct lowrank, const struct drop *, const struct mat *x, void **z,
                             struct mat *y);
/* Its backward pass: base_backward and lowrank_use_backward. */
status lowrank_layer_backward(struct use *, struct lowrank, const struct drop *, const struct mat *x, void *z,
                              const struct mat *dy, const struct lowrank_grads *, struct mat *dx);

#endif
