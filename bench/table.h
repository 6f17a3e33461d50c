/* From runs to a table: which runs share a cell, what their scores say, how rows compare with a baseline. No text is
 * made here but labels; bench/table_sheet.c writes it out. */
#ifndef PG_BENCH_TABLE_H
#define PG_BENCH_TABLE_H

#include "bench/run_list.h"
#include "bench/sheet.h"
#include "bench/stats.h"

struct table_spec {
    const char *rows,
        *cols;            /* comma-separated keys: row, task, model, seed, method, store or an option; "" = row, task */
    const char *baseline; /* a row's label; "": none */
    const char *metric;   /* as given to run_list_read */
    int protocol;         /* enum protocol; -1: each run's own */
    int points;           /* every seed, not only the summary */
};

struct table_point { /* one run in one cell */
    const struct run *run;
    const struct run_variant *variant; /* NULL: the run has no result */
    enum protocol protocol;
    double score; /* NAN: undefined, or no result */
};
/* One row against the baseline: pairs of runs of equal seed (and column), in the column's units. */
struct comparison {
    int pairs;         /* 0: none; the rest is then NAN or 0 */
    double difference; /* mean over the pairs */
    double low, high;  /* its 95 % confidence interval by Student's t, pairs - 1 degrees of freedom; NAN: one pair */
    double p;          /* exact sign-flip test; NAN: no test */
    int mcnemar;       /* p is McNemar's, from the predictions of a single pair */
    int wins, ties, losses; /* pairs in which the row is better, equal, worse */
};
struct table_cell {
    struct table_point *point; /* by seed */
    int points;
    int scored, undefined, diverged, failed, missing, constant; /* runs of each kind; constant ones are scored too */
    double mean, sd;                                            /* over the scored */
    int best;                                                   /* best mean of its column */
    struct comparison versus;                                   /* the baseline's cell */
};
struct range {
    double low, high; /* NAN: no run tells */
};
struct table_row {
    const char *label, *variant; /* printed "label variant" */
    struct range adapter, head, deployed;
    struct range bops; /* of the encoder at the mean real length, over LoRA of rank 16; NAN: no record tells */
    double average;    /* of the columns' means; NAN when one lacks */
    int best_average;
    struct comparison
        versus; /* all pairs of all columns; but for wins, ties and losses only when averaged; no interval */
};
struct table_col {
    const char *label, *metric;
    double scale; /* 100, or 1 for errors */
    int higher;   /* is better */
};
struct table {
    const struct table_spec *spec;
    struct arena *arena;
    struct table_row *row;
    struct table_col *col;
    struct table_cell *cell; /* [rows, cols] */
    int rows, cols;
    int baseline;       /* row; -1: none */
    int averaged;       /* the columns' means may be averaged: same scale, columns are tasks */
    const char *mixed;  /* options in which runs of one cell and seed differ, "a, b"; "": none */
    int by_row, by_col; /* the default keys: row and task */
};

/* runs: in the order in which rows and columns shall appear. Fails with ST_USAGE when no run has an asked key or the
 * baseline is not a row. */
status table_make(const struct table_spec *, const struct run *, int runs, struct arena *, struct table *);

/* Part of that: fills versus of every cell and row from the row that spec->baseline names. */
status table_compare(struct table *);

/* Decimals of a column's printed scores: 85.31 of 0.8531; errors, which are not times 100, get two more. */
int table_digits(const struct table_col *);

/* A count for reading, four significant digits: 768, 73.7k, 1.327M; "" for NAN. */
const char *table_count(struct arena *, double n);

/* The row's printed name. */
const char *table_row_name(const struct table_row *, struct arena *);
struct table_cell *table_cell_at(const struct table *, int row, int col);

/* Part of table_sheets: differences from the baseline, their intervals and tests. */
status table_differences(const struct table *, struct sheet **);

/* For reading: one sheet of means with notes, and below it, with a baseline, one of differences. extra: notes of the
 * caller, ends with NULL. */
status table_sheets(const struct table *, const char *title, const char *const *extra, struct sheet **sheet,
                    int *sheets);
/* For programs: one line a cell, or with points one line a run and variant; scores as they are, not times 100. */
status table_lines(const struct table *, struct sheet **sheet);

#endif
