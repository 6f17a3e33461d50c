/* The definition of the bfloat16 product's result. */
#include "core/gemm_bf16.h"
#include "core/gemm_element.h"

enum { BLOCK = 32 };

/* Element (i, j), rounded. */
static real at(const struct gemm_in *m, int i, int j)
{
    return bf16_round(gemm_element(m, i, j));
}

void gemm_bf16_reference(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            real *out = c + (size_t)i * (size_t)ldc + j;
            real sum = accumulate ? *out : 0;
            for (int block = 0; block < k; block += BLOCK) {
                real part[2] = {0, 0};
                for (int l = block; l < k && l < block + BLOCK; l++)
                    part[l % 2] = real_fma(at(&a, i, l), at(&b, l, j), part[l % 2]);
                sum += part[0] + part[1];
            }
            *out = sum;
        }
    }
}
