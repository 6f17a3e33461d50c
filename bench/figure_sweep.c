/* A quantity against the value of one option: a panel a task, a line a row of the experiment (split by its other
 * lists). Rows without that option are level lines to compare with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/plot.h"

struct stop { /* one value of the option */
    const char *text;
    double value; /* NAN: a word */
};
struct sweep {
    struct plot *p;
    struct figure f;
    const char **series; /* [rows] distinct names, the option's value taken out */
    int *series_of;      /* [t->rows] -1: not drawn */
    const char **value;  /* [t->rows] NULL: the row has no such option, or one value of it only */
    int count, letters;
    struct stop *stop;
    int stops, words, log; /* words: the values are not all numbers, they stand at 0, 1, 2 ... */
    const char *axis;
};

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

static double y_score(const struct plot *p, const struct table_point *point)
{
    (void)p;
    return point->score;
}

static double y_bits(const struct plot *p, const struct table_point *point)
{
    (void)p;
    return plot_mean_bits(point);
}

static double y_rank(const struct plot *p, const struct table_point *point)
{
    const struct variant_detail *d = plot_detail(point);
    double sum = 0;
    int n = 0;
    (void)p;
    for (int i = 0; d && d->rank && d->rank_max && i < point->run->detail->sites; i++)
        if (d->rank_max[i] > 0) sum += d->rank[i], n++;
    return n ? sum / n : NAN;
}

static double y_params(const struct plot *p, const struct table_point *point)
{
    (void)p;
    return point->variant ? point->variant->deployed : NAN;
}

static const struct quantity {
    const char *name, *title, *label; /* label of y; NULL: the column's metric */
    double (*of)(const struct plot *, const struct table_point *);
} quantities[] = {{"score", "Score", NULL, y_score},
                  {"bops", "Bit operations", "bit operations, %", plot_bops_of},
                  {"bits", "Bit widths", "mean bits", y_bits},
                  {"rank", "Rank", "mean rank", y_rank},
                  {"params", "Parameters", "deployed parameters", y_params}};

static const struct quantity *quantity_of(const struct plot *p)
{
    for (size_t i = 0; i < sizeof quantities / sizeof *quantities; i++)
        if (strcmp(quantities[i].name, p->y) == 0) return &quantities[i];
    return &quantities[0];
}

/* ---- series and values ------------------------------------------------------------------------------------------- */

/* The row's name without " option=value". */
static const char *without(const char *name, const char *option, const char *value, struct arena *a)
{
    const char *dot = strrchr(option, '.');
    const char *part = arena_printf(a, " %s=%s", dot ? dot + 1 : option, value), *at = part ? strstr(name, part) : NULL;
    size_t n = part ? strlen(part) : 0;
    if (!at || (at[n] && at[n] != ' ')) return name;
    return arena_printf(a, "%.*s%s", (int)(at - name), name, at + n);
}

static int by_value(const void *a, const void *b)
{
    const struct stop *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value)) return strcmp(x->text, y->text);
    return x->value < y->value ? -1 : x->value > y->value;
}

static void add_stop(struct sweep *s, const char *text)
{
    double v;
    for (int i = 0; i < s->stops; i++)
        if (strcmp(s->stop[i].text, text) == 0) return;
    if (!text_to_double(text, &v)) v = NAN, s->words = 1;
    s->stop[s->stops++] = (struct stop){text, v};
}

static int series_named(struct sweep *s, const char *name)
{
    int k = 0;
    while (k < s->count && strcmp(s->series[k], name) != 0) k++;
    if (k == s->count) s->series[s->count++] = name;
    if ((int)strlen(name) > s->letters) s->letters = (int)strlen(name);
    return k;
}

/* Whether the rows of a series have two values at least. */
static int is_swept(const struct sweep *s, int row)
{
    for (int r = 0; r < s->p->t->rows; r++)
        if (s->series_of[r] == s->series_of[row] && s->value[r] && strcmp(s->value[r], s->value[row]) != 0) return 1;
    return 0;
}

