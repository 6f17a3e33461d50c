/* A restricted pickle machine: reads what torch.save writes for a dictionary of tensors, and nothing else.
 *
 * A pickle is a program for a stack machine that may call any function by name. This machine knows a handful of names
 * and builds plain values for them; every other name, and every opcode that such a file does not need, is refused.
 * Nothing is ever called, imported or executed. Known: collections.OrderedDict, torch._utils._rebuild_tensor_v2,
 * torch._utils._rebuild_parameter, and torch.*Storage as element types. The state of BUILD (torch's `_metadata`) is
 * dropped. */
#ifndef PG_MODELS_PICKLE_H
#define PG_MODELS_PICKLE_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/status.h"
#include "models/checkpoint.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, /* a whole number of more than 64 bits: its little-endian bytes as text */
    PICKLE_REAL,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR
};

enum pickle_global { GLOBAL_ORDERED_DICT, GLOBAL_REBUILD_TENSOR, GLOBAL_REBUILD_PARAMETER, GLOBAL_STORAGE_TYPE };

/* A run of numbers that tensors are views of. The container finds data for every key afterwards. */
struct pickle_storage {
    const char *key;
    enum dtype dtype;
    int64_t count;
    const unsigned char *data; /* NULL until the container sets it */
    struct pickle_storage *next, *same_bucket;
};

struct pickle_tensor { /* dims, shape and stride are not yet checked against the storage */
    struct pickle_storage *storage;
    int64_t offset;
    int dims;
    int64_t shape[TENSOR_DIMS], stride[TENSOR_DIMS];
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t i; /* PICKLE_BOOL, PICKLE_INT */
        double d;
        struct {
            const char *s; /* n bytes and a NUL */
            size_t n;
        } text;
        struct {
            struct pickle_value **v; /* PICKLE_DICT: key, value, key, value ... */
            size_t n, cap;
        } seq;
        struct {
            enum pickle_global id;
            enum dtype dtype; /* of GLOBAL_STORAGE_TYPE */
        } global;
        struct pickle_storage *storage;
        struct pickle_tensor *tensor;
    };
};

enum { PICKLE_BUCKETS = 1024 };
struct pickle {
    const char *file;             /* for messages */
    struct arena *arena;          /* owns all values */
    struct pickle_storage *first; /* every storage that was named, newest first */
    struct pickle_storage *bucket[PICKLE_BUCKETS];
};

/* Runs one pickle that begins at p, to its STOP; *used: its length (files may go on behind it). A pickle of more than
 * 16 MB is refused: tables of tensors are far smaller, and memory use is a multiple of the size. */
status pickle_load(struct pickle *, const unsigned char *p, size_t n, struct pickle_value **out, size_t *used);

/* The storage with this key, or NULL. */
struct pickle_storage *pickle_storage_find(const struct pickle *, const char *key);

#endif
