/* One cell from start to record. (METHODS 3.0; DESIGN of data flow in docs/ARCHITECTURE.md) */
#ifndef PG_BENCH_TRAINER_H
#define PG_BENCH_TRAINER_H

#include "bench/experiment.h"
#include "bench/session.h"
#include "results/record.h"

struct run_paths {
    const char *runs_dir;  /* <runs>/<experiment> */
    const char *cache_dir; /* token caches */
};

/* Called between steps and evaluations; may be NULL. phase: "train" or "eval". */
typedef void progress_fn(void *ctx, const char *phase, long done, long total, double loss);

/* Trains and evaluates one cell and writes <runs_dir>/<id>.h5. A diverged run is recorded as such and returns
 * ST_DIVERGED. With the record already there and valid, returns ST_OK at once with *skipped = 1. out_path: where the
 * record is (arena). */
status cell_run(const struct cell *, const struct run_paths *, progress_fn *, void *ctx, struct arena *, int *skipped,
                const char **out_path);

/* Adapter + head tensors (P_ADAPTER, P_HEAD, trained P_BASE, P_STATE) to / from a safetensors file or a peft folder. */
status adapter_save(const struct session *, const char *path);
status adapter_load(struct session *, const char *path);

#endif
