#include "tests/bad_methods/bad_methods.h"

static status effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    real first = w[0];
    TRY(method_skeleton.effective(run, site, variant, w, b));
    w[0] = first;
    for (int i = 1; i < site->in; i++) w[i] = first;
    return ST_OK;
}

const struct method *bad_merge(void)
{
    static struct method m;
    m = method_skeleton;
    m.effective = effective;
    return &m;
}
