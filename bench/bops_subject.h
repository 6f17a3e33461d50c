/* Whose bit operations are asked for: a record, a row of an experiment, or a method with options; each brought to one
 * form: a network without weights, what stands on its sites, and the settings to count in. */
#ifndef PG_BENCH_BOPS_SUBJECT_H
#define PG_BENCH_BOPS_SUBJECT_H

#include "bench/bops_record.h"
#include "bench/run_list.h"

struct bops_setting {
    const char *name; /* "paper", "max_length", ... */
    double length, rows;
};
enum { BOPS_SETTINGS_MAX = 5 };

struct bops_subject {
    struct arena *arena;
    const char *title;
    struct registry reg;
    struct model *model;     /* a shape */
    struct site_forms forms; /* of that model's sites; onto is set */
    const struct store *store;
    const void *store_options; /* NULL: its defaults */
    const struct arith *arith; /* NULL: f32, or told by the forms */
    const void *arith_options;
    struct bops_setting setting[BOPS_SETTINGS_MAX];
    int settings;
};

/* variant: "" for the only one, or the last by name ("rank=8"). A subject that was opened is closed with
 * bops_subject_close. */
status bops_of_record(const char *path, const char *variant, struct arena *, struct bops_subject *);
/* row, task: "" for the only row, for the first task. */
status bops_of_experiment(const char *path, const char *row, const char *task, struct arena *, struct bops_subject *);
/* options: "name=value" words of the method or its store. model: as an experiment writes it. */
status bops_of_method(const char *method, char **options, int count, const char *model, struct arena *,
                      struct bops_subject *);
void bops_subject_close(struct bops_subject *);

/* What tables need of a record: read from it, or counted anew where it was written before records held it. Shares that
 * cannot be known (a decoder, no trace, a model that is not at hand) are NAN. variant: as in the record's paths. */
status run_bops_take(const struct record *, const char *variant, struct run_bops *);

/* One more setting. */
status bops_add_setting(struct bops_subject *, const char *name, double length, double rows);

/* Bits a weight of that size is kept in by the subject's store. */
status bops_storage_bits(const struct bops_subject *, int rows, int cols, double *bits);

/* The configuration of a model as an experiment names it; "deberta-v3-base" is known without a folder. */
status shape_find(const char *written, const char *ini_dir, struct arena *, struct model_config *);

#endif
