#include "tests/bad_methods/bad_methods.h"

static real weight, gradient; /* should be a P_ADAPTER tensor */

static status setup(struct mrun *run)
{
    weight = gradient = 0;
    return method_skeleton.setup(run);
}

static status forward(struct use *u, const struct mat *x, struct mat *y)
{
    TRY(method_skeleton.site_ops.forward(u, x, y));
    for (int r = 0; r < y->rows; r++) mat_row(y, r)[0] += weight;
    return ST_OK;
}

static status backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    for (int r = 0; r < dy->rows; r++) gradient += mat_row(dy, r)[0];
    return method_skeleton.site_ops.backward(u, x, dy, dx);
}

static status step_end(struct mrun *run)
{
    (void)run;
    weight -= gradient;
    gradient = 0;
    return ST_OK;
}

const struct method *bad_hidden_param(void)
{
    static struct method m;
    m = method_skeleton;
    m.setup = setup;
    m.site_ops.forward = forward;
    m.site_ops.backward = backward;
    m.step_end = step_end;
    return &m;
}
