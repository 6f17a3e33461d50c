/* One table row in full: what it is, where it comes from, its options. */
#include <string.h>
#include "bench/cli.h"
#include "bench/experiment.h"
#include "bench/preset.h"
#include "datasets/lm.h"
#include "datasets/mmlu.h"

static const struct {
    unsigned flag;
    const char *text;
} flag_texts[] = {
    {METHOD_MERGEABLE, "can be merged into the base weights"},
    {METHOD_IDENTITY_INIT, "at the first step the model computes what the base computes"},
    {METHOD_NEEDS_WEIGHT, "looks at the base weights when it is attached"},
    {METHOD_TRAINS_BASE, "trains base weights (store = f32 only)"},
    {METHOD_OWNS_WEIGHTS, "keeps the base weights itself (store = f32 only)"},
    {METHOD_WHOLE_TABLE, "needs all rows of relative-position tables"},
    {METHOD_OBSERVES, "takes ranges from the first batch before it trains"},
    {METHOD_HIDDEN, "a teaching copy"},
    {METHOD_OBSERVES, "looks at the first batch before training"},
};

static const char experiment_form[] =
    "An experiment file has these sections; comments begin with # or ;\n\n"
    "  [experiment]    model, data, tasks, seeds, methods (the rows of the table); like = FILE: another\n"
    "                  experiment, whose sections and keys hold where this file has none of its own\n"
    "  [train]         options of the trainer for all cells: `peftgrid show train`; precision = P and\n"
    "                  its options: `peftgrid show precision P`\n"
    "  [task T]        options of the trainer for one task, or, with `format`, a task of your own\n"
    "  [row R]         one row: method = M (default: R), options of M (`peftgrid show method M`),\n"
    "                  store = S and its options, precision = P and its options, options of the\n"
    "                  trainer; like = ROW takes all that another row has, except what is given here\n"
    "  [row R task T]  the same for one row on one task\n\n"
    "Of two sections that give the same option the later in this list wins. A list of values, such as\n"
    "rank = 4, 8 or lr = 1e-3, 5e-4, makes a cell of each. ~, $NAME and ${NAME} are replaced in model, data and\n"
    "runs. Model and data are looked for beside the file, in the working folder, in $PEFTGRID_MODELS and\n"
    "$PEFTGRID_DATA, and in ~/.cache/peftgrid/models and data.\n";

static void show_options(const char *title, const struct option *table)
{
    if (!table || !table->name) {
        printf("\n%s: none\n", title);
        return;
    }
    printf("\n%s:\n", title);
    option_help(stdout, table, 0);
}

/* A copy of the table whose defaults are what the preset sets. */
static status preset_table(const struct preset *p, const struct option *table, struct arena *arena,
                           const struct option **out)
{
    struct option *copy;
    int n = 0;
    *out = table;
    if (!table || p->settings == 0) return ST_OK;
    while (table[n].name) n++;
    NEW(copy, arena, n + 1);
    memcpy(copy, table, sizeof *copy * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        const char *value = preset_value(p, copy[i].name);
        if (value) copy[i].def = value;
    }
    *out = copy;
    return ST_OK;
}

/* The options of what a preset chooses beside the method. */
static status show_beside(const struct preset *p, const char *kind, const char *name, const struct option *options,
                          struct arena *arena)
{
    const struct option *table;
    char title[128];
    if (!options) return ST_OK;
    TRY(preset_table(p, options, arena, &table));
    snprintf(title, sizeof title, "Options of %s %s, beside them", kind, name);
    show_options(title, table);
    return ST_OK;
}

/* What a preset comes to: the method's options and those of its store and arithmetic with the defaults that hold in it.
 */
static status show_preset_options(const struct preset *p, struct arena *arena)
{
    const struct option *table;
    const char *name = preset_value(p, "store"), *precision = preset_value(p, "precision");
    const struct store *store = name ? store_find(name) : NULL;
    const struct arith *arith = precision ? arith_find(precision) : NULL;
    TRY(preset_table(p, p->method->options, arena, &table));
    show_options("Options in [row NAME]", table);
    if (store) TRY(show_beside(p, "store", store->name, store->options, arena));
    return arith ? show_beside(p, "precision", arith->name, arith->options, arena) : ST_OK;
}

static status show_method(const char *name, struct arena *arena)
{
    const char *names[256];
    int n = 0;
    struct preset preset;
    const struct method *m = method_find(name);
    for (const struct method *const *t = method_table; *t && n < 256; t++) names[n++] = (*t)->name;
    if (!m) return cli_unknown("", "method", name, names, n);
    TRY(preset_resolve(m, arena, &preset));
    printf("%s: %s\n", m->name, m->summary);
    if (m->source) printf("source: %s\n", m->source);
    if (m->preset_of) printf("preset of %s with: %s\n", m->preset_of->name, m->preset);
    if (m->unavailable) printf("cannot run in this build: %s\n", m->unavailable);
    for (size_t i = 0; i < sizeof flag_texts / sizeof flag_texts[0]; i++)
        if (preset.method->flags & flag_texts[i].flag) printf("- %s\n", flag_texts[i].text);
    return show_preset_options(&preset, arena);
}

