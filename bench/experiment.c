/* The first half of reading an experiment: its sections, names and lists. bench/experiment_grid.c makes the cells. */
#include "bench/experiment.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/experiment_grid.h"
#include "bench/experiment_ini.h"
#include "bench/foreign_words.h"
#include "bench/paths.h"
#include "core/file.h"
#include "core/text.h"

enum { MAX_SEEDS = 10000, MAX_NAMES = 512 };

struct head {
    const char *name, *description, *model, *data, *tasks, *seeds, *methods, *runs, *tune, *tune_tasks;
    double tune_margin;
};
#define AT(field) offsetof(struct head, field)
const struct option experiment_option_table[] = {
    {"name", OPT_STRING, AT(name), 0, 0, "", "NAME", "folder of the records below runs; default: the file's name", 0},
    {"description", OPT_STRING, AT(description), 0, 0, "", "TEXT", "one line for lists and tables", 0},
    {"model", OPT_STRING, AT(model), 0, 0, NULL, "MODEL", "mini, a folder in Hugging Face layout, or a model's name",
     0},
    {"data", OPT_STRING, AT(data), 0, 0, "", "FOLDER", "root folder of GLUE; the mini tasks need none", 0},
    {"tasks", OPT_STRING, AT(tasks), 0, 0, NULL, "LIST", "tasks: cola, rte, ...", 0},
    {"seeds", OPT_STRING, AT(seeds), 0, 0, NULL, "LIST", "seeds: 1, 2, 3 or 1..5", 0},
    {"methods", OPT_STRING, AT(methods), 0, 0, NULL, "LIST",
     "rows of the table: methods or names of [row NAME] sections", 0},
    {"tune", OPT_STRING, AT(tune), 0, 0, "", "LIST",
     "seeds on which the values of [tune ROW] sections are tried; none of `seeds`", 0},
    {"tune_tasks", OPT_STRING, AT(tune_tasks), 0, 0, "", "LIST",
     "tasks on whose mean score one value for all tasks is chosen; default: each task chooses its own", 0},
    {"tune_margin", OPT_REAL, AT(tune_margin), 0, 1e6, "0", "N",
     "choose the fewest bit operations among values whose score is within N of the best one's", 0},
    {"runs", OPT_STRING, AT(runs), 0, 0, "runs", "FOLDER", "where records go, below the working folder", 0},
    OPT_END};
#undef AT

enum kind { KIND_EXPERIMENT, KIND_TRAIN, KIND_TASK, KIND_ROW, KIND_ROW_TASK, KIND_TUNE };
struct part { /* a section and what its heading says */
    enum kind kind;
    const char *row, *task;
    const struct ini_section *section;
};
struct reader {
    struct ini_file ini;
    struct part *part; /* one a section */
    struct head head;
    const struct ini_section *head_section;
    struct grid_spec grid;
    struct arena *arena;
};

static const char *place(struct reader *r, int line)
{
    char *w = arena_printf(r->arena, "%s:%d", r->ini.path, line);
    return w ? w : r->ini.path;
}

/* ---- headings ---- */

static status classify(struct reader *r, const struct ini_section *s, struct part *p)
{
    static const char *const kinds[] = {"experiment", "train", "task", "row", "method", "tune"};
    char **w;
    int n;
    *p = (struct part){.section = s};
    TRY(text_split(s->name, ' ', r->arena, &w, &n));
    int row = strcmp(w[0], "row") == 0 || strcmp(w[0], "method") == 0;
    if (n == 5 && strcmp(w[2], "/") == 0) { /* [row R / task T] */
        w[2] = w[3];
        w[3] = w[4];
        n = 4;
    }
    if (n == 1 && strcmp(w[0], "experiment") == 0) {
        p->kind = KIND_EXPERIMENT;
    } else if (n == 1 && strcmp(w[0], "train") == 0) {
        p->kind = KIND_TRAIN;
    } else if (n == 2 && strcmp(w[0], "task") == 0) {
        p->kind = KIND_TASK;
        p->task = w[1];
    } else if (n == 2 && strcmp(w[0], "tune") == 0) {
        p->kind = KIND_TUNE;
        p->row = w[1];
    } else if (n == 2 && row) {
        p->kind = KIND_ROW;
        p->row = w[1];
    } else if (n == 4 && row && strcmp(w[2], "task") == 0) {
        p->kind = KIND_ROW_TASK;
        p->row = w[1];
        p->task = w[3];
    } else {
        const char *near = text_nearest(w[0], kinds, 6);
        int alone = near && (strcmp(near, "experiment") == 0 || strcmp(near, "train") == 0);
        if (near && strcmp(near, w[0]) != 0)
            return fail(ST_USAGE, "%s: unknown section [%s]; did you mean [%s%s]?", place(r, s->line), s->name, near,
                        alone ? "" : " ...");
        return fail(ST_USAGE,
                    "%s: section [%s] is not one of [experiment], [train], [task T], [row R], [row R task T], [tune R]",
                    place(r, s->line), s->name);
    }
    return ST_OK;
}

