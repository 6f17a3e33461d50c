#include "bench/figure.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/gnuplot.h"
#include "core/file.h"

status figure_begin(struct figure *f, struct arena *arena, const char *folder, const char *name, int panels, int cols,
                    double panel_w, double panel_h)
{
    *f = (struct figure){.arena = arena,
                         .folder = folder,
                         .name = name,
                         .title = "",
                         .source = "",
                         .note = "",
                         .panels = panels,
                         .cols = panels < cols ? panels : cols,
                         .panel_w = panel_w,
                         .panel_h = panel_h,
                         .left = 0.75,
                         .gap_x = 0.72,
                         .bottom = 0.65,
                         .gap_y = 0.95};
    f->rows = (panels + f->cols - 1) / f->cols;
    return name ? ST_OK : ST_MEMORY;
}

void figure_free(struct figure *f)
{
    text_free(&f->script);
    text_free(&f->data);
}

#define TITLE_HEIGHT 1.12 /* over the panels, titles of the first row included */

void figure_legend_room(struct figure *f, int lines, int letters)
{
    f->legend = 0.75 + 0.075 * letters;
    f->legend_h = 0.19 * lines;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static status add(struct text *t, const char *fmt, va_list args)
{
    char small[512];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    status st = ST_OK;
    if (n >= (int)sizeof small) {
        struct arena *a = arena_new("a long line");
        char *big = a ? arena_alloc(a, (size_t)n + 1) : NULL;
        if (big) vsnprintf(big, (size_t)n + 1, fmt, again);
        st = big ? text_put(t, big) : ST_MEMORY;
        arena_free(a);
    } else {
        st = text_put(t, small);
    }
    va_end(again);
    return st == ST_OK ? text_put(t, "\n") : st;
}

status figure_line(struct figure *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    status st = add(&f->script, fmt, args);
    va_end(args);
    return st;
}

/* gnuplot counts blocks by what stands between blank lines: one without rows would not count. */
static status end_block(struct figure *f)
{
    return f->blocks && !f->filled ? text_put(&f->data, "? ? ? ? ? ?\n") : ST_OK;
}

status figure_block(struct figure *f, int *block, const char *comment, ...)
{
    va_list args;
    TRY(end_block(f));
    if (f->blocks) TRY(text_put(&f->data, "\n\n"));
    *block = f->blocks++;
    f->filled = 0;
    TRY(text_put(&f->data, "# "));
    va_start(args, comment);
    status st = add(&f->data, comment, args);
    va_end(args);
    return st;
}

status figure_numbers(struct figure *f, int n, const double *v)
{
    f->filled = 1;
    for (int i = 0; i < n; i++) {
        TRY(text_put(&f->data, i ? " " : ""));
        TRY(isnan(v[i]) ? text_put(&f->data, "?") : text_printf(&f->data, "%.9g", v[i]));
    }
    return text_put(&f->data, "\n");
}

const char *figure_quote(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, 2 * strlen(s) + 3), *p = out;
    if (!out) return NULL;
    *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'') *p++ = '\'';
        *p++ = *s == '\n' ? ' ' : *s;
    }
    *p++ = '\'';
    *p = 0;
    return out;
}

status figure_word(struct figure *f, const char *s)
{
    if (f->data.n && f->data.s[f->data.n - 1] == '\n') f->data.s[f->data.n - 1] = ' ';
    TRY(text_put(&f->data, "\""));
    for (; *s; s++) TRY(text_add(&f->data, *s == '"' || *s == '\n' ? "'" : s, 1));
    return text_put(&f->data, "\"\n");
}

const char *figure_file_name(struct arena *a, const char *s)
{
    char *out = s ? arena_strdup(a, s) : NULL;
    for (char *p = out; p && *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p)) *p = '_';
    return out;
}

const char *figure_score_label(struct arena *a, const struct table_col *c)
{
    return arena_printf(a, "%s%s", *c->metric ? c->metric : "score", c->scale == 100 ? " x 100" : "");
}

/* ---- the script's frame ------------------------------------------------------------------------------------------ */

static const char *const head =
    "if (!exists('format')) format = 'png'\n"
    "big = 11; small = 7\n"
    "if (format eq 'png') set terminal pngcairo size 150*W, 150*H noenhanced font 'DejaVu Sans,9' fontscale 1.55 "
    "linewidth 1.7 pointscale 1.5 background '#ffffff'\n"
    "if (format eq 'svg') { big = 16; small = 10; set terminal svg size 100*W, 100*H dynamic noenhanced font "
    "'sans-serif,13' linewidth 1.2 background '#ffffff' }\n"
    "if (format eq 'pdf') set terminal pdfcairo size W, H noenhanced font 'DejaVu Sans,9' fontscale 1.12 linewidth 1.7 "
    "pointscale 0.75\n"
    "set output name.'.'.format\n"
    "set encoding utf8\n"
    "set datafile missing '?'\n"
    "data = name.'.dat'\n"
    "set border 3 lc rgb '#606060'\n"
    "set tics nomirror out scale 0.6 tc rgb '#303030'\n"
    "set grid lc rgb '#e4e4e4' lt 1 lw 0.6\n"
    "set style fill transparent solid 0.13 noborder\n"
    "unset key\n"
    "array colour[10] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#882255', "
    "'#999933', '#888888']\n"
    "array shape[7] = [7, 5, 9, 13, 11, 15, 3]\n"
    "do for [i=1:60] { set style line i lc rgb colour[(i-1)%10+1] pt shape[(i-1)%7+1] dt 1+(i-1)/10%5 lw 1.5 ps 0.8 "
    "}\n";

