#include "bench/accounting.h"

#include <math.h>
#include <string.h>

/* Whether the site's own product is of integers, in whatever method. */
static bool in_integers(const struct session *s, const struct site *site)
{
    return s->arith->operand_bits && site->kind == SITE_LINEAR;
}

struct site_report site_report_of(const struct session *s, const struct site *site, int variant)
{
    struct site_report r = {.bits_w = 32,
                            .bits_x = 32,
                            .bits_a = 32,
                            .bits_b = 32,
                            .bits_e = 32,
                            .bits_qa = 32,
                            .bits_qe = 32,
                            .bits_out = 32};
    if (site->run && s->run.method->report) s->run.method->report(&s->run, site, variant, &r);
    if (in_integers(s, site)) {
        int w, x;
        s->arith->operand_bits(s->arith_options, &w, &x);
        r.bits_w = w; /* also where a method's own bits are fewer: this is what multiplies */
        r.bits_x = x;
    }
    return r;
}

static double sum_reports(const struct session *s, int variant, bool deployed)
{
    double sum = 0;
    if (!s->run.method->report) return (double)param_count(&s->reg, P_ADAPTER, !deployed);
    for (int i = 0; i < s->run.sites; i++) {
        if (!s->run.chosen[i]) continue;
        struct site_report r = site_report_of(s, s->run.site[i], variant);
        sum += deployed ? r.deployed : r.trained;
    }
    return sum;
}

double adapter_trained(const struct session *s)
{
    return sum_reports(s, 0, false);
}

double adapter_deployed(const struct session *s, int variant)
{
    return sum_reports(s, variant, true);
}

/* ---- forms for bit operations ---- */

static void session_report(const void *ctx, const struct site *site, struct site_report *r)
{
    const struct session_variant *v = ctx;
    if (v->session->run.chosen[site->index] || in_integers(v->session, site))
        *r = site_report_of(v->session, site, v->variant);
}

struct bops_form bops_of_session(const struct session_variant *v)
{
    return (struct bops_form){session_report, v};
}

status session_forms(const struct session *s, int variant, struct arena *arena, struct site_forms *out)
{
    *out = (struct site_forms){.layers = s->model->config.layers};
    NEW(out->form, arena, s->run.sites + 1);
    for (int i = 0; i < s->run.sites; i++) {
        const struct site *site = s->run.site[i];
        if (!s->run.chosen[i] && !in_integers(s, site)) continue;
        out->form[out->count++] = (struct site_form){site->layer, site->in,   site->out,
                                                     site->role,  site->kind, site_report_of(s, site, variant)};
    }
    return ST_OK;
}

/* ---- traces ---- */

status trace_init(struct trace *t, struct arena *arena, const struct session *s, int cap)
{
    struct variant v[SESSION_MAX_VARIANTS];
    *t = (struct trace){.arena = arena, .cap = cap, .variants = session_variants(s, v)};
    NEW(t->site, arena, s->run.sites);
    for (int i = 0; i < s->run.sites; i++)
        if ((s->run.method->report && s->run.chosen[i]) || in_integers(s, s->run.site[i]))
            t->site[t->sites++] = s->run.site[i];
    NEW(t->step, arena, cap);
    NEW(t->report, arena, (size_t)cap * (size_t)t->variants * (size_t)t->sites);
    return ST_OK;
}

static struct site_report *trace_at(const struct trace *t, int time, int variant, int site)
{
    return &t->report[(time * t->variants + variant) * t->sites + site];
}

void trace_add(struct trace *t, const struct session *s, long done)
{
    if (t->times == t->cap) return;
    for (int v = 0; v < t->variants; v++)
        for (int i = 0; i < t->sites; i++) *trace_at(t, t->times, v, i) = site_report_of(s, t->site[i], v);
    double trained = adapter_trained(s);
    if (trained > t->peak) t->peak = trained;
    t->step[t->times++] = done;
}

enum { OPERANDS = 8 };
static const char *const operand_names[OPERANDS] = {"w", "x", "a", "b", "e", "qa", "qe", "out"};

struct trace_columns {
    int64_t *rank, *rank_max;
    double *trained, *deployed, *macs, *bits, *stored;
    bool stores; /* the method keeps weights itself */
};

static void fill_columns(const struct trace *t, int variant, struct trace_columns *c)
{
    for (int time = 0, k = 0; time < t->times; time++)
        for (int i = 0; i < t->sites; i++, k++) {
            const struct site_report *r = trace_at(t, time, variant, i);
            const double bits[OPERANDS] = {r->bits_w, r->bits_x,  r->bits_a,  r->bits_b,
                                           r->bits_e, r->bits_qa, r->bits_qe, r->bits_out};
            c->rank[k] = r->rank;
            c->rank_max[k] = r->rank_max;
            c->trained[k] = r->trained;
            c->deployed[k] = r->deployed;
            c->macs[k] = r->adapter_macs_per_token;
            c->stored[k] = r->bits_stored;
            c->stores |= r->bits_stored > 0;
            memcpy(c->bits + (size_t)k * OPERANDS, bits, sizeof bits);
        }
}

