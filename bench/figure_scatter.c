/* Score against a cost, parameters or bit operations: a panel a task and one of the average; a colour a row of the
 * experiment, whose variants and list values are joined by a line; the Pareto front as steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/plot.h"

struct spot { /* one row of the table in one panel */
    double x, y, sd;
    int series, row;
};

struct scatter {
    struct plot *p;
    struct figure f;
    double (*cost)(const struct plot *, const struct table_point *);
    int log;
    const char *axis; /* label of x */
    const char **series;
    int count, letters;
    struct spot *spot; /* [panels, t->rows] */
    int *spots;        /* [panels] */
    double low, high;  /* range of the positive costs */
};

/* What deploying adds to or changes in the pretrained network; without an adapter the thawed weights. */
static double cost_params(const struct plot *p, const struct table_point *point)
{
    (void)p;
    if (!point->variant) return NAN;
    return point->variant->deployed > 0 ? point->variant->deployed : point->run->adapter;
}

static double mean_cost(const struct scatter *s, int row, int col)
{
    const struct table_cell *c = table_cell_at(s->p->t, row, col);
    double sum = 0;
    int n = 0;
    for (int i = 0; i < c->points; i++) {
        double v = s->cost(s->p, &c->point[i]);
        if (isnan(v) || isnan(c->point[i].score)) continue;
        sum += v;
        n++;
    }
    return n ? sum / n : NAN;
}

/* The experiment's row a table row belongs to is its colour. */
static int series_of(struct scatter *s, int row)
{
    const struct run *run = plot_run_of(s->p->t, row);
    const char *name = run ? run->row : s->p->t->row[row].label;
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->series[i], name) == 0) return i;
    s->series[s->count] = name;
    if ((int)strlen(name) > s->letters) s->letters = (int)strlen(name);
    return s->count++;
}

static void add_spot(struct scatter *s, int panel, int row, double x, double y, double sd)
{
    if (isnan(x) || isnan(y)) return;
    s->spot[panel * s->p->t->rows + s->spots[panel]++] = (struct spot){x, y, sd, series_of(s, row), row};
    if (x > 0 && !(s->low <= x)) s->low = x;
    if (x > 0 && !(s->high >= x)) s->high = x;
}

static int by_series(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    if (x->series != y->series) return x->series - y->series;
    return x->x < y->x ? -1 : x->x > y->x;
}

static status find_spots(struct scatter *s, int panels)
{
    const struct table *t = s->p->t;
    NEW(s->series, s->p->arena, t->rows + 1);
    NEW(s->spot, s->p->arena, panels * t->rows + 1);
    ZNEW(s->spots, s->p->arena, panels + 1);
    s->low = s->high = NAN;
    for (int r = 0; r < t->rows; r++) {
        double sum = 0;
        if (!s->p->chosen[r]) continue;
        for (int c = 0; c < t->cols; c++) {
            const struct table_cell *cell = table_cell_at(t, r, c);
            double x = mean_cost(s, r, c), k = t->col[c].scale;
            sum += x;
            add_spot(s, c, r, x, cell->mean * k, cell->sd * k);
        }
        if (t->averaged) add_spot(s, t->cols, r, sum / t->cols, t->row[r].average * t->col[0].scale, NAN);
    }
    for (int i = 0; i < panels; i++) qsort(s->spot + i * t->rows, (size_t)s->spots[i], sizeof *s->spot, by_series);
    return ST_OK;
}

/* ---- one panel --------------------------------------------------------------------------------------------------- */

static const struct table_col *column_of(const struct scatter *s, int panel)
{
    return &s->p->t->col[panel < s->p->t->cols ? panel : 0];
}

static int by_cost(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    return x->x < y->x ? -1 : x->x > y->x;
}

/* No cheaper spot is as good. */
static int on_front(const struct spot *spot, int n, int i, int higher)
{
    for (int k = 0; k < n; k++) {
        double gain = higher ? spot[k].y - spot[i].y : spot[i].y - spot[k].y;
        if (k != i && spot[k].x <= spot[i].x && gain >= 0 && (spot[k].x < spot[i].x || gain > 0 || k < i)) return 0;
    }
    return 1;
}

/* Where a cost of nothing is drawn on a logarithmic axis: its left end. */
static double left_end(const struct scatter *s)
{
    return s->log ? s->low / 2 : 0;
}

static double right_end(const struct scatter *s)
{
    return s->log ? s->high * 2 : s->high * 1.08;
}

static status put_front(struct scatter *s, int panel, int *block)
{
    const int n = s->spots[panel];
    struct spot *sorted;
    double last = NAN;
    NEW(sorted, s->p->arena, n + 1);
    if (n) memcpy(sorted, s->spot + panel * s->p->t->rows, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_cost);
    TRY(figure_block(&s->f, block, "Pareto front: cost score ring row; the last line ends the steps"));
    for (int i = 0; i < n; i++) {
        if (!on_front(sorted, n, i, column_of(s, panel)->higher)) continue;
        last = sorted[i].y;
        double x = s->log && sorted[i].x <= 0 ? left_end(s) : sorted[i].x;
        TRY(figure_numbers(&s->f, 3, (double[]){x, last, 1}));
        TRY(figure_word(&s->f, table_row_name(&s->p->t->row[sorted[i].row], s->p->arena)));
    }
    return n ? figure_numbers(&s->f, 3, (double[]){right_end(s), last, NAN}) : ST_OK;
}

