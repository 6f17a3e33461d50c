/* Ranks that remain at the end of training, by layer and projection: a figure a row of the table, a panel a task, a
 * tile the mean over the seeds. Rows whose ranks nobody changed are left out. */
#include <math.h>
#include <string.h>
#include "bench/plot.h"

enum { MOST_LAYERS = 256, MOST_PROJECTIONS = 32 };

struct heat { /* of one cell of the table */
    double sum[MOST_PROJECTIONS][MOST_LAYERS];
    int n[MOST_PROJECTIONS][MOST_LAYERS];
};
struct ranks {
    struct plot *p;
    struct figure f;
    int row;
    const char *projection[MOST_PROJECTIONS];
    int projections, layers, changed;
    double most;       /* largest rank there was room for */
    struct heat *heat; /* [t->cols] */
};

static status projection_index(struct ranks *r, const char *name, int *index)
{
    for (*index = 0; *index < r->projections; ++*index)
        if (strcmp(r->projection[*index], name) == 0) return ST_OK;
    if (r->projections == MOST_PROJECTIONS) return ST_OK;
    r->projection[r->projections] = arena_strdup(r->p->arena, name);
    return r->projection[r->projections++] ? ST_OK : ST_MEMORY;
}

static status add_run(struct ranks *r, int col, const struct table_point *point)
{
    const struct variant_detail *d = plot_detail(point);
    if (!d || !d->rank || !d->rank_max) return ST_OK;
    for (int i = 0; i < point->run->detail->sites; i++) {
        int layer, k;
        const char *name = site_projection(point->run->detail->site[i], &layer);
        if (layer < 0 || layer >= MOST_LAYERS || d->rank_max[i] <= 0) continue;
        TRY(projection_index(r, name, &k));
        if (k == MOST_PROJECTIONS) continue;
        r->heat[col].sum[k][layer] += d->rank[i];
        r->heat[col].n[k][layer]++;
        r->changed |= d->rank[i] != d->rank_max[i] && (point->run->variants == 1 || r->p->all_variants);
        if (layer >= r->layers) r->layers = layer + 1;
        if (d->rank_max[i] > r->most) r->most = d->rank_max[i];
    }
    return ST_OK;
}

static status gather(struct ranks *r)
{
    const struct table *t = r->p->t;
    ZNEW(r->heat, r->p->arena, t->cols);
    for (int c = 0; c < t->cols; c++) {
        const struct table_cell *cell = table_cell_at(t, r->row, c);
        for (int i = 0; i < cell->points; i++) TRY(add_run(r, c, &cell->point[i]));
    }
    return ST_OK;
}

/* A tile's number: 8, 7.3. */
static const char *tile_text(struct arena *a, double v)
{
    return fabs(v - rint(v)) < 0.05 ? arena_printf(a, "%.0f", v) : arena_printf(a, "%.1f", v);
}

static status put_block(struct ranks *r, int col, int *block)
{
    TRY(figure_block(&r->f, block, "%s: layer projection mean_rank runs text", r->p->t->col[col].label));
    for (int k = 0; k < r->projections; k++)
        for (int layer = 0; layer < r->layers; layer++) {
            int n = r->heat[col].n[k][layer];
            if (!n) continue;
            double mean = r->heat[col].sum[k][layer] / n;
            const char *text = tile_text(r->p->arena, mean);
            if (!text) return ST_MEMORY;
            TRY(figure_numbers(&r->f, 4, (double[]){layer + 1, k, mean, n}));
            TRY(figure_word(&r->f, text));
        }
    return ST_OK;
}

