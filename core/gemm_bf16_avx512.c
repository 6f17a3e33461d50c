/* The bfloat16 product's kernels for the class "avx512". */
#define BF16_KERNELS bf16_avx512
#include "core/gemm_bf16_fma.h"
