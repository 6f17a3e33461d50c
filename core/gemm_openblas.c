/* The product by OpenBLAS, one single-threaded call a piece (see core/parallel.c for what keeps it single-threaded). */
#include <cblas.h>
#include "core/gemm_inside.h"

#ifdef PG_DOUBLE
#define cblas_gemm cblas_dgemm
#else
#define cblas_gemm cblas_sgemm
#endif

static CBLAS_TRANSPOSE flag(bool trans)
{
    return trans ? CblasTrans : CblasNoTrans;
}

/* The part of an operand from (i, j) on. */
static const real *from(const struct gemm_in *in, int i, int j)
{
    return in->trans ? in->p + (ptrdiff_t)j * in->ld + i : in->p + (ptrdiff_t)i * in->ld + j;
}

/* gemm.c never transposes problems for this backend, and never gives it a weight source as A. */
void gemm_piece_openblas(const struct gemm_problem *p, int i0, int m, int j0, int n, struct gemm_buffers *buf)
{
    real *c = p->c + i0 * p->row + j0;
    int step = p->b.w != NULL ? GEMM_KC : p->k, l = 0;
    do {
        int k = p->k - l < step ? p->k - l : step;
        struct gemm_in b = p->b;
        if (b.w != NULL && b.trans) {
            b.w->tile(b.w, j0, n, l, k, buf->b, k);
            b.p = buf->b, b.ld = k;
        } else if (b.w != NULL) {
            b.w->tile(b.w, l, k, j0, n, buf->b, n);
            b.p = buf->b, b.ld = n;
        } else {
            b.p = from(&b, l, j0);
        }
        cblas_gemm(CblasRowMajor, flag(p->a.trans), flag(b.trans), m, n, k, 1, from(&p->a, i0, l), p->a.ld, b.p, b.ld,
                   p->accumulate || l > 0 ? 1 : 0, c, (int)p->row);
        l += k;
    } while (l < p->k);
    for (int i = 0; i < m && p->bias != NULL; i++)
        for (int j = 0; j < n; j++) c[i * p->row + j] += p->bias[j0 + j];
}

const char *gemm_openblas_version(void)
{
    return openblas_get_config();
}
