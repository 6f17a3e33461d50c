#include <string.h>

#include "core/finish.h"
#include "core/ops.h"

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
    struct finish_activation a = {kind, x, y, NULL};
    finish_all(&(struct gemm_finish){finish_activation, &a}, x->rows, x->cols);
}

void op_activation_backward(enum activation kind, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    struct finish_slope s = {kind, x, dy, dx};
    finish_all(&(struct gemm_finish){finish_slope, &s}, x->rows, x->cols);
}
