/* Rows of tables, and their gradients: by columns, so that rows with the same id are added in row order by one thread.
 */
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/row_kernels.h"

struct embed {
    const struct row_kernels *k;
    const struct wsrc *w;
    const int32_t *id;
    struct mat *y;
    const struct mat *dy;
    real *dw;
    int ld;
};

static void gather_rows(const void *ctx, int r0, int r1)
{
    const struct embed *e = ctx;
    for (int r = r0; r < r1; r++) wsrc_row(e->w, e->id[r], mat_row(e->y, r));
}

void op_gather(const struct wsrc *w, const int32_t *id, struct mat *y)
{
    struct embed e = {.w = w, .id = id, .y = y};
    over_rows(y->rows, y->cols, gather_rows, &e);
}

static void scatter_columns(const void *ctx, int c0, int n)
{
    const struct embed *e = ctx;
    for (int r = 0; r < e->dy->rows; r++)
        e->k->add(mat_row(e->dy, r) + c0, n, e->dw + (size_t)e->id[r] * (size_t)e->ld + c0);
}

void op_scatter_add(const struct mat *dy, const int32_t *id, real *dw, int ld)
{
    struct embed e = {.k = row_kernels(), .id = id, .dy = dy, .dw = dw, .ld = ld};
    over_columns(dy->rows, dy->cols, scatter_columns, &e);
}
