/* Records as HDF5 bytes. The file format is pinned to that of library 1.10, whose metadata carry checksums and which
 * keeps one-chunk datasets small; nothing time-dependent is written, items go in sorted order: equal records give equal
 * bytes. */
#include "results/record_hdf5.h"

#include <string.h>
#include "core/heap.h"

enum { LONG_STRING = 32768, CHUNK_BYTES = 1 << 20, GZIP_LEVEL = 6 };

struct writer {
    const char *file;
    hid_t id;
};

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
    hsize_t chunk[3] = {0};
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
    hid_t type = hdf5_string_type(strlen(s));
    int bad = write_attribute(g, name, type, type, s);
    H5Tclose(type);
    return bad;
}

static status write_strings(hid_t g, const char *name, const struct record_item *it, int *bad)
{
    size_t width = longest_string(it);
    if (!width) width = 1;
    FAIL_IF(it->n > SIZE_MAX / 2 / width, ST_MEMORY, "the record item %s is too large", it->path);
    char *flat = heap_zalloc(it->n * width);
    FAIL_IF(!flat, ST_MEMORY, "out of memory: %zu bytes for the record item %s", it->n * width, it->path);
    for (size_t i = 0; i < it->n; i++) {
        const char *s = it->type == ITEM_STRING ? it->v.s : it->v.ss[i];
        memcpy(flat + i * width, s, strlen(s));
    }
    hid_t type = hdf5_string_type(width);
    *bad = write_dataset(g, name, it, type, type, flat);
    H5Tclose(type);
    heap_free(flat);
    return ST_OK;
}

static status write_item(struct writer *w, const struct record_item *it)
{
    const char *name;
    hid_t g = group_of(w, it->path, &name);
    if (g < 0) return hdf5_fail(ST_IO, w->file, "cannot make the group of", it->path);
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
    return bad && st == ST_OK ? hdf5_fail(ST_IO, w->file, "cannot write", it->path) : st;
}

/* HDF5's own way to hand out a file in memory (H5Fget_file_image) leaves a wrong checksum in the superblock of this
 * format. So the core driver's memory comes from here and is kept when it closes the file: the bytes are those a file
 * on disk would hold. */
struct memory {
    unsigned char *bytes;
    size_t size;    /* a whole number of the driver's steps */
    size_t refused; /* bytes that could not be had: HDF5 itself only says that it failed */
};

static void *memory_grow(void *p, size_t size, H5FD_file_image_op_t op, void *memory)
{
    struct memory *m = memory;
    (void)op;
    void *q = heap_resize(p, size);
    if (q)
        m->bytes = q, m->size = size;
    else
        m->refused = size;
    return q;
}

/* HDF5 first opens a file of that name that is there already, and reads it into memory of its own. */
static void *memory_get(size_t size, H5FD_file_image_op_t op, void *memory)
{
    struct memory *m = memory;
    void *p = heap_alloc(size);
    (void)op;
    if (!p) m->refused = size;
    return p;
}

static herr_t memory_release(void *p, H5FD_file_image_op_t op, void *memory)
{
    const struct memory *m = memory;
    (void)op;
    if (p != m->bytes) heap_free(p);
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

static status write_all(struct writer *w, const struct record *r, const char *format, const char *content_hash)
{
    if (write_string_attribute(w->id, "format", format) || write_string_attribute(w->id, "content_hash", content_hash))
        return hdf5_fail(ST_IO, w->file, "cannot write", "the root's attributes");
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

status record_image_make(const struct record *r, const char *format, const char *file, const char *content_hash,
                         unsigned char **bytes, size_t *size)
{
    struct hdf5_quiet q = hdf5_quiet_begin();
    struct memory m = {NULL, 0, 0};
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = hdf5_memory_access();
    H5FD_file_image_callbacks_t hooks = {.image_malloc = memory_get,
                                         .image_realloc = memory_grow,
                                         .image_free = memory_release,
                                         .udata_copy = memory_same,
                                         .udata_free = memory_let_go,
                                         .udata = &m};
    H5Pset_file_image_callbacks(access, &hooks);
    H5Pset_userblock(create, RECORD_SEAL);
    H5Pset_obj_track_times(create, 0);
    struct writer w = {file, H5Fcreate(file, H5F_ACC_TRUNC, create, access)};
    status st =
        w.id < 0 ? hdf5_fail(ST_IO, file, "cannot begin", "the HDF5 data") : write_all(&w, r, format, content_hash);
    if (w.id >= 0 && H5Fclose(w.id) < 0 && st == ST_OK) st = hdf5_fail(ST_IO, file, "cannot finish", "the HDF5 data");
    if (st == ST_OK) st = cut_to_size(&m, file);
    if (st != ST_OK && m.refused)
        st = fail(ST_MEMORY, "%s: out of memory: %zu bytes for the HDF5 data", file, m.refused);
    H5Pclose(access);
    H5Pclose(create);
    hdf5_quiet_end(q);
    if (st != ST_OK) heap_free(m.bytes);
    *bytes = st == ST_OK ? m.bytes : NULL;
    *size = m.size;
    return st;
}