/* The tiles' scale: one for all panels, at the right. */
static status put_scale(struct ranks *r)
{
    struct figure *f = &r->f;
    double bar = f->panel_h > 1.6 ? 1.6 : f->panel_h;
    TRY(figure_line(f, "set style fill solid 1 noborder"));
    TRY(figure_line(f,
                    "set palette defined (0 '#f7fbff', 0.15 '#deebf7', 0.3 '#c6dbef', 0.45 '#9ecae1', 0.6 '#6baed6', "
                    "0.75 '#4292c6', 0.9 '#2171b5', 1 '#08306b')"));
    double step = 1;
    while (r->most / step > bar / 0.2) step *= step == 2 || step == 20 ? 2.5 : 2;
    TRY(figure_line(f, "set cbrange [0:%g]\nset cblabel 'rank' offset 0.9,0\nset cbtics %g out scale 0.4", r->most,
                    step));
    TRY(figure_line(f,
                    "set colorbox vertical user origin screen %.4f, screen %.4f size screen %.4f, screen %.4f noborder",
                    1 - 0.88 / f->width, 1 - (1.12 + bar) / f->height, 0.13 / f->width, bar / f->height));
    TRY(figure_line(f, "unset grid\nset border 0\nset tics scale 0\nset yrange [%g:-0.5]\nset xrange [0.5:%g]",
                    r->projections - 0.5, r->layers + 0.5));
    TRY(figure_line(f, "set xtics %d", r->layers > 12 ? 2 : 1));
    TRY(text_put(&f->script, "set ytics ("));
    for (int k = 0; k < r->projections; k++)
        TRY(text_printf(&f->script, "%s%s %d", k ? ", " : "", figure_quote(r->p->arena, r->projection[k]), k));
    return text_put(&f->script, ")\n");
}

static bool empty(const struct ranks *r, int col)
{
    for (int k = 0; k < r->projections; k++)
        for (int layer = 0; layer < r->layers; layer++)
            if (r->heat[col].n[k][layer]) return false;
    return true;
}

static status draw(struct ranks *r)
{
    const struct table *t = r->p->t;
    TRY(figure_open(&r->f));
    TRY(put_scale(r));
    for (int c = 0; c < t->cols; c++) {
        int block;
        TRY(put_block(r, c, &block));
        TRY(figure_panel(&r->f, c, t->col[c].label));
        TRY(figure_line(&r->f, "set xlabel 'layer' offset 0,0.4"));
        if (empty(r, c)) TRY(figure_line(&r->f, "set label 90 'no records' at graph 0.5, graph 0.5 center"));
        TRY(figure_line(
            &r->f,
            "plot data index %d using 1:2:($1-0.47):($1+0.47):($2-0.46):($2+0.46):3 with boxxyerror fs solid "
            "1 noborder fc palette, \\\n"
            "     data index %d using 1:2:($3 <= %g ? strcol(5) : '') with labels font sprintf(',%%g', small) tc rgb "
            "'#303030', \\\n"
            "     data index %d using 1:2:($3 > %g ? strcol(5) : '') with labels font sprintf(',%%g', small) tc rgb "
            "'#ffffff'",
            block, block, 0.7 * r->most, block, 0.7 * r->most));
        TRY(figure_line(&r->f, "unset label 90"));
        if (c == 0) TRY(figure_line(&r->f, "unset colorbox"));
    }
    return ST_OK;
}

static status draw_row(struct plot *p, int row)
{
    struct ranks *r;
    const char *name = table_row_name(&p->t->row[row], p->arena);
    ZNEW(r, p->arena, 1);
    r->p = p;
    r->row = row;
    TRY(gather(r));
    if (!r->changed) return ST_OK;
    double w = 0.3 * r->layers < 1.8 ? 1.8 : 0.3 * r->layers, h = 0.27 * r->projections;
    int cols = w > 5 ? 1 : w > 3 ? 2 : 3;
    TRY(figure_begin(&r->f, p->arena, p->folder, figure_file_name(p->arena, arena_printf(p->arena, "ranks-%s", name)),
                     p->t->cols, cols, w, h < 0.8 ? 0.8 : h));
    r->f.title = arena_printf(p->arena, "Rank by layer and projection: %s", name);
    r->f.source = p->material->caption;
    r->f.note = "Mean over the seeds at the end of training. Layer 1 is next to the embedding.";
    r->f.gap_x = 0.95;
    r->f.left = 0.85;
    r->f.legend = 1.1;
    r->f.legend_h = 1.6;
    status st = r->f.title ? draw(r) : ST_MEMORY;
    if (st == ST_OK) return plot_finish(p, &r->f);
    figure_free(&r->f);
    return st;
}

status plot_ranks(struct plot *p)
{
    int before = p->drawn;
    for (int r = 0; r < p->t->rows; r++)
        if (p->chosen[r]) TRY(draw_row(p, r));
    p->why = p->drawn == before ? "no method changed its ranks" : NULL;
    return ST_OK;
}
