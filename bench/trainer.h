/* One cell from start to record. (METHODS 3.0; DESIGN of data flow in docs/ARCHITECTURE.md) */
#ifndef PG_BENCH_TRAINER_H
#define PG_BENCH_TRAINER_H

#include "bench/experiment.h"
#include "bench/session.h"
#include "results/record.h"

struct run_paths {
    const char *runs_dir;  /* <runs>/<experiment> */
    const char *cache_dir; /* token caches */
    int force;             /* 1: run again what is recorded */
};

/* Called between steps and evaluations; may be NULL. phase: "train", "eval", or "score" in a run that only evaluates:
 * done and total are then sequences of the set at hand, else steps. */
typedef void progress_fn(void *ctx, const char *phase, long done, long total, double loss);

/* Trains and evaluates one cell and writes <runs_dir>/<id>.h5; with save_adapter also <id>.safetensors. Another failure
 * after the run has its id is recorded too. A diverged run is recorded as such and returns ST_DIVERGED. With the record
 * of a finished or diverged run already there and valid, returns the same verdict at once with *skipped = 1; that of a
 * failed run is replaced. out_path: where the record is (arena); NULL when the run did not get so far. */
status cell_run(const struct cell *cell, const struct run_paths *paths, progress_fn *progress, void *ctx,
                struct arena *arena, int *skipped, const char **out_path);

/* What a session of the cell is opened from, for so many steps. */
struct session_spec cell_session_spec(const struct cell *, long steps);
/* Opens it with the cell's threads and products. */
status cell_session_open(const struct cell *, long steps, struct session *);

#endif