static int same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static status classify_all(struct reader *r)
{
    NEW(r->part, r->arena, r->ini.sections + 1);
    for (int i = 0; i < r->ini.sections; i++) {
        struct part *p = &r->part[i];
        TRY(classify(r, &r->ini.section[i], p));
        for (int k = 0; k < i; k++)
            FAIL_IF(r->part[k].kind == p->kind && same_name(r->part[k].row, p->row) &&
                        same_name(r->part[k].task, p->task),
                    ST_USAGE, "%s: section [%s] appears twice (first on line %d)", place(r, p->section->line),
                    p->section->name, r->part[k].section->line);
        if (p->kind == KIND_EXPERIMENT) r->head_section = p->section;
        if (p->kind == KIND_TRAIN) r->grid.train = p->section;
    }
    FAIL_IF(!r->head_section, ST_USAGE, "%s: the section [experiment] is missing", r->ini.path);
    return ST_OK;
}

static const struct ini_section *section_of(const struct reader *r, enum kind kind, const char *row, const char *task)
{
    for (int i = 0; i < r->ini.sections; i++)
        if (r->part[i].kind == kind && same_name(r->part[i].row, row) && same_name(r->part[i].task, task))
            return r->part[i].section;
    return NULL;
}

/* ---- [experiment] ---- */

static int line_of(const struct reader *r, const char *key)
{
    const struct key_value *kv = ini_get(r->head_section, key);
    return kv ? kv->line : r->head_section->line;
}

static status read_head(struct reader *r)
{
    const struct ini_section *s = r->head_section;
    TRY(option_defaults(experiment_option_table, &r->head, r->arena));
    for (int i = 0; i < s->count; i++)
        TRY(option_set(experiment_option_table, &r->head, s->kv[i].key, s->kv[i].value, place(r, s->kv[i].line),
                       r->arena));
    for (const struct option *o = experiment_option_table; o->name; o++) {
        char value[8];
        option_text(o, &r->head, value, sizeof value);
        FAIL_IF(!o->def && !*value, ST_USAGE, "%s: [experiment] needs %s = %s", place(r, line_of(r, o->name)), o->name,
                o->choices);
    }
    return ST_OK;
}

/* Words of a list of [experiment]; a word may appear once. */
static status read_list(struct reader *r, const char *key, const char *value, char ***word, int *count)
{
    TRY(text_split(value, ',', r->arena, word, count));
    FAIL_IF(*count == 0, ST_USAGE, "%s: '%s' is an empty list", place(r, line_of(r, key)), key);
    for (int i = 0; i < *count; i++)
        for (int k = 0; k < i; k++)
            FAIL_IF(strcmp((*word)[i], (*word)[k]) == 0, ST_USAGE, "%s: '%s' lists '%s' twice",
                    place(r, line_of(r, key)), key, (*word)[i]);
    return ST_OK;
}

static int seed_range(char *word, long long *from, long long *to)
{
    char *dots = strstr(word, "..");
    if (dots) *dots = 0;
    int ok = text_to_longlong(word, from) && text_to_longlong(dots ? dots + 2 : word, to);
    if (dots) *dots = '.';
    return ok && *from >= 0 && *from <= *to && *to <= 1LL << 53;
}

static status read_seeds(struct reader *r, const char *key, const char *value, const long long **out, int *count)
{
    char **word;
    int words, n = 0;
    TRY(read_list(r, key, value, &word, &words));
    const char *at = place(r, line_of(r, key));
    long long *seed, from, to;
    NEW(seed, r->arena, MAX_SEEDS);
    for (int i = 0; i < words; i++) {
        FAIL_IF(!seed_range(word[i], &from, &to), ST_USAGE,
                "%s: '%s' is not a seed: expected whole numbers from 0, or a range such as 1..5", at, word[i]);
        FAIL_IF(to - from >= MAX_SEEDS - n, ST_USAGE, "%s: more than %d seeds", at, MAX_SEEDS);
        for (long long s = from; s <= to; s++) {
            for (int k = 0; k < n; k++) FAIL_IF(seed[k] == s, ST_USAGE, "%s: seed %lld is listed twice", at, s);
            seed[n++] = s;
        }
    }
    *out = seed;
    *count = n;
    return ST_OK;
}

