/* Many records in one file. A merged file is itself a record, of the group merged/ only: all values of all records in
 * three pools (texts, int64, float64), sorted by path, and an index that says which record and path each stretch
 * belongs to. So it is written, sealed and checked as records are, holds a handful of datasets however many records it
 * has, compresses well, and is read with h5py in a few lines (tools/read_record.py). */
#ifndef PG_RESULTS_RECORD_PACK_H
#define PG_RESULTS_RECORD_PACK_H

#include "results/record.h"

/* Writes the records, each of which must pass record_check, with distinct run/id. Equal sets of records give equal
 * files, whatever their order. */
status record_pack_write(const struct record *const *records, int n, const char *path);

struct record_pack;
/* Reads a merged file whole. A foreign or damaged one gives ST_INPUT. Memory from arena. */
status record_pack_open(const char *path, struct arena *, struct record_pack **);
int record_pack_count(const struct record_pack *);
const char *record_pack_id(const struct record_pack *, int i); /* run/id of record i */
/* Record i: schema and content hash are verified. */
status record_pack_read(const struct record_pack *, int i, struct arena *, struct record *);

/* ---- records wherever they lie ---- */

/* A folder (every *.h5 in it, records and merged files), a record's file, or a merged file; read one after the other.
 */
struct record_source;
struct record_place {
    const char *file; /* NULL: no more records */
    const char *name; /* "FILE", or in a merged file "FILE#id" */
};
/* Fails with ST_INPUT when there is nothing of that name. */
status record_source_open(const char *path, struct arena *, struct record_source **);
/* The next record; its place in the source's arena, the record in `arena`. After ST_INPUT (a damaged file) the next
 * call goes on behind it. */
status record_source_next(struct record_source *, struct arena *arena, struct record *, struct record_place *);
void record_source_close(struct record_source *); /* NULL is fine */
/* What lies at `path`: a file is told by its first bytes. Fails only when the system gives no answer. */
enum place_kind { PLACE_NONE, PLACE_FOLDER, PLACE_RECORD, PLACE_PACK }; /* NONE: nothing, or something else */
status record_place_kind(const char *path, enum place_kind *);

#endif
