/* Tables of the B-LoRA paper as published, with notes on numbers that cannot be right (METHODS 8, 9). The CSV files
 * of results/published are inside the program. */
#ifndef PG_BENCH_PUBLISHED_H
#define PG_BENCH_PUBLISHED_H

#include "core/arena.h"
#include "core/status.h"

enum { PUBLISHED_TABLES = 6 };

struct published { /* the first line of the file gives the names of the columns */
    const char **name;
    const char **field; /* [rows, cols] "" where nothing is given */
    int rows, cols;
};

/* table: 1 to PUBLISHED_TABLES; 0: the notes, with columns table, row, column, note. */
status published_read(int table, struct arena *, struct published *);
int published_column(const struct published *, const char *name); /* -1: none */
const char *published_at(const struct published *, int row, int col);

/* Two numbers that a field may hold: "1.33M" and "8.5k" are 1330000 and 8500; NAN: not a number. */
double published_number(const char *field);

#endif
