/* Options of precision = dfp: linear layers in dynamic fixed point (core/fixed_point.h, METHODS 7.3).
 *
 *     Y = sX sW (mX mW') + b      dX = sG sW (mG mW)      dW += sG sX (mG' mX)
 *
 * with one scale for each tensor of a call. The weight and X are mapped in the backward pass to what they were in the
 * forward pass: the draws are the same. In an evaluation rounding is to nearest, and with EVAL_EXAMPLE X has a scale
 * for each example (each row, where examples are not told), so that results do not depend on the batch. */
#ifndef PG_CORE_ARITH_DFP_H
#define PG_CORE_ARITH_DFP_H

enum dfp_rounding { DFP_STOCHASTIC, DFP_NEAREST };
enum dfp_eval_scale { EVAL_EXAMPLE, EVAL_BATCH };

struct dfp_options {
    int weight_bits, activation_bits, gradient_bits; /* 2 .. 16 */
    int rounding;                                    /* enum dfp_rounding, in training */
    int eval_scale;                                  /* enum dfp_eval_scale */
};

#endif
