/* An experiment file (INI) and the grid of cells it spans: methods x tasks x seeds x option lists. */
#ifndef PG_BENCH_EXPERIMENT_H
#define PG_BENCH_EXPERIMENT_H

#include "bench/train_options.h"
#include "core/arena.h"
#include "core/status.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/store.h"

/* One fully resolved cell. id: SHA-256 over canon, which holds all that decides the bits. */
struct cell {
    const char *row;    /* the table row's name: "lora", "lora-r4" */
    const char *label;  /* "row/task/seed[/key=value...]" for progress and messages */
    const struct method *method; /* presets already resolved to the method that runs */
    const void *method_options;
    const struct store *store;
    const void *store_options;
    const struct task *task;
    struct train_options train;
    const char *model_path;     /* resolved folder, or "mini" */
    const char *model_label;    /* as written in the experiment */
    const char *data_root;
    long long seed;
    const char *canon; /* canonical text without hashes of model, data, tokenizer: run_id adds them */
    const char **sweep_key, **sweep_value; /* list options of this cell, for table rows and columns */
    int sweeps;
};

struct experiment {
    const char *name, *path, *runs_dir;
    struct cell *cell;
    int cells;
    const char *description;
};

status experiment_read(const char *path, struct arena *, struct experiment *);

/* id of a cell: needs the model's, tokenizer's and data's hashes. */
status cell_id(const struct cell *, const char *model_hash, const char *tokenizer_hash, const char *data_hash, char id[65]);

#endif
