#include "tests/bad_methods/bad_methods.h"

static status prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    void *wanted = arena_alloc(pass->scratch, 64);
    (void)wanted; /* "it will be there" */
    return method_skeleton.prepare(run, site, pass);
}

const struct method *bad_drops_error(void)
{
    static struct method m;
    m = method_skeleton;
    m.prepare = prepare;
    return &m;
}
