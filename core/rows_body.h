/* The row kernels' table, for the class that the including file is compiled for. */
#include "core/row_kernels.h"
#include "core/rows_activation_body.h"
#include "core/rows_bits_body.h"
#include "core/rows_draw_body.h"
#include "core/rows_gate_body.h"
#include "core/rows_levels_body.h"
#include "core/rows_norm_body.h"
#include "core/rows_plain_body.h"
#include "core/rows_softmax_body.h"

const struct row_kernels ROWS_TABLE = {
    .layernorm = row_layernorm,
    .layernorm_backward = row_layernorm_backward,
    .rmsnorm = row_rmsnorm,
    .rmsnorm_backward = row_rmsnorm_backward,
    .gain_backward = columns_gain_backward,
    .column_sums = columns_sum,
    .activate = row_activate,
    .activate_backward = row_activate_backward,
    .activate_both = row_activate_both,
    .gate = row_gate,
    .gate_backward = row_gate_backward,
    .rotate = row_rotate,
    .softmax = row_softmax,
    .softmax_backward = row_softmax_backward,
    .cross_entropy = row_cross_entropy,
    .add = row_add,
    .multiply = row_multiply,
    .scale = row_scale,
    .sum_squares = row_sum_squares,
    .all_finite = row_all_finite,
    .largest = row_largest,
    .fixed = row_fixed,
    .dropout = row_dropout,
    .from_half = row_from_half,
    .levels = row_levels,
    .bits = row_bits,
    .bits_backward = row_bits_backward,
};