static status find_series(struct sweep *s)
{
    const struct table *t = s->p->t;
    struct arena *a = s->p->arena;
    int *swept;
    NEW(s->series, a, t->rows + 1);
    NEW(s->series_of, a, t->rows + 1);
    ZNEW(s->value, a, t->rows + 1);
    NEW(s->stop, a, t->rows + 1);
    ZNEW(swept, a, t->rows + 1);
    for (int r = 0; r < t->rows; r++) {
        const struct run *run = plot_run_of(t, r);
        const char *name = table_row_name(&t->row[r], a);
        s->series_of[r] = -1;
        if (!s->p->chosen[r] || !run) continue;
        s->value[r] = canon_value(run->canon, s->p->x, a);
        if (s->value[r] && !(name = without(name, s->p->x, s->value[r], a))) return ST_MEMORY;
        s->series_of[r] = series_named(s, name);
    }
    for (int r = 0; r < t->rows; r++) swept[r] = s->value[r] && is_swept(s, r);
    for (int r = 0; r < t->rows; r++)
        if (swept[r])
            add_stop(s, s->value[r]);
        else
            s->value[r] = NULL;
    qsort(s->stop, (size_t)s->stops, sizeof *s->stop, by_value);
    const struct stop *last = &s->stop[s->stops ? s->stops - 1 : 0];
    s->log = s->stops > 1 && !s->words && s->stop[0].value > 0 && last->value / s->stop[0].value >= 10;
    return ST_OK;
}

static double place_of(const struct sweep *s, const char *value)
{
    for (int i = 0; i < s->stops; i++)
        if (strcmp(s->stop[i].text, value) == 0) return s->words ? i : s->stop[i].value;
    return NAN;
}

/* ---- panels ------------------------------------------------------------------------------------------------------ */

/* Mean and spread of the quantity over a cell's runs. */
static status measure(const struct sweep *s, int row, int col, double *mean, double *sd)
{
    const struct table_cell *c = table_cell_at(s->p->t, row, col);
    const struct quantity *q = quantity_of(s->p);
    double *v, k = q->label ? 1 : s->p->t->col[col].scale;
    int n = 0;
    NEW(v, s->p->arena, c->points + 1);
    for (int i = 0; i < c->points; i++) {
        double y = q->of(s->p, &c->point[i]);
        if (!isnan(y)) v[n++] = y * k;
    }
    *mean = stats_mean(v, n);
    *sd = stats_sd(v, n);
    return ST_OK;
}

struct place { /* one point of a line */
    double x, mean, sd;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->x < y->x ? -1 : x->x > y->x;
}

static void x_range(const struct sweep *s, double range[2])
{
    double low = s->words ? 0 : s->stop[0].value, high = s->words ? s->stops - 1 : s->stop[s->stops - 1].value;
    double pad = high > low ? 0.06 * (high - low) : 1;
    range[0] = s->log ? low / 1.4 : low - pad;
    range[1] = s->log ? high * 1.4 : high + pad;
}

/* The points of one line, by place; rows without the option: two, a level line. *level: it is one. */
static status put_line(struct sweep *s, int col, int series, int *block, int *level)
{
    const struct table *t = s->p->t;
    struct place *place;
    double range[2];
    int n = 0;
    x_range(s, range);
    NEW(place, s->p->arena, t->rows + 2);
    *level = 0;
    for (int r = 0; r < t->rows; r++) {
        double mean, sd;
        if (s->series_of[r] != series) continue;
        TRY(measure(s, r, col, &mean, &sd));
        if (isnan(mean)) continue;
        if (s->value[r]) {
            place[n++] = (struct place){place_of(s, s->value[r]), mean, sd};
        } else {
            *level = 1;
            for (int end = 0; end < 2; end++) place[n++] = (struct place){range[end], mean, NAN};
        }
    }
    qsort(place, (size_t)n, sizeof *place, by_place);
    TRY(figure_block(&s->f, block, "%s, %s: %s mean sd", t->col[col].label, s->series[series], s->p->x));
    for (int i = 0; i < n; i++) TRY(figure_numbers(&s->f, 3, (double[]){place[i].x, place[i].mean, place[i].sd}));
    if (n == 0) *block = -1;
    return ST_OK;
}

