/* What the definitions of products are made of (gemm_reference.c, gemm_bf16_reference.c): slow and plain. */
#ifndef PG_CORE_GEMM_ELEMENT_H
#define PG_CORE_GEMM_ELEMENT_H

#include <math.h>
#include "core/gemm.h"

/* a b + c, rounded once. */
static inline real real_fma(real a, real b, real c)
{
#ifdef PG_DOUBLE
    return fma(a, b, c);
#else
    return fmaf(a, b, c);
#endif
}

/* Element (i, j) of the logical matrix. */
static inline real gemm_element(const struct gemm_in *m, int i, int j)
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

#endif
