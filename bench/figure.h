/* A figure on its way to gnuplot: a script NAME.gp and its data NAME.dat, which redraw it without this program, and the
 * images made of them. Kinds of figures (figure_*.c) put lines into the script and blocks into the data; here are the
 * places of panels, the legend, the colours, and the call of gnuplot.
 *
 * All lengths are inches on the page. Colours are those of Okabe and Ito, which the colour-blind can tell apart; beyond
 * seven series the dashes and the points go on changing. Texts are taken literally (no enhanced mode). */
#ifndef PG_BENCH_FIGURE_H
#define PG_BENCH_FIGURE_H

#include "bench/table.h"
#include "core/text.h"

struct figure {
    struct arena *arena;
    const char *folder, *name;         /* of the files: FOLDER/NAME.gp */
    const char *title, *source, *note; /* three lines over the panels: what is shown, of which runs, how to read it */
    struct text script, data;
    int blocks;              /* of data so far */
    int filled;              /* the last of them has a row */
    int panels, cols, rows;  /* panels in a grid of cols x rows */
    double panel_w, panel_h; /* the axes' box of one panel */
    double left, gap_x;      /* room for the tics and the label of y: first column, between columns */
    double bottom, gap_y;    /* room for those of x */
    double legend;           /* room at the right; 0: none */
    double legend_h;         /* height the legend needs */
    double width, height;    /* of the page */
};

/* A figure of n panels, at most cols beside each other. panel sizes must be set; the rest has its usual value. */
status figure_begin(struct figure *, struct arena *, const char *folder, const char *name, int panels, int cols,
                    double panel_w, double panel_h);
void figure_free(struct figure *);

/* Room for a legend of names, `lines` of them, the longest with `letters` letters. */
void figure_legend_room(struct figure *, int lines, int letters);

/* A new block of data; *block is its gnuplot index. comment: what its columns are. Then its rows. */
status figure_block(struct figure *, int *block, const char *comment, ...) __attribute__((format(printf, 3, 4)));
status figure_numbers(struct figure *, int n, const double *v); /* NAN: "?", which gnuplot leaves out */
status figure_word(struct figure *, const char *);              /* a text as the last column of the row just written */

/* Script: after figure_open, each panel begins with figure_panel, then comes the legend. */
status figure_open(struct figure *);
status figure_line(struct figure *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
status figure_panel(struct figure *, int panel, const char *title);
/* In place of a plot where a panel has nothing to show. */
status figure_empty(struct figure *);
/* A legend of n names with line styles 1 .. n; kind: "lines", "points" or "linespoints". more: further gnuplot plots of
 * NaN with a title, each after a comma; "" none. */
status figure_legend(struct figure *, const char *const *name, int n, const char *kind, const char *more);

/* A text as gnuplot reads it, in single quotes. NULL: out of memory. */
const char *figure_quote(struct arena *, const char *);
/* A text as part of a file name. NULL gives NULL. */
const char *figure_file_name(struct arena *, const char *);
/* Axis label of a column's scores: "accuracy x 100". */
const char *figure_score_label(struct arena *, const struct table_col *);

/* Closes the script, writes both files and draws them; formats: "png,svg". Frees the figure's texts, also on failure.
 * Without gnuplot: ST_UNSUPPORTED, the files stay. */
status figure_finish(struct figure *, const char *formats);

#endif
