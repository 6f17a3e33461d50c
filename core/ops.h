/* The operations between the products, forward and backward, with naive references in ops_reference.c. All
 * row-parallel; per-row results never depend on other rows. Sums within a row run in 16 fixed lanes combined in a fixed
 * tree; sums over rows (gains, biases, losses) in fixed chunks of rows combined in a fixed order: same bits for any
 * thread count and vector width. Elementary functions are own polynomials (vmath.h) with stated error. Backward
 * functions ADD to parameter gradients (NULL: not wanted) and SET input gradients unless said otherwise. In and out may
 * be the same matrix where noted. */
#ifndef PG_CORE_OPS_H
#define PG_CORE_OPS_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/rng.h"
#include "core/wsrc.h"

/* y = gamma * (x - mean) / sqrt(var + eps) + beta, biased variance. stats [rows][2] = mean, 1/sqrt(var+eps); NULL: not
 * kept. y may be x. (METHODS 1.2) */
void op_layernorm(const struct mat *x, const real *gamma, const real *beta, double eps, struct mat *y, real *stats);
/* dx may be dy. x is the forward input, stats as kept. (METHODS 1.3) */
void op_layernorm_backward(const struct mat *x, const real *stats, const real *gamma, const struct mat *dy,
                           struct mat *dx, real *dgamma, real *dbeta);

/* y = gamma * x / sqrt(mean(x^2) + eps); rstd [rows], NULL: not kept. (METHODS 2.2) */
void op_rmsnorm(const struct mat *x, const real *gamma, double eps, struct mat *y, real *rstd);
void op_rmsnorm_backward(const struct mat *x, const real *rstd, const real *gamma, const struct mat *dy, struct mat *dx,
                         real *dgamma);

enum activation { ACT_GELU, ACT_GELU_NEW, ACT_RELU, ACT_TANH, ACT_SILU, ACT_NONE };
/* The activation with this Hugging Face name ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh", "silu"), or -1.
 */
int activation_by_name(const char *name);
void op_activation(enum activation, const struct mat *x, struct mat *y); /* y may be x */
void op_activation_backward(enum activation, const struct mat *x, const struct mat *dy,
                            struct mat *dx); /* x: input; dx may be dy */

/* y = act(gate) o up; y may be either (SwiGLU with ACT_SILU, METHODS 2.2). */
void op_gated(enum activation, const struct mat *gate, const struct mat *up, struct mat *y);
/* gate, up: the forward's inputs; dgate and dup may be any of the inputs, but not each other. */
void op_gated_backward(enum activation, const struct mat *gate, const struct mat *up, const struct mat *dy,
                       struct mat *dgate, struct mat *dup);

/* Cosines and sines of rotary angles: row p - first of [rows][pairs] belongs to position p. */
struct rotary {
    int pairs, first;
    const real *cosine, *sine;
};
/* In every head of head_dim columns the pairs (j, j + pairs), j < pairs, turn by the angle of position[row]; the
 * remaining columns stay. back: by the opposite angle, which is the gradient's way. (METHODS 2.1, 2.2) */
void op_rotate(const struct rotary *, const int *position, int head_dim, bool back, struct mat *x);

/* An uninitialised matrix in the arena. */
status mat_new(struct arena *, int rows, int cols, struct mat *);

void op_add(const struct mat *x, struct mat *y);                          /* y += x */
void op_scale(struct mat *x, double s);                                   /* x *= s */
void op_multiply(const struct mat *x, struct mat *y);                     /* y = y o x */
void op_scale_columns(const struct mat *x, const real *f, struct mat *y); /* y[r, c] = x[r, c] f[c]; y may be x */
void op_zero(struct mat *x);
void op_copy(const struct mat *x, struct mat *y);

/* y = drop(x), all rows in parallel (see dropout_rows); y may be x. */
void op_dropout(const struct dropout *, const uint32_t *row_key, const struct mat *x, struct mat *y);

/* Row-wise softmax in place over the first `cols` columns, of scale * x; serial (attention calls it per head). A row
 * with cols == 0 is left alone. */
void softmax_rows(struct mat *x, double scale);
/* dx = scale * p o (dp - rowsum(p o dp)) in place of dp; serial. */
void softmax_rows_backward(const struct mat *p, struct mat *dp, double scale);

/* Rows of a table: y[r] = W[id[r]]; and the gradient dW[id[r]] += dy[r], summed in row order. */
void op_gather(const struct wsrc *w, const int32_t *id, struct mat *y);
void op_scatter_add(const struct mat *dy, const int32_t *id, real *dw, int ld);

/* Losses over rows; weight scales the gradient and the returned sum (1/N for a mean over N examples). label < 0: row
 * ignored, its gradient 0. Returns weight * sum in double, fixed order. dlogits may be NULL (value only) or the logits
 * themselves. */
double op_cross_entropy(const struct mat *logits, const int32_t *label, double weight, struct mat *dlogits);
double op_mse(const struct mat *pred, const float *target, double weight, struct mat *dpred); /* one column */

/* Sum of squares in double, fixed chunks: for the gradient norm. */
double op_sum_squares(const real *x, size_t n);
/* The same of x [rows, cols], whose rows hold zeros where some[row] is 0; most of these are not read. some NULL: all
 * are. */
double op_sum_squares_of(const struct mat *x, const unsigned char *some);
/* 1 when every element is finite. */
int op_all_finite(const real *x, size_t n);

#endif