static status show_store(const char *name, struct arena *arena)
{
    (void)arena;
    const char *names[64];
    int n = 0;
    const struct store *s = store_find(name);
    for (const struct store *const *t = store_table; *t && n < 64; t++) names[n++] = (*t)->name;
    if (!s) return cli_unknown("", "store", name, names, n);
    printf("%s: %s\n", s->name, s->summary);
    if (s->source) printf("source: %s\n", s->source);
    show_options("Options in [row NAME], beside store = NAME", s->options);
    return ST_OK;
}

static status show_precision(const char *name, struct arena *arena)
{
    (void)arena;
    const struct arith *a;
    TRY(arith_choose(name, &a));
    printf("%s: %s\n", a->name, a->summary);
    show_options("Options in [train] and [row NAME], beside precision = NAME", a->options);
    return ST_OK;
}

static status show_task(const char *name, struct arena *arena)
{
    (void)arena;
    const char *names[256];
    int n = 0;
    const struct task *t = task_find(name);
    for (const struct task *const *p = task_table; *p && n < 256; p++) names[n++] = (*p)->name;
    if (!t) return cli_unknown("", "task", name, names, n);
    printf("%s: %s\n", t->name, t->summary);
    if (t->source) printf("source: %s\n", t->source);
    if (t->kind == TASK_LM)
        printf("a language model's task: the loss is on the completion's tokens");
    else if (t->labels == 1)
        printf("regression: values of %g to %g", t->lo, t->hi);
    else
        for (int i = 0; i < t->labels; i++) printf("%s%s", i ? ", " : "labels: ", t->label_name[i]);
    if (t->kind == TASK_CHOICE) printf("\nevaluation only, with a language model");
    if (t->kind == TASK_CLASSES) printf("\ntexts: %s", t->pair ? "pairs" : "single");
    printf("\nmetrics:");
    for (int i = 0; i < TASK_METRICS && t->metric[i]; i++) printf(" %s", t->metric[i]);
    printf("%s\nlongest input: %d tokens\n", t->main_is_mean ? " (the score is their mean)" : "", t->max_len);
    if (t->achievable > 0) printf("score of one who knows the rules: %g\n", t->achievable);
    printf("\nSets:\n");
    for (const struct task_set *s = t->set; s->name; s++) {
        static const char *const kind[] = {"training", "evaluation", "prediction"};
        printf("  %-18s %-10s %s%s%s%s%s\n", s->name, kind[s->kind], s->file && t->dir ? t->dir : "",
               s->file && t->dir ? "/" : "", s->file ? s->file : "generated", s->submission ? "  submission: " : "",
               s->submission ? s->submission : "");
    }
    return ST_OK;
}

static status run_show(const void *options, char **args, int count, struct arena *arena)
{
    static const char *const kinds[] = {"method", "store", "task", "precision", "train", "experiment"};
    static status (*const show[])(const char *, struct arena *) = {show_method, show_store, show_task, show_precision};
    (void)options;
    for (int i = 0; i < 4; i++) {
        if (strcmp(args[0], kinds[i]) != 0) continue;
        FAIL_IF(count < 2, ST_USAGE, "show %s: which one? `peftgrid list %ss` names them", kinds[i], kinds[i]);
        return show[i](args[1], arena);
    }
    FAIL_IF(count == 2 && (strcmp(args[0], "train") == 0 || strcmp(args[0], "experiment") == 0), ST_USAGE,
            "show %s takes no name", args[0]);
    if (strcmp(args[0], "train") == 0) {
        printf("Options of the trainer, in [train], [task T], [row R] and [row R task T].\n");
        show_options("Options", train_option_table);
        return ST_OK;
    }
    if (strcmp(args[0], "experiment") == 0) {
        fputs(experiment_form, stdout);
        show_options("Options of [experiment]", experiment_option_table);
        show_options("Options of [task T] that define a task of your own", usertask_option_table);
        show_options("Options of [task T] with a style: text for a language model", lm_option_table);
        show_options("Options of [task T] with format = mmlu: questions for a language model", mmlu_option_table);
        return ST_OK;
    }
    return cli_unknown("", "kind of thing", args[0], kinds, 6);
}

const struct command command_show = {
    .name = "show",
    .summary = "tell all about a method, a store, a precision, a task or the trainer's options",
    .usage = "method NAME | store NAME | precision NAME | task NAME | train | experiment",
    .details = "The option tables shown are the ones that parse experiment files, with their defaults and ranges.",
    .min_args = 1,
    .max_args = 2,
    .run = run_show,
};