/* ---- tuning ---- */

/* Seeds to choose on are not those to report. */
static status read_tune_seeds(struct reader *r)
{
    struct grid_spec *g = &r->grid;
    if (!*r->head.tune) return ST_OK;
    TRY(read_seeds(r, "tune", r->head.tune, &g->tune_seed, &g->tune_seeds));
    for (int i = 0; i < g->tune_seeds; i++)
        for (int k = 0; k < g->seeds; k++)
            FAIL_IF(g->tune_seed[i] == g->seed[k], ST_USAGE,
                    "%s: seed %lld is among `seeds`: what is chosen on a seed cannot be reported on it",
                    place(r, line_of(r, "tune")), g->seed[k]);
    return ST_OK;
}

/* [tune R] sections and the seeds to try them on belong together. */
static status check_tuning(struct reader *r)
{
    int sections = 0;
    for (int i = 0; i < r->ini.sections; i++) {
        const struct part *p = &r->part[i];
        if (p->kind != KIND_TUNE) continue;
        sections++;
        FAIL_IF(r->grid.tune_seeds == 0, ST_USAGE, "%s: section [%s]: [experiment] needs tune = SEEDS to try these on",
                place(r, p->section->line), p->section->name);
        FAIL_IF(p->section->count == 0, ST_USAGE, "%s: section [%s] names nothing to try", place(r, p->section->line),
                p->section->name);
        const struct key_value *kv = ini_get(p->section, "method");
        FAIL_IF(kv, ST_USAGE, "%s: the method of a row cannot be tuned", place(r, kv->line));
    }
    FAIL_IF(r->grid.tune_seeds && sections == 0, ST_USAGE,
            "%s: tune gives seeds, but no section [tune ROW] says what to try", place(r, line_of(r, "tune")));
    FAIL_IF(*r->head.tune_tasks && sections == 0, ST_USAGE, "%s: tune_tasks without a section [tune ROW]",
            place(r, line_of(r, "tune_tasks")));
    return ST_OK;
}

/* ---- rows ---- */

static status read_row(struct reader *r, const char *name, struct grid_row *row)
{
    const char *names[MAX_NAMES];
    int n = 0;
    *row = (struct grid_row){.name = name, .line = line_of(r, "methods"), .asked = name};
    row->section = section_of(r, KIND_ROW, name, NULL);
    row->tune = section_of(r, KIND_TUNE, name, NULL);
    const struct key_value *kv = ini_get(row->section, "method");
    if (kv) {
        row->asked = kv->value;
        row->line = kv->line;
    }
    const struct method *m = method_find(row->asked);
    if (!m) {
        for (const struct method *const *t = method_table; *t && n < MAX_NAMES; t++) names[n++] = (*t)->name;
        for (int i = 0; i < r->ini.sections && !kv && n < MAX_NAMES; i++)
            if (r->part[i].kind == KIND_ROW) names[n++] = r->part[i].row;
        if (row->section && !kv)
            return fail(ST_USAGE, "%s: row '%s' is not the name of a method and needs method = NAME",
                        place(r, row->section->line), name);
        return cli_unknown(place(r, row->line), "method", row->asked, names, n);
    }
    FAIL_IF(m->unavailable, ST_UNSUPPORTED, "%s: method %s cannot run here: %s", place(r, row->line), m->name,
            m->unavailable);
    return preset_resolve(m, r->arena, &row->preset);
}

static status read_rows(struct reader *r)
{
    char **word;
    struct grid_row *row;
    TRY(read_list(r, "methods", r->head.methods, &word, &r->grid.rows));
    NEW(row, r->arena, r->grid.rows);
    for (int i = 0; i < r->grid.rows; i++) {
        FAIL_IF(strchr(word[i], '/'), ST_USAGE, "%s: the row name '%s' holds a /", place(r, line_of(r, "methods")),
                word[i]);
        TRY(read_row(r, word[i], &row[i]));
    }
    r->grid.row = row;
    return ST_OK;
}

/* ---- tasks ---- */

