#include "tests/bad_methods/bad_methods.h"

#include <string.h>

static status forward(struct use *u, const struct mat *x, struct mat *y)
{
    size_t bytes = sizeof(real) * (size_t)y->rows * (size_t)y->cols;
    TRY(method_skeleton.site_ops.forward(u, x, y));
    if (!u->pass->keep) return ST_OK;
    struct arena_mark mark = arena_mark(u->pass->scratch);
    void *stale = arena_alloc(u->pass->scratch, bytes);
    if (!stale) return ST_MEMORY;
    memcpy(stale, u->saved, bytes);
    arena_reset(u->pass->scratch, mark);
    u->saved = stale;
    return ST_OK;
}

const struct method *bad_stale_scratch(void)
{
    static struct method m;
    m = method_skeleton;
    m.site_ops.forward = forward;
    return &m;
}
