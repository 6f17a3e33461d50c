/* Records from HDF5 bytes: a walk over all groups, where every attribute and dataset must be what the schema says. */
#include "results/record_hdf5.h"

#include <string.h>
#include "core/heap.h"

struct reader {
    const char *file, *format;
    struct record *record;
    char *content_hash; /* receives the root's attribute */
    int formatted;      /* the root's format attribute was right */
    size_t most;        /* bytes of a value: what so many bytes of file can hold */
    long left;          /* values and groups that may still come */
};

enum { DEEPEST_GROUP = 8, LARGEST_VALUE = 1 << 30, BEST_RATIO = 1100 /* of deflate: 1032 */, SMALLEST_ITEM = 8 };

/* A value's shape and kind, as found in the file. */
struct found {
    char letter; /* s, i, r; 0: a type that records do not use */
    size_t width, n;
    int rank;
    size_t dim[3];
};

static status find_shape(struct reader *r, const char *path, hid_t type, hid_t space, struct found *f)
{
    *f = (struct found){.n = 1};
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    f->width = type < 0 ? 0 : H5Tget_size(type);
    if (class == H5T_STRING && H5Tis_variable_str(type) == 0) f->letter = 's';
    if (class == H5T_INTEGER && f->width == 8) f->letter = 'i';
    if (class == H5T_FLOAT && f->width == 8) f->letter = 'r';
    FAIL_IF(!f->letter, ST_INPUT, "%s: %s has a type that records do not use", r->file, path);
    f->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dim[3] = {0};
    FAIL_IF(f->rank < 0 || f->rank > 3 || H5Sget_simple_extent_dims(space, dim, NULL) < 0, ST_INPUT,
            "%s: %s has a shape that records do not use", r->file, path);
    FAIL_IF(f->width == 0, ST_INPUT, "%s: %s has texts of no length", r->file, path);
    FAIL_IF(f->width > r->most, ST_INPUT, "%s: %s is larger than the file can hold", r->file, path);
    for (int i = 0; i < f->rank; i++) {
        FAIL_IF(dim[i] && f->n > r->most / f->width / dim[i], ST_INPUT, "%s: %s is larger than the file can hold",
                r->file, path);
        f->dim[i] = dim[i];
        f->n *= dim[i];
    }
    return ST_OK;
}

/* Chunks are taken into memory whole, however small the data set is. */
static status check_chunk(struct reader *r, const char *path, hid_t set, const struct found *f)
{
    hid_t list = H5Dget_create_plist(set);
    hsize_t dim[3] = {0};
    size_t n = f->width;
    int rank = list >= 0 && H5Pget_layout(list) == H5D_CHUNKED ? H5Pget_chunk(list, 3, dim) : 0, bad = list < 0;
    for (int i = 0; i < rank && i < 3; i++) {
        bad |= dim[i] == 0 || n > r->most / dim[i];
        n = bad ? 0 : n * dim[i];
    }
    if (list >= 0) H5Pclose(list);
    FAIL_IF(bad || rank > 3, ST_INPUT, "%s: the chunks of %s are larger than the file can hold", r->file, path);
    return ST_OK;
}

/* Strings of fixed width as C strings. */
static status unpack_strings(struct arena *a, const char *flat, const struct found *f, const char ***out)
{
    NEW(*out, a, f->n + 1);
    for (size_t i = 0; i < f->n; i++) {
        const size_t n = strnlen(flat + i * f->width, f->width);
        char *s = arena_alloc(a, n + 1);
        if (!s) return ST_MEMORY;
        memcpy(s, flat + i * f->width, n);
        s[n] = '\0';
        (*out)[i] = s;
    }
    return ST_OK;
}

