/* The integer product's kernel for the class "avx2". */
#define INT_KERNELS int_avx2
#include "core/gemm_int_kernel.h"
