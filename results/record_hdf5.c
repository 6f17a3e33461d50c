/* Records as HDF5 bytes. The file format is pinned to that of library 1.10, whose metadata carry checksums and which
 * keeps one-chunk datasets small; nothing time-dependent is written, items go in sorted order: equal records give equal
 * bytes.
 *
 * HDF5 keeps its own error stack and prints it; here it is kept quiet for the length of a call and its innermost entry
 * becomes part of our one sentence. Files are closed "strongly", so that a failure half-way leaves nothing open. */
#include "results/record_image.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "peftgrid record 1";
enum { LONG_STRING = 32768, CHUNK_BYTES = 1 << 20, GZIP_LEVEL = 6 };

/* ---- errors ------------------------------------------------------------------------------------------------------ */

struct quiet {
    H5E_auto2_t fn;
    void *data;
};

static struct quiet quiet_begin(void)
{
    struct quiet q = {NULL, NULL};
    H5open();
    H5Eget_auto2(H5E_DEFAULT, &q.fn, &q.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return q;
}

static void quiet_end(struct quiet q)
{
    H5Eset_auto2(H5E_DEFAULT, q.fn, q.data);
}

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *reason)
{
    if (n == 0 && e->desc) snprintf(reason, 256, "%s", e->desc);
    return 0;
}

/* The sentence for a failed HDF5 call. what: "cannot read run/id". */
static status h5_fail(status st, const char *file, const char *what, const char *path)
{
    char reason[256] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    return fail(st, "%s: %s %s (HDF5: %s)", file, what, path, reason);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct writer {
    const char *file;
    hid_t id;
};

static hid_t string_type(size_t size)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, size ? size : 1);
    H5Tset_strpad(t, H5T_STR_NULLPAD);
    H5Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

static size_t longest_string(const struct record_item *it)
{
    size_t most = 0;
    for (size_t i = 0; i < it->n; i++) {
        size_t n = strlen(it->type == ITEM_STRING ? it->v.s : it->v.ss[i]);
        if (n > most) most = n;
    }
    return most;
}

/* Creation list of an array: chunks of about CHUNK_BYTES along the first dimension. Empty arrays have nothing to check.
 */
static hid_t array_list(const struct record_item *it, size_t element)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(p, 0);
    if (it->rank == 0 || it->n == 0) return p;
    hsize_t chunk[3];
    size_t row = it->n / it->dim[0] * element;
    for (int i = 0; i < it->rank; i++) chunk[i] = it->dim[i];
    size_t rows = row > CHUNK_BYTES ? 1 : CHUNK_BYTES / row;
    if (rows < chunk[0]) chunk[0] = rows;
    H5Pset_chunk(p, it->rank, chunk);
    H5Pset_shuffle(p);
    H5Pset_deflate(p, GZIP_LEVEL);
    H5Pset_fletcher32(p);
    return p;
}

static int write_dataset(hid_t g, const char *name, const struct record_item *it, hid_t file_type, hid_t mem_type,
                         const void *v)
{
    hsize_t dim[3] = {0};
    for (int i = 0; i < it->rank; i++) dim[i] = it->dim[i];
    hid_t space = it->rank ? H5Screate_simple(it->rank, dim, NULL) : H5Screate(H5S_SCALAR);
    hid_t list = array_list(it, H5Tget_size(file_type));
    hid_t set = H5Dcreate2(g, name, file_type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    int bad = set < 0 || (it->n && H5Dwrite(set, mem_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) < 0);
    if (set >= 0) bad |= H5Dclose(set) < 0;
    H5Pclose(list);
    H5Sclose(space);
    return bad;
}

/* Group creation list: no times, attributes always in the object header (no heaps, checksummed). */
static hid_t group_list(void)
{
    hid_t p = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(p, 0);
    H5Pset_attr_phase_change(p, 65535, 0);
    return p;
}

/* Opens the group an item lies in, making it and those above where they are missing. */
static hid_t group_of(struct writer *w, const char *path, const char **name)
{
    char part[RECORD_PATH];
    hid_t list = group_list(), g = -1;
    *name = strrchr(path, '/') + 1;
    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        memcpy(part, path, (size_t)(p - path));
        part[p - path] = 0;
        if (g >= 0) H5Gclose(g);
        g = H5Lexists(w->id, part, H5P_DEFAULT) > 0 ? H5Gopen2(w->id, part, H5P_DEFAULT)
                                                    : H5Gcreate2(w->id, part, H5P_DEFAULT, list, H5P_DEFAULT);
        if (g < 0) break;
    }
    H5Pclose(list);
    return g;
}

