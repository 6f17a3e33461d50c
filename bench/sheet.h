/* A sheet of text cells and its printing as aligned text, Markdown, LaTeX or CSV. Knows nothing of what the cells mean.
 */
#ifndef PG_BENCH_SHEET_H
#define PG_BENCH_SHEET_H

#include <stdio.h>
#include "core/arena.h"
#include "core/status.h"

#define SHEET_CHOICES "text|md|latex|csv"
enum sheet_format { SHEET_TEXT, SHEET_MD, SHEET_LATEX, SHEET_CSV };

/* A cell in three parts, each aligned on its own: "85.31", "0.42" (printed after a plus-minus sign), "!". NULL:
 * nothing. */
struct sheet_cell {
    const char *main, *spread, *tail;
    int bold; /* text: an asterisk before it */
};
struct sheet_col {
    const char *head, *sub; /* sub: a second line of the heading; NULL: none */
    int left;               /* aligned left: names */
};
struct sheet_width { /* of a column's parts, in characters */
    int main, spread, tail, all;
};
struct sheet {
    struct arena *arena;
    const char *title; /* "": none */
    struct sheet_col *col;
    struct sheet_width *width; /* [cols] measured while printing text */
    struct sheet_cell *cell;   /* [rows, cols] */
    int cols, rows, cap;
    const char **note;
    int notes, note_cap;
};

status sheet_make(struct arena *, const char *title, int cols, struct sheet **);
/* A new row of empty cells; NULL when out of memory. */
struct sheet_cell *sheet_row(struct sheet *);
status sheet_note(struct sheet *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sheet_print(FILE *, const struct sheet *, enum sheet_format);

#endif