/* Letters of the usual size, in inches; generous. */
static double text_width(const char *s)
{
    return 0.068 * (double)strlen(s);
}

status figure_open(struct figure *f)
{
    double body = f->rows * f->panel_h + (f->rows - 1) * f->gap_y;
    if (f->legend_h > body + f->bottom) body = f->legend_h - f->bottom;
    f->width = f->left + f->cols * f->panel_w + (f->cols - 1) * f->gap_x + 0.25 + f->legend;
    double words = 0.4 + fmax(1.2 * text_width(f->title), fmax(text_width(f->source), text_width(f->note)));
    if (words > f->width) f->width = words;
    f->height = TITLE_HEIGHT + body + f->bottom;
    TRY(figure_line(f, "# %s", f->title));
    TRY(figure_line(f, "# Made by peftgrid " PG_VERSION " from records; the numbers are in %s.dat.", f->name));
    TRY(figure_line(f, "#   gnuplot %s.gp                      draws %s.png", f->name, f->name));
    TRY(figure_line(f, "#   gnuplot -e \"format='svg'\" %s.gp    draws %s.svg (or pdf)", f->name, f->name));
    TRY(figure_line(f, "name = '%s'", f->name));
    TRY(figure_line(f, "W = %.3f # inches\nH = %.3f", f->width, f->height));
    TRY(text_put(&f->script, head));
    TRY(figure_line(f, "set multiplot"));
    const char *const line[] = {f->title, f->source, f->note};
    for (int i = 0; i < 3; i++) {
        const char *text = figure_quote(f->arena, line[i]);
        if (!text) return ST_MEMORY;
        TRY(figure_line(f, "set label %d %s at screen %.4f, screen %.4f left %s", i + 1, text, 0.18 / f->width,
                        1 - (0.24 + 0.22 * i) / f->height, i ? "tc rgb '#606060'" : "font sprintf(',%g', big)"));
    }
    return ST_OK;
}

status figure_panel(struct figure *f, int panel, const char *title)
{
    int col = panel % f->cols, row = panel / f->cols;
    double x = f->left + col * (f->panel_w + f->gap_x), y = f->height - TITLE_HEIGHT - row * (f->panel_h + f->gap_y);
    const char *text = figure_quote(f->arena, title);
    if (!text) return ST_MEMORY;
    if (panel == 1) TRY(figure_line(f, "unset label 1\nunset label 2\nunset label 3"));
    TRY(figure_line(f, "\n# panel %d", panel + 1));
    TRY(figure_line(f, "set lmargin at screen %.5f\nset rmargin at screen %.5f", x / f->width,
                    (x + f->panel_w) / f->width));
    TRY(figure_line(f, "set tmargin at screen %.5f\nset bmargin at screen %.5f", y / f->height,
                    (y - f->panel_h) / f->height));
    return figure_line(f, "set title %s offset 0,-0.4", text);
}

status figure_empty(struct figure *f)
{
    TRY(figure_line(f, "set label 99 'no data' at graph 0.5, graph 0.5 center tc rgb '#808080'"));
    return figure_line(f, "set tics tc rgb '#ffffff'\nplot [1:2][1:2] NaN\nset tics tc rgb '#303030'\nunset label 99");
}

status figure_legend(struct figure *f, const char *const *name, int n, const char *kind, const char *more)
{
    TRY(figure_line(f, "\n# legend"));
    TRY(figure_line(f,
                    "unset label\nunset object\nunset arrow\nunset title\nunset border\nunset tics\nunset grid\nunset "
                    "xlabel\nunset ylabel\nunset logscale\nunset colorbox\nset xrange [0:1]\nset yrange [0:1]"));
    TRY(figure_line(f, "set lmargin at screen 0\nset rmargin at screen 1\nset tmargin at screen 1\nset bmargin at "
                       "screen 0"));
    TRY(figure_line(f,
                    "set key at screen %.4f, screen %.4f left top Left reverse samplen 2.2 spacing 1.15 tc rgb "
                    "'#303030'",
                    1 - (f->legend - 0.1) / f->width, 1 - (TITLE_HEIGHT - 0.1) / f->height));
    TRY(text_put(&f->script, "plot"));
    for (int i = 0; i < n; i++) {
        const char *text = figure_quote(f->arena, name[i]);
        if (!text) return ST_MEMORY;
        TRY(text_printf(&f->script, "%s NaN with %s ls %d title %s", i ? ", \\\n    " : "", kind, i + 1, text));
    }
    return text_printf(&f->script, "%s\n", more);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static status write_files(struct figure *f)
{
    const char *script = arena_printf(f->arena, "%s/%s.gp", f->folder, f->name),
               *data = arena_printf(f->arena, "%s/%s.dat", f->folder, f->name);
    if (!script || !data) return ST_MEMORY;
    TRY(end_block(f));
    TRY(figure_line(f, "\nunset multiplot\nunset output"));
    TRY(file_make_dirs(f->folder));
    TRY(file_write_atomic(data, f->data.s ? f->data.s : "", f->data.n));
    return file_write_atomic(script, f->script.s, f->script.n);
}

status figure_finish(struct figure *f, const char *formats)
{
    char **format;
    int n = 0;
    status st = write_files(f);
    if (st == ST_OK) st = text_split(formats, ',', f->arena, &format, &n);
    for (int i = 0; i < n && st == ST_OK; i++) st = gnuplot_run(f->folder, f->name, format[i], f->arena);
    figure_free(f);
    return st;
}
