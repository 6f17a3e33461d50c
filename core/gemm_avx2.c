/* The product's kernels for the class "avx2". */
#define GEMM_PIECE gemm_piece_avx2
#include "core/gemm_kernel.h"
