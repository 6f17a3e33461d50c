/* Losses: each row's in double, rows added in order within a piece, pieces in order. There are at most LOSS_PIECES
 * pieces, whose size follows from the number of rows alone. */
#include "core/ops.h"

#include <math.h>
#include <string.h>
#include "core/parallel.h"
#include "core/row_kernels.h"

enum { LOSS_PIECES = 64 };

struct loss {
    const struct row_kernels *k;
    const struct mat *logits;
    const int32_t *label;
    real weight;
    struct mat *d;
    int step;
    double part[LOSS_PIECES];
};

static double row_loss(const struct loss *l, int r)
{
    int n = l->logits->cols;
    real *d = l->d != NULL ? mat_row(l->d, r) : NULL;
    if (l->label[r] >= 0 && l->label[r] < n)
        return l->k->cross_entropy(mat_row(l->logits, r), n, l->label[r], l->weight, d);
    if (d != NULL) memset(d, 0, sizeof *d * (size_t)n);
    return l->label[r] < 0 ? 0 : (double)NAN; /* a label beyond the classes must not pass for a result */
}

static void loss_piece(void *ctx, int i, int thread)
{
    (void)thread;
    struct loss *l = ctx;
    int end = l->logits->rows - i * l->step < l->step ? l->logits->rows : (i + 1) * l->step;
    double sum = 0;
    for (int r = i * l->step; r < end; r++) sum += row_loss(l, r);
    l->part[i] = sum;
}

double op_cross_entropy(const struct mat *logits, const int32_t *label, double weight, struct mat *dlogits)
{
    int rows = logits->rows, step = (rows + LOSS_PIECES - 1) / LOSS_PIECES;
    if (rows <= 0) return 0;
    if (logits->cols < 256 && step < 64) step = 64; /* a few classes: not worth a thread */
    struct loss l = {
        .k = row_kernels(), .logits = logits, .label = label, .weight = (real)weight, .d = dlogits, .step = step};
    int pieces = (rows + step - 1) / step;
    parallel_for(pieces, loss_piece, &l);
    double sum = 0;
    for (int i = 0; i < pieces; i++) sum += l.part[i];
    return weight * sum;
}

double op_mse(const struct mat *pred, const float *target, double weight, struct mat *dpred)
{
    double sum = 0;
    for (int r = 0; r < pred->rows; r++) {
        double d = (double)mat_row(pred, r)[0] - (double)target[r];
        sum += d * d;
        if (dpred != NULL) mat_row(dpred, r)[0] = (real)(2 * weight * d);
    }
    return weight * sum;
}
