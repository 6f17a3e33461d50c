#include "bench/bops.h"

#include <string.h>

/* ---- adapters ---- */

/* A low-rank adapter's MACs a token beside those of A and B: E's (rank), or what DoRA adds (a multiple of out). */
static double beside(const struct site_report *r, int in, int out)
{
    double rest = r->adapter_macs_per_token - (double)r->rank * in - (double)r->rank * out;
    return r->rank && rest > 0 ? rest : 0;
}

/* The same adapter with another rank. */
static void change_rank(struct site_report *r, int in, int out, int rank)
{
    double rest = beside(r, in, out);
    bool diagonal = rest == r->rank;
    r->adapter_macs_per_token = (double)rank * in + (double)rank * out + (diagonal ? rank : rest);
    r->rank = rank;
}

/* The same adapter on a layer of another size. */
static void change_size(struct site_report *r, const struct site_form *from, int in, int out)
{
    double rest = beside(r, from->in, from->out), wider = from->out ? (double)out / from->out : 1;
    if (r->rank == 0) {
        r->adapter_macs_per_token *= wider;
        return;
    }
    r->adapter_macs_per_token = (double)r->rank * in + (double)r->rank * out + (rest == r->rank ? rest : rest * wider);
}

/* ---- forms ---- */

static void no_report(const void *ctx, const struct site *site, struct site_report *r)
{
    (void)ctx, (void)site, (void)r;
}

const struct bops_form bops_plain = {no_report, NULL};

static bool is_qkv(enum role r)
{
    return r == ROLE_QUERY || r == ROLE_KEY || r == ROLE_VALUE;
}

static void lora_report(const void *ctx, const struct site *site, struct site_report *r)
{
    const int *rank = ctx;
    if (!is_qkv(site->role)) return;
    r->rank = r->rank_max = *rank;
    r->adapter_macs_per_token = (double)*rank * site->in + (double)*rank * site->out;
}

struct bops_form bops_lora(const int *rank)
{
    return (struct bops_form){lora_report, rank};
}

static void set_bits(struct site_report *r, double bits)
{
    r->bits_w = r->bits_x = r->bits_a = r->bits_b = r->bits_e = r->bits_qa = r->bits_qe = r->bits_out = bits;
}

static struct site_report report_of(const struct bops_form *f, const struct site *site)
{
    struct site_report r = {0};
    set_bits(&r, 32);
    f->report(f->ctx, site, &r);
    return r;
}

static void unquantised_report(const void *ctx, const struct site *site, struct site_report *r)
{
    *r = report_of(ctx, site);
    if (r->rank_max > r->rank) change_rank(r, site->in, site->out, r->rank_max);
    set_bits(r, 32);
}

struct bops_form bops_unquantised(const struct bops_form *form)
{
    return (struct bops_form){unquantised_report, form};
}

/* ---- carried to another model ---- */

static void carried_report(const void *ctx, const struct site *site, struct site_report *r)
{
    const struct site_forms *f = ctx;
    int layer = site->layer < 0 || f->onto == 0 ? site->layer : (int)((long)site->layer * f->layers / f->onto);
    for (int i = 0; i < f->count; i++) {
        const struct site_form *form = &f->form[i];
        if (form->role != site->role || form->kind != site->kind || form->layer != layer) continue;
        *r = form->report;
        change_size(r, form, site->in, site->out);
        return;
    }
}

struct bops_form bops_carried(const struct site_forms *forms)
{
    return (struct bops_form){carried_report, forms};
}

const struct model_config deberta_base_shape = {.family = FAMILY_DEBERTA_V2,
                                                .vocab = 128100,
                                                .hidden = 768,
                                                .layers = 12,
                                                .heads = 12,
                                                .kv_heads = 12,
                                                .head_dim = 64,
                                                .ffn = 3072,
                                                .max_positions = 512,
                                                .act = ACT_GELU,
                                                .norm_eps = 1e-7,
                                                .init_range = 0.02,
                                                .relative = true,
                                                .share_att_key = true,
                                                .c2p = true,
                                                .p2c = true,
                                                .norm_rel = true,
                                                .position_buckets = 256,
                                                .max_relative = 512,
                                                .pooler_act = ACT_GELU};

/* ---- counting ---- */

int model_table_rows(const struct model *m)
{
    const struct model_config *c = &m->config;
    if (!c->relative) return 0;
    return 2 * (c->position_buckets > 0 ? c->position_buckets : c->max_relative);
}

struct counter {
    const struct model *model;
    const struct bops_form *form;
    bops_fn *each;
    void *ctx;
    struct bops total;
};

static void add(struct counter *c, struct bops_part p, const char *part, double macs, double first, double second)
{
    p.part = part;
    p.macs = macs;
    p.bits[0] = first;
    p.bits[1] = second;
    if (macs <= 0) return;
    c->total.encoder += macs * first * second;
    if (p.attention) c->total.attention += macs * first * second;
    if (c->each) c->each(c->ctx, &p);
}

/* The adapter's part: x A', then E, then B; whatever is left of its MACs runs at E's bits. Without a rank all is one
 * product of 32 bits. An adapter reads x as it is, also where the layer's own product takes fewer bits of it. */
static void add_adapter(struct counter *c, const struct bops_part *p, const struct site_report *r, double rows)
{
    const struct site *s = p->site;
    if (r->rank == 0) {
        add(c, *p, "adapter", rows * r->adapter_macs_per_token, 32, 32);
        return;
    }
    add(c, *p, "A", rows * r->rank * s->in, r->bits_a, 32);
    add(c, *p, "E", rows * beside(r, s->in, s->out), r->bits_e, r->bits_qa);
    add(c, *p, "B", rows * r->rank * s->out, r->bits_b, r->bits_qe);
}

/* Bits of what the layer of a role in a block gives out. */
static double out_bits(const struct counter *c, int layer, enum role role)
{
    for (int i = 0; i < c->model->sites; i++) {
        const struct site *site = c->model->site[i];
        if (site->layer == layer && site->role == role) return report_of(c->form, site).bits_out;
    }
    return 32;
}

static void add_product(void *ctx, const struct product *product)
{
    struct counter *c = ctx;
    const struct site *site = product->site;
    if (product->layer < 0) return; /* the head is not part of the encoder */
    struct bops_part p = {
        .name = product->name, .layer = product->layer, .site = site, .attention = !site || is_qkv(site->role)};
    if (site) {
        struct site_report r = report_of(c->form, site);
        add(c, p, "", product->macs, r.bits_w, r.bits_x);
        add_adapter(c, &p, &r, product->macs / ((double)site->in * site->out));
    } else if (strcmp(product->name, "context") == 0) {
        add(c, p, "", product->macs, 32, out_bits(c, p.layer, ROLE_VALUE)); /* probabilities are not quantised */
    } else {
        add(c, p, "", product->macs, out_bits(c, p.layer, ROLE_QUERY), out_bits(c, p.layer, ROLE_KEY));
    }
}

struct bops bops_count(const struct model *m, const struct bops_form *form, double length, double table_rows,
                       bops_fn *each, void *ctx)
{
    struct counter c = {.model = m, .form = form, .each = each, .ctx = ctx};
    model_products(m, length, table_rows, add_product, &c);
    for (int i = 0; i < m->sites; i++) {
        const struct site *site = m->site[i];
        if (site->kind != SITE_POINT) continue;
        struct site_report r = report_of(form, site);
        struct bops_part p = {.name = role_name(site->role), .layer = site->layer, .site = site};
        add_adapter(&c, &p, &r, length);
    }
    return c.total;
}