static int write_attribute(hid_t g, const char *name, hid_t file_type, hid_t mem_type, const void *v)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a = H5Acreate2(g, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    int bad = a < 0 || H5Awrite(a, mem_type, v) < 0;
    if (a >= 0) bad |= H5Aclose(a) < 0;
    H5Sclose(space);
    return bad;
}

static int write_string_attribute(hid_t g, const char *name, const char *s)
{
    hid_t type = string_type(strlen(s));
    int bad = write_attribute(g, name, type, type, s);
    H5Tclose(type);
    return bad;
}

static status write_strings(hid_t g, const char *name, const struct record_item *it, int *bad)
{
    size_t width = longest_string(it);
    if (!width) width = 1;
    FAIL_IF(it->n > SIZE_MAX / 2 / width, ST_MEMORY, "the record item %s is too large", it->path);
    char *flat = calloc(it->n ? it->n : 1, width);
    FAIL_IF(!flat, ST_MEMORY, "out of memory: %zu bytes for the record item %s", it->n * width, it->path);
    for (size_t i = 0; i < it->n; i++) {
        const char *s = it->type == ITEM_STRING ? it->v.s : it->v.ss[i];
        memcpy(flat + i * width, s, strlen(s));
    }
    hid_t type = string_type(width);
    *bad = write_dataset(g, name, it, type, type, flat);
    H5Tclose(type);
    free(flat);
    return ST_OK;
}

static status write_item(struct writer *w, const struct record_item *it)
{
    const char *name;
    hid_t g = group_of(w, it->path, &name);
    if (g < 0) return h5_fail(ST_IO, w->file, "cannot make the group of", it->path);
    int bad = 0;
    status st = ST_OK;
    switch (it->type) {
    case ITEM_STRING:
        if (strlen(it->v.s) > LONG_STRING)
            st = write_strings(g, name, it, &bad);
        else
            bad = write_string_attribute(g, name, it->v.s);
        break;
    case ITEM_INT: bad = write_attribute(g, name, H5T_STD_I64LE, H5T_NATIVE_INT64, it->v.i); break;
    case ITEM_REAL: bad = write_attribute(g, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, it->v.d); break;
    case ITEM_STRINGS: st = write_strings(g, name, it, &bad); break;
    case ITEM_INTS: bad = write_dataset(g, name, it, H5T_STD_I64LE, H5T_NATIVE_INT64, it->v.i); break;
    case ITEM_REALS: bad = write_dataset(g, name, it, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, it->v.d); break;
    }
    H5Gclose(g);
    return bad && st == ST_OK ? h5_fail(ST_IO, w->file, "cannot write", it->path) : st;
}

/* HDF5's own way to hand out a file in memory (H5Fget_file_image) leaves a wrong checksum in the superblock of this
 * format. So the core driver's memory comes from here and is kept when it closes the file: the bytes are those a file
 * on disk would hold. */
struct memory {
    unsigned char *bytes;
    size_t size; /* a whole number of the driver's steps */
};

static void *memory_grow(void *p, size_t size, H5FD_file_image_op_t op, void *memory)
{
    struct memory *m = memory;
    (void)op;
    void *q = realloc(p, size);
    if (q) *m = (struct memory){q, size};
    return q;
}

static herr_t memory_keep(void *p, H5FD_file_image_op_t op, void *memory)
{
    (void)p, (void)op, (void)memory;
    return 0;
}

static void *memory_same(void *memory)
{
    return memory;
}

static herr_t memory_let_go(void *memory)
{
    (void)memory;
    return 0;
}

static hid_t memory_access(void)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(p, 1 << 16, 0);
    H5Pset_libver_bounds(p, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
    return p;
}

