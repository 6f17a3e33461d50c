/* The product's kernels for the class "avx512". */
#define GEMM_PIECE gemm_piece_avx512
#include "core/gemm_kernel.h"