/* A block a series, and its line of the plot. Rows that cost nothing are levels on a logarithmic axis. */
static status put_series(struct scatter *s, int panel, struct text *plots)
{
    const struct spot *spot = s->spot + panel * s->p->t->rows;
    for (int i = 0, end; i < s->spots[panel]; i = end) {
        int block, k = spot[i].series + 1, level = s->log && spot[i].x <= 0;
        for (end = i; end < s->spots[panel] && spot[end].series == spot[i].series; end++) continue;
        TRY(figure_block(&s->f, &block, "%s: cost score sd row", s->series[spot[i].series]));
        if (level) {
            for (int at = 0; at < 2; at++)
                TRY(figure_numbers(&s->f, 3, (double[]){at ? right_end(s) : left_end(s), spot[i].y, spot[i].sd}));
            TRY(text_printf(plots, ", \\\n     data index %d using 1:2 with lines ls %d lw 1 dt 3", block, k));
            end = i + 1;
            continue;
        }
        for (int j = i; j < end; j++) {
            TRY(figure_numbers(&s->f, 3, (double[]){spot[j].x, spot[j].y, spot[j].sd}));
            TRY(figure_word(&s->f, table_row_name(&s->p->t->row[spot[j].row], s->p->arena)));
        }
        TRY(text_printf(plots,
                        ", \\\n     data index %d using 1:2:3 with yerrorbars ls %d lw 0.7 dt 1 pt 0"
                        ", \\\n     data index %d using 1:2 with linespoints ls %d lw 0.8 ps 0.9",
                        block, k, block, k));
    }
    return ST_OK;
}

static status draw_panel(struct scatter *s, int panel)
{
    const struct table *t = s->p->t;
    struct text plots = {0};
    int front;
    const char *label = panel < t->cols ? figure_score_label(s->p->arena, &t->col[panel]) : "mean score x 100";
    const char *y = label ? figure_quote(s->p->arena, label) : NULL, *x = figure_quote(s->p->arena, s->axis);
    if (!x || !y) return ST_MEMORY;
    TRY(figure_panel(&s->f, panel, panel < t->cols ? t->col[panel].label : "average of the tasks"));
    TRY(figure_line(&s->f, "set xlabel %s offset 0,0.3\nset ylabel %s offset 0.8,0", x, y));
    if (s->spots[panel] == 0) return figure_empty(&s->f);
    TRY(figure_line(&s->f, "set xrange [%.6g:%.6g]\nset offsets graph 0, 0, 0.06, 0.06", left_end(s), right_end(s)));
    if (s->log) TRY(figure_line(&s->f, "set logscale x 10\nset format x '%%.0s%%c'\nset mxtics default"));
    TRY(put_front(s, panel, &front));
    status st = put_series(s, panel, &plots);
    if (st == ST_OK)
        st = figure_line(&s->f,
                         "plot data index %d using 1:2 with steps lc rgb '#a0a0a0' dt 2 lw 1.2, \\\n"
                         "     data index %d using 1:($3*$2) with points lc rgb '#404040' pt 6 "
                         "ps 1.7 lw 0.9%s",
                         front, front, plots.s ? plots.s : "");
    text_free(&plots);
    return st;
}

/* ---- the figure -------------------------------------------------------------------------------------------------- */

static status draw(struct scatter *s, const char *name, const char *title)
{
    const struct table *t = s->p->t;
    int panels = t->cols + (t->averaged ? 1 : 0);
    TRY(find_spots(s, panels));
    s->p->why = isnan(s->low) ? "no run tells this cost" : NULL;
    if (s->p->why) return ST_OK;
    TRY(figure_begin(&s->f, s->p->arena, s->p->folder, name, panels, panels == 4 ? 2 : 3, 2.9, 2.2));
    s->f.title = title;
    s->f.source = s->p->material->caption;
    s->f.note = "Points: mean over the seeds, bars: one standard deviation. Rings and dashes: Pareto front (nothing "
                "cheaper is as good).";
    figure_legend_room(&s->f, s->count + 1, s->letters > 12 ? s->letters : 12);
    status st = figure_open(&s->f);
    for (int i = 0; i < panels && st == ST_OK; i++) st = draw_panel(s, i);
    if (st == ST_OK)
        st = figure_legend(&s->f, s->series, s->count, "linespoints",
                           ", NaN with linespoints lc rgb '#a0a0a0' dt 2 lw 1.2 pt 6 ps 1.5 title 'Pareto front'");
    if (st == ST_OK) return plot_finish(s->p, &s->f);
    figure_free(&s->f);
    return st;
}

status plot_params(struct plot *p)
{
    struct scatter s = {.p = p, .cost = cost_params, .log = 1, .axis = "deployed adapter or thawed parameters"};
    return draw(&s, "params", "Score against parameters");
}

status plot_bops(struct plot *p)
{
    static const char *const where[] = {[BOPS_REAL] = "mean real length",
                                        [BOPS_PAPER] = "on DeBERTaV3-base, 20 tokens",
                                        [BOPS_OWN] = "on DeBERTaV3-base, 20 tokens"};
    struct scatter s = {.p = p, .cost = plot_bops_of};
    s.axis = arena_printf(p->arena, "bit operations, %% of %s", plot_bops_unit(p));
    const char *title = arena_printf(p->arena, "Score against bit operations (%s, %s)",
                                     p->attention ? "attention" : "encoder", where[p->bops]);
    return s.axis && title ? draw(&s, "bops", title) : ST_MEMORY;
}
