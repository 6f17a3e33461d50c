/* Where the published percentages come from (METHODS 4.2). The paper states that LoRA of rank 2 and 8 need 97.04 % and
 * 98.31 % of the operations of rank 16, and prints encoder and attention percentages whose ratio f = (100 - E) / (100 -
 * A) is 0.86305 in one row. It names neither a length nor the rows of the table: these are searched for here. The
 * counts come from the model's products, so this is also a check of them. */
#include <math.h>
#include <string.h>
#include "bench/bops_sheet.h"

static const double published_2 = 97.04, published_8 = 98.31, published_f = 0.86303, half_digit = 0.005,
                    f_tolerance = 0.00008;

/* MACs of the encoder as polynomials of l and e; of the adapters at rank 1, with and without those on the table. */
struct counts {
    double plain[4], attention[4]; /* l, l^2, e, l e */
    double adapter_l, adapter_e;
};

static void fit(const double f[4], double p[4]) /* f at (1,0), (2,0), (0,1), (1,1) */
{
    p[1] = (f[1] - 2 * f[0]) / 2;
    p[0] = f[0] - p[1];
    p[2] = f[2];
    p[3] = f[3] - p[0] - p[1] - p[2];
}

static double value(const double p[4], double l, double e)
{
    return p[0] * l + p[1] * l * l + p[2] * e + p[3] * l * e;
}

static void take_counts(const struct model *m, struct counts *c)
{
    static const double at[4][2] = {{1, 0}, {2, 0}, {0, 1}, {1, 1}};
    const int one = 1;
    const struct bops_form lora = bops_lora(&one);
    double plain[4], attention[4], adapter[4];
    for (int i = 0; i < 4; i++) {
        struct bops b = bops_count(m, &bops_plain, at[i][0], at[i][1], NULL, NULL);
        plain[i] = b.encoder / 1024;
        attention[i] = b.attention / 1024;
        adapter[i] = bops_count(m, &lora, at[i][0], at[i][1], NULL, NULL).encoder / 1024 - plain[i];
    }
    fit(plain, c->plain);
    fit(attention, c->attention);
    c->adapter_l = adapter[0];
    c->adapter_e = adapter[2];
}

struct setting { /* what is searched for */
    double l, e;
    bool on_table; /* adapters act on the positional projections too */
};

static double adapter(const struct counts *c, const struct setting *s, double rank)
{
    return rank * (c->adapter_l * s->l + (s->on_table ? c->adapter_e * s->e : 0));
}

static double percent_of_16(const struct counts *c, const struct setting *s, double rank)
{
    double n = value(c->plain, s->l, s->e);
    return 100 * (n + adapter(c, s, rank)) / (n + adapter(c, s, BOPS_PAPER_RANK));
}

/* The share of attention in the network with adapters of a rank: what f is when only attention is quantised. */
static double share(const struct counts *c, const struct setting *s, double rank)
{
    double a = adapter(c, s, rank);
    return (value(c->attention, s->l, s->e) + a) / (value(c->plain, s->l, s->e) + a);
}

static bool gives_both(const struct counts *c, const struct setting *s)
{
    return fabs(percent_of_16(c, s, 2) - published_2) < half_digit &&
           fabs(percent_of_16(c, s, 8) - published_8) < half_digit;
}

/* ---- the sheets ---- */

static status put(const struct sheet *s, int col, struct sheet_cell *x, const char *fmt, double v)
{
    return (x[col].main = arena_printf(s->arena, fmt, v)) ? ST_OK : ST_MEMORY;
}

static status ranks_sheet(const struct counts *c, struct arena *a, struct sheet **out)
{
    static const int rank[] = {0, 2, 8, BOPS_PAPER_RANK};
    static const char *const published[] = {"", "97.04", "98.31", "100"};
    const struct setting s = {BOPS_PAPER_LENGTH, 512, true};
    TRY(sheet_make(a, "LoRA on query, key, value of DeBERTaV3-base: 20 tokens, 512 table rows", 6, out));
    const struct sheet_col heads[] = {{"rank", NULL, 0},     {"network", "MACs", 0},    {"adapters", "MACs", 0},
                                      {"together", NULL, 0}, {"% of rank 16", NULL, 0}, {"published", NULL, 0}};
    memcpy((*out)->col, heads, sizeof heads);
    for (size_t i = 0; i < sizeof rank / sizeof rank[0]; i++) {
        struct sheet_cell *x = sheet_row(*out);
        double n = value(c->plain, s.l, s.e), more = adapter(c, &s, rank[i]);
        if (!x) return ST_MEMORY;
        TRY(put(*out, 0, x, "%g", rank[i]));
        TRY(put(*out, 1, x, "%.12g", n));
        TRY(put(*out, 2, x, "%.12g", more));
        TRY(put(*out, 3, x, "%.12g", n + more));
        TRY(put(*out, 4, x, "%.3f", percent_of_16(c, &s, rank[i])));
        x[5].main = published[i];
    }
    TRY(sheet_note(
        *out,
        "Network, all layers: %.12g l + %.12g l^2 + %.12g e + %.12g l e (12 d^2 l, 2 l^2 d, 2 d^2 e, 2 l e d a layer).",
        c->plain[0], c->plain[1], c->plain[2], c->plain[3]));
    return sheet_note(*out,
                      "Adapters: r (%.12g l + %.12g e), for they act on the positional projections as well (2 r d (3 l "
                      "+ 2 e) a layer). "
                      "32 bits everywhere, so MACs stand for bit operations.",
                      c->adapter_l, c->adapter_e);
}