static status root_attribute(struct reader *r, const char *name, const char *value)
{
    if (strcmp(name, "content_hash") == 0) {
        FAIL_IF(strlen(value) != SHA256_HEX - 1, ST_INPUT, "%s: the root's content_hash is not a SHA-256", r->file);
        memcpy(r->content_hash, value, SHA256_HEX);
    } else if (strcmp(name, "format") == 0) {
        FAIL_IF(strcmp(value, r->format) != 0, ST_INPUT, "%s: holds the format '%.64s', expected '%s'", r->file, value,
                r->format);
        r->formatted = 1;
    }
    return ST_OK;
}

/* Puts a value into the record; the schema's verdict is the file's fault here, not the program's. */
static status keep(struct reader *r, const char *path, const struct found *f, const void *v)
{
    struct record *rec = r->record;
    const char **ss;
    status st;
    if (f->letter == 's') {
        TRY(unpack_strings(rec->arena, v, f, &ss));
        if (!strchr(path, '/')) return f->rank ? ST_OK : root_attribute(r, path, ss[0]);
        FAIL_IF(f->rank > 1, ST_INPUT, "%s: %s has a shape that records do not use", r->file, path);
        st = f->rank ? record_strings(rec, path, ss, f->n) : record_string(rec, path, ss[0]);
    } else if (f->letter == 'i') {
        st = f->rank ? record_ints(rec, path, v, f->rank, f->dim) : record_int(rec, path, *(const int64_t *)v);
    } else {
        st = f->rank ? record_reals(rec, path, v, f->rank, f->dim) : record_real(rec, path, *(const double *)v);
    }
    return st == ST_OK ? ST_OK : fail_in(st == ST_INTERNAL ? ST_INPUT : st, "%s", r->file);
}

/* Numbers in the machine's byte order, texts as they lie in the file. */
static herr_t read_bytes(hid_t id, hid_t type, const struct found *f, int attribute, void *v)
{
    hid_t mem = f->letter == 's' ? type : f->letter == 'i' ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE;
    if (attribute) return H5Aread(id, mem, v);
    return f->n ? H5Dread(id, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) : 0;
}