/* Parts a [task T] section into trainer options and, for a user's task, its definition; what both know goes to both. */
static status split_task(struct reader *r, const struct ini_section *s, bool users, struct grid_task *t,
                         struct key_value **own, int *owns)
{
    struct key_value *train, *rest;
    NEW(train, r->arena, s->count + 1);
    NEW(rest, r->arena, s->count + 1);
    *owns = 0;
    for (int i = 0; i < s->count; i++) {
        bool trainer = option_find(train_option_table, s->kv[i].key) != NULL;
        if (trainer) train[t->trains++] = s->kv[i];
        if (!trainer || (users && option_find(usertask_option_table, s->kv[i].key))) rest[(*owns)++] = s->kv[i];
    }
    t->train = train;
    *own = rest;
    return ST_OK;
}

static status canonical_definition(struct reader *r, const struct key_value *kv, int count, const char *prefix,
                                   const char **out)
{
    struct text t = {0};
    status st = text_put(&t, "");
    for (int i = 0; i < count && st == ST_OK; i++)
        if (strcmp(kv[i].key, "summary") != 0) st = text_printf(&t, "%s.%s=%s\n", prefix, kv[i].key, kv[i].value);
    if (st == ST_OK && !(*out = arena_strdup(r->arena, t.s))) st = ST_MEMORY;
    text_free(&t);
    return st;
}

static status unknown_task(struct reader *r, const char *name)
{
    const char *names[MAX_NAMES];
    int n = 0;
    for (const struct task *const *t = task_table; *t && n < MAX_NAMES; t++) names[n++] = (*t)->name;
    return cli_unknown(place(r, line_of(r, "tasks")), "task", name, names, n);
}

/* A key of [train] or [task T] that the trainer does not have. */
static status not_the_trainers(struct reader *r, const struct ini_section *s, const struct key_value *kv)
{
    struct train_options scratch = {0};
    for (int i = 0; i < r->grid.rows; i++) {
        const struct grid_row *row = &r->grid.row[i];
        if (option_find(row->preset.method->options, kv->key))
            return fail(ST_USAGE, "%s: '%s' is an option of method %s and belongs in [row %s], not in [%s]",
                        place(r, kv->line), kv->key, row->preset.method->name, row->name, s->name);
    }
    FAIL_IF(strcmp(kv->key, "store") == 0, ST_USAGE, "%s: 'store' belongs in a [row R] section, not in [%s]",
            place(r, kv->line), s->name);
    const char *word = foreign_word(kv->key);
    FAIL_IF(word, ST_USAGE, "%s: unknown option '%s'; %s", place(r, kv->line), kv->key, word);
    return option_set(train_option_table, &scratch, kv->key, kv->value, place(r, kv->line), r->arena);
}

/* The MMLU task that a language-model task is also measured by: built in, or a section of its own, which then need not
 * be in the list of tasks. Its definition belongs to the cell's, its metrics come before the task's perplexity. */
static status read_benchmark(struct reader *r, const struct key_value *kv, struct task *task, const char **definition)
{
    const char *name = kv->value, *own = "";
    const struct ini_section *s = section_of(r, KIND_TASK, NULL, name);
    const struct task *found = task_find(name);
    if (s && !found) {
        struct task *made;
        TRY(usertask_make(name, s->kv, s->count, r->ini.path, r->arena, &made));
        TRY(canonical_definition(r, s->kv, s->count, "benchmark", &own));
        found = made;
    }
    FAIL_IF(!found || found->kind != TASK_CHOICE, ST_USAGE,
            "%s: the benchmark '%s' is neither a built-in MMLU task nor a section [task %s] with format = mmlu",
            place(r, kv->line), name, name);
    task->benchmark = found;
    for (int i = 0; i < TASK_METRICS; i++) task->metric[i] = NULL;
    task->metric[0] = found->metric[0];
    task->metric[1] = found->metric[1];
    if (task_set_find(task, "dev")) task->metric[2] = "perplexity";
    task->generation = NULL; /* the questions are what counts */
    *definition = arena_printf(r->arena, "%s%s", *definition, own);
    return *definition ? ST_OK : ST_MEMORY;
}

/* [task e2e] with benchmark = NAME: the built-in task, measured by that too. */
static status with_benchmark(struct reader *r, const struct task *built_in, const struct key_value *kv,
                             struct grid_task *t)
{
    struct task *task;
    NEW(task, r->arena, 1);
    *task = *built_in;
    task->benchmark_name = kv->value;
    t->task = task;
    TRY(canonical_definition(r, kv, 1, "task", &t->definition));
    return read_benchmark(r, kv, task, &t->definition);
}

