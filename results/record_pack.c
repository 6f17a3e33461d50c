/* Merged files: records to pools and back (see record_pack.h). */
#include "results/record_pack.h"

#include <stdlib.h>
#include <string.h>
#include "results/record_image.h"

enum { INDEX_RECORD, INDEX_PATH, INDEX_DIM, INDEX_PLACE = 5, INDEX_COLUMNS };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct packer {
    struct arena *arena;
    const struct record **record; /* [records] by id */
    int records;
    const char **path, **text; /* distinct, sorted */
    int64_t *index, *ints;
    double *reals;
    size_t paths, texts, items, n_ints, n_reals;
};

static const char *id_of(const struct record *r)
{
    return record_get_string(r, "run/id", "");
}

static int by_id(const void *a, const void *b)
{
    return strcmp(id_of(*(const struct record *const *)a), id_of(*(const struct record *const *)b));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t sort_distinct(const char **s, size_t n)
{
    size_t kept = 0;
    qsort(s, n, sizeof *s, by_text);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(s[kept - 1], s[i]) != 0) s[kept++] = s[i];
    return kept;
}

static int64_t place_of(const char *s, const char **sorted, size_t n)
{
    const char **found = bsearch(&s, sorted, n, sizeof *sorted, by_text);
    return found - sorted;
}

static int is_text(const struct record_item *it)
{
    return it->type == ITEM_STRING || it->type == ITEM_STRINGS;
}

static const char *text_at(const struct record_item *it, size_t i)
{
    return it->type == ITEM_STRING ? it->v.s : it->v.ss[i];
}

static int is_real(const struct record_item *it)
{
    return it->type == ITEM_REAL || it->type == ITEM_REALS;
}

/* All paths and all texts, each once. */
static status collect(struct packer *p)
{
    size_t texts = 0;
    for (int k = 0; k < p->records; k++)
        for (int i = 0; i < p->record[k]->count; i++) {
            const struct record_item *it = &p->record[k]->item[i];
            p->items++;
            if (is_text(it)) texts += it->n;
            if (is_real(it))
                p->n_reals += it->n;
            else
                p->n_ints += it->n;
        }
    NEW(p->path, p->arena, p->items + 1);
    NEW(p->text, p->arena, texts + 1);
    for (int k = 0; k < p->records; k++)
        for (int i = 0; i < p->record[k]->count; i++) {
            const struct record_item *it = &p->record[k]->item[i];
            p->path[p->paths++] = it->path;
            for (size_t t = 0; is_text(it) && t < it->n; t++) p->text[p->texts++] = text_at(it, t);
        }
    p->paths = sort_distinct(p->path, p->paths);
    p->texts = sort_distinct(p->text, p->texts);
    return ST_OK;
}

/* Appends an item to the index and its values to their pool. */
static void put_item(struct packer *p, int record, size_t path, const struct record_item *it)
{
    int64_t *row = p->index + p->items++ * INDEX_COLUMNS;
    row[INDEX_RECORD] = record;
    row[INDEX_PATH] = (int64_t)path;
    for (int d = 0; d < 3; d++) row[INDEX_DIM + d] = d < it->rank ? (int64_t)it->dim[d] : 1;
    row[INDEX_PLACE] = (int64_t)(is_real(it) ? p->n_reals : p->n_ints);
    if (is_real(it)) {
        if (it->n) memcpy(p->reals + p->n_reals, it->v.d, it->n * sizeof *p->reals);
        p->n_reals += it->n;
        return;
    }
    for (size_t i = 0; i < it->n; i++)
        p->ints[p->n_ints++] = is_text(it) ? place_of(text_at(it, i), p->text, p->texts) : it->v.i[i];
}

static status fill_pools(struct packer *p)
{
    NEW(p->index, p->arena, p->items * INDEX_COLUMNS + 1);
    NEW(p->ints, p->arena, p->n_ints + 1);
    NEW(p->reals, p->arena, p->n_reals + 1);
    p->items = p->n_ints = p->n_reals = 0;
    for (size_t path = 0; path < p->paths; path++)
        for (int k = 0; k < p->records; k++) {
            const struct record_item *it = record_get(p->record[k], p->path[path]);
            if (it) put_item(p, k, path, it);
        }
    return ST_OK;
}

static status put_names(const struct packer *p, struct record *out)
{
    const char **id, **hash;
    const size_t n = (size_t)p->records;
    NEW(id, p->arena, n + 1);
    NEW(hash, p->arena, n + 1);
    for (size_t k = 0; k < n; k++) {
        char *hex = arena_alloc(p->arena, SHA256_HEX);
        if (!hex) return ST_MEMORY;
        record_hash(p->record[k], hex);
        id[k] = id_of(p->record[k]);
        hash[k] = hex;
        FAIL_IF(k && strcmp(id[k - 1], id[k]) == 0, ST_INTERNAL, "two records with the id %s in one merged file",
                id[k]);
    }
    TRY(record_strings(out, "merged/ids", id, n));
    return record_strings(out, "merged/hashes", hash, n);
}

