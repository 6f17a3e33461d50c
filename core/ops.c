#include "core/ops.h"
#include <math.h>
#include <string.h>
#include "core/ops_reference.h"
void op_layernorm(const struct mat *x, const real *gamma, const real *beta, double eps, struct mat *y, real *stats)
{
    ref_layernorm(x, gamma, beta, eps, y, stats);
}
void op_layernorm_backward(const struct mat *x, const real *stats, const real *gamma, const struct mat *dy,
                           struct mat *dx, real *dgamma, real *dbeta)
{
    ref_layernorm_backward(x, stats, gamma, dy, dx, dgamma, dbeta);
}
void op_rmsnorm(const struct mat *x, const real *gamma, double eps, struct mat *y, real *rstd)
{
    ref_rmsnorm(x, gamma, eps, y, rstd);
}
void op_rmsnorm_backward(const struct mat *x, const real *rstd, const real *gamma, const struct mat *dy, struct mat *dx,
                         real *dgamma)
{
    ref_rmsnorm_backward(x, rstd, gamma, dy, dx, dgamma);
}
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
void op_activation(enum activation a, const struct mat *x, struct mat *y)
{
    ref_activation(a, x, y);
}
void op_activation_backward(enum activation a, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    ref_activation_backward(a, x, dy, dx);
}
void op_add(const struct mat *x, struct mat *y)
{
    for (int r = 0; r < x->rows; r++)
        for (int c = 0; c < x->cols; c++) mat_row(y, r)[c] += mat_row(x, r)[c];
}
void op_scale(struct mat *x, double s)
{
    for (int r = 0; r < x->rows; r++)
        for (int c = 0; c < x->cols; c++) mat_row(x, r)[c] *= (real)s;
}
void op_zero(struct mat *x)
{
    for (int r = 0; r < x->rows; r++) memset(mat_row(x, r), 0, sizeof(real) * (size_t)x->cols);
}
void op_copy(const struct mat *x, struct mat *y)
{
    for (int r = 0; r < x->rows; r++) memcpy(mat_row(y, r), mat_row(x, r), sizeof(real) * (size_t)x->cols);
}
void op_dropout(const struct dropout *d, const uint32_t *row_key, struct mat *x)
{
    dropout_rows(d, row_key, x, 0);
}
void softmax_rows(struct mat *x, double scale)
{
    ref_softmax_rows(x, scale);
}
void softmax_rows_backward(const struct mat *p, struct mat *dp, double scale)
{
    ref_softmax_rows_backward(p, dp, scale);
}
void op_gather(const struct wsrc *w, const int32_t *id, struct mat *y)
{
    for (int r = 0; r < y->rows; r++) wsrc_row(w, id[r], mat_row(y, r));
}
void op_scatter_add(const struct mat *dy, const int32_t *id, real *dw, int ld)
{
    for (int r = 0; r < dy->rows; r++)
        for (int c = 0; c < dy->cols; c++) dw[(size_t)id[r] * (size_t)ld + c] += mat_row(dy, r)[c];
}
double op_cross_entropy(const struct mat *logits, const int32_t *label, double weight, struct mat *dlogits)
{
    return ref_cross_entropy(logits, label, weight, dlogits);
}
double op_mse(const struct mat *pred, const float *target, double weight, struct mat *dpred)
{
    return ref_mse(pred, target, weight, dpred);
}
double op_sum_squares(const real *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (double)x[i] * x[i];
    return s;
}
int op_all_finite(const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}
