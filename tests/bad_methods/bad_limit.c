#include "tests/bad_methods/bad_methods.h"

struct options { /* as the skeleton's */
    const char *sites;
    double shrink;
};

static status setup(struct mrun *run)
{
    const struct options *o = run->options;
    FAIL_IF(o->shrink > 500, ST_INTERNAL, "shrink is too large for this code");
    return method_skeleton.setup(run);
}

const struct method *bad_limit(void)
{
    static struct method m;
    m = method_skeleton;
    m.setup = setup;
    return &m;
}