/* The values themselves are the tics, but for those whose text would run into the one before. */
static status put_x_axis(struct sweep *s)
{
    double range[2], end = -INFINITY;
    x_range(s, range);
    TRY(figure_line(&s->f, "set xrange [%.8g:%.8g]", range[0], range[1]));
    if (s->log) TRY(figure_line(&s->f, "set logscale x 10"));
    TRY(text_put(&s->f.script, "set xtics ("));
    for (int i = 0; i < s->stops; i++) {
        double x = place_of(s, s->stop[i].text), half = 0.04 * (double)strlen(s->stop[i].text);
        double share = s->log ? log(x / range[0]) / log(range[1] / range[0]) : (x - range[0]) / (range[1] - range[0]);
        int fits = share * s->f.panel_w - half > end;
        const char *text = figure_quote(s->p->arena, fits ? s->stop[i].text : "");
        if (!text) return ST_MEMORY;
        if (fits) end = share * s->f.panel_w + half + 0.05;
        TRY(text_printf(&s->f.script, "%s%s %.8g", i ? ", " : "", text, x));
    }
    return text_put(&s->f.script, ")\n");
}

static status draw_panel(struct sweep *s, int col)
{
    const struct table *t = s->p->t;
    const struct quantity *q = quantity_of(s->p);
    struct text plots = {0};
    status st = ST_OK;
    const char *label = q->label ? q->label : figure_score_label(s->p->arena, &t->col[col]);
    const char *y = label ? figure_quote(s->p->arena, label) : NULL, *x = figure_quote(s->p->arena, s->p->x);
    if (!x || !y) return ST_MEMORY;
    TRY(figure_panel(&s->f, col, t->col[col].label));
    TRY(figure_line(&s->f, "set xlabel %s offset 0,0.3\nset ylabel %s offset 0.8,0\nset offsets graph 0, 0, 0.06, 0.06",
                    x, y));
    for (int k = 0; k < s->count && st == ST_OK; k++) {
        int block, level;
        st = put_line(s, col, k, &block, &level);
        if (st != ST_OK || block < 0) continue;
        const char *comma = plots.n ? ", \\\n    " : "plot";
        st = level ? text_printf(&plots, "%s data index %d using 1:2 with lines ls %d dt 3", comma, block, k + 1)
                   : text_printf(
                         &plots,
                         "%s data index %d using 1:2:3 with yerrorbars ls %d lw 0.7 dt 1 pt 0, \\\n     data index "
                         "%d using 1:2 with linespoints ls %d",
                         comma, block, k + 1, block, k + 1);
    }
    if (st == ST_OK) st = plots.n ? figure_line(&s->f, "%s", plots.s) : figure_empty(&s->f);
    text_free(&plots);
    return st;
}

static status draw(struct sweep *s)
{
    TRY(figure_open(&s->f));
    TRY(put_x_axis(s));
    for (int c = 0; c < s->p->t->cols; c++) TRY(draw_panel(s, c));
    return figure_legend(&s->f, s->series, s->count, "linespoints", "");
}

status plot_sweep(struct plot *p)
{
    struct sweep s = {.p = p};
    TRY(find_series(&s));
    p->why = s.stops < 2 ? "no row was run with two values of that option" : NULL;
    if (p->why) return ST_OK;
    const char *name = arena_printf(p->arena, "sweep-%s%s%s", p->x, quantity_of(p)->label ? "-" : "",
                                    quantity_of(p)->label ? p->y : "");
    TRY(figure_begin(&s.f, p->arena, p->folder, name ? figure_file_name(p->arena, name) : NULL, p->t->cols, 3, 2.9,
                     2.2));
    s.f.title = arena_printf(p->arena, "%s against %s", quantity_of(p)->title, p->x);
    s.f.source = p->material->caption;
    s.f.note = "Points: mean over the seeds, bars: one standard deviation. Dotted: rows with one value only.";
    figure_legend_room(&s.f, s.count, s.letters);
    status st = s.f.title ? draw(&s) : ST_MEMORY;
    if (st == ST_OK) return plot_finish(p, &s.f);
    figure_free(&s.f);
    return st;
}
