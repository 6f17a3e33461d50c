/* A table for reading: means with their spread, marks, parameter counts, and notes that say what every mark means. */
#include "bench/table.h"

#include <math.h>
#include <string.h>

enum { SHOWN_CAUSES = 5 };

static const char *number(struct arena *a, double v, int digits)
{
    return arena_printf(a, "%.*f", digits, v);
}

int table_digits(const struct table_col *c)
{
    return c->scale == 100 ? 2 : 4;
}

/* 768, 73.7k, 1.327M: four significant digits. */
const char *table_count(struct arena *a, double n)
{
    if (isnan(n)) return "";
    if (n < 10000) return arena_printf(a, "%.0f", n);
    double unit = n < 1e6 ? 1e3 : n < 1e9 ? 1e6 : 1e9;
    double v = n / unit;
    return arena_printf(a, "%.*f%s", v < 10 ? 3 : v < 100 ? 2 : 1, v, n < 1e6 ? "k" : n < 1e9 ? "M" : "G");
}

static const char *range_text(struct arena *a, struct range r)
{
    const char *low = table_count(a, r.low), *high = table_count(a, r.high);
    return !low || !high ? NULL : strcmp(low, high) == 0 ? low : arena_printf(a, "%s-%s", low, high);
}

/* ---- one cell ---------------------------------------------------------------------------------------------------- */

/* The number of runs that most cells should have: only cells with another number of scores state theirs. */
static int usual_count(const struct table *t)
{
    int best = 0, votes = 0;
    for (int i = 0; i < t->rows * t->cols; i++) {
        int n = t->cell[i].points, same = 0;
        if (n == 0) continue;
        for (int k = 0; k < t->rows * t->cols; k++) same += t->cell[k].points == n;
        if (same > votes || (same == votes && n > best)) votes = same, best = n;
    }
    return best;
}

/* What stands where no mean can: why there is none. */
static const char *no_score(const struct table_cell *c)
{
    return c->undefined ? "undef" : c->diverged ? "div." : c->failed ? "failed" : "-";
}

static status put_marks(struct arena *a, const struct table_cell *c, int usual, struct sheet_cell *x)
{
    const char *marks = arena_printf(a, "%s%s%s", c->scored && c->diverged + c->failed ? "!" : "",
                                     c->scored && c->undefined ? "?" : "", c->constant ? "=" : "");
    if (!marks) return ST_MEMORY;
    if (c->scored && c->scored != usual) marks = arena_printf(a, "%s%sn=%d", marks, *marks ? " " : "", c->scored);
    if (!marks) return ST_MEMORY;
    if (*marks) x->tail = marks;
    return ST_OK;
}

static status put_cell(const struct table *t, int row, int col, int usual, struct sheet_cell *x)
{
    const struct table_cell *c = table_cell_at(t, row, col);
    const struct table_col *k = &t->col[col];
    x->bold = c->best;
    x->main = c->scored ? number(t->arena, c->mean * k->scale, table_digits(k)) : no_score(c);
    if (c->scored > 1 && !(x->spread = number(t->arena, c->sd * k->scale, table_digits(k)))) return ST_MEMORY;
    return x->main ? put_marks(t->arena, c, usual, x) : ST_MEMORY;
}

/* ---- single seeds ------------------------------------------------------------------------------------------------ */

static int seed_in(const struct table *t, int row, long long seed)
{
    for (int c = 0; c < t->cols; c++)
        for (int i = 0; i < table_cell_at(t, row, c)->points; i++)
            if (table_cell_at(t, row, c)->point[i].run->seed == seed) return 1;
    return 0;
}

/* The next larger seed of a row; 0: none. *seed is ignored when first. */
static int next_seed(const struct table *t, int row, int first, long long *seed)
{
    int found = 0;
    long long best = 0;
    for (int c = 0; c < t->cols; c++)
        for (int i = 0; i < table_cell_at(t, row, c)->points; i++) {
            long long s = table_cell_at(t, row, c)->point[i].run->seed;
            if ((first || s > *seed) && (!found || s < best)) best = s, found = 1;
        }
    if (found) *seed = best;
    return found;
}

static const char *point_text(const struct table *t, const struct table_point *p, const struct table_col *k)
{
    switch (p->run->state) {
    case RUN_DIVERGED: return "div.";
    case RUN_FAILED: return "failed";
    case RUN_MISSING: return "-";
    case RUN_OK: break;
    }
    if (p->run->lacks_metric) return "-";
    if (isnan(p->score)) return "undef";
    int constant = p->variant->constant[p->protocol] == 1;
    return arena_printf(t->arena, "%.*f%s", table_digits(k), p->score * k->scale, constant ? "=" : "");
}

