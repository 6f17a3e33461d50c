#include <string.h>

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

struct activate {
    const struct row_kernels *k;
    enum activation kind;
    const struct mat *x, *dy;
    struct mat *out;
};

static void forward_rows(const void *ctx, int r0, int r1)
{
    const struct activate *a = ctx;
    for (int r = r0; r < r1; r++) a->k->activate(a->kind, mat_row(a->x, r), a->x->cols, mat_row(a->out, r));
}

void op_activation(enum activation kind, const struct mat *x, struct mat *y)
{
    struct activate a = {.k = row_kernels(), .kind = kind, .x = x, .out = y};
    over_rows(x->rows, x->cols, forward_rows, &a);
}

static void backward_rows(const void *ctx, int r0, int r1)
{
    const struct activate *a = ctx;
    for (int r = r0; r < r1; r++)
        a->k->activate_backward(a->kind, mat_row(a->x, r), mat_row(a->dy, r), a->x->cols, mat_row(a->out, r));
}

void op_activation_backward(enum activation kind, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    struct activate a = {.k = row_kernels(), .kind = kind, .x = x, .dy = dy, .out = dx};
    over_rows(x->rows, x->cols, backward_rows, &a);
}
