#include "tests/bad_methods/bad_methods.h"

static status attach(struct mrun *run, struct site *site, const real *w)
{
    TRY(method_skeleton.attach(run, site, w));
    run->reg->list[run->reg->count - 1]->data[0] = (real)0.1;
    return ST_OK;
}

const struct method *bad_not_identity(void)
{
    static struct method m;
    m = method_skeleton;
    m.attach = attach;
    return &m;
}
