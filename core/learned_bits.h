/* A Bayesian-bits quantiser as part of a run: its four gates (phi), its range and the sign of what it saw are tensors
 * of the registry, and one use of it (in a forward or backward pass) is a struct bits_use. Nothing is kept between the
 * two passes: the gates of a use are a function of phi and of (seed, step, name of the tensor, place). */
#ifndef PG_CORE_LEARNED_BITS_H
#define PG_CORE_LEARNED_BITS_H

#include "core/bayesian_bits.h"
#include "core/hard_concrete.h"
#include "core/param.h"
#include "core/rng.h"

enum { BITS_PLACES = 2 }; /* places that use one quantiser in one pass with inputs of their own */

struct learned_bits {
    struct param *phi;   /* [1, 4]; NULL: there is no quantiser, everything passes */
    struct param *x_max; /* [1, 1] */
    struct param
        *sign; /* [1, 1], not trained: 0 the range is not known yet (everything passes), 1 unsigned, 2 signed */
    struct bits_record *held[BITS_PLACES]; /* of gradient checks */
    size_t held_size[BITS_PLACES];
};
struct learned_form {
    double phi, gate_lr, range_lr; /* start of phi; rates of their own, no decay */
    bool range_learns;
};
/* Registers "<name>.phi", "<name>.xmax" (P_ADAPTER, or P_STATE when it does not learn) and "<name>.sign". */
status learned_bits_add(struct learned_bits *, const struct learned_form *, struct registry *, const char *name,
                        int order);
/* A [1, n] tensor of that kind: a rate of its own, no decay, one value everywhere. */
status learned_gates_add(struct registry *, enum param_class, const char *name, int n, int order, double lr,
                         double value, struct param **);

/* ---- one use -------------------------------------------------------------------------------------------------------
 */

enum gate_rule { GATES_SAMPLED, GATES_DECIDED, GATES_OPEN };
enum bits_mode {
    BITS_NORMAL,
    BITS_OBSERVE, /* ranges that are not known are taken from what comes */
    BITS_RECORD,  /* gradient check: as the smooth function of bits_quantise_held, offsets recorded ... */
    BITS_HELD     /* ... or as they were recorded */
};
struct bits_pass { /* what all quantisers have in common in one use of a layer */
    enum gate_rule rule;
    enum bits_mode mode;
    const struct rng *rng;
    uint64_t step;
    uint32_t noise; /* uses with another number draw other gates */
    int place;      /* 0 .. BITS_PLACES-1 */
    bool clip;
    struct arena *keep; /* life of the run: records of gradient checks */
};
/* Gate i of a tensor of gates. */
struct gate learned_gate(const struct bits_pass *, const struct param *phi, int i);

struct bits_use {
    struct learned_bits *of;
    const struct bits_pass *pass;
    struct gate gate[BITS_GATES];
    struct bits bits;
    bool on; /* there is a quantiser and its range is known */
};
void bits_use_begin(struct bits_use *, struct learned_bits *, const struct bits_pass *);
/* y [n] = quantised x; y may be x. */
status bits_use_forward(struct bits_use *, const real *x, size_t n, real *y);
/* g [n]: gradient of the quantised x, becomes that of x; adds to those of phi and the range. */
void bits_use_backward(struct bits_use *, const real *x, size_t n, real *g);

/* The same for a weight behind a tile source. *source lives with the use; scratch: for checks, a dense copy. */
status bits_use_weight(struct bits_use *, const struct wsrc *inner, struct arena *scratch, struct bits_weight *source,
                       struct wsrc *quantised);
status bits_use_weight_backward(struct bits_use *, const struct bits_weight *source, real *dw, struct arena *scratch);
/* Whether a gradient of the quantised tensor reaches phi or the range. */
bool bits_use_learns(const struct bits_use *);

/* ---- rank gates (METHODS 3.6.2) ------------------------------------------------------------------------------------
 */

struct ranks_use {
    struct param *xi;
    int r;
    struct gate *gate; /* [r-1] */
    double *product;   /* [r] 1, z_1, z_1 z_2, ... */
    real *rank;        /* [r] the same rounded, straight-through: what the ranks are multiplied with */
};
/* xi NULL: r = 1, the first rank has no gate. *held: what rounding added, for gradient checks; NULL at first. */
status ranks_begin(struct ranks_use *, struct param *xi, int r, const struct bits_pass *, double **held,
                   struct arena *scratch);
void ranks_backward(const struct ranks_use *, const double *drank);

/* With q_j = P(z_j > 0): sum over i of q_1 ... q_i, or the mean of q. Adds scale times the gradient. */
double ranks_penalty(struct param *xi, double scale);
double ranks_mean(struct param *xi, double scale);

/* ---- what a run wants to know --------------------------------------------------------------------------------------
 */

/* With thresholded gates: 2, 4, 8, 16 or 32; 32 without a quantiser. */
double learned_bits_now(const struct learned_bits *);
int learned_rank_now(const struct param *xi); /* 1 without gates */

#endif
