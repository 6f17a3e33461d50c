/* PyTorch weight files: the zip form (torch 1.6 and later) and the legacy form before it.
 *
 * zip:     <folder>/data.pkl, the pickled dictionary; <folder>/data/<key>, the bytes of each storage;
 * <folder>/byteorder. legacy:  five pickles in a row (magic number, protocol version, system information, the
 * dictionary, the list of storage keys), then for each key of that list a 64-bit element count and the elements.
 *
 * The pickle gives tensors as views (offset, shape, strides) of storages; the values stay in the map. A tensor may not
 * have more elements than its storage, so no small file can ask for much memory. */
#include "models/checkpoint.h"

#include <string.h>
#include "models/pickle.h"
#include "models/storedzip.h"

/* ---- views ------------------------------------------------------------------------------------------------------- */

static status check_view(const char *file, const char *name, const struct pickle_tensor *p)
{
    uint64_t elements, bytes;
    const struct pickle_storage *s = p->storage;
    TRY(tensor_extent(file, name, s->dtype, p->dims, p->shape, &elements, &bytes));
    int64_t last = p->offset; /* index of the tensor's last element in the storage */
    bool overflow = p->offset < 0;
    for (int i = 0; i < p->dims; i++) {
        int64_t reach;
        FAIL_IF(p->stride[i] < 0, ST_INPUT, "%s: tensor '%s': stride %lld is negative", file, name,
                (long long)p->stride[i]);
        if (elements == 0) continue;
        overflow |= __builtin_mul_overflow(p->shape[i] - 1, p->stride[i], &reach);
        overflow |= __builtin_add_overflow(last, reach, &last);
    }
    FAIL_IF(overflow || (elements > 0 && last >= s->count) || p->offset > s->count, ST_INPUT,
            "%s: tensor '%s' reaches beyond its storage '%s' of %lld elements", file, name, s->key,
            (long long)s->count);
    FAIL_IF(elements > (uint64_t)s->count, ST_INPUT,
            "%s: tensor '%s' has %llu elements, more than its storage '%s' (%lld)", file, name,
            (unsigned long long)elements, s->key, (long long)s->count);
    return ST_OK;
}

static status make_tensor(struct checkpoint *c, const char *file, const struct pickle_value *key,
                          const struct pickle_tensor *p, struct tensor *t)
{
    FAIL_IF(key->kind != PICKLE_STRING || strlen(key->text.s) != key->text.n, ST_INPUT,
            "%s: a tensor's name is no proper string", file);
    TRY(check_view(file, key->text.s, p));
    if ((t->name = arena_strdup(c->arena, key->text.s)) == NULL) return ST_MEMORY;
    t->file = file;
    t->dtype = p->storage->dtype;
    t->dims = p->dims;
    memcpy(t->shape, p->shape, sizeof t->shape);
    memcpy(t->stride, p->stride, sizeof t->stride);
    t->data = p->storage->data + p->offset * dtype_bytes(t->dtype);
    return ST_OK;
}

/* The tensors of the dictionary; entries that are no tensors (counters, names) are left out. */
static status add_tensors(struct checkpoint *c, const char *file, const struct pickle_value *dict)
{
    struct tensor *t;
    int n = 0;
    FAIL_IF(dict->kind != PICKLE_DICT, ST_INPUT, "%s: expected a dictionary of tensors", file);
    for (size_t i = 0; i + 1 < dict->seq.n; i += 2) n += dict->seq.v[i + 1]->kind == PICKLE_TENSOR;
    FAIL_IF(n == 0, ST_INPUT, "%s: the dictionary in it holds no tensors by name", file);
    TRY(checkpoint_room(c, n, &t));
    for (size_t i = 0; i + 1 < dict->seq.n; i += 2)
        if (dict->seq.v[i + 1]->kind == PICKLE_TENSOR)
            TRY(make_tensor(c, file, dict->seq.v[i], dict->seq.v[i + 1]->tensor, t++));
    return ST_OK;
}

/* ---- zip --------------------------------------------------------------------------------------------------------- */

static status find_storage(const struct storedzip *zip, struct arena *a, struct pickle_storage *s)
{
    const char *name = arena_printf(a, "data/%s", s->key);
    if (!name) return ST_MEMORY;
    const struct zip_entry *e = storedzip_find(zip, name);
    uint64_t bytes;
    FAIL_IF(!e, ST_INPUT, "%s: storage '%s' is missing: no entry '%s'", zip->file, s->key, name);
    FAIL_IF(__builtin_mul_overflow((uint64_t)s->count, (uint64_t)dtype_bytes(s->dtype), &bytes) || bytes != e->size,
            ST_INPUT, "%s: storage '%s' has %zu bytes, its tensors need %lld elements of %d bytes", zip->file, s->key,
            e->size, (long long)s->count, dtype_bytes(s->dtype));
    s->data = e->data;
    return storedzip_verify(zip, e);
}

