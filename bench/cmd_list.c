/* What there is: the tables of the program, and the models and experiments found on this machine. */
#include <string.h>
#include "bench/cli.h"
#include "bench/experiment.h"
#include "bench/experiment_ini.h"
#include "bench/metrics.h"
#include "bench/paths.h"
#include "core/file.h"
#include "models/config.h"

static status list_methods(struct arena *arena)
{
    (void)arena;
    for (int hidden = 0; hidden < 2; hidden++)
        for (const struct method *const *t = method_table; *t; t++) {
            const struct method *m = *t;
            if (((m->flags & METHOD_HIDDEN) != 0) != hidden) continue;
            printf("%-12s %s%s%s%s\n", m->name, m->summary, m->unavailable ? " (cannot run here: " : "",
                   m->unavailable ? m->unavailable : "",
                   m->unavailable ? ")"
                   : hidden       ? " (teaching copy)"
                                  : "");
        }
    return ST_OK;
}

static status list_stores(struct arena *arena)
{
    (void)arena;
    for (const struct store *const *s = store_table; *s; s++) printf("%-12s %s\n", (*s)->name, (*s)->summary);
    return ST_OK;
}

static status list_precisions(struct arena *arena)
{
    (void)arena;
    for (const struct arith *const *a = arith_table; *a; a++) printf("%-12s %s\n", (*a)->name, (*a)->summary);
    return ST_OK;
}

static status list_tasks(struct arena *arena)
{
    (void)arena;
    for (const struct task *const *t = task_table; *t; t++)
        printf("%-16s %-10s %s\n", (*t)->name, (*t)->metric[0] ? (*t)->metric[0] : "", (*t)->summary);
    return ST_OK;
}

static status list_metrics(struct arena *arena)
{
    (void)arena;
    static const char *const use[] = {"", " (regression)", " (MMLU)", " (language models)", " (written texts)"};
    for (const struct metric *m = metric_table; m->name; m++) printf("%-16s %s%s\n", m->name, m->summary, use[m->use]);
    return ST_OK;
}

static void print_model(const char *name, const char *path, struct arena *arena)
{
    struct model_config c;
    struct arena_mark mark = arena_mark(arena);
    if (config_read(path, arena, &c) == ST_OK)
        printf("%-16s %s, %d layers, hidden %d, vocabulary %d\n", name, family_name(c.family), c.layers, c.hidden,
               c.vocab);
    else
        printf("%-16s not usable: %s\n", name, status_message());
    arena_reset(arena, mark);
}

static status list_models(struct arena *arena)
{
    const char *folder[FOLDERS_MAX];
    int folders;
    printf("%-16s comes with peftgrid; needs no files\n", "mini");
    TRY(model_folders(arena, folder, &folders));
    for (int i = 0; i < folders; i++) {
        char **name;
        int n = 0;
        if (!file_is_dir(folder[i])) {
            printf("(no folder %s)\n", folder[i]);
            continue;
        }
        TRY(file_list(folder[i], NULL, arena, &name, &n));
        printf("in %s:\n", folder[i]);
        for (int k = 0; k < n; k++) {
            char *path = path_join(arena, folder[i], name[k]);
            if (!path) return ST_MEMORY;
            if (file_is_dir(path)) print_model(name[k], path, arena);
        }
    }
    return ST_OK;
}

static status print_experiment(const char *folder, const char *file, struct arena *arena)
{
    char *path = path_join(arena, folder, file);
    const char *text = "";
    struct ini_file ini;
    if (!path) return ST_MEMORY;
    if (ini_read(path, arena, &ini) != ST_OK)
        text = status_message();
    else
        for (int i = 0; i < ini.sections; i++)
            if (strcmp(ini.section[i].name, "experiment") == 0) {
                const struct key_value *kv = ini_get(&ini.section[i], "description");
                if (kv) text = kv->value;
            }
    printf("%-16.*s %s\n", (int)strlen(file) - 4, file, text);
    return ST_OK;
}

static status list_experiments(struct arena *arena)
{
    const char *folder[FOLDERS_MAX];
    int folders;
    TRY(experiment_folders(arena, folder, &folders));
    FAIL_IF(folders == 0, ST_INPUT, "no folder of experiments beside this program");
    char **name;
    int n;
    TRY(file_list(folder[0], ".ini", arena, &name, &n));
    for (int i = 0; i < n; i++) TRY(print_experiment(folder[0], name[i], arena));
    return ST_OK;
}

static status run_list(const void *options, char **args, int count, struct arena *arena)
{
    static const char *const kinds[] = {"methods", "stores", "tasks", "models", "experiments", "metrics", "precisions"};
    static status (*const list[])(struct arena *) = {list_methods,     list_stores,  list_tasks,     list_models,
                                                     list_experiments, list_metrics, list_precisions};
    (void)options;
    (void)count;
    for (int i = 0; i < 7; i++)
        if (strcmp(args[0], kinds[i]) == 0) return list[i](arena);
    return cli_unknown("", "list", args[0], kinds, 7);
}

const struct command command_list = {
    .name = "list",
    .summary = "list methods, stores, precisions, tasks, metrics, models or experiments",
    .usage = "methods|stores|precisions|tasks|metrics|models|experiments",
    .details = "Models are the folders in $PEFTGRID_MODELS and ~/.cache/peftgrid/models, and mini. Experiments are the "
               "files that come with peftgrid; their names can be given to `run`, `check` and `table`.",
    .min_args = 1,
    .max_args = 1,
    .run = run_list,
};
