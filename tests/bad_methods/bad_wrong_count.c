#include "tests/bad_methods/bad_methods.h"

static void report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    method_skeleton.report(run, site, variant, out);
    out->trained -= site->out;
    out->deployed -= site->out;
}

const struct method *bad_wrong_count(void)
{
    static struct method m;
    m = method_skeleton;
    m.report = report;
    return &m;
}