static status read_zip(const struct file_map *m, struct arena *a, struct pickle *p, struct pickle_value **dict)
{
    struct storedzip zip;
    size_t used;
    TRY(storedzip_read(m->path, m->data, m->size, a, &zip));
    const struct zip_entry *order = storedzip_find(&zip, "byteorder"), *program = storedzip_find(&zip, "data.pkl");
    FAIL_IF(order && (order->size != 6 || memcmp(order->data, "little", 6) != 0), ST_UNSUPPORTED,
            "%s: its byte order is not little-endian", m->path);
    FAIL_IF(!program, ST_INPUT, "%s: no torch file: the archive has no entry data.pkl", m->path);
    TRY(storedzip_verify(&zip, program));
    TRY(pickle_load(p, program->data, program->size, dict, &used));
    FAIL_IF(used != program->size, ST_INPUT, "%s: %zu bytes behind the pickle in data.pkl", m->path,
            program->size - used);
    for (struct pickle_storage *s = p->first; s; s = s->next) TRY(find_storage(&zip, a, s));
    return ST_OK;
}

/* ---- legacy ------------------------------------------------------------------------------------------------------ */

static const struct pickle_value *dict_get(const struct pickle_value *dict, const char *key)
{
    for (size_t i = 0; i + 1 < dict->seq.n; i += 2)
        if (dict->seq.v[i]->kind == PICKLE_STRING && strcmp(dict->seq.v[i]->text.s, key) == 0)
            return dict->seq.v[i + 1];
    return NULL;
}

/* Magic number, version, system information: what torch writes before the dictionary. */
static status check_preamble(const char *file, struct pickle_value *const v[3])
{
    static const unsigned char magic[10] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
    FAIL_IF(v[0]->kind != PICKLE_LONG || v[0]->text.n != sizeof magic || memcmp(v[0]->text.s, magic, sizeof magic) != 0,
            ST_INPUT, "%s: no torch file: neither a zip archive nor the magic number of the legacy form", file);
    FAIL_IF(v[1]->kind != PICKLE_INT || v[1]->i != 1001, ST_INPUT, "%s: its legacy version is not 1001", file);
    const struct pickle_value *little = v[2]->kind == PICKLE_DICT ? dict_get(v[2], "little_endian") : NULL;
    FAIL_IF(!little || little->kind != PICKLE_BOOL, ST_INPUT, "%s: its system information is missing", file);
    FAIL_IF(!little->i, ST_UNSUPPORTED, "%s: its byte order is not little-endian", file);
    return ST_OK;
}

/* One storage behind the pickles: a 64-bit count, then the elements. */
static status place_storage(const struct file_map *m, struct pickle *p, const struct pickle_value *key, size_t *at)
{
    int64_t count;
    uint64_t bytes;
    FAIL_IF(key->kind != PICKLE_STRING, ST_INPUT, "%s: a storage key is no string", m->path);
    struct pickle_storage *s = pickle_storage_find(p, key->text.s);
    FAIL_IF(!s, ST_INPUT, "%s: storage '%s' is listed but no tensor uses it", m->path, key->text.s);
    FAIL_IF(s->data, ST_INPUT, "%s: storage '%s' is listed twice", m->path, s->key);
    FAIL_IF(m->size - *at < sizeof count, ST_INPUT, "%s: the file ends before storage '%s'", m->path, s->key);
    memcpy(&count, m->data + *at, sizeof count);
    *at += sizeof count;
    FAIL_IF(count != s->count, ST_INPUT, "%s: storage '%s' has %lld elements, its tensors need %lld", m->path, s->key,
            (long long)count, (long long)s->count);
    FAIL_IF(__builtin_mul_overflow((uint64_t)count, (uint64_t)dtype_bytes(s->dtype), &bytes) || bytes > m->size - *at,
            ST_INPUT, "%s: the file ends within storage '%s'", m->path, s->key);
    s->data = m->data + *at;
    *at += (size_t)bytes;
    return ST_OK;
}

static status read_legacy(const struct file_map *m, struct pickle *p, struct pickle_value **dict)
{
    struct pickle_value *v[5];
    size_t at = 0, used;
    for (int i = 0; i < 5; i++) {
        TRY(pickle_load(p, m->data + at, m->size - at, &v[i], &used));
        at += used;
        if (i == 2) TRY(check_preamble(m->path, v));
    }
    *dict = v[3];
    FAIL_IF(v[4]->kind != PICKLE_LIST, ST_INPUT, "%s: its list of storages is missing", m->path);
    for (size_t i = 0; i < v[4]->seq.n; i++) TRY(place_storage(m, p, v[4]->seq.v[i], &at));
    for (const struct pickle_storage *s = p->first; s; s = s->next)
        FAIL_IF(!s->data, ST_INPUT, "%s: storage '%s' is missing", m->path, s->key);
    FAIL_IF(at != m->size, ST_INPUT, "%s: %zu bytes behind the last storage", m->path, m->size - at);
    return ST_OK;
}

status torch_bin_read(const char *path, struct checkpoint *c)
{
    struct file_map m;
    struct pickle_value *dict = NULL;
    TRY(checkpoint_map(c, path, &m));
    struct arena *a = arena_new("torch file"); /* the pickle's values; only names outlive it */
    if (!a) return ST_MEMORY;
    struct pickle p = {.file = m.path, .arena = a};
    status s = storedzip_looks_like(m.data, m.size) ? read_zip(&m, a, &p, &dict) : read_legacy(&m, &p, &dict);
    if (s == ST_OK) s = add_tensors(c, m.path, dict);
    arena_free(a);
    return s;
}
