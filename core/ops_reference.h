/* Naive forms of core/ops.h: one thread, plain loops, double inside, the C library's functions. What they compute is
 * what the operations mean; tests compare the fast forms with them. Same arguments and promises as op_X. */
#ifndef PG_CORE_OPS_REFERENCE_H
#define PG_CORE_OPS_REFERENCE_H

#include "core/ops.h"

void ref_layernorm(const struct mat *x, const real *gamma, const real *beta, double eps, struct mat *y, real *stats);
void ref_layernorm_backward(const struct mat *x, const real *stats, const real *gamma, const struct mat *dy,
                            struct mat *dx, real *dgamma, real *dbeta);
void ref_rmsnorm(const struct mat *x, const real *gamma, double eps, struct mat *y, real *rstd);
void ref_rmsnorm_backward(const struct mat *x, const real *rstd, const real *gamma, const struct mat *dy,
                          struct mat *dx, real *dgamma);
void ref_activation(enum activation, const struct mat *x, struct mat *y);
void ref_activation_backward(enum activation, const struct mat *x, const struct mat *dy, struct mat *dx);
void ref_gated(enum activation, const struct mat *gate, const struct mat *up, struct mat *y);
void ref_gated_backward(enum activation, const struct mat *gate, const struct mat *up, const struct mat *dy,
                        struct mat *dgate, struct mat *dup);
void ref_rotate(const struct rotary *, const int *position, int head_dim, bool back, struct mat *x);
void ref_softmax_rows(struct mat *x, double scale);
void ref_softmax_rows_backward(const struct mat *p, struct mat *dp, double scale);
double ref_cross_entropy(const struct mat *logits, const int32_t *label, double weight, struct mat *dlogits);
double ref_mse(const struct mat *pred, const float *target, double weight, struct mat *dpred);

#endif
