#include "bench/bops_sheet.h"

#include <math.h>
#include <string.h>
#include "core/text.h"

/* ---- gathering parts ---- */

struct line { /* parts of one name, of all layers or of one */
    const char *name, *part;
    int layer; /* -1: all */
    enum role role;
    int in, out; /* of the weight; 0: none */
    bool attention;
    double macs, ops, bits[2], low[2], high[2]; /* bits: mean weighted by MACs */
};
struct lines {
    struct arena *arena;
    struct line *line;
    int count, cap;
    bool layers;
    status st;
};

static struct line *line_for(struct lines *l, const struct bops_part *p)
{
    int layer = l->layers ? p->layer : -1;
    for (int i = 0; i < l->count; i++) {
        struct line *at = &l->line[i];
        if (at->layer == layer && strcmp(at->name, p->name) == 0 && strcmp(at->part, p->part) == 0) return at;
    }
    if (l->count == l->cap) {
        int cap = 2 * l->cap + 32;
        struct line *more = arena_alloc(l->arena, sizeof *more * (size_t)cap);
        if (!more) {
            l->st = ST_MEMORY;
            return NULL;
        }
        if (l->count) memcpy(more, l->line, sizeof *more * (size_t)l->count);
        l->line = more;
        l->cap = cap;
    }
    struct line *new = &l->line[l->count++];
    *new = (struct line){.name = p->name, .part = p->part, .layer = layer, .attention = p->attention};
    if (p->site && !*p->part) new->in = p->site->in, new->out = p->site->out, new->role = p->site->role;
    return new;
}

static void gather(void *ctx, const struct bops_part *p)
{
    struct lines *l = ctx;
    struct line *at = l->st == ST_OK ? line_for(l, p) : NULL;
    if (!at) return;
    for (int k = 0; k < 2; k++) {
        double b = p->bits[k];
        at->bits[k] = (at->bits[k] * at->macs + b * p->macs) / (at->macs + p->macs);
        if (at->macs == 0 || b < at->low[k]) at->low[k] = b;
        if (at->macs == 0 || b > at->high[k]) at->high[k] = b;
    }
    at->macs += p->macs;
    at->ops += p->macs * p->bits[0] * p->bits[1];
}

static status gather_all(const struct bops_subject *s, double l, double e, bool layers, struct lines *out)
{
    const struct bops_form form = bops_carried(&s->forms);
    *out = (struct lines){.arena = s->arena, .layers = layers};
    bops_count(s->model, &form, l, e, gather, out);
    return out->st;
}

/* ---- MACs as a polynomial ---- */

/* a l + b l^2 + c e + d l e: products are no more than that, so four points tell. */
struct polynomial {
    double l, ll, e, le;
};

static double macs_in(const struct lines *l, const struct line *which)
{
    for (int i = 0; i < l->count; i++) {
        const struct line *at = &l->line[i];
        if (at->layer == which->layer && strcmp(at->name, which->name) == 0 && strcmp(at->part, which->part) == 0)
            return at->macs;
    }
    return 0;
}

static struct polynomial polynomial_of(const struct lines at[4], const struct line *which)
{
    double f10 = macs_in(&at[0], which), f20 = macs_in(&at[1], which), f01 = macs_in(&at[2], which),
           f11 = macs_in(&at[3], which);
    struct polynomial p = {.ll = (f20 - 2 * f10) / 2, .e = f01};
    p.l = f10 - p.ll;
    p.le = f11 - p.l - p.ll - p.e;
    return p;
}

static const char *term(struct arena *a, const char *before, double factor, const char *power)
{
    if (!before || factor == 0) return before;
    return arena_printf(a, "%s%s%.10g %s", before, *before ? " + " : "", factor, power);
}

static const char *polynomial_text(struct arena *a, struct polynomial p)
{
    const char *t = term(a, "", p.l, "l");
    t = term(a, t, p.ll, "l^2");
    t = term(a, t, p.e, "e");
    return term(a, t, p.le, "l e");
}

/* ---- cells ---- */

static const char *bits_text(struct arena *a, const struct line *l, int k)
{
    if (l->low[k] == l->high[k]) return arena_printf(a, "%g", l->low[k]);
    return arena_printf(a, "%.1f (%g-%g)", l->bits[k], l->low[k], l->high[k]);
}

static const char *percent(struct arena *a, double share)
{
    return arena_printf(a, "%.2f", 100 * share);
}

