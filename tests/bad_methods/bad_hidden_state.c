#include "tests/bad_methods/bad_methods.h"

static real momentum; /* should be a P_STATE tensor */

static status setup(struct mrun *run)
{
    momentum = 0;
    return method_skeleton.setup(run);
}

static status step_end(struct mrun *run)
{
    for (int i = 0; i < run->reg->count; i++) {
        struct param *p = run->reg->list[i];
        if (p->cls != P_ADAPTER) continue;
        momentum = (real)0.9 * momentum + p->grad[0];
        p->data[0] -= (real)0.01 * momentum;
    }
    return ST_OK;
}

const struct method *bad_hidden_state(void)
{
    static struct method m;
    m = method_skeleton;
    m.setup = setup;
    m.step_end = step_end;
    return &m;
}
