#include "bench/accounting.h"

#include <string.h>

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

/* ---- bit operations ---- */

int model_table_rows(const struct model *m)
{
    const struct model_config *c = &m->config;
    if (!c->relative) return 0;
    return 2 * (c->position_buckets > 0 ? c->position_buckets : c->max_relative);
}

struct bops_sum {
    const struct session *s;
    int variant;
    bool plain;
    struct bops total;
};

static bool is_qkv(enum role r)
{
    return r == ROLE_QUERY || r == ROLE_KEY || r == ROLE_VALUE;
}

/* Bits of what the q, k or v layer of a block gives out. */
static double out_bits(const struct bops_sum *b, int layer, enum role role)
{
    for (int i = 0; i < b->s->run.sites; i++) {
        const struct site *site = b->s->run.site[i];
        if (site->layer == layer && site->role == role) return site_report_of(b->s, site, b->variant).bits_out;
    }
    return 32;
}

/* The adapter's part a token: x A', then E, then B; whatever is left of its MACs runs at E's bits. */
static double adapter_bops(const struct site *site, const struct site_report *r)
{
    double a = (double)r->rank * site->in, b = (double)r->rank * site->out, rest = r->adapter_macs_per_token - a - b;
    if (r->rank == 0) return r->adapter_macs_per_token * 32 * 32;
    return a * r->bits_a * r->bits_x + b * r->bits_b * r->bits_qe + (rest > 0 ? rest * r->bits_e * r->bits_qa : 0);
}

static void add_product(void *ctx, const struct product *p)
{
    struct bops_sum *b = ctx;
    const struct site *site = p->site;
    double bits = 32 * 32, adapter = 0;
    if (!b->plain && site) {
        struct site_report r = site_report_of(b->s, site, b->variant);
        bits = r.bits_w * r.bits_x;
        adapter = p->macs / ((double)site->in * site->out) * adapter_bops(site, &r);
    } else if (!b->plain && strcmp(p->name, "context") == 0) {
        bits = 32 * out_bits(b, p->layer, ROLE_VALUE);
    } else if (!b->plain) {
        bits = out_bits(b, p->layer, ROLE_QUERY) * out_bits(b, p->layer, ROLE_KEY);
    }
    double sum = p->macs * bits + adapter;
    if (p->layer < 0) return; /* the head is not part of the encoder */
    b->total.encoder += sum;
    if (!site || is_qkv(site->role)) b->total.attention += sum;
}

struct bops bops_count(const struct session *s, int variant, double length, double table_rows, bool plain)
{
    struct bops_sum b = {s, variant, plain, {0, 0}};
    model_products(s->model, length, table_rows, add_product, &b);
    for (int i = 0; !plain && i < s->run.sites; i++) {
        const struct site *site = s->run.site[i];
        if (site->kind != SITE_POINT || !s->run.chosen[i]) continue;
        struct site_report r = site_report_of(s, site, variant);
        b.total.encoder += length * adapter_bops(site, &r);
    }
    return b.total;
}

enum { BOPS_SETTINGS = 3, BOPS_SCOPES = 2 };

static status record_bops_of(const struct session *s, const struct variant *v, int variant, const double *length,
                             const double *rows, struct record *r)
{
    double absolute[BOPS_SETTINGS][BOPS_SCOPES], relative[BOPS_SETTINGS][BOPS_SCOPES];
    const size_t dims[2] = {BOPS_SETTINGS, BOPS_SCOPES};
    char path[RECORD_PATH];
    for (int i = 0; i < BOPS_SETTINGS; i++) {
        struct bops real_form = bops_count(s, variant, length[i], rows[i], false);
        struct bops plain = bops_count(s, variant, length[i], rows[i], true);
        absolute[i][0] = real_form.encoder;
        absolute[i][1] = real_form.attention;
        relative[i][0] = real_form.encoder / plain.encoder;
        relative[i][1] = real_form.attention / plain.attention;
    }
    TRY(record_path(path, "bops/{}/absolute", v->name, NULL));
    TRY(record_reals(r, path, &absolute[0][0], 2, dims));
    TRY(record_path(path, "bops/{}/relative", v->name, NULL));
    return record_reals(r, path, &relative[0][0], 2, dims);
}

status bops_record(const struct session *s, int max_len, double mean_len, struct record *r)
{
    static const char *const settings[BOPS_SETTINGS] = {"paper", "max_length", "mean_length"};
    static const char *const scopes[BOPS_SCOPES] = {"encoder", "attention"};
    double table = model_table_rows(s->model);
    const double length[BOPS_SETTINGS] = {20, max_len, mean_len};
    const double rows[BOPS_SETTINGS] = {table, table, table};
    const size_t n = BOPS_SETTINGS;
    struct variant v[SESSION_MAX_VARIANTS];
    int variants = session_variants(s, v);
    TRY(record_strings(r, "bops/settings", settings, BOPS_SETTINGS));
    TRY(record_strings(r, "bops/scopes", scopes, BOPS_SCOPES));
    TRY(record_reals(r, "bops/lengths", length, 1, &n));
    TRY(record_reals(r, "bops/table_rows", rows, 1, &n));
    for (int i = 0; i < variants; i++) TRY(record_bops_of(s, &v[i], i, length, rows, r));
    return ST_OK;
}

/* ---- traces ---- */

status trace_init(struct trace *t, struct arena *arena, const struct session *s, int cap)
{
    struct variant v[SESSION_MAX_VARIANTS];
    *t = (struct trace){.arena = arena, .cap = cap, .variants = session_variants(s, v)};
    NEW(t->site, arena, s->run.sites);
    for (int i = 0; s->run.method->report && i < s->run.sites; i++)
        if (s->run.chosen[i]) t->site[t->sites++] = s->run.site[i];
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
    double *trained, *deployed, *bits;
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
            memcpy(c->bits + (size_t)k * OPERANDS, bits, sizeof bits);
        }
}

static status record_variant(const struct trace *t, const char *name, int variant, struct arena *scratch,
                             struct record *r)
{
    const size_t n = (size_t)t->times * (size_t)t->sites;
    const size_t dims[3] = {(size_t)t->times, (size_t)t->sites, OPERANDS};
    struct trace_columns c;
    char path[RECORD_PATH];
    NEW(c.rank, scratch, n);
    NEW(c.rank_max, scratch, n);
    NEW(c.trained, scratch, n);
    NEW(c.deployed, scratch, n);
    NEW(c.bits, scratch, n * OPERANDS);
    fill_columns(t, variant, &c);
    TRY(record_path(path, "trace/{}/rank", name, NULL));
    TRY(record_ints(r, path, c.rank, 2, dims));
    TRY(record_path(path, "trace/{}/rank_max", name, NULL));
    TRY(record_ints(r, path, c.rank_max, 2, dims));
    TRY(record_path(path, "trace/{}/trained", name, NULL));
    TRY(record_reals(r, path, c.trained, 2, dims));
    TRY(record_path(path, "trace/{}/deployed", name, NULL));
    TRY(record_reals(r, path, c.deployed, 2, dims));
    TRY(record_path(path, "trace/{}/bits", name, NULL));
    return record_reals(r, path, c.bits, 3, dims);
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

static status record_counts(const struct trace *t, const struct session *s, const struct variant *v, struct record *r)
{
    char path[RECORD_PATH];
    double initial = 0;
    for (int i = 0; i < t->sites; i++) initial += trace_at(t, 0, 0, i)->trained;
    if (t->sites == 0) initial = adapter_trained(s);
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
    return ST_OK;
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
