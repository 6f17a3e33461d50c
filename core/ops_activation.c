#include <string.h>

#include "core/finish.h"
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/row_kernels.h"

int activation_by_name(const char *name)
{
    static const struct {
        const char *name;
        enum activation act;
    } known[] = {{"gelu", ACT_GELU}, {"gelu_new", ACT_GELU_NEW}, {"gelu_pytorch_tanh", ACT_GELU_NEW},
                 {"relu", ACT_RELU}, {"tanh", ACT_TANH},         {"silu", ACT_SILU}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0) return (int)known[i].act;
    return -1;
}

void op_activation(enum activation kind, const struct mat *x, struct mat *y)
{
    struct finish_activation a = {kind, x, y};
    finish_all(&(struct gemm_finish){finish_activation, &a}, x->rows, x->cols);
}

void op_activation_backward(enum activation kind, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    struct finish_slope s = {kind, x, dy, dx};
    finish_all(&(struct gemm_finish){finish_slope, &s}, x->rows, x->cols);
}

struct both {
    const struct row_kernels *k;
    enum activation kind;
    const struct mat *x;
    struct mat *y, *slope;
};

static void both_rows(const void *ctx, int r0, int r1)
{
    const struct both *b = ctx;
    for (int r = r0; r < r1; r++)
        b->k->activate_both(b->kind, mat_row(b->x, r), b->x->cols, mat_row(b->y, r), mat_row(b->slope, r));
}

void op_activation_both(enum activation kind, const struct mat *x, struct mat *y, struct mat *slope)
{
    struct both b = {row_kernels(), kind, x, y, slope};
    over_rows(x->rows, x->cols, both_rows, &b);
}