/* "s0", "i0", "r2": what other programs need to know of a path. */
static const char *type_of(const char *path, char type[3])
{
    const struct schema_item *s = schema_find(path);
    snprintf(type, 3, "%c%c", "sirsir"[s->type], '0' + schema_rank(s));
    return type;
}

static status put_types(const struct packer *p, struct record *out)
{
    const char **type;
    NEW(type, p->arena, p->paths + 1);
    for (size_t i = 0; i < p->paths; i++) {
        char *own = arena_alloc(p->arena, 3);
        if (!own) return ST_MEMORY;
        type[i] = type_of(p->path[i], own);
    }
    return record_strings(out, "merged/types", type, p->paths);
}

static status make_pack(struct packer *p, const struct record *const *records, struct record *out)
{
    TRY(record_init(out, p->arena));
    NEW(p->record, p->arena, p->records + 1);
    for (int k = 0; k < p->records; k++) {
        TRY(record_check(records[k]));
        p->record[k] = records[k];
    }
    qsort(p->record, (size_t)p->records, sizeof *p->record, by_id);
    TRY(collect(p));
    TRY(fill_pools(p));
    TRY(put_names(p, out));
    TRY(record_strings(out, "merged/paths", p->path, p->paths));
    TRY(put_types(p, out));
    TRY(record_strings(out, "merged/strings", p->text, p->texts));
    TRY(record_ints(out, "merged/index", p->index, 2, (const size_t[]){p->items, INDEX_COLUMNS}));
    TRY(record_ints(out, "merged/ints", p->ints, 1, &p->n_ints));
    return record_reals(out, "merged/reals", p->reals, 1, &p->n_reals);
}

