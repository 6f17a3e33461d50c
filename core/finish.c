#include "core/finish.h"

#include "core/ops_pieces.h"
#include "core/row_kernels.h"

struct whole {
    const struct gemm_finish *finish;
    int cols;
};

static void some_rows(const void *ctx, int r0, int r1)
{
    const struct whole *w = ctx;
    w->finish->fn(w->finish->ctx, r0, r1 - r0, 0, w->cols);
}

void finish_all(const struct gemm_finish *finish, int rows, int cols)
{
    struct whole w = {finish, cols};
    over_rows(rows, cols, some_rows, &w);
}

void finish_activation(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_activation *f = ctx;
    const struct row_kernels *k = row_kernels();
    for (int r = r0; r < r0 + rows; r++) {
        const real *x = mat_row(f->x, r) + c0;
        real *y = mat_row(f->y, r) + c0;
        if (f->slope)
            k->activate_both(f->kind, x, cols, y, mat_row(f->slope, r) + c0);
        else
            k->activate(f->kind, x, cols, y);
    }
}

void finish_slope(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_slope *f = ctx;
    const struct row_kernels *k = row_kernels();
    for (int r = r0; r < r0 + rows; r++)
        k->activate_backward(f->kind, mat_row(f->x, r) + c0, mat_row(f->dy, r) + c0, cols, mat_row(f->dx, r) + c0);
}

void finish_gated(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_gated *f = ctx;
    const struct row_kernels *k = row_kernels();
    for (int r = r0; r < r0 + rows; r++)
        k->gate(f->kind, mat_row(f->gate, r) + c0, mat_row(f->up, r) + c0, cols, mat_row(f->y, r) + c0);
}

void finish_gated_back(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_gated_back *f = ctx;
    const struct row_kernels *k = row_kernels();
    for (int r = r0; r < r0 + rows; r++)
        k->gate_backward(f->kind, mat_row(f->gate, r) + c0, mat_row(f->up, r) + c0, mat_row(f->dy, r) + c0, cols,
                         mat_row(f->dgate, r) + c0, mat_row(f->dup, r) + c0);
}

void finish_product(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_product *f = ctx;
    const struct row_kernels *k = row_kernels();
    for (int r = r0; r < r0 + rows; r++) k->multiply(mat_row(f->x, r) + c0, cols, mat_row(f->y, r) + c0);
}

void finish_residual(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct finish_residual *f = ctx;
    const struct row_kernels *k = row_kernels();
    struct mat part = mat_part(f->y, r0, rows, c0, cols);
    if (f->drop.p > 0) dropout_rows(&f->drop, f->row_key + r0, &part, c0, &part);
    for (int r = r0; r < r0 + rows; r++) k->add(mat_row(f->x, r) + c0, cols, mat_row(f->sum, r) + c0);
}
