/* Safetensors: 8 bytes of header length (little-endian), a JSON header, then the data. The header maps a name to dtype,
 * shape and the range [begin, end) of its bytes behind the header; "__metadata__" maps strings to strings.
 *
 * The reader believes nothing: the ranges must tile the data section exactly (no overlap, no hole, no bytes left), each
 * as long as shape and type say. Then no later access can leave the file. */
#include "models/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/heap.h"
#include "core/jsonfile.h"

enum { LENGTH_BYTES = 8, HEADER_MAX = 100000000 }; /* the limit of the format's own library */

static int natural(const json_t *j, int64_t *v)
{
    if (!json_is_integer(j) || json_integer_value(j) < 0) return 0;
    *v = json_integer_value(j);
    return 1;
}

static status read_shape(const char *file, const json_t *j, struct tensor *t)
{
    FAIL_IF(!json_is_array(j), ST_INPUT, "%s: tensor '%s': shape is missing or not a list", file, t->name);
    FAIL_IF(json_array_size(j) > TENSOR_DIMS, ST_INPUT, "%s: tensor '%s': %zu dimensions, expected at most %d", file,
            t->name, json_array_size(j), TENSOR_DIMS);
    t->dims = (int)json_array_size(j);
    for (int i = 0; i < t->dims; i++)
        FAIL_IF(!natural(json_array_get(j, (size_t)i), &t->shape[i]), ST_INPUT,
                "%s: tensor '%s': extent %d of the shape is not a whole number >= 0", file, t->name, i);
    return ST_OK;
}

/* One entry of the header: fills *t with its place in data[0 .. size). */
static status read_entry(const char *file, const json_t *j, const unsigned char *data, size_t size, struct tensor *t)
{
    int64_t begin, end;
    uint64_t elements, bytes;
    FAIL_IF(!json_is_object(j), ST_INPUT, "%s: tensor '%s': its header entry is not an object", file, t->name);
    const char *type = json_string_value(json_object_get(j, "dtype"));
    FAIL_IF(!type, ST_INPUT, "%s: tensor '%s': dtype is missing or not a string", file, t->name);
    int d = dtype_by_name(type);
    FAIL_IF(d < 0, ST_INPUT, "%s: tensor '%s': unknown dtype '%s'", file, t->name, type);
    t->dtype = (enum dtype)d;
    TRY(read_shape(file, json_object_get(j, "shape"), t));
    TRY(tensor_extent(file, t->name, t->dtype, t->dims, t->shape, &elements, &bytes));

    const json_t *range = json_object_get(j, "data_offsets");
    FAIL_IF(!json_is_array(range) || json_array_size(range) != 2 || !natural(json_array_get(range, 0), &begin) ||
                !natural(json_array_get(range, 1), &end),
            ST_INPUT, "%s: tensor '%s': data_offsets is not a pair of whole numbers >= 0", file, t->name);
    FAIL_IF(begin > end, ST_INPUT, "%s: tensor '%s': data_offsets [%lld, %lld] run backwards", file, t->name,
            (long long)begin, (long long)end);
    FAIL_IF(
        (uint64_t)end > size, ST_INPUT,
        "%s: tensor '%s': data_offsets [%lld, %lld] pass the end of the data (%zu bytes): cut off, perhaps a download "
        "that did not finish",
        file, t->name, (long long)begin, (long long)end, size);
    FAIL_IF((uint64_t)(end - begin) != bytes, ST_INPUT,
            "%s: tensor '%s': shape and dtype need %llu bytes, data_offsets give %lld", file, t->name,
            (unsigned long long)bytes, (long long)(end - begin));
    t->data = data + begin;
    t->file = file;
    int64_t run = 1;
    for (int i = t->dims - 1; i >= 0; i--) {
        t->stride[i] = run;
        run *= t->shape[i];
    }
    return ST_OK;
}

