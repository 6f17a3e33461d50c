/* Integer fine-tuning ("Towards Fine-tuning Pre-trained Language Models with Integer Forward and Backward Propagation",
 * Tayaranian Hosseini et al. 2023; METHODS 7.3): full fine-tuning whose linear layers multiply
 * integers, forward and backward (core/arith_dfp.h). A preset: it is method full_ft in another arithmetic, whose
 * options (weight_bits, activation_bits, gradient_bits, rounding, eval_scale) may be set beside it. */
#include "methods/method.h"

extern const struct method method_full_ft;

const struct method method_integer = {
    .name = "integer",
    .summary = "full fine-tuning with integer products, forward and backward",
    .source = "Tayaranian Hosseini et al. 2023, Findings of EACL; METHODS 7.3",
    .abi = METHOD_ABI,
    .preset_of = &method_full_ft,
    .preset = "precision=dfp",
};