static status write_all(struct writer *w, const struct record *r, const char *content_hash)
{
    if (write_string_attribute(w->id, "format", format_name) ||
        write_string_attribute(w->id, "content_hash", content_hash))
        return h5_fail(ST_IO, w->file, "cannot write", "the root's attributes");
    for (int i = 0; i < r->count; i++) TRY(write_item(w, &r->item[i]));
    return ST_OK;
}

/* The size of the file is the superblock's end-of-file address. */
static status cut_to_size(struct memory *m, const char *file)
{
    enum { END_ADDRESS = RECORD_SEAL + 28 };
    size_t size = 0;
    for (int i = 7; i >= 0 && m->size >= END_ADDRESS + 8; i--) size = size << 8 | m->bytes[END_ADDRESS + i];
    FAIL_IF(size <= RECORD_SEAL || size > m->size, ST_INTERNAL, "%s: HDF5 made no whole file", file);
    m->size = size;
    return ST_OK;
}

status record_image_make(const struct record *r, const char *file, const char *content_hash, unsigned char **bytes,
                         size_t *size)
{
    struct quiet q = quiet_begin();
    struct memory m = {NULL, 0};
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = memory_access();
    H5FD_file_image_callbacks_t hooks = {.image_realloc = memory_grow,
                                         .image_free = memory_keep,
                                         .udata_copy = memory_same,
                                         .udata_free = memory_let_go,
                                         .udata = &m};
    H5Pset_file_image_callbacks(access, &hooks);
    H5Pset_userblock(create, RECORD_SEAL);
    H5Pset_obj_track_times(create, 0);
    struct writer w = {file, H5Fcreate(file, H5F_ACC_TRUNC, create, access)};
    status st = w.id < 0 ? h5_fail(ST_IO, file, "cannot begin", "the HDF5 data") : write_all(&w, r, content_hash);
    if (w.id >= 0 && H5Fclose(w.id) < 0 && st == ST_OK) st = h5_fail(ST_IO, file, "cannot finish", "the HDF5 data");
    if (st == ST_OK) st = cut_to_size(&m, file);
    H5Pclose(access);
    H5Pclose(create);
    quiet_end(q);
    if (st != ST_OK) free(m.bytes);
    *bytes = st == ST_OK ? m.bytes : NULL;
    *size = m.size;
    return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reader {
    const char *file;
    struct record *record;
    char *content_hash; /* receives the root's attribute */
    int formatted;      /* the root's format attribute was right */
};

enum { DEEPEST_GROUP = 8, LARGEST_VALUE = 1 << 30 };

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
    for (int i = 0; i < f->rank; i++) {
        FAIL_IF(dim[i] && f->n > LARGEST_VALUE / f->width / dim[i], ST_INPUT, "%s: %s is too large", r->file, path);
        f->dim[i] = dim[i];
        f->n *= dim[i];
    }
    return ST_OK;
}

static hid_t memory_type(const struct found *f)
{
    return f->letter == 's'   ? string_type(f->width)
           : f->letter == 'i' ? H5Tcopy(H5T_NATIVE_INT64)
                              : H5Tcopy(H5T_NATIVE_DOUBLE);
}