static status read_task(struct reader *r, const char *name, struct grid_task *t)
{
    const struct ini_section *s = section_of(r, KIND_TASK, NULL, name);
    const struct task *built_in = task_find(name);
    struct key_value *own = NULL;
    int owns = 0;
    bool users = ini_get(s, "format") || ini_get(s, "style");
    *t = (struct grid_task){.name = name, .task = built_in, .definition = ""};
    if (s) TRY(split_task(r, s, users, t, &own, &owns));
    if (!users) {
        if (!built_in) return unknown_task(r, name);
        if (owns == 0) return ST_OK;
        if (built_in->kind == TASK_LM && strcmp(own[0].key, "benchmark") == 0) {
            if (owns > 1) return not_the_trainers(r, s, &own[1]);
            return with_benchmark(r, built_in, own, t);
        }
        return not_the_trainers(r, s, &own[0]);
    }
    FAIL_IF(built_in, ST_USAGE, "%s: '%s' is a built-in task; a task of your own needs another name", place(r, s->line),
            name);
    struct task *made;
    TRY(usertask_make(name, own, owns, r->ini.path, r->arena, &made));
    t->task = made;
    TRY(canonical_definition(r, own, owns, "task", &t->definition));
    return made->benchmark_name ? read_benchmark(r, ini_get(s, "benchmark"), made, &t->definition) : ST_OK;
}

static status read_tasks(struct reader *r)
{
    char **word;
    struct grid_task *task;
    TRY(read_list(r, "tasks", r->head.tasks, &word, &r->grid.tasks));
    NEW(task, r->arena, r->grid.tasks);
    for (int i = 0; i < r->grid.tasks; i++) TRY(read_task(r, word[i], &task[i]));
    r->grid.task = task;
    return ST_OK;
}

/* ---- sections and lists together ---- */

static int row_index(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.rows; i++)
        if (strcmp(r->grid.row[i].name, name) == 0) return i;
    return -1;
}

static int task_index(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.tasks; i++)
        if (strcmp(r->grid.task[i].name, name) == 0) return i;
    return -1;
}

static bool is_benchmark(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.tasks; i++)
        if (same_name(r->grid.task[i].task->benchmark_name, name)) return true;
    return false;
}

static status not_listed(struct reader *r, const struct part *p, const char *key, const char *name)
{
    const char *names[MAX_NAMES];
    int n = 0, rows = strcmp(key, "methods") == 0;
    for (int i = 0; i < (rows ? r->grid.rows : r->grid.tasks) && n < MAX_NAMES; i++)
        names[n++] = rows ? r->grid.row[i].name : r->grid.task[i].name;
    const char *near = text_nearest(name, names, n), *at = place(r, p->section->line);
    if (near)
        return fail(ST_USAGE, "%s: section [%s]: '%s' is not in the list `%s`; did you mean '%s'?", at,
                    p->section->name, name, key, near);
    return fail(ST_USAGE, "%s: section [%s]: '%s' is not in the list `%s` of [experiment]", at, p->section->name, name,
                key);
}

/* Every section must be used; [row R task T] sections become overrides; [train] holds trainer options only. */
static status link_sections(struct reader *r)
{
    NEW(r->grid.override, r->arena, r->ini.sections + 1);
    for (int i = 0; i < r->ini.sections; i++) {
        const struct part *p = &r->part[i];
        const struct ini_section *s = p->section;
        if (p->row && row_index(r, p->row) < 0) return not_listed(r, p, "methods", p->row);
        if (p->task && task_index(r, p->task) < 0 && !(p->kind == KIND_TASK && is_benchmark(r, p->task)))
            return not_listed(r, p, "tasks", p->task);
        if (p->kind == KIND_ROW_TASK) {
            const struct key_value *kv = ini_get(s, "method");
            FAIL_IF(kv, ST_USAGE, "%s: the method of a row cannot differ between tasks", place(r, kv->line));
            r->grid.override[r->grid.overrides++] =
                (struct grid_override){s, row_index(r, p->row), task_index(r, p->task)};
        }
        for (int k = 0; p->kind == KIND_TRAIN && k < s->count; k++)
            if (!option_find(train_option_table, s->kv[k].key)) return not_the_trainers(r, s, &s->kv[k]);
    }
    return ST_OK;
}

