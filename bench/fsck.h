/* Are the records of a folder what their runs wrote? Every file is read whole and checked against itself (seal, HDF5's
 * own checksums, schema, content hash), against its name, and against the journal beside it. Nothing is changed. */
#ifndef PG_BENCH_FSCK_H
#define PG_BENCH_FSCK_H

#include "core/arena.h"
#include "core/status.h"

/* Hears of every finding: one sentence that begins with the file. fault: 1: something is damaged or lost; 0: a note on
 * what lies about and harms nothing. */
typedef void fsck_tell(void *ctx, int fault, const char *sentence);

struct fsck_counts {
    int records, packs, packed; /* files of one record, merged files, records in these; damaged ones count too */
    int adapters, lines;        /* saved adapters compared with their record; lines of journals */
    int faults, notes;
};

/* Checks a folder of records or a single file of one or many, and adds to the counts. Fails only when the place cannot
 * be looked at: what is found is told. */
status fsck_place(const char *place, fsck_tell *, void *ctx, struct fsck_counts *);

#endif
