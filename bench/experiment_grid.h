/* Rows x tasks x seeds x lists to cells: the second half of experiment_read. */
#ifndef PG_BENCH_EXPERIMENT_GRID_H
#define PG_BENCH_EXPERIMENT_GRID_H

#include "bench/experiment.h"
#include "bench/experiment_ini.h"
#include "bench/preset.h"

struct grid_row {
    const char *name;
    const char *place;                 /* of the method's name, for messages */
    const struct grid_row *base;       /* [row R] like = BASE; NULL: none. BASE need not be a row of the table */
    const struct ini_section *section; /* NULL: none */
    const struct ini_section *tune;    /* [tune R]; NULL: none */
    struct preset preset;              /* the method that runs, and what the preset it was named by sets */
    const char *asked;                 /* the method as asked for: "qlora" */
};
struct grid_task {
    const char *name;
    const struct task *task;
    const struct key_value *train; /* trainer options of [task NAME] */
    int trains;
    bool tunes;             /* tuning runs are made on it */
    const char *definition; /* canonical lines of a user's task; "" for built-in ones */
};
struct grid_override { /* [row R task T] */
    const struct ini_section *section;
    const struct grid_row *row;
    int task;
};
struct grid_spec {
    const char *path; /* of the INI file, for messages */
    const struct ini_section *train;
    struct grid_row *row; /* those of the table, then those that only stand as another's base */
    struct grid_task *task;
    struct grid_override *override;
    const long long *seed, *tune_seed;
    int rows, tasks, overrides, seeds, tune_seeds;
    bool tune_apart; /* each task chooses its own */
};

/* Fills e->cell; the model, data and label fields of e are set already. */
status grid_make(const struct grid_spec *, struct arena *, const char *model_path, const char *data_root,
                 struct experiment *e);

#endif
