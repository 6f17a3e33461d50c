/* Scores of a saved adapter on labelled sets. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/deploy.h"
#include "bench/evaluate.h"
#include "bench/scoring.h"

static const struct option options[] = {
    DEPLOY_OPTIONS, DEPLOY_TEXT(set, "NAME", "labelled set; default: every dev set of the task"), OPT_END};

static void print_value(double v)
{
    if (isnan(v))
        printf(" %12s", "undefined");
    else
        printf(" %12.6f", v);
}

/* BLEU and NIST of texts that are written for the set's prompts. */
static status write_texts(struct deployment *d, const struct scoring *job, double metric[TASK_METRICS])
{
    struct written w;
    TRY(score_texts(job, d->arena, &w));
    for (int k = 0; k < task_metric_count(d->task); k++) {
        if (strcmp(d->task->metric[k], "bleu") == 0) metric[k] = w.bleu;
        if (strcmp(d->task->metric[k], "nist") == 0) metric[k] = w.nist;
    }
    return ST_OK;
}

static status evaluate_variant(struct deployment *d, const struct task_set *set, const struct tokens *t, int variant,
                               const char *name)
{
    struct arena_mark mark = arena_mark(d->arena);
    double metric[TASK_METRICS], loss;
    float *outputs, *pred;
    const struct scoring job = {.session = &d->session,
                                .tokenizer = d->tokenizer,
                                .task = d->task,
                                .tokens = t,
                                .set_name = set->name,
                                .variant_name = name,
                                .variant = variant,
                                .eval_batch = d->eval_batch};
    TRY(score_set(&job, d->arena, &outputs, &loss));
    NEW(pred, d->arena, t->n);
    score_predictions(d->task, outputs, t->n, pred);
    const struct predicted p = {
        .kind = d->task->kind, .pred = pred, .label = t->label, .group = t->rows.group, .n = t->n};
    TRY(task_metrics(d->task, &p, -1, d->arena, metric));
    if (d->task->generation) TRY(write_texts(d, &job, metric));
    printf("%-16s %-10s %8d", set->name, *name ? name : "-", t->n);
    for (int k = 0; k < task_metric_count(d->task); k++) print_value(metric[k]);
    print_value(loss);
    putchar('\n');
    arena_reset(d->arena, mark);
    return ST_OK;
}

static status evaluate_set(struct deployment *d, const struct task_set *set)
{
    struct variant v[SESSION_MAX_VARIANTS];
    struct tokens t;
    int variants = session_variants(&d->session, v);
    TRY(deploy_tokens(d, set, &t));
    status st = t.label ? ST_OK
                        : fail(ST_USAGE, "the set %s of task %s has no labels to compare with; `predict` writes a file",
                               set->name, d->task->name);
    for (int i = 0; st == ST_OK && i < variants; i++) st = evaluate_variant(d, set, &t, i, v[i].name);
    tokens_close(&t);
    return st;
}

static status evaluate_sets(struct deployment *d, const char *name)
{
    const struct task_set *set[TASK_SETS];
    int n;
    TRY(deploy_sets(d, name, SET_DEV, set, &n));
    printf("%-16s %-10s %8s", "set", "variant", "examples");
    for (int k = 0; k < task_metric_count(d->task); k++) printf(" %12s", d->task->metric[k]);
    printf(" %12s\n", "loss");
    for (int i = 0; i < n; i++) TRY(evaluate_set(d, set[i]));
    return ST_OK;
}

static status evaluate_run(const void *opts, char **args, int count, struct arena *arena)
{
    const struct deploy_options *o = opts;
    struct deployment d;
    (void)arena;
    TRY(deploy_open(count ? args[0] : NULL, o, &d));
    status st = evaluate_sets(&d, o->set);
    deploy_close(&d);
    return st;
}

const struct command command_evaluate = {
    .name = "evaluate",
    .summary = "score a saved adapter on labelled sets",
    .usage = "[RECORD.h5] [options]",
    .details =
        "With a record, model, task and lengths are those of the run, and the adapter is the file that save_adapter "
        "kept beside it. Without one, give --model and --adapter. Adapters of the peft library are read too.",
    .options = options,
    .option_size = sizeof(struct deploy_options),
    .min_args = 0,
    .max_args = 1,
    .run = evaluate_run,
};