static status lengths_sheet(const struct counts *c, struct arena *a, struct sheet **out)
{
    static const double length[] = {BOPS_PAPER_LENGTH, 64, 128, 256, 320, 512};
    TRY(sheet_make(a, "The same at other lengths, e = 512", 6, out));
    const struct sheet_col heads[] = {{"l", NULL, 0},
                                      {"r = 2", "%", 0},
                                      {"r = 8", "%", 0},
                                      {"attention's", "share, r = 16", 0},
                                      {"r = 2, none", "on the table", 0},
                                      {"r = 8, none", "on the table", 0}};
    memcpy((*out)->col, heads, sizeof heads);
    for (size_t i = 0; i < sizeof length / sizeof length[0]; i++) {
        struct sheet_cell *x = sheet_row(*out);
        const struct setting s = {length[i], 512, true}, off = {length[i], 512, false};
        if (!x) return ST_MEMORY;
        TRY(put(*out, 0, x, "%g", length[i]));
        TRY(put(*out, 1, x, "%.2f", percent_of_16(c, &s, 2)));
        TRY(put(*out, 2, x, "%.2f", percent_of_16(c, &s, 8)));
        TRY(put(*out, 3, x, "%.4f", share(c, &s, BOPS_PAPER_RANK)));
        TRY(put(*out, 4, x, "%.2f", percent_of_16(c, &off, 2)));
        TRY(put(*out, 5, x, "%.2f", percent_of_16(c, &off, 8)));
    }
    return sheet_note(
        *out, "No other of these lengths gives the published 97.04 and 98.31; without adapters on the positional "
              "projections none does.");
}

static status put_solution(const struct counts *c, const struct setting *s, struct sheet *out)
{
    struct sheet_cell *x = sheet_row(out);
    double f = share(c, s, 8);
    if (!x) return ST_MEMORY;
    TRY(put(out, 0, x, "%g", s->l));
    TRY(put(out, 1, x, "%g", s->e));
    x[2].main = s->on_table ? "yes" : "no";
    TRY(put(out, 3, x, "%.3f", percent_of_16(c, s, 2)));
    TRY(put(out, 4, x, "%.3f", percent_of_16(c, s, 8)));
    TRY(put(out, 5, x, "%.5f", f));
    x[6].main = fabs(f - published_f) < f_tolerance ? "all three" : "two";
    return ST_OK;
}

static status search_sheet(const struct counts *c, struct arena *a, struct sheet **out)
{
    static const double rows[] = {64, 128, 256, 384, 512, 768, 1024, 2048, -1, -2};
    TRY(sheet_make(
        a, "Search: l = 1 ... 1024; e = 64, 128, 256, 384, 512, 768, 1024, 2048, l, 2 l; adapters on the table or not",
        7, out));
    const struct sheet_col heads[] = {{"l", NULL, 0},       {"e", NULL, 0},    {"on the table", NULL, 1},
                                      {"r = 2", "%", 0},    {"r = 8", "%", 0}, {"f at r = 8", NULL, 0},
                                      {"explains", NULL, 1}};
    memcpy((*out)->col, heads, sizeof heads);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        for (int l = 1; l <= 1024; l++)
            for (int table = 0; table < 2; table++) {
                const struct setting s = {l, rows[k] < 0 ? -rows[k] * l : rows[k], table != 0};
                if (gives_both(c, &s)) TRY(put_solution(c, &s, *out));
            }
    TRY(sheet_note(*out,
                   "Shown is what gives 97.04 and 98.31. f = (100 - E)/(100 - A) is 0.86303 in the rows (q) of the "
                   "paper's Table 2 (0.86296 to 0.86310 by its digits); here it is the share of attention in the "
                   "method's own network of rank 8 at 32 bits."));
    return sheet_note(*out, "An inference from the numbers, not a statement of the authors. Not reproduced by any "
                            "setting: 97.44 (AdaLoRA) and "
                            "95.32, which is less than the network without adapters has.");
}

status bops_derivation_sheets(struct arena *a, struct sheet **sheet, int *sheets)
{
    struct registry reg;
    struct model *m;
    struct counts c;
    TRY(shape_open("deberta-v3-base", &deberta_base_shape, a, &reg, &m));
    take_counts(m, &c);
    model_close(m);
    *sheets = BOPS_DERIVATION_SHEETS;
    TRY(ranks_sheet(&c, a, &sheet[0]));
    TRY(lengths_sheet(&c, a, &sheet[1]));
    return search_sheet(&c, a, &sheet[2]);
}