static status read_tune_tasks(struct reader *r)
{
    char **word;
    int n;
    r->grid.tune_apart = !*r->head.tune_tasks;
    for (int i = 0; i < r->grid.tasks; i++) r->grid.task[i].tunes = r->grid.tune_apart;
    if (r->grid.tune_apart) return ST_OK;
    TRY(read_list(r, "tune_tasks", r->head.tune_tasks, &word, &n));
    for (int i = 0; i < n; i++) {
        int t = task_index(r, word[i]);
        FAIL_IF(t < 0, ST_USAGE, "%s: tune_tasks: '%s' is not in the list `tasks`", place(r, line_of(r, "tune_tasks")),
                word[i]);
        r->grid.task[t].tunes = true;
    }
    return ST_OK;
}

/* ---- the whole ---- */

static int good_name(const char *s)
{
    if (!*s || *s == '.' || strlen(s) > 100) return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-+", *s)) return 0;
    return 1;
}

static status name_experiment(struct reader *r, struct experiment *e)
{
    e->name = r->head.name;
    if (!*e->name) {
        const char *slash = strrchr(e->path, '/'), *base = slash ? slash + 1 : e->path;
        size_t n = strlen(base);
        if (n > 4 && strcmp(base + n - 4, ".ini") == 0) n -= 4;
        if (!(e->name = arena_printf(r->arena, "%.*s", (int)n, base))) return ST_MEMORY;
    }
    FAIL_IF(!good_name(e->name), ST_USAGE,
            "%s: the experiment's name '%s' is not a folder name: letters, digits and . _ - + are allowed",
            place(r, line_of(r, "name")), e->name);
    const char *runs;
    status st = path_expand(r->head.runs, r->arena, &runs);
    if (st != ST_OK) return fail_in(st, "%s", place(r, line_of(r, "runs")));
    return experiment_move(e, runs, r->arena);
}

status experiment_read(const char *path, struct arena *arena, struct experiment *e)
{
    struct reader *r;
    const char *model, *data = "";
    ZNEW(r, arena, 1);
    r->arena = arena;
    r->grid.path = path;
    *e = (struct experiment){.path = path};
    TRY(ini_read(path, arena, &r->ini));
    TRY(classify_all(r));
    TRY(read_head(r));
    if (!(e->folder = path_folder(arena, path))) return ST_MEMORY;
    TRY(name_experiment(r, e));
    TRY(read_seeds(r, "seeds", r->head.seeds, &r->grid.seed, &r->grid.seeds));
    TRY(read_tune_seeds(r));
    TRY(read_rows(r));
    TRY(read_tasks(r));
    TRY(link_sections(r));
    TRY(check_tuning(r));
    TRY(read_tune_tasks(r));
    e->description = r->head.description;
    e->tune_margin = r->head.tune_margin;
    e->model = r->head.model;
    e->data = r->head.data;
    e->model_line = line_of(r, "model");
    e->data_line = line_of(r, "data");
    for (int i = 0; i < r->grid.tasks; i++)
        FAIL_IF(task_needs_data(r->grid.task[i].task) && !*e->data, ST_USAGE,
                "%s: task '%s' reads files: [experiment] needs data = FOLDER", place(r, line_of(r, "tasks")),
                r->grid.task[i].name);
    /* Missing folders are experiment_inputs()'s business: tables are made where the model is not. */
    if (model_find(e->model, e->folder, arena, &model) != ST_OK) model = e->model;
    if (*e->data && data_find(e->data, e->folder, arena, &data) != ST_OK) data = e->data;
    return grid_make(&r->grid, arena, model, data, e);
}

status experiment_move(struct experiment *e, const char *runs, struct arena *arena)
{
    e->runs_dir = path_join(arena, runs, e->name);
    return e->runs_dir ? ST_OK : ST_MEMORY;
}

status experiment_inputs(const struct experiment *e, struct arena *arena)
{
    const char *path;
    status st = model_find(e->model, e->folder, arena, &path);
    if (st != ST_OK) return fail_in(st, "%s:%d", e->path, e->model_line);
    if (!*e->data) return ST_OK;
    st = data_find(e->data, e->folder, arena, &path);
    return st == ST_OK ? ST_OK : fail_in(st, "%s:%d", e->path, e->data_line);
}

bool task_needs_data(const struct task *t)
{
    return (t->dir && *t->dir) || (t->benchmark && task_needs_data(t->benchmark));
}
