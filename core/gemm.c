#include "core/gemm.h"
#include <math.h>
#include <string.h>
#include "core/parallel.h"
static enum gemm_backend backend;
status gemm_select(enum gemm_backend b)
{
    backend = b;
    return ST_OK;
}
enum gemm_backend gemm_backend(void)
{
    return backend;
}
const char *gemm_backend_name(enum gemm_backend b)
{
    return b == GEMM_OWN ? "own" : "openblas";
}
enum { NB = 64, KB = 256 };
void gemm_tile_avx2(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate, int j0);
struct job {
    int m, n, k;
    struct gemm_in a, b;
    real *c;
    int ldc;
    bool accumulate;
};
static void piece(void *ctx, int i, int thread)
{
    (void)thread;
    struct job *j = ctx;
    gemm_tile_avx2(j->m, j->n, j->k, j->a, j->b, j->c, j->ldc, j->accumulate, i * NB);
}
void gemm(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct job j = {m, n, k, a, b, c, ldc, accumulate};
    parallel_for((n + NB - 1) / NB, piece, &j);
}
void gemm_serial(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct job j = {m, n, k, a, b, c, ldc, accumulate};
    for (int i = 0; i < (n + NB - 1) / NB; i++) piece(&j, i, 0);
}
void linear_forward(const struct mat *x, const struct wsrc *w, const real *bias, struct mat *y)
{
    gemm(x->rows, w->rows, w->cols, (struct gemm_in){.p = x->a, .ld = x->ld}, (struct gemm_in){.trans = true, .w = w},
         y->a, y->ld, false);
    for (int r = 0; r < y->rows && bias != NULL; r++)
        for (int c = 0; c < y->cols; c++) mat_row(y, r)[c] += bias[c];
}
void linear_backward_x(const struct mat *dy, const struct wsrc *w, struct mat *dx, bool accumulate)
{
    gemm(dy->rows, w->cols, w->rows, (struct gemm_in){.p = dy->a, .ld = dy->ld}, (struct gemm_in){.w = w}, dx->a,
         dx->ld, accumulate);
}
void linear_backward_w(const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    gemm(dy->cols, x->cols, x->rows, (struct gemm_in){.p = dy->a, .ld = dy->ld, .trans = true},
         (struct gemm_in){.p = x->a, .ld = x->ld}, dw, ld, true);
}
void bias_backward(const struct mat *dy, real *db)
{
    for (int r = 0; r < dy->rows; r++)
        for (int c = 0; c < dy->cols; c++) db[c] += mat_row(dy, r)[c];
}