/* Strings of fixed width as C strings. */
static status unpack_strings(struct arena *a, const char *flat, const struct found *f, const char ***out)
{
    NEW(*out, a, f->n + 1);
    for (size_t i = 0; i < f->n; i++) {
        char *s = arena_printf(a, "%.*s", (int)f->width, flat + i * f->width);
        if (!s) return ST_MEMORY;
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
        FAIL_IF(strcmp(value, format_name) != 0, ST_INPUT, "%s: holds the format '%.64s', expected '%s'", r->file,
                value, format_name);
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

/* Reads the value of an attribute or a data set (id) and keeps it. */
static status read_value(struct reader *r, const char *path, hid_t id, int attribute)
{
    hid_t type = attribute ? H5Aget_type(id) : H5Dget_type(id), space = attribute ? H5Aget_space(id) : H5Dget_space(id);
    struct found f;
    status st = find_shape(r, path, type, space, &f);
    if (st == ST_OK) {
        hid_t mem = memory_type(&f);
        void *v = calloc(f.n ? f.n : 1, f.width);
        if (!v)
            st = fail(ST_MEMORY, "out of memory: %zu bytes for %s of %s", f.n * f.width, path, r->file);
        else if ((attribute ? H5Aread(id, mem, v) : f.n ? H5Dread(id, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) : 0) < 0)
            st = h5_fail(ST_INPUT, r->file, "cannot read", path);
        else
            st = keep(r, path, &f, v);
        free(v);
        H5Tclose(mem);
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

static status read_attributes(struct reader *r, hid_t g, const char *group)
{
    H5O_info_t info;
    if (H5Oget_info2(g, &info, H5O_INFO_NUM_ATTRS) < 0)
        return h5_fail(ST_INPUT, r->file, "cannot read the group", group);
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[RECORD_PATH], path[RECORD_PATH];
        hid_t a = H5Aopen_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        if (a < 0 || H5Aget_name(a, sizeof name, name) < 0) {
            return h5_fail(ST_INPUT, r->file, "cannot read an attribute of", group);
        }
        status st = join(r, group, name, path);
        if (st == ST_OK) st = read_value(r, path, a, 1);
        H5Aclose(a);
        TRY(st);
    }
    return ST_OK;
}

static status read_group(struct reader *r, hid_t g, const char *group, int depth);

static status read_link(struct reader *r, hid_t g, const char *group, hsize_t i, int depth)
{
    char name[RECORD_PATH], path[RECORD_PATH];
    if (H5Lget_name_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) < 0)
        return h5_fail(ST_INPUT, r->file, "cannot list the group", group);
    TRY(join(r, group, name, path));
    hid_t id = H5Oopen(g, name, H5P_DEFAULT);
    if (id < 0) return h5_fail(ST_INPUT, r->file, "cannot open", path);
    H5I_type_t kind = H5Iget_type(id);
    status st = kind == H5I_GROUP     ? read_group(r, id, path, depth + 1)
                : kind == H5I_DATASET ? read_value(r, path, id, 0)
                                      : fail(ST_INPUT, "%s: %s is neither group nor data set", r->file, path);
    H5Oclose(id);
    return st;
}

static status read_group(struct reader *r, hid_t g, const char *group, int depth)
{
    H5G_info_t info;
    FAIL_IF(depth > DEEPEST_GROUP, ST_INPUT, "%s: the groups below '%s' are nested too deeply", r->file, group);
    TRY(read_attributes(r, g, group));
    if (H5Gget_info(g, &info) < 0) return h5_fail(ST_INPUT, r->file, "cannot read the group", group);
    for (hsize_t i = 0; i < info.nlinks; i++) TRY(read_link(r, g, group, i, depth));
    return ST_OK;
}

static status read_root(struct reader *r, hid_t file)
{
    hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0) return h5_fail(ST_INPUT, r->file, "cannot open", "the root group");
    status st = read_group(r, root, "", 0);
    H5Gclose(root);
    TRY(st);
    FAIL_IF(!r->formatted || !*r->content_hash, ST_INPUT, "%s: the root lacks the attribute %s", r->file,
            r->formatted ? "content_hash" : "format");
    return ST_OK;
}

status record_image_read(const unsigned char *bytes, size_t size, const char *file, struct record *record,
                         char stored_hash[SHA256_HEX])
{
    struct quiet q = quiet_begin();
    struct reader r = {file, record, stored_hash, 0};
    stored_hash[0] = 0;
    /* HDF5 wants a name under which no file exists: nothing can lie below a file. It copies the bytes; its parameter
     * lacks const. */
    char *name = arena_printf(record->arena, "%s/image", file);
    hid_t access = memory_access(), id = -1;
    if (name && H5Pset_file_image(access, (void *)(uintptr_t)bytes, size) >= 0)
        id = H5Fopen(name, H5F_ACC_RDONLY, access);
    status st = !name ? ST_MEMORY : id < 0 ? h5_fail(ST_INPUT, file, "cannot open", "as HDF5") : read_root(&r, id);
    if (id >= 0) H5Fclose(id);
    H5Pclose(access);
    quiet_end(q);
    return st;
}
