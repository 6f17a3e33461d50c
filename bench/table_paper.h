/* The tables of the B-LoRA paper in its layout: published numbers, what was measured, and the difference. */
#ifndef PG_BENCH_TABLE_PAPER_H
#define PG_BENCH_TABLE_PAPER_H

#include "bench/material.h"
#include "bench/published.h"
#include "bench/sheet.h"

/* What all of them need. */
struct paper {
    struct arena *arena;
    struct published table, notes;
    int number; /* of the table */
    struct material runs;
    struct material f1;       /* the same runs by F1, for QQP; count 0: no such task */
    int protocol;             /* enum protocol; -1: each run's own */
    int *noted, notes_marked; /* notes in the order of their marks */
    struct sheet *sheet;
};

/* number: 1 to 6. where, runs: as for material_gather; protocol: -1 for each run's own. */
status table_paper(int number, const char *where, const char *runs, int protocol, struct arena *, struct sheet **);

/* Parts: tables 1 and 2 are of results, 3 to 5 of settings, 6 of counts. */
status paper_results(struct paper *);
status paper_operations(struct paper *);
status paper_settings(struct paper *);
status paper_counts(struct paper *);

/* A published number into a cell, with the mark of its footnote; *x is left empty where nothing is published. */
status paper_put(struct paper *, const char *row, const char *column, const char *field, struct sheet_cell *x);
/* The first row of the runs among "a|b|c"; NULL: none of them. */
const char *paper_row(const struct paper *, const char *alternatives);
/* The footnotes that were marked, below the sheet. */
status paper_footnotes(struct paper *);
/* Sheets of one line of heads. */
status paper_sheet(struct paper *, const char *title, const char *const *heads, int cols, int left);

#endif
