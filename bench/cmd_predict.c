/* Predictions of a saved adapter: files in the form that GLUE's server takes. */
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/deploy.h"
#include "bench/evaluate.h"
#include "core/file.h"

static const struct option options[] = {
    DEPLOY_OPTIONS,
    DEPLOY_TEXT(set, "NAME", "set to predict; default: every test set of the task"),
    DEPLOY_TEXT(variant, "NAME", "form of the adapter, for methods with several; default: the first"),
    {"out", OPT_STRING, offsetof(struct deploy_options, out), 0, 0, "predictions", "FOLDER", "where the files go", 0},
    OPT_END};

static status find_variant(const struct deployment *d, const char *name, int *variant)
{
    struct variant v[SESSION_MAX_VARIANTS];
    const char *names[SESSION_MAX_VARIANTS];
    int n = session_variants(&d->session, v);
    *variant = 0;
    for (int i = 0; i < n; i++) {
        names[i] = v[i].name;
        if (strcmp(name, v[i].name) == 0) {
            *variant = i;
            return ST_OK;
        }
    }
    return *name ? cli_unknown("", "variant", name, names, n) : ST_OK;
}

static status predict_tokens(struct deployment *d, const struct task_set *set, const struct tokens *t, int variant,
                             const char *folder)
{
    float *logits, *pred;
    const char *path = set->submission ? path_join(d->arena, folder, set->submission)
                                       : arena_printf(d->arena, "%s/%s-%s.tsv", folder, d->task->name, set->name);
    if (!path) return ST_MEMORY;
    TRY(session_predict(&d->session, t, d->eval_batch, variant, d->arena, &logits, NULL));
    NEW(pred, d->arena, t->n);
    predictions_of(logits, t->n, d->task->labels, pred);
    TRY(submission_write(d->task, set, &t->rows, pred, path));
    printf("%s: %d predictions\n", path, t->n);
    return ST_OK;
}

static status predict_sets(struct deployment *d, const struct deploy_options *o)
{
    const struct task_set *set[TASK_SETS];
    int n, variant;
    FAIL_IF(d->task->kind != TASK_CLASSES, ST_UNSUPPORTED,
            "task %s has no classes or values to predict; `evaluate` scores its sets", d->task->name);
    TRY(find_variant(d, o->variant, &variant));
    TRY(deploy_sets(d, o->set, SET_TEST, set, &n));
    TRY(file_make_dirs(o->out));
    for (int i = 0; i < n; i++) {
        struct tokens t;
        TRY(deploy_tokens(d, set[i], &t));
        status st = predict_tokens(d, set[i], &t, variant, o->out);
        tokens_close(&t);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static status predict_run(const void *opts, char **args, int count, struct arena *arena)
{
    const struct deploy_options *o = opts;
    struct deployment d;
    (void)arena;
    TRY(deploy_open(count ? args[0] : NULL, o, &d));
    status st = predict_sets(&d, o);
    deploy_close(&d);
    return st;
}

const struct command command_predict = {
    .name = "predict",
    .summary = "write a saved adapter's predictions as GLUE submission files",
    .usage = "[RECORD.h5] [options]",
    .details =
        "With a record, model, task and lengths are those of the run, and the adapter is the file that save_adapter "
        "kept beside it. Without one, give --model and --adapter. One file a test set, with the name that GLUE's "
        "server expects.",
    .options = options,
    .option_size = sizeof(struct deploy_options),
    .min_args = 0,
    .max_args = 1,
    .run = predict_run,
};
