/* LayerNorm, RMSNorm and sums over rows. Gradients of gains go over columns and come first, since dx may be dy. */
#include "core/gemm.h"
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/row_kernels.h"

struct norm {
    const struct row_kernels *k;
    const struct mat *x, *dy;
    struct mat *out; /* y or dx */
    const real *gamma, *beta, *stats;
    real *keep; /* statistics to write, or NULL */
    real *dgamma, *dbeta;
    double eps;
    int pairs;
};

static void layernorm_rows(const void *ctx, int r0, int r1)
{
    const struct norm *n = ctx;
    real unused[2] = {0};
    for (int r = r0; r < r1; r++)
        n->k->layernorm(mat_row(n->x, r), n->x->cols, n->gamma, n->beta, n->eps, mat_row(n->out, r),
                        n->keep != NULL ? n->keep + 2 * (size_t)r : unused);
}

void op_layernorm(const struct mat *x, const real *gamma, const real *beta, double eps, struct mat *y, real *stats)
{
    struct norm n = {.k = row_kernels(), .x = x, .out = y, .gamma = gamma, .beta = beta, .keep = stats, .eps = eps};
    over_rows(x->rows, x->cols, layernorm_rows, &n);
}

static void gain_columns(const void *ctx, int c0, int n)
{
    const struct norm *s = ctx;
    struct gain_columns g = {.x = s->x->a + c0,
                             .dy = s->dy->a + c0,
                             .ldx = s->x->ld,
                             .lddy = s->dy->ld,
                             .stats = s->stats,
                             .pairs = s->pairs,
                             .rows = s->x->rows};
    s->k->gain_backward(&g, n, s->dgamma != NULL ? s->dgamma + c0 : NULL, s->dbeta != NULL ? s->dbeta + c0 : NULL);
}

static void layernorm_backward_rows(const void *ctx, int r0, int r1)
{
    const struct norm *n = ctx;
    for (int r = r0; r < r1; r++)
        n->k->layernorm_backward(mat_row(n->x, r), n->x->cols, n->stats + 2 * (size_t)r, n->gamma, mat_row(n->dy, r),
                                 mat_row(n->out, r));
}

void op_layernorm_backward(const struct mat *x, const real *stats, const real *gamma, const struct mat *dy,
                           struct mat *dx, real *dgamma, real *dbeta)
{
    struct norm n = {.k = row_kernels(),
                     .x = x,
                     .dy = dy,
                     .out = dx,
                     .gamma = gamma,
                     .stats = stats,
                     .dgamma = dgamma,
                     .dbeta = dbeta,
                     .pairs = 1};
    if (dgamma != NULL || dbeta != NULL) over_columns(x->rows, x->cols, gain_columns, &n);
    over_rows(x->rows, x->cols, layernorm_backward_rows, &n);
}

static void rmsnorm_rows(const void *ctx, int r0, int r1)
{
    const struct norm *n = ctx;
    real unused;
    for (int r = r0; r < r1; r++)
        n->k->rmsnorm(mat_row(n->x, r), n->x->cols, n->gamma, n->eps, mat_row(n->out, r),
                      n->keep != NULL ? n->keep + r : &unused);
}

void op_rmsnorm(const struct mat *x, const real *gamma, double eps, struct mat *y, real *rstd)
{
    struct norm n = {.k = row_kernels(), .x = x, .out = y, .gamma = gamma, .keep = rstd, .eps = eps};
    over_rows(x->rows, x->cols, rmsnorm_rows, &n);
}

static void rmsnorm_backward_rows(const void *ctx, int r0, int r1)
{
    const struct norm *n = ctx;
    for (int r = r0; r < r1; r++)
        n->k->rmsnorm_backward(mat_row(n->x, r), n->x->cols, n->stats[r], n->gamma, mat_row(n->dy, r),
                               mat_row(n->out, r));
}

void op_rmsnorm_backward(const struct mat *x, const real *rstd, const real *gamma, const struct mat *dy, struct mat *dx,
                         real *dgamma)
{
    struct norm n = {.k = row_kernels(), .x = x, .dy = dy, .out = dx, .gamma = gamma, .stats = rstd, .dgamma = dgamma};
    if (dgamma != NULL) over_columns(x->rows, x->cols, gain_columns, &n);
    over_rows(x->rows, x->cols, rmsnorm_backward_rows, &n);
}

struct sums {
    const struct row_kernels *k;
    const struct mat *x;
    real *sum;
};

static void sum_columns(const void *ctx, int c0, int n)
{
    const struct sums *s = ctx;
    s->k->column_sums(s->x->a + c0, s->x->ld, s->x->rows, n, s->sum + c0);
}

void bias_backward(const struct mat *dy, real *db)
{
    struct sums s = {row_kernels(), dy, db};
    over_columns(dy->rows, dy->cols, sum_columns, &s);
}
