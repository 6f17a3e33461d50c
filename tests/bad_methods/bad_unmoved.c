#include "tests/bad_methods/bad_methods.h"

static status setup(struct mrun *run)
{
    struct param *unused;
    TRY(method_skeleton.setup(run));
    TRY(param_add(run->reg, P_ADAPTER, "unused", 2, 2, 1, &unused));
    return ST_OK;
}

const struct method *bad_unmoved(void)
{
    static struct method m;
    m = method_skeleton;
    m.setup = setup;
    return &m;
}