status record_pack_write(const struct record *const *records, int n, const char *path)
{
    struct packer p = {.arena = arena_new("a merged file"), .records = n};
    struct record out;
    char name[64];
    if (!p.arena) return ST_MEMORY;
    status st = make_pack(&p, records, &out);
    snprintf(name, sizeof name, "of %d records", n);
    if (st == ST_OK) st = record_file_write(&out, PACK_FORMAT, name, path);
    arena_free(p.arena);
    return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct record_pack {
    const char *file;
    struct record all; /* the group merged/ */
    const struct record_item *id, *hash, *path, *type, *text, *index, *ints, *reals;
    size_t *first; /* [records + 1] each record's stretch of `of` */
    size_t *of;    /* rows of the index, by record */
};

static status get_part(struct record_pack *p, const char *path, size_t n, const struct record_item **out)
{
    *out = record_get(&p->all, path);
    FAIL_IF(!*out || (n && (*out)->n != n), ST_INPUT, "%s: lacks a sound %s", p->file, path);
    return ST_OK;
}

static const int64_t *row_at(const struct record_pack *p, size_t i)
{
    return p->index->v.i + i * INDEX_COLUMNS;
}

/* Paths and types must be those of the schema. */
static status check_paths(const struct record_pack *p)
{
    char type[3];
    for (size_t i = 0; i < p->path->n; i++) {
        const char *path = p->path->v.ss[i];
        FAIL_IF(!schema_find(path) || strcmp(type_of(path, type), p->type->v.ss[i]) != 0, ST_INPUT,
                "%s: the record item %s with the type %s is not in the schema", p->file, path, p->type->v.ss[i]);
    }
    return ST_OK;
}

/* Everything a row points at must be there. */
static status check_row(const struct record_pack *p, const int64_t *row)
{
    size_t n = 1;
    int bad = row[INDEX_RECORD] < 0 || (size_t)row[INDEX_RECORD] >= p->id->n || row[INDEX_PATH] < 0 ||
              (size_t)row[INDEX_PATH] >= p->path->n || row[INDEX_PLACE] < 0;
    FAIL_IF(bad, ST_INPUT, "%s: a row of merged/index points at nothing", p->file);
    const struct schema_item *s = schema_find(p->path->v.ss[row[INDEX_PATH]]);
    int real = s->type == ITEM_REAL || s->type == ITEM_REALS, text = s->type == ITEM_STRING || s->type == ITEM_STRINGS;
    const struct record_item *pool = real ? p->reals : p->ints;
    for (int d = 0; d < 3; d++) {
        size_t dim = (size_t)row[INDEX_DIM + d];
        bad |= row[INDEX_DIM + d] < 0 || (d >= schema_rank(s) && dim != 1) || (dim && n > pool->n / dim);
        n = bad ? 0 : n * dim;
    }
    bad |= n > pool->n || (size_t)row[INDEX_PLACE] > pool->n - n;
    for (size_t i = 0; text && !bad && i < n; i++) {
        int64_t t = pool->v.i[(size_t)row[INDEX_PLACE] + i];
        bad = t < 0 || (size_t)t >= p->text->n;
    }
    FAIL_IF(bad, ST_INPUT, "%s: a row of merged/index for %s does not fit its values", p->file, s->path);
    return ST_OK;
}

static status group_rows(struct record_pack *p)
{
    struct arena *a = p->all.arena;
    size_t rows = p->index->dim[0], *next;
    ZNEW(p->first, a, p->id->n + 2);
    NEW(p->of, a, rows + 1);
    for (size_t i = 0; i < rows; i++) {
        TRY(check_row(p, row_at(p, i)));
        p->first[row_at(p, i)[INDEX_RECORD] + 1]++;
    }
    for (size_t k = 0; k < p->id->n; k++) p->first[k + 1] += p->first[k];
    NEW(next, a, p->id->n + 1);
    memcpy(next, p->first, (p->id->n + 1) * sizeof *next);
    for (size_t i = 0; i < rows; i++) p->of[next[row_at(p, i)[INDEX_RECORD]]++] = i;
    return ST_OK;
}

status record_pack_open(const char *path, struct arena *arena, struct record_pack **out)
{
    struct record_pack *p;
    ZNEW(p, arena, 1);
    p->file = path;
    TRY(record_init(&p->all, arena));
    TRY(record_file_read(path, PACK_FORMAT, &p->all));
    TRY(get_part(p, "merged/ids", 0, &p->id));
    TRY(get_part(p, "merged/hashes", p->id->n, &p->hash));
    TRY(get_part(p, "merged/paths", 0, &p->path));
    TRY(get_part(p, "merged/types", p->path->n, &p->type));
    TRY(get_part(p, "merged/strings", 0, &p->text));
    TRY(get_part(p, "merged/index", 0, &p->index));
    TRY(get_part(p, "merged/ints", 0, &p->ints));
    TRY(get_part(p, "merged/reals", 0, &p->reals));
    FAIL_IF(p->index->dim[1] != INDEX_COLUMNS, ST_INPUT, "%s: lacks a sound merged/index", path);
    TRY(check_paths(p));
    TRY(group_rows(p));
    *out = p;
    return ST_OK;
}

int record_pack_count(const struct record_pack *p)
{
    return (int)p->id->n;
}

const char *record_pack_id(const struct record_pack *p, int i)
{
    return p->id->v.ss[i];
}

static status set_item(const struct record_pack *p, const int64_t *row, struct record *r)
{
    const char *path = p->path->v.ss[row[INDEX_PATH]], **words;
    const struct schema_item *s = schema_find(path);
    const size_t dim[3] = {(size_t)row[INDEX_DIM], (size_t)row[INDEX_DIM + 1], (size_t)row[INDEX_DIM + 2]};
    const size_t n = dim[0] * dim[1] * dim[2];
    const int64_t *ints = p->ints->v.i + row[INDEX_PLACE];
    const double *reals = p->reals->v.d + row[INDEX_PLACE];
    switch (s->type) {
    case ITEM_STRING: return record_string(r, path, p->text->v.ss[ints[0]]);
    case ITEM_INT: return record_int(r, path, ints[0]);
    case ITEM_REAL: return record_real(r, path, reals[0]);
    case ITEM_INTS: return record_ints(r, path, ints, schema_rank(s), dim);
    case ITEM_REALS: return record_reals(r, path, reals, schema_rank(s), dim);
    case ITEM_STRINGS: break;
    }
    NEW(words, r->arena, n + 1);
    for (size_t i = 0; i < n; i++) words[i] = p->text->v.ss[ints[i]];
    return record_strings(r, path, words, n);
}

status record_pack_read(const struct record_pack *p, int i, struct arena *arena, struct record *r)
{
    char hash[SHA256_HEX];
    TRY(record_init(r, arena));
    for (size_t k = p->first[i]; k < p->first[i + 1]; k++) TRY(set_item(p, row_at(p, p->of[k]), r));
    record_hash(r, hash);
    FAIL_IF(strcmp(hash, p->hash->v.ss[i]) != 0, ST_INPUT, "%s: the content hash of record %s is %s, but %s is stored",
            p->file, p->id->v.ss[i], hash, p->hash->v.ss[i]);
    FAIL_IF(strcmp(id_of(r), p->id->v.ss[i]) != 0, ST_INPUT, "%s: record %s calls itself %s", p->file, p->id->v.ss[i],
            id_of(r));
    status st = record_check(r);
    return st == ST_OK ? ST_OK : fail_in(ST_INPUT, "%s", p->file);
}
