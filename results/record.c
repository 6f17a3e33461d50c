/* The record in memory: a list of items kept sorted by path, so that looking up is a binary search and hashing and
 * writing go through it in one order whatever the order of setting was. */
#include "results/record.h"

#include <math.h>
#include <string.h>

status record_init(struct record *r, struct arena *arena)
{
    *r = (struct record){arena, NULL, 0, 64};
    NEW(r->item, arena, r->cap);
    return ST_OK;
}

/* Index of the first item whose path is not below `path`. */
static int lower_bound(const struct record *r, const char *path)
{
    int lo = 0, hi = r->count;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (strcmp(r->item[mid].path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct record_item *record_get(const struct record *r, const char *path)
{
    int at = lower_bound(r, path);
    return at < r->count && strcmp(r->item[at].path, path) == 0 ? &r->item[at] : NULL;
}

const char *record_get_string(const struct record *r, const char *path, const char *otherwise)
{
    const struct record_item *it = record_get(r, path);
    return it && it->type == ITEM_STRING ? it->v.s : otherwise;
}

double record_get_real(const struct record *r, const char *path, double otherwise)
{
    const struct record_item *it = record_get(r, path);
    if (it && it->type == ITEM_REAL) return it->v.d[0];
    if (it && it->type == ITEM_INT) return (double)it->v.i[0];
    return otherwise;
}

/* Puts an item in its place, replacing one of the same path. */
static status insert(struct record *r, const struct record_item *it)
{
    int at = lower_bound(r, it->path);
    if (at < r->count && strcmp(r->item[at].path, it->path) == 0) {
        r->item[at] = *it;
        return ST_OK;
    }
    if (r->count == r->cap) {
        struct record_item *more;
        NEW(more, r->arena, 2 * r->cap);
        memcpy(more, r->item, (size_t)r->count * sizeof *more);
        r->item = more;
        r->cap *= 2;
    }
    memmove(r->item + at + 1, r->item + at, (size_t)(r->count - at) * sizeof *r->item);
    r->item[at] = *it;
    r->count++;
    return ST_OK;
}

/* The item's frame after the checks against the schema; v is the caller's to fill. */
static status frame(struct record *r, const char *path, enum item_type type, int rank, const size_t *dims,
                    struct record_item *it)
{
    const struct schema_item *s = schema_find(path);
    FAIL_IF(!s || strlen(path) >= RECORD_PATH, ST_INTERNAL, "the record item %s is not in the schema", path);
    FAIL_IF(s->type != type, ST_INTERNAL, "the record item %s is %s in the schema, not %s", path,
            item_type_name(s->type), item_type_name(type));
    FAIL_IF(schema_rank(s) != rank, ST_INTERNAL, "the record item %s has %d dimensions in the schema (%s), not %d",
            path, schema_rank(s), s->dims, rank);
    *it = (struct record_item){.schema = s, .type = type, .rank = rank, .n = 1};
    for (int i = 0; i < rank; i++) {
        it->dim[i] = dims[i];
        FAIL_IF(dims[i] && it->n > SIZE_MAX / 64 / dims[i], ST_INTERNAL, "the record item %s is too large", path);
        it->n *= dims[i];
    }
    return (it->path = arena_strdup(r->arena, path)) ? ST_OK : ST_MEMORY;
}

static status copy_ints(struct record *r, const char *path, enum item_type type, const int64_t *v, int rank,
                        const size_t *dims)
{
    struct record_item it = {0};
    TRY(frame(r, path, type, rank, dims, &it));
    NEW(it.v.i, r->arena, it.n);
    if (it.n) memcpy(it.v.i, v, it.n * sizeof *v);
    return insert(r, &it);
}

static status copy_reals(struct record *r, const char *path, enum item_type type, const double *v, int rank,
                         const size_t *dims)
{
    struct record_item it = {0};
    TRY(frame(r, path, type, rank, dims, &it));
    NEW(it.v.d, r->arena, it.n);
    for (size_t i = 0; i < it.n; i++) it.v.d[i] = isnan(v[i]) ? (double)NAN : v[i];
    return insert(r, &it);
}

status record_string(struct record *r, const char *path, const char *v)
{
    struct record_item it = {0};
    TRY(frame(r, path, ITEM_STRING, 0, NULL, &it));
    it.v.s = arena_strdup(r->arena, v);
    return it.v.s ? insert(r, &it) : ST_MEMORY;
}

status record_int(struct record *r, const char *path, int64_t v)
{
    return copy_ints(r, path, ITEM_INT, &v, 0, NULL);
}

status record_real(struct record *r, const char *path, double v)
{
    return copy_reals(r, path, ITEM_REAL, &v, 0, NULL);
}

status record_strings(struct record *r, const char *path, const char *const *v, size_t n)
{
    struct record_item it = {0};
    TRY(frame(r, path, ITEM_STRINGS, 1, &n, &it));
    NEW(it.v.ss, r->arena, n);
    for (size_t i = 0; i < n; i++)
        if (!(it.v.ss[i] = arena_strdup(r->arena, v[i]))) return ST_MEMORY;
    return insert(r, &it);
}

status record_ints(struct record *r, const char *path, const int64_t *v, int rank, const size_t *dims)
{
    return copy_ints(r, path, ITEM_INTS, v, rank, dims);
}

status record_reals(struct record *r, const char *path, const double *v, int rank, const size_t *dims)
{
    return copy_reals(r, path, ITEM_REALS, v, rank, dims);
}

static int named(const struct record_item *it, const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(it->schema->path, name[i]) == 0) return 1;
    return 0;
}

static status copy_item(const struct record_item *it, struct record *to)
{
    switch (it->type) {
    case ITEM_STRING: return record_string(to, it->path, it->v.s);
    case ITEM_STRINGS: return record_strings(to, it->path, it->v.ss, it->n);
    case ITEM_INT:
    case ITEM_INTS: return copy_ints(to, it->path, it->type, it->v.i, it->rank, it->dim);
    case ITEM_REAL:
    case ITEM_REALS: break;
    }
    return copy_reals(to, it->path, it->type, it->v.d, it->rank, it->dim);
}

status record_copy(const struct record *r, const char *const *without, size_t n, struct arena *arena,
                   struct record *copy)
{
    TRY(record_init(copy, arena));
    for (int i = 0; i < r->count; i++)
        if (!named(&r->item[i], without, n)) TRY(copy_item(&r->item[i], copy));
    return ST_OK;
}