/* Reads the value of an attribute or a data set (id) and keeps it. */
static status read_value(struct reader *r, const char *path, hid_t id, int attribute)
{
    hid_t type = attribute ? H5Aget_type(id) : H5Dget_type(id), space = attribute ? H5Aget_space(id) : H5Dget_space(id);
    struct found f;
    status st = r->left-- > 0 ? find_shape(r, path, type, space, &f)
                              : fail(ST_INPUT, "%s: more values than the file can hold", r->file);
    if (st == ST_OK && !attribute) st = check_chunk(r, path, id, &f);
    if (st == ST_OK) {
        void *v = heap_zalloc(f.n * f.width);
        if (!v)
            st = fail(ST_MEMORY, "out of memory: %zu bytes for %s of %s", f.n * f.width, path, r->file);
        else if (read_bytes(id, type, &f, attribute, v) < 0)
            st = hdf5_fail(ST_INPUT, r->file, "cannot read", path);
        else
            st = keep(r, path, &f, v);
        heap_free(v);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return st;
}

static status join(struct reader *r, const char *group, const char *name, char out[RECORD_PATH])
{
    int n = snprintf(out, RECORD_PATH, "%s%s%s", group, *group ? "/" : "", name);
    FAIL_IF(n < 0 || n >= RECORD_PATH, ST_INPUT, "%s: a path below '%s' is too long", r->file, group);
    return ST_OK;
}

/* A group being walked: what HDF5 hands to its callbacks. */
struct walk {
    struct reader *r;
    const char *group;
    int depth;
    status st;
};

static status read_attribute(struct reader *r, hid_t g, const char *group, const char *name)
{
    char path[RECORD_PATH];
    TRY(join(r, group, name, path));
    hid_t a = H5Aopen(g, name, H5P_DEFAULT);
    if (a < 0) return hdf5_fail(ST_INPUT, r->file, "cannot read an attribute of", group);
    status st = read_value(r, path, a, 1);
    H5Aclose(a);
    return st;
}

static herr_t on_attribute(hid_t g, const char *name, const H5A_info_t *info, void *walk)
{
    struct walk *w = walk;
    (void)info;
    w->st = read_attribute(w->r, g, w->group, name);
    return w->st != ST_OK; /* not 0 ends the iteration */
}

static status read_group(struct reader *r, hid_t g, const char *group, int depth);

static status read_link(struct reader *r, hid_t g, const char *group, const char *name, int depth)
{
    char path[RECORD_PATH];
    TRY(join(r, group, name, path));
    hid_t id = H5Oopen(g, name, H5P_DEFAULT);
    if (id < 0) return hdf5_fail(ST_INPUT, r->file, "cannot open", path);
    H5I_type_t kind = H5Iget_type(id);
    status st = kind == H5I_GROUP     ? read_group(r, id, path, depth + 1)
                : kind == H5I_DATASET ? read_value(r, path, id, 0)
                                      : fail(ST_INPUT, "%s: %s is neither group nor data set", r->file, path);
    H5Oclose(id);
    return st;
}

static herr_t on_link(hid_t g, const char *name, const H5L_info_t *info, void *walk)
{
    struct walk *w = walk;
    (void)info;
    w->st = read_link(w->r, g, w->group, name, w->depth);
    return w->st != ST_OK;
}

/* By iteration: asking for the i-th attribute makes HDF5 sort them all each time. */
static status read_group(struct reader *r, hid_t g, const char *group, int depth)
{
    struct walk w = {.r = r, .group = group, .depth = depth, .st = ST_OK};
    FAIL_IF(r->left-- <= 0, ST_INPUT, "%s: more groups than the file can hold", r->file);
    FAIL_IF(depth > DEEPEST_GROUP, ST_INPUT, "%s: the groups below '%s' are nested too deeply", r->file, group);
    herr_t end = H5Aiterate2(g, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, on_attribute, &w);
    if (end == 0) end = H5Literate(g, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, on_link, &w);
    if (w.st != ST_OK) return w.st;
    return end == 0 ? ST_OK : hdf5_fail(ST_INPUT, r->file, "cannot read the group", group);
}

static status read_root(struct reader *r, hid_t file)
{
    hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0) return hdf5_fail(ST_INPUT, r->file, "cannot open", "the root group");
    status st = read_group(r, root, "", 0);
    H5Gclose(root);
    TRY(st);
    FAIL_IF(!r->formatted || !*r->content_hash, ST_INPUT, "%s: the root lacks the attribute %s", r->file,
            r->formatted ? "content_hash" : "format");
    return ST_OK;
}

status record_image_read(const unsigned char *bytes, size_t size, const char *format, const char *file,
                         struct record *record, char stored_hash[SHA256_HEX])
{
    struct hdf5_quiet q = hdf5_quiet_begin();
    struct reader r = {.file = file, .format = format, .record = record, .content_hash = stored_hash};
    r.most = size < LARGEST_VALUE / BEST_RATIO ? size * BEST_RATIO : LARGEST_VALUE;
    r.left = (long)(size / SMALLEST_ITEM);
    stored_hash[0] = 0;
    /* HDF5 wants a name under which no file exists: nothing can lie below a file. It copies the bytes; its parameter
     * lacks const. */
    char *name = arena_printf(record->arena, "%s/image", file);
    hid_t access = hdf5_memory_access(), id = -1;
    if (name && H5Pset_file_image(access, (void *)(uintptr_t)bytes, size) >= 0)
        id = H5Fopen(name, H5F_ACC_RDONLY, access);
    status st = !name ? ST_MEMORY : id < 0 ? hdf5_fail(ST_INPUT, file, "cannot open", "as HDF5") : read_root(&r, id);
    if (id >= 0) H5Fclose(id);
    H5Pclose(access);
    hdf5_quiet_end(q);
    return st;
}