/* All scores of one seed in a cell; several only where runs are mixed. */
static const char *points_text(const struct table *t, const struct table_cell *c, const struct table_col *k,
                               long long seed)
{
    const char *text = "";
    for (int i = 0; i < c->points && text; i++) {
        if (c->point[i].run->seed != seed) continue;
        const char *one = point_text(t, &c->point[i], k);
        text = one ? arena_printf(t->arena, "%s%s%s", text, *text ? " " : "", one) : NULL;
    }
    return text;
}

static status put_points(const struct table *t, int row, int first_col, struct sheet *s)
{
    long long seed = 0;
    for (int first = 1; next_seed(t, row, first, &seed); first = 0) {
        struct sheet_cell *x = sheet_row(s);
        if (!x || !(x[0].main = arena_printf(t->arena, "  seed %lld", seed))) return ST_MEMORY;
        for (int c = 0; c < t->cols && seed_in(t, row, seed); c++)
            if (!(x[first_col + c].main = points_text(t, table_cell_at(t, row, c), &t->col[c], seed))) return ST_MEMORY;
    }
    return ST_OK;
}

/* ---- the sheet of means ------------------------------------------------------------------------------------------ */

static int deployed_differs(const struct table *t)
{
    for (int r = 0; r < t->rows; r++)
        if (t->row[r].deployed.low != t->row[r].adapter.low || t->row[r].deployed.high != t->row[r].adapter.high)
            if (!isnan(t->row[r].deployed.low) && t->row[r].deployed.low > 0) return 1;
    return 0;
}

/* Columns that are left out where they would say nothing. */
struct shown {
    int deployed, bops;
};

static struct shown shown_in(const struct table *t)
{
    struct shown s = {.deployed = deployed_differs(t)};
    for (int r = 0; r < t->rows; r++) s.bops |= !isnan(t->row[r].bops.low);
    return s;
}

static const char *percent_text(struct arena *a, struct range r)
{
    if (isnan(r.low)) return "-";
    const char *low = arena_printf(a, "%.1f", 100 * r.low), *high = arena_printf(a, "%.1f", 100 * r.high);
    return !low || !high ? NULL : strcmp(low, high) == 0 ? low : arena_printf(a, "%s-%s", low, high);
}

static status put_row(const struct table *t, int row, struct shown shown, int usual, struct sheet *s)
{
    struct sheet_cell *x = sheet_row(s);
    const struct table_row *r = &t->row[row];
    int c = 0;
    if (!x) return ST_MEMORY;
    x[c++].main = table_row_name(r, t->arena);
    if (!(x[c++].main = range_text(t->arena, r->adapter)) || !(x[c++].main = range_text(t->arena, r->head)))
        return ST_MEMORY;
    if (shown.deployed && !(x[c++].main = range_text(t->arena, r->deployed))) return ST_MEMORY;
    if (shown.bops && !(x[c++].main = percent_text(t->arena, r->bops))) return ST_MEMORY;
    int first_col = c;
    for (int k = 0; k < t->cols; k++) TRY(put_cell(t, row, k, usual, &x[c++]));
    if (t->averaged) {
        x[c].main = isnan(r->average) ? "-" : number(t->arena, r->average * t->col[0].scale, table_digits(&t->col[0]));
        x[c].bold = r->best_average;
        if (!x[c].main) return ST_MEMORY;
    }
    return t->spec->points ? put_points(t, row, first_col, s) : ST_OK;
}

static void put_heads(const struct table *t, struct shown shown, struct sheet *s)
{
    int c = 0;
    const char *keys = t->by_row ? "row" : t->spec->rows;
    s->col[c++] = (struct sheet_col){keys, NULL, 1};
    s->col[c++] = (struct sheet_col){"trained", "adapter", 0};
    s->col[c++] = (struct sheet_col){"trained", "head", 0};
    if (shown.deployed) s->col[c++] = (struct sheet_col){"deployed", "adapter", 0};
    if (shown.bops) s->col[c++] = (struct sheet_col){"BOPs", "%", 0};
    for (int k = 0; k < t->cols; k++) s->col[c++] = (struct sheet_col){t->col[k].label, t->col[k].metric, 0};
    if (t->averaged) s->col[c++] = (struct sheet_col){"average", NULL, 0};
}

/* ---- notes ------------------------------------------------------------------------------------------------------- */

static status note_protocol(const struct table *t, int usual, struct sheet *s)
{
    static const char *const what[PROTOCOLS] = {
        "best: each run's best evaluation on the dev set (flatters: it is chosen on the data it is reported on)",
        "last: each run's last evaluation",
        "split: evaluation chosen on one half of the dev set, reported on the other"};
    int seen[PROTOCOLS] = {0}, scaled = 0;
    for (int i = 0; i < t->rows * t->cols; i++)
        for (int k = 0; k < t->cell[i].points; k++) seen[t->cell[i].point[k].protocol] = 1;
    for (int c = 0; c < t->cols; c++) scaled |= t->col[c].scale == 100;
    if (usual > 1)
        TRY(sheet_note(s, "%sMean \xc2\xb1 standard deviation over %d %s.", scaled ? "Scores x 100. " : "", usual,
                       *t->mixed ? "runs" : "seeds"));
    else if (usual == 1)
        TRY(sheet_note(s, "%sOne run a cell: no spread.", scaled ? "Scores x 100. " : ""));
    for (int p = 0; p < PROTOCOLS; p++)
        if (seen[p]) TRY(sheet_note(s, "Protocol %s.", what[p]));
    return ST_OK;
}

