#include "tests/bad_methods/bad_methods.h"

#include <string.h>

/* The offset of every site is a registered tensor: found by name, as the site's memory is the skeleton's own. */
static status forward(struct use *u, const struct mat *x, struct mat *y)
{
    struct mrun *run = u->site->run;
    TRY(method_skeleton.site_ops.forward(u, x, y));
    for (int i = 0; !u->pass->train && i < run->reg->count; i++) {
        struct param *p = run->reg->list[i];
        if (p->cls == P_ADAPTER && strstr(p->name, ".offset")) p->data[0] += (real)1e-3;
    }
    return ST_OK;
}

const struct method *bad_eval_state(void)
{
    static struct method m;
    m = method_skeleton;
    m.site_ops.forward = forward;
    return &m;
}
