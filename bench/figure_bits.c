/* Bit widths at the end of training: the median by operand and task, and the mean against the size of the training set.
 * Rows that compute everything in 32 bits are left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/plot.h"

/* The categories of Figure 5: weights, then activations, then those of the head. */
static const struct {
    enum operand operand;
    int head;
    const char *name;
} kinds[] = {{OP_W, 0, "W0"},   {OP_A, 0, "A"},      {OP_E, 0, "E"},        {OP_B, 0, "B"},      {OP_X, 0, "x"},
             {OP_QA, 0, "A x"}, {OP_QE, 0, "E A x"}, {OP_OUT, 0, "output"}, {OP_W, 1, "head W"}, {OP_X, 1, "head x"}};
enum { KINDS = sizeof kinds / sizeof *kinds, FIRST_ACTIVATION = 4, FIRST_HEAD = 8 };

static int in_head(const char *site)
{
    int layer;
    site_projection(site, &layer);
    return layer < 0;
}

/* The width of a category's operand at a site; NULL: an adapter operand of a site without an adapter, or the other of
 * body and head. */
static const double *width_at(const struct table_point *point, int kind, int site)
{
    const struct variant_detail *d = plot_detail(point);
    if (in_head(point->run->detail->site[site]) != kinds[kind].head) return NULL;
    enum operand o = kinds[kind].operand;
    bool adapter = o == OP_A || o == OP_B || o == OP_E || o == OP_QA || o == OP_QE;
    if (adapter && (!d->rank_max || d->rank_max[site] <= 0)) return NULL;
    return &d->bits[site * DETAIL_OPERANDS + (int)o];
}

/* The sites of a point to look at; 0: its bits were not traced. */
static int traced_sites(const struct table_point *point)
{
    const struct variant_detail *d = plot_detail(point);
    return d && d->bits ? point->run->detail->sites : 0;
}

/* The widths of a category in one run; adds to v[*n ..]. */
static void add_values(const struct table_point *point, int kind, double *v, int *n)
{
    for (int i = 0; i < traced_sites(point); i++) {
        const double *width = width_at(point, kind, i);
        if (width) v[(*n)++] = *width;
    }
}

static int most_sites(const struct table_cell *c)
{
    int n = 0;
    for (int i = 0; i < c->points; i++)
        if (c->point[i].run->detail) n += c->point[i].run->detail->sites;
    return n;
}

