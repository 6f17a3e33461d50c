/* The bfloat16 product's kernels for the class "generic". */
#define BF16_KERNELS bf16_generic
#include "core/gemm_bf16_fma.h"