/* Names the first few runs that diverged or failed, with their causes. */
static status note_failures(const struct table *t, struct sheet *s)
{
    int shown = 0, all = 0;
    const struct run *before = NULL;
    for (int i = 0; i < t->rows * t->cols; i++)
        for (int k = 0; k < t->cell[i].points; k++) {
            const struct run *r = t->cell[i].point[k].run;
            if (r->state != RUN_DIVERGED && r->state != RUN_FAILED) continue;
            if (all++ == 0) TRY(sheet_note(s, "!  some runs diverged or failed and are left out of the mean:"));
            if (r == before || shown >= SHOWN_CAUSES) continue;
            before = r;
            shown++;
            TRY(sheet_note(s, "   %s/%s seed %lld %s: %s", r->row, r->task, r->seed,
                           r->state == RUN_DIVERGED ? "diverged" : "failed", r->cause));
        }
    if (all > shown && shown == SHOWN_CAUSES) TRY(sheet_note(s, "   and %d more", all - shown));
    return ST_OK;
}

/* Counts over all cells, to know which marks need words. */
struct sums {
    int best, undefined, constant, constant_scored, missing, points, lacks, scored;
};

static struct sums add_up(const struct table *t)
{
    struct sums n = {0};
    for (int i = 0; i < t->rows * t->cols; i++) {
        const struct table_cell *c = &t->cell[i];
        n.best += c->best;
        n.undefined += c->undefined;
        n.constant += c->constant;
        n.constant_scored += c->constant ? c->scored + c->undefined : 0;
        n.missing += c->missing;
        n.points += c->points;
        n.scored += c->scored;
        for (int k = 0; k < c->points; k++) n.lacks += c->point[k].run->lacks_metric;
    }
    return n;
}

static status note_marks(const struct table *t, struct sheet *s)
{
    struct sums n = add_up(t);
    if (n.best) TRY(sheet_note(s, "*  best mean of its column (bold in Markdown and LaTeX)."));
    TRY(note_failures(t, s));
    if (n.undefined)
        TRY(sheet_note(
            s,
            "?  undef: the metric has no value (constant predictions, for a correlation) in %d of %d runs; left out of "
            "the mean.",
            n.undefined, n.undefined + n.scored));
    if (n.constant)
        TRY(sheet_note(s, "=  degenerate: %d of %d runs in these cells predict the same for every example.", n.constant,
                       n.constant_scored));
    if (n.missing - n.lacks > 0)
        TRY(sheet_note(s, "-  %d of %d runs have no record yet.", n.missing - n.lacks, n.points));
    if (n.lacks) TRY(sheet_note(s, "-  %d runs have no metric '%s'.", n.lacks, t->spec->metric));
    if (*t->mixed) TRY(sheet_note(s, "Cells mix runs that differ in: %s.", t->mixed));
    return ST_OK;
}

static status note_columns(const struct table *t, struct shown shown, struct sheet *s)
{
    TRY(sheet_note(s, "Trained parameters: adapter (thawed base weights included, at their peak) and head apart.%s",
                   shown.deployed ? " Deployed: what remains of the adapter." : ""));
    if (shown.bops)
        TRY(sheet_note(s,
                       "BOPs: bit operations of the encoder with adapters at the mean real length, over LoRA of rank "
                       "16 on query, key and value (`peftgrid bops`)."));
    if (t->averaged) TRY(sheet_note(s, "Average: plain mean of the columns; - where one is empty."));
    return ST_OK;
}

static status make_means(const struct table *t, const char *title, const char *const *extra, struct sheet **out)
{
    const struct shown shown = shown_in(t);
    int usual = usual_count(t);
    struct sheet *s;
    TRY(sheet_make(t->arena, title, 3 + shown.deployed + shown.bops + t->cols + t->averaged, &s));
    put_heads(t, shown, s);
    for (int r = 0; r < t->rows; r++) TRY(put_row(t, r, shown, usual, s));
    TRY(note_protocol(t, usual, s));
    TRY(note_marks(t, s));
    TRY(note_columns(t, shown, s));
    for (; *extra; extra++) TRY(sheet_note(s, "%s", *extra));
    *out = s;
    return ST_OK;
}

status table_sheets(const struct table *t, const char *title, const char *const *extra, struct sheet **sheet,
                    int *sheets)
{
    *sheets = 1;
    TRY(make_means(t, title, extra, &sheet[0]));
    if (t->baseline < 0 || t->rows < 2) return ST_OK;
    *sheets = 2;
    return table_differences(t, &sheet[1]);
}