/* Whether a row quantises anything. */
static int has_bits(const struct table *t, int row)
{
    for (int c = 0; c < t->cols; c++) {
        const struct table_cell *cell = table_cell_at(t, row, c);
        for (int i = 0; i < cell->points; i++) {
            const struct variant_detail *d = plot_detail(&cell->point[i]);
            for (int k = 0; d && d->bits && k < cell->point[i].run->detail->sites * DETAIL_OPERANDS; k++)
                if (d->bits[k] != 32) return 1;
        }
    }
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of sorted values; the lower of two middle ones, so that it is a width that exists. */
static double quantile(const double *v, int n, double q)
{
    return n ? v[(int)floor(q * (n - 1))] : NAN;
}

/* ---- median by operand and task ---------------------------------------------------------------------------------- */

struct bits {
    struct plot *p;
    struct figure f;
    int row, place[KINDS], places; /* where a category stands; -1: this row has none */
};

static status put_task(struct bits *b, int col, int *block)
{
    const struct table *t = b->p->t;
    const struct table_cell *c = table_cell_at(t, b->row, col);
    double *v, shift = ((col + 0.5) / t->cols - 0.5) * 0.8;
    NEW(v, b->p->arena, most_sites(c) + 1);
    TRY(figure_block(&b->f, block, "%s: place median quarter three_quarters quantisers operand", t->col[col].label));
    for (int k = 0; k < KINDS; k++) {
        int n = 0;
        for (int i = 0; i < c->points; i++) add_values(&c->point[i], k, v, &n);
        if (n == 0 || b->place[k] < 0) continue;
        qsort(v, (size_t)n, sizeof *v, by_size);
        TRY(figure_numbers(
            &b->f, 5,
            (double[]){b->place[k] + shift, quantile(v, n, 0.5), quantile(v, n, 0.25), quantile(v, n, 0.75), n}));
        TRY(figure_word(&b->f, kinds[k].name));
    }
    return ST_OK;
}

/* Whether some site has a diagonal E between A and B. A record does not say it: without E its bits are 32, and what B
 * multiplies is what A gives. */
static bool has_e(const struct bits *b)
{
    for (int c = 0; c < b->p->t->cols; c++) {
        const struct table_cell *cell = table_cell_at(b->p->t, b->row, c);
        for (int i = 0; i < cell->points; i++)
            for (int k = 0; k < traced_sites(&cell->point[i]); k++) {
                const double *width = &plot_detail(&cell->point[i])->bits[k * DETAIL_OPERANDS];
                if (width[OP_E] != 32 || width[OP_QA] != width[OP_QE]) return true;
            }
    }
    return false;
}

/* Which categories this row has at all. */
static status find_places(struct bits *b)
{
    const struct table *t = b->p->t;
    bool e = has_e(b);
    b->places = 0;
    for (int k = 0; k < KINDS; k++) {
        int n = 0;
        for (int c = 0; c < t->cols; c++) {
            const struct table_cell *cell = table_cell_at(t, b->row, c);
            double *v;
            NEW(v, b->p->arena, most_sites(cell) + 1);
            for (int i = 0, m = 0; i < cell->points; i++, m = 0) {
                add_values(&cell->point[i], k, v, &m);
                n += m;
            }
        }
        bool absent = !e && (kinds[k].operand == OP_E || kinds[k].operand == OP_QE);
        b->place[k] = n && !absent ? b->places++ : -1;
    }
    return ST_OK;
}

/* Names under the axis, lines between weights, activations and head. */
static status put_axis(struct bits *b)
{
    static const int begins[] = {0, FIRST_ACTIVATION, FIRST_HEAD, KINDS};
    static const char *const group[] = {"weights", "activations", "head"};
    for (int k = 0; k < KINDS; k++)
        if (b->place[k] > 0)
            TRY(figure_line(&b->f,
                            "set arrow %d from first %g, graph 0 to first %g, graph 1 nohead back lc rgb '#e4e4e4' "
                            "lw 0.6",
                            30 + k, b->place[k] - 0.5, b->place[k] - 0.5));
    TRY(text_put(&b->f.script, "set xtics ("));
    for (int k = 0, first = 1; k < KINDS; k++) {
        if (b->place[k] < 0) continue;
        TRY(text_printf(&b->f.script, "%s'%s' %d", first ? "" : ", ", kinds[k].name, b->place[k]));
        first = 0;
    }
    TRY(text_put(&b->f.script, ") scale 0\n"));
    for (int g = 0; g < 3; g++) {
        int low = -1, high = -1;
        for (int k = begins[g]; k < begins[g + 1]; k++)
            if (b->place[k] >= 0) low = low < 0 ? b->place[k] : low, high = b->place[k];
        if (low < 0) continue;
        TRY(figure_line(&b->f, "set label %d '%s' at first %g, graph 1.05 center tc rgb '#606060'", 10 + g, group[g],
                        0.5 * (low + high)));
        if (low > 0)
            TRY(figure_line(&b->f,
                            "set arrow %d from first %g, graph 0 to first %g, graph 1.08 nohead lc rgb '#b0b0b0'",
                            10 + g, low - 0.5, low - 0.5));
    }
    return figure_line(&b->f,
                       "set xrange [-0.5:%g]\nset logscale y 2\nset yrange [1.7:38]\nset ytics (2, 4, 8, 16, 32)\n"
                       "set grid noxtics ytics\nset ylabel 'bits' offset 0.8,0",
                       b->places - 0.5);
}

static status draw(struct bits *b)
{
    const struct table *t = b->p->t;
    const char **name;
    int *block;
    NEW(name, b->p->arena, t->cols + 1);
    NEW(block, b->p->arena, t->cols + 1);
    TRY(figure_open(&b->f));
    for (int c = 0; c < t->cols; c++) {
        name[c] = t->col[c].label;
        TRY(put_task(b, c, &block[c]));
    }
    TRY(figure_panel(&b->f, 0, ""));
    TRY(put_axis(b));
    TRY(text_put(&b->f.script, "plot"));
    for (int c = 0; c < t->cols; c++)
        TRY(text_printf(
            &b->f.script,
            "%s data index %d using 1:2:3:4 with yerrorbars ls %d pt 0 lw 3, \\\n     data index %d using 1:2 "
            "with points ls %d ps 1",
            c ? ", \\\n    " : "", block[c], c + 1, block[c], c + 1));
    TRY(text_put(&b->f.script, "\n"));
    return figure_legend(&b->f, name, t->cols, "points", "");
}

static status draw_row(struct plot *p, int row)
{
    struct bits b = {.p = p, .row = row};
    const char *name = table_row_name(&p->t->row[row], p->arena);
    int letters = 0;
    if (!has_bits(p->t, row)) return ST_OK;
    TRY(find_places(&b));
    double each = 0.13 * p->t->cols < 0.62 ? 0.62 : 0.13 * p->t->cols;
    TRY(figure_begin(&b.f, p->arena, p->folder, figure_file_name(p->arena, arena_printf(p->arena, "bits-%s", name)), 1,
                     1, each * b.places, 2.5));
    for (int c = 0; c < p->t->cols; c++)
        if ((int)strlen(p->t->col[c].label) > letters) letters = (int)strlen(p->t->col[c].label);
    b.f.title = arena_printf(p->arena, "Bit widths by operand and task: %s", name);
    b.f.source = p->material->caption;
    b.f.note = "Median and quartiles over layers, projections and seeds.";
    b.f.bottom = 0.4;
    figure_legend_room(&b.f, p->t->cols, letters);
    status st = b.f.title ? draw(&b) : ST_MEMORY;
    if (st == ST_OK) return plot_finish(p, &b.f);
    figure_free(&b.f);
    return st;
}

status plot_bits(struct plot *p)
{
    int before = p->drawn;
    for (int r = 0; r < p->t->rows; r++)
        if (p->chosen[r]) TRY(draw_row(p, r));
    p->why = p->drawn == before ? "everything is computed in 32 bits" : NULL;
    return ST_OK;
}

/* ---- against the size of the training set ------------------------------------------------------------------------ */

/* Operands that are 32 bits wide at every site are most likely those that nothing quantises (x of B-LoRA): left out,
 * unless all are. */
double plot_mean_bits(const struct table_point *point)
{
    double sum = 0;
    int all = 0;
    for (int k = 0; k < FIRST_HEAD; k++) {
        double of_kind = 0;
        int n = 0;
        for (int i = 0; i < traced_sites(point); i++) {
            const double *width = width_at(point, k, i);
            if (width) of_kind += *width, n++;
        }
        if (of_kind == 32 * n) continue;
        sum += of_kind;
        all += n;
    }
    return all ? sum / all : traced_sites(point) ? 32 : NAN;
}

struct sizes {
    struct plot *p;
    struct figure f;
    const char **panel; /* rows of the experiment, lists of values together: they may be lists of sizes */
    int panels, letters;
    double low, high; /* sizes */
};

static const char *panel_of(const struct table *t, int row)
{
    const struct run *run = plot_run_of(t, row);
    return run ? run->row : t->row[row].label;
}

static void look_at_row(struct sizes *s, int row)
{
    const struct table *t = s->p->t;
    int k = 0;
    while (k < s->panels && strcmp(s->panel[k], panel_of(t, row)) != 0) k++;
    if (k == s->panels) s->panel[s->panels++] = panel_of(t, row);
    for (int c = 0; c < t->cols; c++)
        for (int i = 0; i < table_cell_at(t, row, c)->points; i++) {
            const struct table_point *point = &table_cell_at(t, row, c)->point[i];
            double n = plot_detail(point) ? point->run->detail->train_examples : NAN;
            if (n > 0 && !(s->low <= n)) s->low = n;
            if (n > 0 && !(s->high >= n)) s->high = n;
        }
}

/* One block a task: a line a run. */
static status put_sizes(struct sizes *s, int panel, int col, int *block)
{
    const struct table *t = s->p->t;
    TRY(figure_block(&s->f, block, "%s, %s: training_examples mean_bits seed", s->panel[panel], t->col[col].label));
    for (int r = 0; r < t->rows; r++) {
        const struct table_cell *c = table_cell_at(t, r, col);
        if (!s->p->chosen[r] || strcmp(panel_of(t, r), s->panel[panel]) != 0) continue;
        for (int i = 0; i < c->points; i++) {
            double bits = plot_mean_bits(&c->point[i]);
            if (isnan(bits)) continue;
            TRY(figure_numbers(
                &s->f, 3, (double[]){c->point[i].run->detail->train_examples, bits, (double)c->point[i].run->seed}));
        }
    }
    return ST_OK;
}

/* 1, 2 and 5 of every power of ten that is in sight: tasks may all lie within one. */
static status put_size_tics(struct sizes *s)
{
    static const double step[] = {1, 2, 5};
    const char *comma = "";
    TRY(text_put(&s->f.script, "set format x '%.0s%c'\nset xtics ("));
    for (double ten = 1; ten <= 2 * s->high; ten *= 10)
        for (int k = 0; k < 3; k++)
            if (step[k] * ten >= s->low / 1.5 && step[k] * ten <= s->high * 1.5) {
                TRY(text_printf(&s->f.script, "%s%g", comma, step[k] * ten));
                comma = ", ";
            }
    return text_put(&s->f.script, ")\n");
}

static status draw_sizes(struct sizes *s)
{
    const struct table *t = s->p->t;
    const char **name;
    NEW(name, s->p->arena, t->cols + 1);
    TRY(figure_open(&s->f));
    TRY(figure_line(
        &s->f,
        "set logscale x 10\nset logscale y 2\nset yrange [1.7:38]\nset ytics (2, 4, "
        "8, 16, 32)\nset xrange [%g:%g]\nset xlabel 'training examples' offset 0,0.3\nset ylabel 'mean bits' "
        "offset 0.8,0",
        s->low / 1.5, s->high * 1.5));
    TRY(put_size_tics(s));
    for (int i = 0; i < s->panels; i++) {
        TRY(figure_panel(&s->f, i, s->panel[i]));
        TRY(text_put(&s->f.script, "plot"));
        for (int c = 0; c < t->cols; c++) {
            int block;
            name[c] = t->col[c].label;
            TRY(put_sizes(s, i, c, &block));
            TRY(text_printf(&s->f.script, "%s data index %d using 1:2 with points ls %d ps 0.9", c ? ", \\\n    " : "",
                            block, c + 1));
        }
        TRY(text_put(&s->f.script, "\n"));
    }
    return figure_legend(&s->f, name, t->cols, "points", "");
}

status plot_sizes(struct plot *p)
{
    const struct table *t = p->t;
    struct sizes s = {.p = p, .low = NAN, .high = NAN};
    NEW(s.panel, p->arena, t->rows + 1);
    for (int r = 0; r < t->rows; r++)
        for (int k = 0; k < t->rows && p->chosen[r]; k++)
            if (strcmp(panel_of(t, r), panel_of(t, k)) == 0 && has_bits(t, k)) {
                look_at_row(&s, r);
                break;
            }
    p->why = s.panels == 0       ? "everything is computed in 32 bits"
             : !(s.low < s.high) ? "all training sets have one size"
                                 : NULL;
    if (p->why) return ST_OK;
    TRY(figure_begin(&s.f, p->arena, p->folder, "sizes", s.panels, 3, 2.9, 2.2));
    for (int c = 0; c < t->cols; c++)
        if ((int)strlen(t->col[c].label) > s.letters) s.letters = (int)strlen(t->col[c].label);
    s.f.title = "Bits against the size of the training set";
    s.f.source = p->material->caption;
    s.f.note = "A point a run: mean width of the weights and activations that are not at 32 bits in all layers.";
    figure_legend_room(&s.f, t->cols, s.letters);
    status st = draw_sizes(&s);
    if (st == ST_OK) return plot_finish(p, &s.f);
    figure_free(&s.f);
    return st;
}