static status record_variant(const struct trace *t, const char *name, int variant, struct arena *scratch,
                             struct record *r)
{
    const size_t n = (size_t)t->times * (size_t)t->sites;
    const size_t dims[3] = {(size_t)t->times, (size_t)t->sites, OPERANDS};
    struct trace_columns c = {.stores = false};
    char path[RECORD_PATH];
    NEW(c.rank, scratch, n);
    NEW(c.rank_max, scratch, n);
    NEW(c.trained, scratch, n);
    NEW(c.deployed, scratch, n);
    NEW(c.macs, scratch, n);
    NEW(c.bits, scratch, n * OPERANDS);
    NEW(c.stored, scratch, n);
    fill_columns(t, variant, &c);
    TRY(record_path(path, "trace/{}/rank", name, NULL));
    TRY(record_ints(r, path, c.rank, 2, dims));
    TRY(record_path(path, "trace/{}/rank_max", name, NULL));
    TRY(record_ints(r, path, c.rank_max, 2, dims));
    TRY(record_path(path, "trace/{}/trained", name, NULL));
    TRY(record_reals(r, path, c.trained, 2, dims));
    TRY(record_path(path, "trace/{}/deployed", name, NULL));
    TRY(record_reals(r, path, c.deployed, 2, dims));
    TRY(record_path(path, "trace/{}/macs", name, NULL));
    TRY(record_reals(r, path, c.macs, 2, dims));
    TRY(record_path(path, "trace/{}/bits", name, NULL));
    TRY(record_reals(r, path, c.bits, 3, dims));
    TRY(record_path(path, "trace/{}/bits_stored", name, NULL));
    return c.stores ? record_reals(r, path, c.stored, 2, dims) : ST_OK;
}

static status record_traces(const struct trace *t, const struct variant *v, struct arena *scratch, struct record *r)
{
    const size_t times = (size_t)t->times;
    const char **names;
    if (t->sites == 0 || t->times == 0) return ST_OK;
    NEW(names, scratch, t->sites);
    for (int i = 0; i < t->sites; i++) names[i] = t->site[i]->name;
    TRY(record_ints(r, "trace/steps", t->step, 1, &times));
    TRY(record_strings(r, "trace/sites", names, (size_t)t->sites));
    TRY(record_strings(r, "trace/operands", operand_names, OPERANDS));
    for (int i = 0; i < t->variants; i++) TRY(record_variant(t, v[i].name, i, scratch, r));
    return ST_OK;
}

/* The paper's formulas at the largest rank of any site (METHODS 3.6.4): its equations 16 and 23 for query, key and
 * value, 17 and 22 for all six matrices of a layer. They say what the paper would print, not what was trained. */
static status record_formulas(const struct trace *t, const struct session *s, struct record *r)
{
    const struct model_config *c = &s->model->config;
    double rank = 0;
    for (int i = 0; i < t->sites && t->times > 0; i++) rank = fmax(rank, trace_at(t, 0, 0, i)->rank_max);
    if (rank == 0) return ST_OK;
    const double six = 6 * rank * c->layers * c->hidden, all = 2 * rank * c->layers * (5.0 * c->hidden + c->ffn);
    TRY(record_int(r, "parameters/equation_16", (int64_t)six));
    TRY(record_int(r, "parameters/equation_17", (int64_t)all));
    TRY(record_int(r, "parameters/equation_22", (int64_t)all));
    return record_int(r, "parameters/equation_23", (int64_t)six);
}

static status record_counts(const struct trace *t, const struct session *s, const struct variant *v, struct record *r)
{
    char path[RECORD_PATH];
    double initial = 0;
    for (int i = 0; i < t->sites; i++) initial += trace_at(t, 0, 0, i)->trained;
    if (t->sites == 0 || !s->run.method->report) initial = adapter_trained(s);
    TRY(record_int(r, "parameters/base", (int64_t)param_count(&s->reg, P_BASE, false)));
    TRY(record_int(r, "parameters/base_trained", (int64_t)param_count(&s->reg, P_BASE, true)));
    TRY(record_int(r, "parameters/head", (int64_t)param_count(&s->reg, P_HEAD, true)));
    TRY(record_int(r, "parameters/adapter_initial", (int64_t)initial));
    TRY(record_int(r, "parameters/adapter_peak", (int64_t)t->peak));
    TRY(record_int(r, "parameters/adapter_final", (int64_t)adapter_trained(s)));
    for (int i = 0; i < t->variants; i++) {
        TRY(record_path(path, "parameters/deployed/{}", v[i].name, NULL));
        TRY(record_int(r, path, (int64_t)adapter_deployed(s, i)));
    }
    return record_formulas(t, s, r);
}

status trace_record(const struct trace *t, const struct session *s, struct arena *scratch, struct record *r)
{
    struct variant v[SESSION_MAX_VARIANTS];
    session_variants(s, v);
    struct arena_mark mark = arena_mark(scratch);
    status st = record_traces(t, v, scratch, r);
    arena_reset(scratch, mark);
    return st == ST_OK ? record_counts(t, s, v, r) : st;
}