static size_t bytes_of(const struct tensor *t)
{
    return tensor_size(t) * (size_t)dtype_bytes(t->dtype);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *s = *(const struct tensor *const *)a, *t = *(const struct tensor *const *)b;
    if (s->data != t->data) return s->data < t->data ? -1 : 1;
    return (bytes_of(s) > bytes_of(t)) - (bytes_of(s) < bytes_of(t)); /* empty tensors come before a full one */
}

/* The ranges must follow each other without gap or overlap from the first byte of the data to the last. */
static status check_tiling(const char *file, struct arena *a, const struct tensor *t, int n, const unsigned char *data,
                           size_t size)
{
    const struct tensor **order;
    struct arena_mark mark = arena_mark(a);
    const unsigned char *at = data;
    NEW(order, a, n);
    for (int i = 0; i < n; i++) order[i] = &t[i];
    qsort(order, (size_t)n, sizeof *order, by_place);
    for (int i = 0; i < n; i++) {
        const struct tensor *o = order[i];
        FAIL_IF(o->data < at, ST_INPUT, "%s: tensor '%s' overlaps tensor '%s'", file, o->name, order[i - 1]->name);
        FAIL_IF(o->data > at, ST_INPUT, "%s: %td bytes before tensor '%s' belong to no tensor", file, o->data - at,
                o->name);
        at += bytes_of(o);
    }
    FAIL_IF(at != data + size, ST_INPUT, "%s: %td bytes behind the last tensor", file, data + size - at);
    arena_reset(a, mark);
    return ST_OK;
}

static status check_metadata(const char *file, json_t *meta)
{
    const char *key;
    json_t *value;
    FAIL_IF(!json_is_object(meta), ST_INPUT, "%s: __metadata__ is not an object", file);
    json_object_foreach(meta, key, value)
        FAIL_IF(!json_is_string(value), ST_INPUT, "%s: __metadata__ '%s' is not a string", file, key);
    return ST_OK;
}

static status read_header(const char *file, json_t *root, const unsigned char *data, size_t size, struct checkpoint *c)
{
    const char *key;
    json_t *value;
    struct tensor *t;
    int n = 0;
    FAIL_IF(!json_is_object(root), ST_INPUT, "%s: the header is not a JSON object", file);
    json_t *meta = json_object_get(root, "__metadata__");
    if (meta) TRY(check_metadata(file, meta));
    int count = (int)json_object_size(root) - (meta != NULL);
    TRY(checkpoint_room(c, count, &t));
    json_object_foreach(root, key, value)
    {
        if (value == meta) continue;
        if ((t[n].name = arena_strdup(c->arena, key)) == NULL) return ST_MEMORY;
        TRY(read_entry(file, value, data, size, &t[n]));
        n++;
    }
    return check_tiling(file, c->arena, t, count, data, size);
}

status safetensors_parse(const char *name, const unsigned char *bytes, size_t size, struct checkpoint *c)
{
    uint64_t length;
    json_t *root;
    FAIL_IF(size < LENGTH_BYTES, ST_INPUT, "%s: %zu bytes, too short for a safetensors file", name, size);
    memcpy(&length, bytes, sizeof length);
    FAIL_IF(length > HEADER_MAX, ST_INPUT, "%s: the header length %llu is above the limit %d", name,
            (unsigned long long)length, HEADER_MAX);
    FAIL_IF(
        length > size - LENGTH_BYTES, ST_INPUT,
        "%s: the header of %llu bytes is longer than the file (%zu bytes): cut off, perhaps a download that did not "
        "finish",
        name, (unsigned long long)length, size);
    const unsigned char *header = bytes + LENGTH_BYTES, *data = header + length;
    FAIL_IF(length == 0 || header[0] != '{', ST_INPUT, "%s: the header does not begin with '{'", name);
    status s = jsonfile_parse(name, (const char *)header, (size_t)length, &root);
    if (s != ST_OK) return fail_in(s, "safetensors header");
    s = read_header(name, root, data, size - LENGTH_BYTES - (size_t)length, c);
    json_decref(root);
    return s;
}

