/* The small shared pieces of every model: which rows a sublayer computes, norms and dropout places as
 * model code sees them, and the questions "does this site train" and "does it need its input back". */
#ifndef PG_MODELS_PARTS_H
#define PG_MODELS_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/arith.h"
#include "core/ops.h"
#include "core/param.h"
#include "core/real.h"
#include "core/status.h"
#include "models/site.h"

/* A set of token rows: all of them, or the first of each sequence. */
struct rows {
    enum use_kind kind; /* USE_TOKENS or USE_FIRST */
    int n;
    const int *at;           /* [n] token of row i; NULL: row i is token i */
    const uint32_t *row_key; /* [n] */
};
/* y[i] = x[at[i]]; y = x when at is NULL (no copy is made: y becomes a view). keep: where a gathered copy goes. */
status rows_take(const struct rows *, const struct mat *x, struct arena *keep, struct mat *y);
/* dx[at[i]] += dy[i] */
void rows_add(const struct rows *, const struct mat *dy, struct mat *dx);
/* dx[at[i]] = dy[i], all other rows 0. */
void rows_put(const struct rows *, const struct mat *dy, struct mat *dx);

/* A LayerNorm with its two tensors, or an RMSNorm with one. */
struct norm {
    struct param *gamma, *beta; /* beta NULL: RMSNorm */
    double eps;
    uint32_t who; /* hash of its name */
};
bool norm_trained(const struct norm *);
/* y = norm(x); y may be x. stats [rows][2] (RMSNorm uses the first half), NULL: not kept. */
status norm_forward(const struct norm *, struct pass *, const struct mat *x, struct mat *y, real *stats);
/* dx set (may be dy); adds to the gradients of gamma and beta where they are trained. */
status norm_backward(const struct norm *, struct pass *, const struct mat *x, const real *stats, const struct mat *dy,
                     struct mat *dx);

/* Dropout at a place (struct drop: site.h), in place; also its own backward pass. Does nothing unless drop_on(). */
void drop_apply(const struct drop *, const struct pass *, const uint32_t *row_key, struct mat *x);
/* The same from x to y. */
void drop_copy(const struct drop *, const struct pass *, const uint32_t *row_key, const struct mat *x, struct mat *y);

/* A sublayer's last layer and end: y = last(x), dropout, the point where a method may be attached (raw: its input, a
 * new matrix from save), then sum += residual; residual or sum is y. */
struct sublayer_end {
    struct mat *y; /* [rows, out] */
    const struct mat *residual;
    struct mat *sum;
};
status sublayer_forward(struct pass *, const struct rows *, const struct drop *, struct use *last, const struct mat *x,
                        struct use *point, const struct sublayer_end *, struct arena *save, struct mat *raw);

/* Gradient d of a sublayer's output, a new matrix, from that of the residual sum: back through the point where a method
 * may be attached (raw: its input) and the dropout before it. */
status sublayer_backward(struct pass *, const struct rows *, const struct drop *, struct use *point,
                         const struct mat *raw, const struct mat *dsum, struct mat *d);

/* What a feed-forward's activation leaves for the way back: act'(h), and act(h) where the layer that reads it needs its
 * input; h itself is not kept. */
struct activated {
    struct mat slope, active;
};
/* active, a new matrix, = act(first(x)). last: the layer that reads it. keep: left is for activated_backward and lies
 * on the tape; else nothing is kept. */
status activated_forward(struct pass *, enum activation, struct use *first, const struct mat *x,
                         const struct site *last, bool keep, struct activated *left, struct mat *active);
/* Back through y = last(act(h)): from d, gradient of y, to dh, a new matrix. wanted: no: the layer's own gradients
 * alone.
 */
status activated_backward(struct pass *, struct use *last, const struct mat *d, bool wanted, const struct activated *,
                          struct mat *dh);

/* Gradients of a table's rows: grad[id[i]] += d[i]; id [d->rows]. who: hash of the table's name. */
status table_rows_backward(struct param *table, struct pass *, uint32_t who, const int32_t *id, const struct mat *d);

/* A new matrix of zeros. */
status mat_zeros(struct arena *, int rows, int cols, struct mat *);
/* NULL for a matrix without memory: nobody wants it. */
struct mat *mat_wanted(struct mat *);

/* The call record of an arith for one place, whose rows are ROWS_ALONE. */
struct arith_call pass_call(struct pass *, uint32_t who);

/* Where the values of a tensor are now: its own copy when it has one, else the checkpoint. */
struct wsrc param_source(const struct param *);

/* A method is attached, or the weight or bias is trained: the backward call must be made. */
bool site_trains(const struct site *);
/* The backward call reads x: a method is attached or the weight is trained. */
bool site_needs_input(const struct site *);

#endif
