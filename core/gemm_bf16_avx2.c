/* The bfloat16 product's kernels for the class "avx2". */
#define BF16_KERNELS bf16_avx2
#include "core/gemm_bf16_fma.h"
