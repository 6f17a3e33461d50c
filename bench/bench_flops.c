#include "bench/bench_flops.h"

#include <math.h>
#include <string.h>
#include "bench/accounting.h"

struct counter {
    const struct session *s;
    bool training;
    int lowest; /* trained tensor */
    bool table; /* count projections of the relative table, or everything else */
    double flops;
};

/* Roles with nothing of their layer, or of the head, below them. */
static bool reads_first(enum role r)
{
    return r == ROLE_QUERY || r == ROLE_KEY || r == ROLE_VALUE || r == ROLE_POOLER;
}

static void count(void *ctx, const struct product *p)
{
    struct counter *c = ctx;
    if (c->table != (strstr(p->name, "table") != NULL)) return;
    int order = p->site ? p->site->order : 1 + p->layer, times = 1;
    if (c->training) {
        bool first = p->site && reads_first(p->site->role);
        bool input = c->lowest < order || (c->lowest == order && !first); /* something below p is trained */
        if (!p->site)
            times += c->lowest <= order ? 2 : 0;
        else
            times += (input ? 1 : 0) + (p->site->weight && param_trained(p->site->weight) ? 1 : 0);
    }
    c->flops += 2 * p->macs * times;
}

/* Products of the adapters for one row through every attached site. */
static double adapter_flops(const struct session *s, bool training)
{
    double macs = 0;
    for (int i = 0; i < s->run.sites; i++)
        if (s->run.chosen[i]) macs += site_report_of(s, s->run.site[i], 0).adapter_macs_per_token;
    return 2 * macs * (training ? 3 : 1);
}

double batch_flops(const struct session *s, const struct batch *b, bool training)
{
    struct counter c = {.s = s, .training = training, .lowest = param_lowest_trained(&s->reg)};
    int rows = model_table_rows(s->model), longest = 1;
    for (int i = 0; i < b->n; i++) {
        int l = b->offset[i + 1] - b->offset[i];
        if (l > longest) longest = l;
        model_products(s->model, l, fmin(rows, 2 * l - 1), count, &c);
    }
    c.table = true;
    model_products(s->model, 1, fmin(rows, 2 * longest - 1), count, &c);
    return c.flops + adapter_flops(s, training) * b->tokens;
}
