/* Reading Hugging Face model folders: config.json plus weights as model.safetensors, sharded safetensors with an index,
 * or pytorch_model.bin (zip or legacy pickle; the reader executes nothing). Files are mapped read-only and shared by
 * processes. A folder may also be a single weight file. Every fault is an error that names file and tensor. */
#ifndef PG_MODELS_CHECKPOINT_H
#define PG_MODELS_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/file.h"
#include "core/status.h"
#include "core/wsrc.h"

enum dtype { DT_F32, DT_F16, DT_BF16, DT_F64, DT_I64, DT_I32, DT_I16, DT_I8, DT_U8, DT_BOOL, DT_U16, DT_U32, DT_U64 };
int dtype_bytes(enum dtype);
const char *dtype_name(enum dtype); /* "F32", ... as in safetensors */
int dtype_by_name(const char *);    /* -1: none */

enum { TENSOR_DIMS = 8 };
struct tensor {
    const char *name;
    enum dtype dtype;
    int dims;
    int64_t shape[TENSOR_DIMS];
    int64_t stride[TENSOR_DIMS]; /* in elements; contiguous row-major in safetensors, anything in .bin files */
    const unsigned char *data;   /* in the map; alignment is only what the file gives */
    const char *file;            /* for messages */
};

struct checkpoint {
    const char *path;
    struct tensor *tensor; /* sorted by name */
    int count;
    struct file_map *map; /* one a file */
    int maps;
    struct arena *arena;
};

/* path: a folder, or one .safetensors / .bin file. All memory comes from arena; checkpoint_close unmaps. In a folder
 * the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json is
 * taken. On failure nothing stays open. */
status checkpoint_open(const char *path, struct arena *, struct checkpoint *);
/* A safetensors file that lies in memory (the embedded model); name stands for the path in messages. bytes must outlive
 * the checkpoint. */
status checkpoint_open_memory(const char *name, const void *bytes, size_t size, struct arena *, struct checkpoint *);
void checkpoint_close(struct checkpoint *);
/* The mapped pages are given back to the system, which reads them again when they are looked at. */
void checkpoint_release(const struct checkpoint *);
const struct tensor *checkpoint_find(const struct checkpoint *, const char *name); /* NULL: none */

/* A tile source [rows, cols] over the tensor's values; a vector is [1, n], a scalar [1, 1]. No copy for row-major
 * contiguous f32/f16/bf16; f64 and other layouts are converted into keep. Whole numbers and more than two dimensions
 * are refused. */
status tensor_source(const struct tensor *, struct arena *keep, struct wsrc *);
/* All values as double / float, row-major (tests, adapters). n must equal the element count. */
status tensor_to_f32(const struct tensor *, float *out, size_t n);
status tensor_to_f64(const struct tensor *, double *out, size_t n);
/* The way back: n floats as F32, F16 or BF16, rounded to nearest, ties to even; others fail. */
status floats_store(enum dtype, const float *x, size_t n, void *out);
size_t tensor_size(const struct tensor *);    /* elements */
int tensor_contiguous(const struct tensor *); /* row-major without gaps */
/* Calls fn for every row (run along the last dimension) in row-major order: n elements, step bytes apart from p on. */
typedef void tensor_row_fn(void *ctx, const unsigned char *p, size_t n, size_t step);
void tensor_each_row(const struct tensor *, tensor_row_fn *, void *ctx);

/* SHA-256 over the contents: every tensor's name, dtype, shape and bytes in name order; remembered in a cache file by
 * (path, size, mtime, ctime) so that a large model is read once: $XDG_CACHE_HOME/peftgrid/model_hashes or
 * ~/.cache/peftgrid/model_hashes. A cache that cannot be read or written is not an error. */
status checkpoint_hash(const struct checkpoint *, char hex[65]);

/* Containers: each maps one file and appends its tensors, unsorted, to c, whose arena is set and whose other members
 * are valid or zero. Whatever they return, the caller ends with checkpoint_close. */
status safetensors_read(const char *path, struct checkpoint *c);
status safetensors_parse(const char *name, const unsigned char *bytes, size_t size, struct checkpoint *c);
status torch_bin_read(const char *path, struct checkpoint *c);

/* What containers call. *map is valid until the next call; *first: n zeroed tensors at the end of c->tensor. */
status checkpoint_map(struct checkpoint *c, const char *path, struct file_map *map);
status checkpoint_room(struct checkpoint *c, int n, struct tensor **first);
/* Elements and bytes of a row-major tensor of this shape; fails on an overflow or a negative extent (file and name are
 * for the message). */
status tensor_extent(const char *file, const char *name, enum dtype, int dims, const int64_t *shape, uint64_t *elements,
                     uint64_t *bytes);

/* Writes a safetensors file atomically. Names are written in the order given, data little-endian, 8-byte aligned
 * header. */
struct tensor_out {
    const char *name;
    enum dtype dtype;
    int dims;
    int64_t shape[TENSOR_DIMS];
    const void *data;
};
status safetensors_write(const char *path, const struct tensor_out *, int count,
                         const char *const *meta /* key, value, ..., NULL */);

#endif
