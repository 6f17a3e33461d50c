/* A table for programs: one line a cell or a run, every number whole. */
#include "bench/table.h"

#include <math.h>
#include "core/text.h"

/* NaN is an empty field. */
static const char *number(struct arena *a, double v)
{
    char buf[40];
    if (isnan(v)) return "";
    text_from_double(v, buf, sizeof buf);
    return arena_printf(a, "%s", buf);
}

static const char *const state_name[] = {"ok", "diverged", "failed", "missing"};

static int put_number(struct arena *a, struct sheet_cell **x, double v)
{
    return ((*x)++->main = number(a, v)) != NULL;
}

static void put_text(struct sheet_cell **x, const char *s)
{
    (*x)++->main = s;
}

static void put_place(const struct table *t, int row, int col, struct sheet_cell **x)
{
    put_text(x, t->row[row].label);
    put_text(x, t->row[row].variant);
    put_text(x, t->col[col].label);
    put_text(x, t->col[col].metric);
}

static void heads(struct sheet *s, const char *const *name)
{
    for (int c = 0; name[c]; c++) s->col[c].head = name[c];
}

static const char *const point_heads[] = {"row",   "variant", "column",   "metric", "protocol", "seed",
                                          "score", "state",   "constant", "file",   NULL};
enum { POINT_COLUMNS = sizeof point_heads / sizeof *point_heads - 1 };

static status put_points(const struct table *t, int row, int col, struct sheet *s)
{
    const struct table_cell *c = table_cell_at(t, row, col);
    for (int i = 0; i < c->points; i++) {
        const struct table_point *p = &c->point[i];
        struct sheet_cell *x = sheet_row(s);
        if (!x) return ST_MEMORY;
        put_place(t, row, col, &x);
        put_text(&x, protocol_name[p->protocol]);
        const char *seed = arena_printf(t->arena, "%lld", p->run->seed);
        put_text(&x, seed);
        if (!seed || !put_number(t->arena, &x, p->score)) return ST_MEMORY;
        put_text(&x, p->run->lacks_metric ? "no such metric" : state_name[p->run->state]);
        put_text(&x, !p->variant || p->variant->constant[p->protocol] < 0 ? ""
                     : p->variant->constant[p->protocol]                  ? "1"
                                                                          : "0");
        put_text(&x, p->run->file ? p->run->file : "");
    }
    return ST_OK;
}

static const char *const cell_heads[] = {
    "row",     "variant", "column", "metric",    "runs",     "scored", "mean",       "sd",
    "median",  "low",     "high",   "undefined", "diverged", "failed", "missing",    "constant",
    "best",    "adapter", "head",   "deployed",  "baseline", "pairs",  "difference", "ci_low",
    "ci_high", "p",       "test",   "wins",      "ties",     "losses", NULL};
enum { CELL_COLUMNS = sizeof cell_heads / sizeof *cell_heads - 1 };

static status put_spread(const struct table *t, const struct table_cell *c, struct sheet_cell **x)
{
    double *score, low = NAN, high = NAN;
    int n = 0;
    NEW(score, t->arena, c->points + 1);
    for (int i = 0; i < c->points; i++) {
        double v = c->point[i].score;
        if (isnan(v)) continue;
        score[n++] = v;
        if (!(low <= v)) low = v;
        if (!(high >= v)) high = v;
    }
    int ok = put_number(t->arena, x, c->mean) && put_number(t->arena, x, c->sd) &&
             put_number(t->arena, x, stats_median(score, n)) && put_number(t->arena, x, low) &&
             put_number(t->arena, x, high);
    return ok ? ST_OK : ST_MEMORY;
}

static int put_comparison(struct arena *a, const struct comparison *v, struct sheet_cell **x)
{
    const double number_of[] = {v->pairs, v->difference, v->low, v->high, v->p};
    int ok = 1;
    for (int i = 0; i < 5; i++) ok &= put_number(a, x, number_of[i]);
    put_text(x, v->mcnemar ? "mcnemar" : isnan(v->p) ? "" : "sign flip");
    return ok && put_number(a, x, v->wins) && put_number(a, x, v->ties) && put_number(a, x, v->losses);
}

static status put_cell(const struct table *t, int row, int col, struct sheet *s)
{
    const struct table_cell *c = table_cell_at(t, row, col);
    const struct table_row *r = &t->row[row];
    struct arena *a = t->arena;
    struct sheet_cell *x = sheet_row(s);
    if (!x) return ST_MEMORY;
    put_place(t, row, col, &x);
    int ok = put_number(a, &x, c->points) && put_number(a, &x, c->scored);
    TRY(put_spread(t, c, &x));
    const int count[] = {c->undefined, c->diverged, c->failed, c->missing, c->constant, c->best};
    for (int i = 0; i < 6; i++) ok &= put_number(a, &x, count[i]);
    ok &= put_number(a, &x, r->adapter.high) && put_number(a, &x, r->head.high) && put_number(a, &x, r->deployed.high);
    put_text(&x, t->baseline < 0 ? "" : table_row_name(&t->row[t->baseline], a));
    if (c->versus.pairs) ok &= put_comparison(a, &c->versus, &x);
    return ok ? ST_OK : ST_MEMORY;
}

status table_lines(const struct table *t, struct sheet **sheet)
{
    int points = t->spec->points;
    TRY(sheet_make(t->arena, "", points ? POINT_COLUMNS : CELL_COLUMNS, sheet));
    heads(*sheet, points ? point_heads : cell_heads);
    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->cols; c++) TRY(points ? put_points(t, r, c, *sheet) : put_cell(t, r, c, *sheet));
    return ST_OK;
}
