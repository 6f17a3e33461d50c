/* Learning curves: a panel a task, a line a row (mean over the seeds), a band from the lowest to the highest seed. */
#include <math.h>
#include <string.h>
#include "bench/plot.h"

enum { CURVE_COLUMNS = 5 };

/* The variant that stands for its row: the last one, the whole adapter of DyLoRA. */
static int stands_for_row(const struct plot *p, int row)
{
    const struct table_row *r = &p->t->row[row];
    if (!p->chosen[row]) return 0;
    return p->all_variants || row + 1 == p->t->rows || strcmp(r[1].label, r->label) != 0;
}

/* The first run with a curve: its evaluations are those of the line. */
static const struct variant_detail *first_curve(const struct table_cell *c)
{
    for (int i = 0; i < c->points; i++) {
        const struct variant_detail *d = plot_detail(&c->point[i]);
        if (d && d->evaluations > 0) return d;
    }
    return NULL;
}

/* in_steps: over steps instead of epochs. *drawn: some evaluation has a score. */
static status put_curve(struct figure *f, const struct table_cell *c, double scale, int in_steps, int *drawn)
{
    const struct variant_detail *first = first_curve(c);
    const double *when = !first ? NULL : in_steps ? first->step : first->epoch;
    *drawn = 0;
    for (int e = 0; first && e < first->evaluations; e++) {
        double sum = 0, low = NAN, high = NAN;
        int n = 0;
        for (int i = 0; i < c->points; i++) {
            const struct variant_detail *d = plot_detail(&c->point[i]);
            if (!d || d->evaluations != first->evaluations || isnan(d->score[e])) continue;
            double v = d->score[e] * scale;
            sum += v;
            n++;
            if (!(low <= v)) low = v;
            if (!(high >= v)) high = v;
        }
        *drawn |= n > 0;
        TRY(figure_numbers(f, CURVE_COLUMNS, (double[]){when[e], n ? sum / n : NAN, low, high, n}));
    }
    return ST_OK;
}

static status draw_panel(const struct plot *p, struct figure *f, int col, const int *row, int rows)
{
    const struct table *t = p->t;
    const char *label = figure_score_label(p->arena, &t->col[col]);
    const char *y = label ? figure_quote(p->arena, label) : NULL, *before = "plot";
    int *block, *drawn;
    double epochs = 0, steps = 0;
    if (!y) return ST_MEMORY;
    NEW(block, p->arena, rows + 1);
    NEW(drawn, p->arena, rows + 1);
    for (int i = 0; i < rows; i++) {
        const struct variant_detail *d = first_curve(table_cell_at(t, row[i], col));
        if (!d) continue;
        epochs = fmax(epochs, d->epoch[d->evaluations - 1]);
        steps = fmax(steps, d->step[d->evaluations - 1]);
    }
    const int in_steps = epochs < 1; /* the steps of a fraction of an epoch say more than the fraction */
    const char *unit = in_steps ? "step" : "epoch";
    for (int i = 0; i < rows; i++) {
        TRY(figure_block(f, &block[i], "%s, %s: %s mean low high seeds", t->col[col].label,
                         table_row_name(&t->row[row[i]], p->arena), unit));
        TRY(put_curve(f, table_cell_at(t, row[i], col), t->col[col].scale, in_steps, &drawn[i]));
    }
    TRY(figure_panel(f, col, t->col[col].label));
    TRY(figure_line(f, "set xrange [0:%g]\nset xlabel '%ss' offset 0,0.3\nset ylabel %s offset 0.8,0",
                    in_steps ? steps : epochs, unit, y));
    for (int line = 0; line < 2; line++)
        for (int i = 0; i < rows; i++) {
            if (!drawn[i]) continue;
            TRY(text_printf(&f->script, "%s data index %d using %s ls %d", before, block[i],
                            line ? "1:2 with linespoints" : "1:3:4 with filledcurves", i + 1));
            if (line) TRY(text_put(&f->script, " ps 0.5"));
            before = ", \\\n    ";
        }
    return *before == 'p' ? figure_empty(f) : text_put(&f->script, "\n");
}

status plot_curves(struct plot *p)
{
    const struct table *t = p->t;
    struct figure f;
    int *row, rows = 0, letters = 0, longest = 0;
    const char **name;
    NEW(row, p->arena, t->rows + 1);
    NEW(name, p->arena, t->rows + 1);
    for (int r = 0; r < t->rows; r++) {
        int has = 0;
        for (int c = 0; c < t->cols; c++) {
            const struct variant_detail *d = first_curve(table_cell_at(t, r, c));
            has |= d != NULL;
            if (d && d->evaluations > longest) longest = d->evaluations;
        }
        if (!has || !stands_for_row(p, r)) continue;
        name[rows] = table_row_name(&t->row[r], p->arena);
        if ((int)strlen(name[rows]) > letters) letters = (int)strlen(name[rows]);
        row[rows++] = r;
    }
    p->why = rows == 0 ? "no run has evaluations" : longest < 2 ? "every run was evaluated once only" : NULL;
    if (p->why) return ST_OK;
    TRY(figure_begin(&f, p->arena, p->folder, "curves", t->cols, t->cols == 4 ? 2 : 3, 3.1, 2.3));
    f.title = "Learning curves";
    f.source = p->material->caption;
    f.note = "Lines: mean over the seeds. Bands: from the lowest to the highest seed.";
    figure_legend_room(&f, rows, letters);
    status st = figure_open(&f);
    if (st == ST_OK) /* many bands must not bury the lines */
        st = figure_line(&f, "set style fill transparent solid %.2f noborder",
                         rows <= 4   ? 0.15
                         : rows <= 8 ? 0.09
                                     : 0.06);
    for (int c = 0; c < t->cols && st == ST_OK; c++) st = draw_panel(p, &f, c, row, rows);
    if (st == ST_OK) st = figure_legend(&f, name, rows, "linespoints", "");
    if (st == ST_OK) return plot_finish(p, &f);
    figure_free(&f);
    return st;
}
