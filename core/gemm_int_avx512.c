/* The integer product's kernel for the class "avx512". */
#define INT_KERNELS int_avx512
#include "core/gemm_int_kernel.h"
