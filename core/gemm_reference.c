/* The definition of a product's result: three loops, one fused multiply-add a step. */
#include "core/gemm_element.h"

void gemm_reference(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            real *out = c + (size_t)i * (size_t)ldc + j;
            real sum = accumulate ? *out : 0;
            for (int l = 0; l < k; l++) sum = real_fma(gemm_element(&a, i, l), gemm_element(&b, l, j), sum);
            *out = sum;
        }
    }
}
