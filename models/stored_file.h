/* The stored weights of a model in a file, to be mapped again: a quantised base is made once, and processes share it.
 *
 * A safetensors file. Every stored weight is a few plain arrays named "<site>.weight.<part>" (store.h); the tensor
 * "peftgrid.store" holds a text that names the model by its content hash, the store and its options, which must be
 * those of the one who maps it. */
#ifndef PG_MODELS_STORED_FILE_H
#define PG_MODELS_STORED_FILE_H

#include "models/model.h"

/* Writes the stores that model_build_stores built, atomically. ST_UNSUPPORTED: the store's weights are not saved. */
status store_file_write(struct model *, const struct store *, const void *options, const char *path);

/* In place of model_build_stores: every site's weight from the file, used where it lies; it stays mapped until
 * model_close. A file of another model, store or options, or with missing or misshapen arrays, fails with ST_INPUT. */
status store_file_map(struct model *, const struct store *, const void *options, const char *path);

#endif
