#include "tests/bad_methods/bad_methods.h"

static status backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    (void)dx;
    return method_skeleton.site_ops.backward(u, x, dy, NULL);
}

const struct method *bad_missing_dx(void)
{
    static struct method m;
    m = method_skeleton;
    m.site_ops.backward = backward;
    return &m;
}
