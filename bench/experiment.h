/* An experiment file (INI) and the grid of cells it spans: methods x tasks x seeds x option lists.
 *
 *   [experiment]  like (another file), name, description, model, data, tasks, seeds, methods (row names), runs
 *   [train]       options of the trainer, for every cell
 *   [task T]      options of the trainer for task T; or, with `format`, the definition of a user's task
 *   [tune R]      options of row R with the values to try: each is run on the seeds of `tune`, the best is reported
 *   [row R]       method (default: R), its options, store and its options, options of the trainer and of the
 *                 arithmetic that precision names; like = ROW: all that
 *                 row has but what is given here. [method R] is the same
 *   [row R task T]  the same for one row and task
 *
 * Later sections of that list win. A list of values ("rank = 4, 8") spans the grid. */
#ifndef PG_BENCH_EXPERIMENT_H
#define PG_BENCH_EXPERIMENT_H

#include "bench/train_options.h"
#include "core/arena.h"
#include "core/status.h"
#include "datasets/dataset.h"
#include "methods/method.h"
#include "models/store.h"

/* Raised when a change of the compute code changes the bits of results: old records then no longer count as done. */
enum { NUMERICS_VERSION = 1 };

/* One fully resolved cell. id: SHA-256 over canon, which holds all that decides the bits. */
struct cell {
    const char *row;   /* the table row's name: "lora", "lora-r4" */
    const char *label; /* "row/task/seed[/key=value...]" for progress and messages; unique in the experiment */
    const struct method *method; /* presets already resolved to the method that runs */
    const void *method_options;  /* NULL when the method has none */
    const struct store *store;
    const void *store_options;
    const void *arith_options; /* of train.precision's; NULL when it has none */
    const struct task *task;
    struct train_options train;
    const char *model_path;  /* resolved folder, or "mini"; as written when it is not there (experiment_inputs tells) */
    const char *model_label; /* as written in the experiment */
    const char *data_root;   /* likewise; "" when the experiment names none */
    long long seed;
    const char *canon; /* sorted key=value lines without the hashes of model, tokenizer and data: cell_id adds them */
    const char **sweep_key, **sweep_value; /* list options of this cell, for table rows and columns */
    int sweeps;
    const char *tuned;  /* "lr=0.001": this cell's values of what [tune R] tries; NULL: the row is not tuned */
    const char *tuning; /* of a chosen cell: what was tried, for its record (bench/tuning.h); NULL: nothing */
};

struct experiment {
    const char *name, *path, *runs_dir; /* runs_dir: "<runs>/<name>", where the records of this experiment lie */
    /* By seed, then task, row and list values: early cells fill a whole table. Of tuned rows all values that are tried,
     * until tuning_choose leaves the best ones. */
    struct cell *cell;
    int cells;
    struct cell *tune_cell; /* those that are run on the tuning seeds */
    int tune_cells;
    double tune_margin; /* 0: the best score is chosen; else the fewest bit operations that near to it */
    bool tune_apart;    /* each task chooses its own values; else one choice for all tasks */
    const char *description;
    const char *model, *data;                                          /* as written */
    const char *model_place, *data_place, *model_folder, *data_folder; /* the lines that say so; their files' folders */
};

/* Reads and resolves everything that the file alone decides; looks at no model or data file. Errors: ST_USAGE,
 * "file:line:
 * ..." with the nearest known name for a misspelt one. */
status experiment_read(const char *path, struct arena *, struct experiment *);

/* Model and data folders are there (ST_INPUT, naming file, line and the places looked at, when not). */
status experiment_inputs(const struct experiment *, struct arena *);

/* A task whose files lie below the data root; the mini tasks are generated. */
bool task_needs_data(const struct task *);

/* Another place for records: "<runs>/<name>". */
status experiment_move(struct experiment *, const char *runs, struct arena *);

/* id of a cell: needs the hashes of model, tokenizer and data; the last covers an adapter that the run starts from. */
status cell_id(const struct cell *, const char *model_hash, const char *tokenizer_hash, const char *data_hash,
               char id[65]);

/* The options of [experiment], for help. */
extern const struct option experiment_option_table[];

#endif