static const char *part_name(struct arena *a, const struct line *l)
{
    const char *name = *l->part ? arena_printf(a, "  %s %s", l->name, l->part) : l->name;
    return name && l->layer >= 0 ? arena_printf(a, "%s (layer %d)", name, l->layer) : name;
}

/* Of the weights of a line that the method keeps itself, the mean; 0: the store keeps them. */
static double own_bits(const struct bops_subject *s, const struct line *l)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < s->forms.count; i++) {
        const struct site_form *f = &s->forms.form[i];
        if (f->kind != SITE_LINEAR || f->role != l->role || (l->layer >= 0 && f->layer != l->layer)) continue;
        sum += f->report.bits_stored;
        n++;
    }
    return n ? sum / n : 0;
}

static status storage_text(const struct bops_subject *s, const struct line *l, const char **text)
{
    double bits;
    *text = "";
    if (l->in == 0) return ST_OK;
    if ((bits = own_bits(s, l)) > 0) return (*text = arena_printf(s->arena, "%.3f", bits)) ? ST_OK : ST_MEMORY;
    if (strcmp(s->store->name, "f32") == 0) {
        *text = "as the file";
        return ST_OK;
    }
    TRY(bops_storage_bits(s, l->out, l->in, &bits));
    return (*text = arena_printf(s->arena, "%.3f", bits)) ? ST_OK : ST_MEMORY;
}

enum { C_NAME, C_MACS, C_FIRST, C_SECOND, C_STORED, C_OPS, C_SHARE, C_COUNT };

static status put_line(const struct bops_subject *s, const struct line *l, const struct lines points[4], double total,
                       struct sheet *out)
{
    struct arena *a = s->arena;
    struct sheet_cell *x = sheet_row(out);
    if (!x) return ST_MEMORY;
    x[C_NAME].main = part_name(a, l);
    x[C_MACS].main = polynomial_text(a, polynomial_of(points, l));
    x[C_FIRST].main = bits_text(a, l, 0);
    x[C_SECOND].main = bits_text(a, l, 1);
    TRY(storage_text(s, l, &x[C_STORED].main));
    x[C_OPS].main = arena_printf(a, "%.6g", l->ops);
    x[C_SHARE].main = percent(a, l->ops / total);
    for (int c = 0; c < C_COUNT; c++)
        if (!x[c].main) return ST_MEMORY;
    return ST_OK;
}

static status put_total(struct arena *a, const char *name, double ops, double total, struct sheet *out)
{
    struct sheet_cell *x = sheet_row(out);
    if (!x || !(x[C_OPS].main = arena_printf(a, "%.6g", ops)) || !(x[C_SHARE].main = percent(a, ops / total)))
        return ST_MEMORY;
    x[C_NAME].main = name;
    return ST_OK;
}

status bops_products_sheet(const struct bops_subject *s, const struct bops_setting *set, bool layers,
                           struct sheet **out)
{
    static const double at[4][2] = {{1, 0}, {2, 0}, {0, 1}, {1, 1}};
    static const struct sheet_col heads[C_COUNT] = {
        {"product", NULL, 1},     {"MACs of l tokens", "and e table rows", 0},
        {"bits of", "weight", 0}, {"bits of", "other operand", 0},
        {"bits", "stored", 0},    {"bit operations", NULL, 0},
        {"share", "%", 0}};
    struct lines all, points[4];
    const struct bops_form form = bops_carried(&s->forms);
    struct bops total = bops_count(s->model, &form, set->length, set->rows, NULL, NULL);
    TRY(gather_all(s, set->length, set->rows, layers, &all));
    for (int i = 0; i < 4; i++) TRY(gather_all(s, at[i][0], at[i][1], layers, &points[i]));
    const char *title = arena_printf(s->arena, "%s: products at l = %g, e = %g", s->title, set->length, set->rows);
    if (!title) return ST_MEMORY;
    TRY(sheet_make(s->arena, title, C_COUNT, out));
    memcpy((*out)->col, heads, sizeof heads);
    for (int i = 0; i < all.count; i++) TRY(put_line(s, &all.line[i], points, total.encoder, *out));
    TRY(put_total(s->arena, "attention", total.attention, total.encoder, *out));
    TRY(put_total(s->arena, "encoder", total.encoder, total.encoder, *out));
    TRY(sheet_note(
        *out, "Bit operations: MACs x bits x bits, one sequence, %s %d layers; where layers differ, mean and range.",
        layers ? "each of" : "sum of", s->model->config.layers));
    TRY(sheet_note(*out,
                   "Attention: q, k, v with their adapters, scores, c2p, p2c, context. Scores have two activations."));
    return sheet_note(
        *out, "Counted is the width that multiplies: weights stored in fewer bits but multiplied as floats count 32.");
}

