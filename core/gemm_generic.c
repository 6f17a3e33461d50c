/* The product's kernels for the class "generic". */
#define GEMM_PIECE gemm_piece_generic
#include "core/gemm_kernel.h"
