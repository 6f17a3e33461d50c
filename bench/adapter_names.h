/* What adapters are called on disk, by us and by other programs. Shared by adapter.c and adapter_foreign.c. */
#ifndef PG_BENCH_ADAPTER_NAMES_H
#define PG_BENCH_ADAPTER_NAMES_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/status.h"

/* Metadata keys of our files. */
#define META_METHOD "peftgrid.method"
#define META_OPTIONS "peftgrid.options"
#define META_STORE "peftgrid.store"
#define META_STORE_OPTIONS "peftgrid.store_options"
#define META_PRECISION "peftgrid.precision"
#define META_PRECISION_OPTIONS "peftgrid.precision_options"
#define META_TASK "peftgrid.task"
#define META_MODEL "peftgrid.model_hash"
#define META_LABELS "peftgrid.labels"
#define META_MAX_LEN "peftgrid.max_len"
#define META_SEED "peftgrid.seed" /* tensors that are rebuilt and not kept come from it */

/* The weight file of an adapter: path itself, or what lies in a peft folder. */
status adapter_weight_file(const char *path, struct arena *, const char **file);

/* A tensor's name without the wrapping that peft gives it: "base_model.model." in front, ".default" and
 * ".modules_to_save" inside. Static buffer; a name without them is returned as it is. */
const char *adapter_bare_name(const char *name);
/* Tensors that mean nothing here: peft's untouched copies of replaced modules, position counters. */
bool adapter_ignores(const char *name);

#endif
