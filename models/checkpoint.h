/* Reading Hugging Face model folders: config.json plus weights as model.safetensors, sharded safetensors with an index, or
 * pytorch_model.bin (zip or legacy pickle; the reader executes nothing). Files are mapped read-only and shared by
 * processes. A folder may also be a single weight file. Every fault is an error that names file and tensor. */
#ifndef PG_MODELS_CHECKPOINT_H
#define PG_MODELS_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/file.h"
#include "core/status.h"
#include "core/wsrc.h"

enum dtype { DT_F32, DT_F16, DT_BF16, DT_F64, DT_I64, DT_I32, DT_I16, DT_I8, DT_U8, DT_BOOL };
int dtype_bytes(enum dtype);
const char *dtype_name(enum dtype); /* "F32", ... as in safetensors */

struct tensor {
    const char *name;
    enum dtype dtype;
    int dims;
    int64_t shape[8];
    int64_t stride[8];         /* in elements; contiguous row-major in safetensors, anything in .bin files */
    const unsigned char *data; /* in the map; alignment is only what the file gives */
    const char *file;          /* for messages */
};

struct checkpoint {
    const char *path;
    struct tensor *tensor; /* sorted by name */
    int count;
    struct file_map *map; /* one a file */
    int maps;
    struct arena *arena;
};

/* path: a folder, or one .safetensors / .bin file. All memory comes from arena; checkpoint_close unmaps. */
status checkpoint_open(const char *path, struct arena *, struct checkpoint *);
void checkpoint_close(struct checkpoint *);
const struct tensor *checkpoint_find(const struct checkpoint *, const char *name); /* NULL: none */

/* A tile source [rows, cols] over the tensor's values; a vector is [1, n]. No copy for row-major contiguous f32/f16/bf16; other
 * layouts and types are converted into keep. */
status tensor_source(const struct tensor *, struct arena *keep, struct wsrc *);
/* All values as double / float, row-major (tests, adapters). n must equal the element count. */
status tensor_to_f32(const struct tensor *, float *out, size_t n);
status tensor_to_f64(const struct tensor *, double *out, size_t n);
size_t tensor_size(const struct tensor *); /* elements */

/* SHA-256 over the contents: every tensor's name, dtype, shape and bytes in name order; remembered in a cache file by
 * (path, size, mtime) so that a large model is read once. */
status checkpoint_hash(const struct checkpoint *, char hex[65]);

/* Containers, each filling checkpoint->tensor for one file (used by checkpoint_open and by tests). */
status safetensors_read(const char *path, struct checkpoint *);
status torch_bin_read(const char *path, struct checkpoint *);

/* Writes a safetensors file atomically. Names are written in the order given, data little-endian, 8-byte aligned header. */
struct tensor_out {
    const char *name;
    enum dtype dtype;
    int dims;
    int64_t shape[8];
    const void *data;
};
status safetensors_write(const char *path, const struct tensor_out *, int count, const char *const *meta /* key, value, ..., NULL */);

#endif
