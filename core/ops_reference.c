/* Naive forms of the operations; see ops_reference.h. */
#include "core/ops_reference.h"

#include <math.h>

void ref_layernorm(const struct mat *x, const real *gamma, const real *beta, double eps, struct mat *y, real *stats)
{
    for (int r = 0; r < x->rows; r++) {
        const real *in = mat_row(x, r);
        real *out = mat_row(y, r);
        double mean = 0, var = 0;
        for (int c = 0; c < x->cols; c++) mean += in[c];
        mean /= x->cols;
        for (int c = 0; c < x->cols; c++) var += (in[c] - mean) * (in[c] - mean);
        double rstd = 1 / sqrt(var / x->cols + eps);
        for (int c = 0; c < x->cols; c++) out[c] = (real)(gamma[c] * ((in[c] - mean) * rstd) + beta[c]);
        if (stats != NULL) stats[2 * r] = (real)mean, stats[2 * r + 1] = (real)rstd;
    }
}

void ref_layernorm_backward(const struct mat *x, const real *stats, const real *gamma, const struct mat *dy,
                            struct mat *dx, real *dgamma, real *dbeta)
{
    for (int c = 0; c < x->cols; c++) {
        double dg = 0, db = 0;
        for (int r = 0; r < x->rows; r++) {
            double g = mat_row(dy, r)[c];
            dg += g * (mat_row(x, r)[c] - (double)stats[2 * r]) * stats[2 * r + 1];
            db += g;
        }
        if (dgamma != NULL) dgamma[c] += (real)dg;
        if (dbeta != NULL) dbeta[c] += (real)db;
    }
    for (int r = 0; r < x->rows; r++) {
        const real *in = mat_row(x, r), *g = mat_row(dy, r);
        real *out = mat_row(dx, r);
        double mean = stats[2 * r], rstd = stats[2 * r + 1], sum = 0, dot = 0;
        for (int c = 0; c < x->cols; c++) {
            sum += (double)gamma[c] * g[c];
            dot += (double)gamma[c] * g[c] * (in[c] - mean) * rstd;
        }
        for (int c = 0; c < x->cols; c++)
            out[c] = (real)(rstd * ((double)gamma[c] * g[c] - sum / x->cols - (in[c] - mean) * rstd * dot / x->cols));
    }
}

void ref_rmsnorm(const struct mat *x, const real *gamma, double eps, struct mat *y, real *rstd_out)
{
    for (int r = 0; r < x->rows; r++) {
        const real *in = mat_row(x, r);
        real *out = mat_row(y, r);
        double square = 0;
        for (int c = 0; c < x->cols; c++) square += (double)in[c] * in[c];
        double rstd = 1 / sqrt(square / x->cols + eps);
        for (int c = 0; c < x->cols; c++) out[c] = (real)(gamma[c] * (in[c] * rstd));
        if (rstd_out != NULL) rstd_out[r] = (real)rstd;
    }
}

void ref_rmsnorm_backward(const struct mat *x, const real *rstd, const real *gamma, const struct mat *dy,
                          struct mat *dx, real *dgamma)
{
    for (int c = 0; c < x->cols && dgamma != NULL; c++) {
        double dg = 0;
        for (int r = 0; r < x->rows; r++) dg += (double)mat_row(dy, r)[c] * mat_row(x, r)[c] * rstd[r];
        dgamma[c] += (real)dg;
    }
    for (int r = 0; r < x->rows; r++) {
        const real *in = mat_row(x, r), *g = mat_row(dy, r);
        real *out = mat_row(dx, r);
        double s = rstd[r], dot = 0;
        for (int c = 0; c < x->cols; c++) dot += (double)gamma[c] * g[c] * in[c] * s;
        for (int c = 0; c < x->cols; c++) out[c] = (real)(s * ((double)gamma[c] * g[c] - in[c] * s * dot / x->cols));
    }
}

static const double root_2_pi = 0.79788456080286535588; /* sqrt(2/pi) */

static double activate(enum activation kind, double x)
{
    switch (kind) {
    case ACT_GELU: return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    case ACT_GELU_NEW: return 0.5 * x * (1 + tanh(root_2_pi * (x + 0.044715 * x * x * x)));
    case ACT_RELU: return x > 0 ? x : 0;
    case ACT_TANH: return tanh(x);
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_NONE: break;
    }
    return x;
}

