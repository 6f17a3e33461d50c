/* The definition of a product's result: three loops, one fused multiply-add a step. */
#include <math.h>
#include "core/gemm.h"

static real real_fma(real a, real b, real c)
{
#ifdef PG_DOUBLE
    return fma(a, b, c);
#else
    return fmaf(a, b, c);
#endif
}

static real at(const struct gemm_in *m, int i, int j)
{
    if (m->trans) {
        int t = i;
        i = j;
        j = t;
    }
    if (m->w == NULL) return m->p[(size_t)i * (size_t)m->ld + j];
    real value;
    m->w->tile(m->w, i, 1, j, 1, &value, 1);
    return value;
}

void gemm_reference(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            real *out = c + (size_t)i * (size_t)ldc + j;
            real sum = accumulate ? *out : 0;
            for (int l = 0; l < k; l++) sum = real_fma(at(&a, i, l), at(&b, l, j), sum);
            *out = sum;
        }
    }
}
