/* The record of one run: named items (attributes and arrays) that one schema table describes. Writing, reading, hashing and
 * the document docs/RESULTS_SCHEMA.md are loops over that table. On disk: one HDF5 file a run, written once and
 * atomically; plain types only, so h5dump, h5py and pandas read it without our code. */
#ifndef PG_RESULTS_RECORD_H
#define PG_RESULTS_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "core/arena.h"
#include "core/status.h"

enum item_type { ITEM_STRING, ITEM_INT, ITEM_REAL, ITEM_STRINGS, ITEM_INTS, ITEM_REALS, ITEM_BYTES };

/* One row of the schema. path: "group/name" or "group/{}/name" where {} stands for a name chosen by the run (an evaluation set, a
 * variant, a site). Scalars are attributes of their group; arrays are datasets (fletcher32, gzip). */
struct schema_item {
    const char *path;
    enum item_type type;
    const char *dims; /* "" scalar, "steps", "evaluations x metrics" ... (document only; rank = number of factors) */
    const char *unit, *help;
    int required;
};
extern const struct schema_item schema_table[]; /* ends with path NULL */
void schema_document(FILE *); /* docs/RESULTS_SCHEMA.md */

struct record_item {
    const char *path;
    enum item_type type;
    int rank;
    size_t dim[3], n; /* n = product; 1 for scalars */
    union {
        const char *s;
        const char **ss;
        int64_t *i;
        double *d;
        const unsigned char *b;
    } v; /* scalars: ITEM_STRING s; ITEM_INT i[0]; ITEM_REAL d[0] */
};
struct record {
    struct arena *arena;
    struct record_item *item;
    int count, cap;
};

status record_init(struct record *, struct arena *);
/* Setting a path the schema does not know, or with another type, fails with ST_INTERNAL. Values are copied. Setting twice replaces. */
status record_string(struct record *, const char *path, const char *);
status record_int(struct record *, const char *path, int64_t);
status record_real(struct record *, const char *path, double);
status record_strings(struct record *, const char *path, const char *const *, size_t n);
status record_ints(struct record *, const char *path, const int64_t *, int rank, const size_t *dims);
status record_reals(struct record *, const char *path, const double *, int rank, const size_t *dims);
const struct record_item *record_get(const struct record *, const char *path); /* NULL: absent */
const char *record_get_string(const struct record *, const char *path, const char *otherwise);
double record_get_real(const struct record *, const char *path, double otherwise); /* ITEM_INT or ITEM_REAL */

/* SHA-256 over every item (path, type, dims, bytes; sorted by path) except those below "environment/". Equal hashes = equal results. */
void record_hash(const struct record *, char hex[65]);

/* Atomic write (temp, flush, fsync, rename, fsync folder). Stores the content hash as attribute "content_hash" of the root. The
 * HDF5 file is byte-identical for equal records (no times). */
status record_write(const struct record *, const char *path);
/* Reads and verifies: HDF5 errors, fletcher32, schema, content hash. */
status record_read(const char *path, struct arena *, struct record *);
void record_print(FILE *, const struct record *, int full); /* `inspect`: aligned text; arrays shortened unless full */

/* The journal: one JSON line an event, O_APPEND, fsync: {"event":"started|finished|failed|diverged","id":...,"cell":...,
 * "file":...,"sha256":...,"message":...,"time":...}. */
status journal_add(const char *path, const char *event, const char *id, const char *cell, const char *file,
                   const char *sha256, const char *message);

#endif