static double slope(enum activation kind, double x)
{
    switch (kind) {
    case ACT_GELU: return 0.5 * (1 + erf(x * M_SQRT1_2)) + x * exp(-0.5 * x * x) * 0.5 * root_2_pi;
    case ACT_GELU_NEW: {
        double t = tanh(root_2_pi * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_pi * (1 + 3 * 0.044715 * x * x);
    }
    case ACT_RELU: return x > 0 ? 1 : 0;
    case ACT_TANH: return 1 - tanh(x) * tanh(x);
    case ACT_SILU: {
        double s = 1 / (1 + exp(-x));
        return s * (1 + x * (1 - s));
    }
    case ACT_NONE: break;
    }
    return 1;
}

void ref_activation(enum activation kind, const struct mat *x, struct mat *y)
{
    for (int r = 0; r < x->rows; r++)
        for (int c = 0; c < x->cols; c++) mat_row(y, r)[c] = (real)activate(kind, mat_row(x, r)[c]);
}

void ref_activation_backward(enum activation kind, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    for (int r = 0; r < x->rows; r++)
        for (int c = 0; c < x->cols; c++) mat_row(dx, r)[c] = (real)(mat_row(dy, r)[c] * slope(kind, mat_row(x, r)[c]));
}

void ref_gated(enum activation kind, const struct mat *gate, const struct mat *up, struct mat *y)
{
    for (int r = 0; r < gate->rows; r++)
        for (int c = 0; c < gate->cols; c++)
            mat_row(y, r)[c] = (real)(activate(kind, mat_row(gate, r)[c]) * mat_row(up, r)[c]);
}

void ref_gated_backward(enum activation kind, const struct mat *gate, const struct mat *up, const struct mat *dy,
                        struct mat *dgate, struct mat *dup)
{
    for (int r = 0; r < gate->rows; r++)
        for (int c = 0; c < gate->cols; c++) {
            double g = mat_row(gate, r)[c], u = mat_row(up, r)[c], d = mat_row(dy, r)[c];
            mat_row(dgate, r)[c] = (real)(d * u * slope(kind, g));
            mat_row(dup, r)[c] = (real)(d * activate(kind, g));
        }
}

void ref_rotate(const struct rotary *t, const int *position, int head_dim, bool back, struct mat *x)
{
    for (int r = 0; r < x->rows; r++)
        for (int h = 0; h < x->cols; h += head_dim)
            for (int j = 0; j < t->pairs; j++) {
                real *head = mat_row(x, r) + h;
                int at = (position[r] - t->first) * t->pairs + j;
                double a = head[j], b = head[t->pairs + j], c = t->cosine[at], s = back ? -t->sine[at] : t->sine[at];
                head[j] = (real)(a * c - b * s);
                head[t->pairs + j] = (real)(b * c + a * s);
            }
}

void ref_softmax_rows(struct mat *x, double scale)
{
    for (int r = 0; r < x->rows; r++) {
        real *row = mat_row(x, r);
        double max = -INFINITY, sum = 0;
        for (int c = 0; c < x->cols; c++) max = fmax(max, scale * row[c]);
        for (int c = 0; c < x->cols; c++) sum += exp(scale * row[c] - max);
        for (int c = 0; c < x->cols; c++) row[c] = (real)(exp(scale * row[c] - max) / sum);
    }
}

void ref_softmax_rows_backward(const struct mat *p, struct mat *dp, double scale)
{
    for (int r = 0; r < p->rows; r++) {
        const real *prob = mat_row(p, r);
        real *g = mat_row(dp, r);
        double dot = 0;
        for (int c = 0; c < p->cols; c++) dot += (double)prob[c] * g[c];
        for (int c = 0; c < p->cols; c++) g[c] = (real)(scale * prob[c] * (g[c] - dot));
    }
}

double ref_cross_entropy(const struct mat *logits, const int32_t *label, double weight, struct mat *dlogits)
{
    double total = 0;
    for (int r = 0; r < logits->rows; r++) {
        const real *row = mat_row(logits, r);
        double max = -INFINITY, sum = 0;
        for (int c = 0; c < logits->cols; c++) max = fmax(max, row[c]);
        for (int c = 0; c < logits->cols; c++) sum += exp(row[c] - max);
        if (label[r] >= 0) total += max + log(sum) - row[label[r]];
        for (int c = 0; c < logits->cols && dlogits != NULL; c++)
            mat_row(dlogits, r)[c] = label[r] < 0 ? 0 : (real)(weight * (exp(row[c] - max) / sum - (c == label[r])));
    }
    return weight * total;
}

double ref_mse(const struct mat *pred, const float *target, double weight, struct mat *dpred)
{
    double total = 0;
    for (int r = 0; r < pred->rows; r++) {
        double d = (double)mat_row(pred, r)[0] - (double)target[r];
        total += d * d;
        if (dpred != NULL) mat_row(dpred, r)[0] = (real)(2 * weight * d);
    }
    return weight * total;
}