/* ---- settings ---- */

enum { S_NAME, S_L, S_E, S_FIRST, S_RATIOS = 4, S_COUNT = S_FIRST + 2 * S_RATIOS };

static status put_scope(struct arena *a, double ops, double lora, double own, double plain, struct sheet_cell *x)
{
    x[0].main = arena_printf(a, "%.6g", ops);
    x[1].main = percent(a, lora);
    x[2].main = percent(a, own);
    x[3].main = percent(a, plain);
    return x[0].main && x[1].main && x[2].main && x[3].main ? ST_OK : ST_MEMORY;
}

static status put_setting(struct arena *a, const struct model *m, const struct bops_form *form, const char *name,
                          double l, double e, struct sheet *s)
{
    struct sheet_cell *x = sheet_row(s);
    if (!x) return ST_MEMORY;
    struct bops_ratios b = bops_compare(m, form, l, e);
    x[S_NAME].main = name;
    x[S_L].main = arena_printf(a, "%.4g", l);
    x[S_E].main = arena_printf(a, "%g", e);
    if (!x[S_L].main || !x[S_E].main) return ST_MEMORY;
    TRY(put_scope(a, b.absolute.encoder, b.lora.encoder, b.unquantised.encoder, b.plain.encoder, &x[S_FIRST]));
    return put_scope(a, b.absolute.attention, b.lora.attention, b.unquantised.attention, b.plain.attention,
                     &x[S_FIRST + S_RATIOS]);
}

static bool is_base(const struct model_config *c)
{
    const struct model_config *b = &deberta_base_shape;
    return c->family == b->family && c->hidden == b->hidden && c->layers == b->layers && c->ffn == b->ffn &&
           c->relative && c->position_buckets == b->position_buckets;
}

/* The same ranks and bits on the network of the paper. */
static status put_base(const struct bops_subject *s, struct sheet *out)
{
    struct registry reg;
    struct model *base;
    struct site_forms forms = s->forms;
    TRY(shape_open("deberta-v3-base", &deberta_base_shape, s->arena, &reg, &base));
    forms.onto = base->config.layers;
    const struct bops_form form = bops_carried(&forms);
    status st = put_setting(s->arena, base, &form, "on DeBERTaV3-base", BOPS_PAPER_LENGTH, model_table_rows(base), out);
    model_close(base);
    return st;
}

status bops_settings_sheet(const struct bops_subject *s, struct sheet **out)
{
    static const struct sheet_col heads[S_COUNT] = {{"setting", NULL, 1},     {"l", NULL, 0},
                                                    {"e", NULL, 0},           {"encoder", "operations", 0},
                                                    {"% of", "LoRA r=16", 0}, {"% of own", "at 32 bits", 0},
                                                    {"% of", "network", 0},   {"attention", "operations", 0},
                                                    {"% of", "LoRA r=16", 0}, {"% of own", "at 32 bits", 0},
                                                    {"% of", "network", 0}};
    const struct bops_form form = bops_carried(&s->forms);
    TRY(sheet_make(s->arena, "Settings and baselines", S_COUNT, out));
    memcpy((*out)->col, heads, sizeof heads);
    for (int i = 0; i < s->settings; i++)
        TRY(put_setting(s->arena, s->model, &form, s->setting[i].name, s->setting[i].length, s->setting[i].rows, *out));
    bool carried = shape_is_encoder(&s->model->config) && !is_base(&s->model->config);
    if (carried) TRY(put_base(s, *out));
    TRY(sheet_note(*out, "paper: 20 tokens, the setting that gives the published percentages (--derive); max_length: "
                         "of the task; mean_length: real tokens of its training set."));
    TRY(sheet_note(*out, "LoRA r=16: on query, key and value. Own at 32 bits: the same adapters at full rank. "
                         "Network: without adapters."));
    if (!carried) return ST_OK;
    return sheet_note(*out, "on DeBERTaV3-base: these ranks and bits by role and relative depth on its shape, 20 "
                            "tokens, 512 table rows.");
}
