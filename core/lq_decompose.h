/* The decomposition of LQ-LoRA: W ~ Q + L1 L2, Q quantised (core/lq.h), L1 L2 of rank r (Guo et al. 2023, arXiv
 * 2311.12023; METHODS 7.1). From Q = 0 on by turns
 *
 *     L1 L2 = the best approximation of W - Q of rank r (core/svd.h), L1 = U sqrt(S), L2 = sqrt(S) V'
 *     Q     = quantised W - L1 L2
 *
 * until |W - Q - L1 L2| (Frobenius norm) no longer falls, at most so many times. As in the authors' program the last
 * iterate is the result, which is a little worse than the one before it; LQ_BEST gives the one before.
 *
 * With weights F >= 0 (the diagonal of the Fisher matrix) the error is |sqrt(F) o (W - Q - L1 L2)|, and the best
 * approximation is that of D_row (W - Q) D_col, scaled back, with the square roots of the means of F's rows and columns
 * (floored at a millionth of the largest: a row that does not matter must not be divided by 0). The quantiser knows no
 * weights. */
#ifndef PG_CORE_LQ_DECOMPOSE_H
#define PG_CORE_LQ_DECOMPOSE_H

#include "core/lq.h"

enum lq_result { LQ_LAST, LQ_BEST };
#define LQ_RESULT_CHOICES "last|best" /* in the order of the enum */

struct lq_form {
    struct lq_config config;
    int rank;            /* more than the matrix has counts as what it has */
    int iterations;      /* at most; >= 1 */
    const real *weights; /* F [out, in]; NULL: all alike */
    enum lq_result result;
};

struct lq_parts {
    struct lq q;
    int rank; /* min(form's, out, in) */
    real *l1; /* [out, rank] */
    real *l2; /* [rank, in] */
    double error;
    int iterations; /* made */
    double *errors; /* [iterations] after each of them */
};

/* w [out, in], row distance in. The parts come from keep. Fails on values that are not finite, or negative weights
 * (ST_INPUT), and on a configuration out of range (ST_USAGE). */
status lq_decompose(const real *w, int out, int in, const struct lq_form *, struct arena *keep, struct lq_parts *);

#endif
