/* The integer product's kernel for the class "generic". */
#define INT_KERNELS int_generic
#include "core/gemm_int_kernel.h"
