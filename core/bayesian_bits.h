/* The Bayesian-bits quantiser (van Baalen et al. 2020; METHODS 3.6.1): a number is clipped to its range, rounded to 2
 * bits, and gets back what that lost level by level, each level behind a gate:
 *
 *     y = x2 + z4 (e4 + z8 (e8 + z16 (e16 + z32 e32))),   e_b = s_b * code_b,   s_2 = range / 3, s_b = s_{b/2} /
 * (2^{b/2} + 1)
 *
 * code_b rounds what the ungated lower levels leave, r_{b/2} = x_c - x2 - e4 - ..., so r_b = r_{b/2} - e_b. Open gates
 * up to b bits give plain symmetric quantisation with 2^b - 1 levels.
 *
 * Residuals are kept by FMA, so each is as precise as its own size allows. Saturated elements lie on a rounding tie at
 * every level; codes are clamped to what exact arithmetic would give (1, or 0..3 when unsigned; 2, 8, 128, 32768).
 *
 * Gradients (straight-through: a rounding's offset counts as constant):
 *     dy/dx = 1 inside of the clip, 0 outside
 *     dy/dz4 = e4 + z8 (e8 + ...), dy/dz8 = z4 (e8 + z16 (...)), ...
 *     dy/dx_max = (y - x_c) / x_max, because y - x_c is proportional to the step at fixed offsets; saturated elements
 *     add their +-(1 - 1e-7). y - x_c is summed as -((1-z4) r_2 + z4 (1-z8) r_4 + ...), which does not cancel.
 * Sums run in chunks of fixed size: the same bits for any thread count and vector width. */
#ifndef PG_CORE_BAYESIAN_BITS_H
#define PG_CORE_BAYESIAN_BITS_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"
#include "core/wsrc.h"

enum { BITS_GATES = 4 /* of 4, 8, 16, 32 bits */, BITS_LEVELS = 5 /* with the 2-bit one */ };

struct bits {    /* a quantiser ready for use; filled by bits_set */
    real lo, hi; /* the clip; infinite: none */
    real x_max;
    bool is_signed;
    bool passes; /* all gates are 1: x_c itself, as what 32 bits lose is below the precision of float */
    int levels;  /* levels above the first that can reach y */
    real step[BITS_LEVELS], inverse[BITS_LEVELS];
    real least, most[BITS_LEVELS]; /* codes: least .. most[0], then -most[b] .. most[b] */
    real gate[BITS_GATES];
    real open[BITS_LEVELS]; /* open[b] = product of the gates up to level b */
};
/* x_max below 1e-8 counts as 1e-8. clip false: values beyond the range take larger codes. */
void bits_set(struct bits *, double x_max, bool is_signed, bool clip, const double z[BITS_GATES]);

/* y [n] = quantised x; y may be x. */
void bits_quantise(const struct bits *, const real *x, size_t n, real *y);

struct bits_sums {
    double gate[BITS_GATES], x_max; /* dL/dz, dL/dx_max */
};
/* g = dL/dy becomes dL/dx; adds to the sums. gates false: sums->gate is not wanted and left alone. */
void bits_backward(const struct bits *, bool gates, const real *x, size_t n, real *g, struct bits_sums *);

/* ---- a weight through a quantiser, tile by tile over any source ----------------------------------------------------
 */

struct bits_weight {
    struct bits bits;
    struct wsrc inner;
};
/* The quantised weight; valid as long as *w. */
struct wsrc bits_source(const struct bits_weight *w);
/* bits_backward for the whole weight: dw = dL/d(quantised weight), [out, in] without gaps. */
status bits_weight_backward(const struct bits_weight *, bool gates, real *dw, struct bits_sums *,
                            struct arena *scratch);

/* ---- ranges --------------------------------------------------------------------------------------------------------
 */

struct bits_range {
    double largest; /* |x| */
    bool negative, positive;
};
/* Widens the range by n numbers. */
void bits_observe(struct bits_range *, const real *x, size_t n);
status bits_observe_weight(struct bits_range *, const struct wsrc *, struct arena *scratch);
/* Signed when a number was negative, or when all were 0, which tells nothing. */
bool bits_signed(const struct bits_range *);

/* ---- gates ---------------------------------------------------------------------------------------------------------
 */

/* R = w[0] + w[1] q4 + w[2] q4 q8 + w[3] q4 q8 q16 + w[4] q4 q8 q16 q32 with q = P(z > 0). Adds scale * dR/dphi to grad
 * (NULL: not wanted) and returns R. */
double bits_penalty(const real phi[BITS_GATES], const double w[BITS_LEVELS], double scale, real *grad);
/* 2, 4, 8, 16 or 32 for closed and open gates: 2^(1 + z4 + z4 z8 + ...). */
double bits_effective(const double z[BITS_GATES]);

/* ---- gradient checks (PASS_CHECK) ----------------------------------------------------------------------------------
 */

struct bits_record { /* of one element */
    double offset[BITS_LEVELS];
    signed char side; /* -1, 1: clipped below, above */
};
/* bits_quantise as the smooth function that its gradient belongs to: the offsets of all roundings and the sides of the
 * clip are recorded, or, with record false, held as they were. Serial. */
void bits_quantise_held(const struct bits *, struct bits_record *, bool record, const real *x, size_t n, real *y);

#endif
