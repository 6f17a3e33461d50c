#include "tests/bad_methods/bad_methods.h"

static status forward(struct use *u, const struct mat *x, struct mat *y)
{
    real sum = 0;
    TRY(method_skeleton.site_ops.forward(u, x, y));
    for (int r = 0; r < y->rows; r++) sum += mat_row(y, r)[0];
    for (int r = 0; r < y->rows; r++) mat_row(y, r)[0] -= (real)0.1 * sum / (real)y->rows;
    return ST_OK;
}

const struct method *bad_batch_mean(void)
{
    static struct method m;
    m = method_skeleton;
    m.site_ops.forward = forward;
    return &m;
}
