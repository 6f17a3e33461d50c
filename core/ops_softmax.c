#include "core/ops.h"
#include "core/row_kernels.h"

void softmax_rows(struct mat *x, double scale)
{
    const struct row_kernels *k = row_kernels();
    for (int r = 0; r < x->rows; r++) k->softmax(mat_row(x, r), x->cols, (real)scale);
}

void softmax_rows_backward(const struct mat *p, struct mat *dp, double scale)
{
    const struct row_kernels *k = row_kernels();
    for (int r = 0; r < p->rows; r++) k->softmax_backward(mat_row(p, r), mat_row(dp, r), p->cols, (real)scale);
}