status safetensors_read(const char *path, struct checkpoint *c)
{
    struct file_map m;
    TRY(checkpoint_map(c, path, &m));
    return safetensors_parse(m.path, m.data, m.size, c);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static status add_entry(const char *path, json_t *root, const struct tensor_out *t, uint64_t *offset)
{
    uint64_t elements, bytes;
    FAIL_IF(t->dims < 0 || t->dims > TENSOR_DIMS, ST_INTERNAL, "%s: tensor '%s' has %d dimensions", path, t->name,
            t->dims);
    FAIL_IF(json_object_get(root, t->name), ST_INTERNAL, "%s: tensor '%s' is given twice", path, t->name);
    TRY(tensor_extent(path, t->name, t->dtype, t->dims, t->shape, &elements, &bytes));
    json_t *shape = json_array();
    for (int i = 0; i < t->dims; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype), "shape", shape, "data_offsets",
                              (json_int_t)*offset, (json_int_t)(*offset + bytes));
    FAIL_IF(!entry || json_object_set_new(root, t->name, entry) != 0, ST_INPUT,
            "%s: tensor '%s': its name is not valid UTF-8", path, t->name);
    *offset += bytes;
    return ST_OK;
}

static status make_header(const char *path, json_t *root, const struct tensor_out *t, int count,
                          const char *const *meta, char **header, size_t *length)
{
    uint64_t offset = 0;
    if (meta && meta[0]) {
        json_t *m = json_object();
        json_object_set_new(root, "__metadata__", m);
        for (int i = 0; meta[i]; i += 2)
            FAIL_IF(json_object_set_new(m, meta[i], json_string(meta[i + 1])) != 0, ST_INPUT,
                    "%s: metadata '%s' is not valid UTF-8", path, meta[i]);
    }
    for (int i = 0; i < count; i++) TRY(add_entry(path, root, &t[i], &offset));
    char *text = json_dumps(root, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0, padded = (n + 7) & ~(size_t)7;
    char *p = text ? heap_alloc(LENGTH_BYTES + padded) : NULL;
    if (p) {
        uint64_t length64 = padded;
        memcpy(p, &length64, LENGTH_BYTES);
        memcpy(p + LENGTH_BYTES, text, n);
        memset(p + LENGTH_BYTES + n, ' ', padded - n);
    }
    free(text);
    FAIL_IF(!p, ST_MEMORY, "%s: out of memory for the header", path);
    *header = p;
    *length = LENGTH_BYTES + padded;
    return ST_OK;
}

static status write_file(const char *path, const char *header, size_t length, const struct tensor_out *t, int count)
{
    struct file_part *part = heap_alloc(sizeof *part * ((size_t)count + 1));
    FAIL_IF(!part, ST_MEMORY, "%s: out of memory for a list of %d tensors", path, count);
    part[0] = (struct file_part){header, length};
    for (int i = 0; i < count; i++) {
        size_t bytes = (size_t)dtype_bytes(t[i].dtype);
        for (int k = 0; k < t[i].dims; k++) bytes *= (size_t)t[i].shape[k];
        part[i + 1] = (struct file_part){t[i].data, bytes};
    }
    status s = file_write_parts(path, part, count + 1);
    heap_free(part);
    return s;
}

status safetensors_write(const char *path, const struct tensor_out *t, int count, const char *const *meta)
{
    char *header = NULL;
    size_t length = 0;
    json_t *root = json_object();
    FAIL_IF(!root, ST_MEMORY, "%s: out of memory for the header", path);
    status s = make_header(path, root, t, count, meta, &header, &length);
    json_decref(root);
    if (s != ST_OK) return s;
    s = write_file(path, header, length, t, count);
    heap_free(header);
    return s;
}
