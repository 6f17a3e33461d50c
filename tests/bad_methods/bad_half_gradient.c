#include "tests/bad_methods/bad_methods.h"

#include "core/ops.h"

static status backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    struct arena_mark mark = arena_mark(u->pass->scratch);
    real *memory;
    NEW(memory, u->pass->scratch, (size_t)dy->rows * (size_t)dy->cols);
    struct mat half = mat_of(memory, dy->rows, dy->cols);
    op_copy(dy, &half);
    for (int r = 0; r < half.rows / 2; r++) mat_row(&half, r)[0] = 0;
    status st = method_skeleton.site_ops.backward(u, x, &half, dx);
    arena_reset(u->pass->scratch, mark);
    return st;
}

const struct method *bad_half_gradient(void)
{
    static struct method m;
    m = method_skeleton;
    m.site_ops.backward = backward;
    return &m;
}
