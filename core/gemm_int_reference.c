#include "core/gemm_int.h"

static int64_t at(const struct gemm_int_in *x, int i, int j)
{
    return x->m[x->trans ? (ptrdiff_t)j * x->ld + i : (ptrdiff_t)i * x->ld + j];
}

void gemm_int_reference(int m, int n, int k, struct gemm_int_in a, struct gemm_int_in b, const struct gemm_int_out *out)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            real *c = out->c + (ptrdiff_t)i * out->ldc + j;
            int64_t sum = 0;
            for (int l = 0; l < k; l++) sum += at(&a, i, l) * at(&b, l, j);
            real value = (real)sum * out->scale[i].factor[0] * out->scale[i].factor[1];
            *c = out->accumulate ? *c + value : out->bias ? value + out->bias[j] : value;
        }
}
