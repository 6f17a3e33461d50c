/* The record of one run: named items (attributes and arrays) that one schema table describes. Writing, reading, hashing
 * and the document docs/RESULTS_SCHEMA.md are loops over that table. On disk: one HDF5 file a run, written once and
 * atomically; plain types only, so h5dump, h5py and pandas read it without our code.
 *
 * A file is the HDF5 data after a block of 512 bytes of text (HDF5's "user block", which readers skip): the seal. It
 * states the number of bytes and the SHA-256 of all that follows, so any damage is found before HDF5 looks at a byte,
 * and `head -5 FILE` tells what a file is. */
#ifndef PG_RESULTS_RECORD_H
#define PG_RESULTS_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "core/arena.h"
#include "core/sha256.h"
#include "core/status.h"

enum item_type { ITEM_STRING, ITEM_INT, ITEM_REAL, ITEM_STRINGS, ITEM_INTS, ITEM_REALS };
const char *item_type_name(enum item_type);

/* Who must fill an item. Below a name of the run's choice ("eval/{}/{}/loss") it is asked of every instance there is,
 * and at least one instance is asked for. */
enum item_need {
    NEED_NOTHING,
    NEED_ALWAYS, /* failed and diverged runs too */
    NEED_RESULT  /* runs whose run/status is "ok" */
};

/* One row of the schema. path: "group/name" or "group/{}/name" where {} stands for a name chosen by the run (an
 * evaluation set, a variant, an option). Scalars are attributes of their group; arrays are datasets (fletcher32, gzip).
 */
struct schema_item {
    const char *path;
    enum item_type type;
    const char *dims; /* "" scalar, "steps", "evaluations x metrics" ... (document only; rank = number of factors) */
    const char *unit, *help;
    enum item_need required;
};
extern const struct schema_item schema_table[];          /* ends with path NULL */
const struct schema_item *schema_find(const char *path); /* the row a path belongs to; NULL: unknown */
int schema_rank(const struct schema_item *);             /* number of dimensions; 0: scalar */
void schema_document(FILE *);                            /* docs/RESULTS_SCHEMA.md */

enum { RECORD_PATH = 256 }; /* longest path, final NUL included */
#define RECORD_MAIN "main"  /* stands for the unnamed variant in paths */

/* Puts the names in the places of {} of a schema path: ("eval/{}/{}/loss", "dev", "rank=4") -> "eval/dev/rank=4/loss".
 * An empty name becomes RECORD_MAIN, a '/' in a name becomes '|'. Names beyond the number of {} are ignored (NULL is
 * fine). */
status record_path(char out[RECORD_PATH], const char *pattern, const char *first, const char *second);

struct record_item {
    const char *path;
    const struct schema_item *schema; /* its row of the table */
    enum item_type type;
    int rank;
    size_t dim[3], n; /* n = product; 1 for scalars */
    union {
        const char *s;
        const char **ss;
        int64_t *i;
        double *d;
    } v; /* scalars: ITEM_STRING s; ITEM_INT i[0]; ITEM_REAL d[0] */
};
struct record {
    struct arena *arena;
    struct record_item *item; /* sorted by path */
    int count, cap;
};

status record_init(struct record *, struct arena *);
/* Setting a path the schema does not know, or with another type or rank, fails with ST_INTERNAL. Values are copied.
 * Setting twice replaces. Every NaN is kept as one and the same NaN (its sign and payload depend on the compiler). */
status record_string(struct record *, const char *path, const char *);
status record_int(struct record *, const char *path, int64_t);
status record_real(struct record *, const char *path, double);
status record_strings(struct record *, const char *path, const char *const *, size_t n);
status record_ints(struct record *, const char *path, const int64_t *, int rank, const size_t *dims);
status record_reals(struct record *, const char *path, const double *, int rank, const size_t *dims);
const struct record_item *record_get(const struct record *, const char *path); /* NULL: absent */
const char *record_get_string(const struct record *, const char *path, const char *otherwise);
double record_get_real(const struct record *, const char *path, double otherwise); /* ITEM_INT or ITEM_REAL */

/* A copy, in an arena of its own, of all items but those whose schema path is one of without[0..n-1]. */
status record_copy(const struct record *, const char *const *without, size_t n, struct arena *, struct record *copy);

/* Fails with ST_INTERNAL, naming the first required item that is missing. Items whose schema path slim/left_out names
 * may lack. */
status record_check(const struct record *);

/* SHA-256 over every item (path, type, dims, bytes; sorted by path) except those below "environment/". Equal hashes =
 * equal results. The exact form is in docs/RESULTS_SCHEMA.md; tools/read_record.py computes it anew from the file. */
void record_hash(const struct record *, char hex[SHA256_HEX]);
/* The content hash of the record as its run wrote it: of a slim one the hash it keeps, else record_hash. */
void record_origin_hash(const struct record *, char hex[SHA256_HEX]);

/* Atomic write (temp, flush, fsync, rename, fsync folder) of a record that passes record_check. Stores the content hash
 * as attribute "content_hash" of the root. The file is byte-identical for equal records (no times). */
status record_write(const struct record *, const char *path);
/* Reads and verifies: seal, HDF5 errors, fletcher32, schema, content hash. A foreign or damaged file gives ST_INPUT. */
status record_read(const char *path, struct arena *, struct record *);
void record_print(FILE *, const struct record *, int full); /* `inspect`: aligned text; arrays shortened unless full */

void record_library_version(char *buf, size_t n); /* of HDF5: "1.10.8" */

/* The journal: one JSON line an event, O_APPEND, fsync:
 * {"time":...,"event":"started|finished|failed|diverged|merged","id":...,"cell":...,"file":...,"sha256":...,
 *  "message":...,"check":...}. NULL arguments are left out. check: the first 16 digits of the SHA-256 of all bytes of
 * the line before the comma in front of it. */
status journal_add(const char *path, const char *event, const char *id, const char *cell, const char *file,
                   const char *sha256, const char *message);

struct journal_line {
    int number;                                                     /* from 1 */
    const char *time, *event, *id, *cell, *file, *sha256, *message; /* NULL: absent */
    const char *check; /* NULL: written by a version that made none, so that a change might go unnoticed */
    const char *fault; /* NULL: sound; else "damaged: ...", and nothing else is to be believed */
};
/* All lines of a journal, damaged ones too. */
status journal_read(const char *path, struct arena *, struct journal_line **, int *count);

#endif
