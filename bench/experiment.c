/* The second step of reading an experiment, its names and lists: bench/experiment_parts.c has read the sections,
 * bench/experiment_grid.c makes the cells. */
#include "bench/experiment.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/experiment_grid.h"
#include "bench/experiment_parts.h"
#include "bench/foreign_words.h"
#include "bench/paths.h"
#include "core/file.h"
#include "core/text.h"

enum { MAX_SEEDS = 10000, MAX_NAMES = 512 };

struct head {
    const char *like, *name, *description, *model, *data, *tasks, *seeds, *methods, *runs, *tune, *tune_tasks;
    double tune_margin;
};
#define AT(field) offsetof(struct head, field)
const struct option experiment_option_table[] = {
    {"like", OPT_STRING, AT(like), 0, 0, "", "FILE",
     "another experiment: its sections and keys hold where this file has none of its own", 0},
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

struct reader {
    struct parts parts;
    struct head head;
    const char *path;
    const struct ini_section *head_section;
    struct grid_spec grid;
    int bases; /* rows behind grid.rows, which are only another's base */
    struct arena *arena;
};

static const char *kv_place(struct reader *r, const struct key_value *kv)
{
    return key_place(kv, 1, kv->key, r->path, r->arena);
}

/* Where a key of [experiment] stands; its heading, where it does not. */
static const char *head_place(struct reader *r, const char *key)
{
    const struct key_value *kv = ini_get(r->head_section, key);
    return kv ? kv_place(r, kv) : section_place(r->head_section, r->arena);
}

/* ---- [experiment] ---- */

static status read_head(struct reader *r)
{
    const struct ini_section *s = r->head_section;
    TRY(option_defaults(experiment_option_table, &r->head, r->arena));
    for (int i = 0; i < s->count; i++)
        TRY(option_set(experiment_option_table, &r->head, s->kv[i].key, s->kv[i].value, kv_place(r, &s->kv[i]),
                       r->arena));
    for (const struct option *o = experiment_option_table; o->name; o++) {
        char value[8];
        option_text(o, &r->head, value, sizeof value);
        FAIL_IF(!o->def && !*value, ST_USAGE, "%s: [experiment] needs %s = %s", head_place(r, o->name), o->name,
                o->choices);
    }
    return ST_OK;
}

/* Words of a list of [experiment]; a word may appear once. */
static status read_list(struct reader *r, const char *key, const char *value, char ***word, int *count)
{
    TRY(text_split(value, ',', r->arena, word, count));
    FAIL_IF(*count == 0, ST_USAGE, "%s: '%s' is an empty list", head_place(r, key), key);
    for (int i = 0; i < *count; i++)
        for (int k = 0; k < i; k++)
            FAIL_IF(strcmp((*word)[i], (*word)[k]) == 0, ST_USAGE, "%s: '%s' lists '%s' twice", head_place(r, key), key,
                    (*word)[i]);
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
    const char *at = head_place(r, key);
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
                    head_place(r, "tune"), g->seed[k]);
    return ST_OK;
}

/* [tune R] sections and the seeds to try them on belong together. */
static status check_tuning(struct reader *r)
{
    int sections = 0;
    for (int i = 0; i < r->parts.count; i++) {
        const struct part *p = &r->parts.part[i];
        if (p->kind != PART_TUNE) continue;
        sections++;
        FAIL_IF(r->grid.tune_seeds == 0, ST_USAGE, "%s: section [%s]: [experiment] needs tune = SEEDS to try these on",
                section_place(&p->section, r->arena), p->section.name);
        FAIL_IF(p->section.count == 0, ST_USAGE, "%s: section [%s] names nothing to try",
                section_place(&p->section, r->arena), p->section.name);
        const struct key_value *kv = ini_get(&p->section, "method");
        if (!kv) kv = ini_get(&p->section, "like");
        FAIL_IF(kv, ST_USAGE, "%s: the method of a row cannot be tuned", kv_place(r, kv));
    }
    FAIL_IF(r->grid.tune_seeds && sections == 0, ST_USAGE,
            "%s: tune gives seeds, but no section [tune ROW] says what to try", head_place(r, "tune"));
    FAIL_IF(*r->head.tune_tasks && sections == 0, ST_USAGE, "%s: tune_tasks without a section [tune ROW]",
            head_place(r, "tune_tasks"));
    return ST_OK;
}

/* ---- rows ---- */

/* The place of a row, listed or a base; -1: neither. */
static int row_index(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.rows + r->bases; i++)
        if (strcmp(r->grid.row[i].name, name) == 0) return i;
    return -1;
}

static void add_row(struct reader *r, int at, const char *name)
{
    r->grid.row[at] = (struct grid_row){.name = name, .place = head_place(r, "methods")};
    r->grid.row[at].section = parts_find(&r->parts, PART_ROW, name, NULL);
    r->grid.row[at].tune = parts_find(&r->parts, PART_TUNE, name, NULL);
}

/* [row R] like = BASE: a row of the list, or one that only has a section; then it is added behind those listed. */
static status find_base(struct reader *r, struct grid_row *row)
{
    const struct key_value *kv = ini_get(row->section, "like");
    if (!kv) return ST_OK;
    int at = row_index(r, kv->value);
    if (at < 0 && parts_find(&r->parts, PART_ROW, kv->value, NULL)) {
        at = r->grid.rows + r->bases++;
        add_row(r, at, kv->value);
    }
    if (at < 0) {
        const char *names[MAX_NAMES];
        int n = 0;
        for (int i = 0; i < r->parts.count && n < MAX_NAMES; i++)
            if (r->parts.part[i].kind == PART_ROW && &r->parts.part[i].section != row->section)
                names[n++] = r->parts.part[i].row;
        return cli_unknown(kv_place(r, kv), "row", kv->value, names, n);
    }
    row->base = &r->grid.row[at];
    for (const struct grid_row *b = row->base; b; b = b->base)
        FAIL_IF(b == row, ST_USAGE, "%s: row '%s' is like itself", kv_place(r, kv), row->name);
    return ST_OK;
}

/* The method: the row's own, or that of the row it is like, and so on; the last row's name when none says one. */
static status read_row(struct reader *r, struct grid_row *row)
{
    const char *names[MAX_NAMES];
    int n = 0;
    const struct key_value *kv = NULL;
    const struct grid_row *says = row;
    while (!(kv = ini_get(says->section, "method")) && says->base) says = says->base;
    row->asked = kv ? kv->value : says->name;
    if (kv) row->place = kv_place(r, kv);
    const struct method *m = method_find(row->asked);
    if (!m) {
        for (const struct method *const *t = method_table; *t && n < MAX_NAMES; t++) names[n++] = (*t)->name;
        for (int i = 0; i < r->parts.count && !kv && n < MAX_NAMES; i++)
            if (r->parts.part[i].kind == PART_ROW) names[n++] = r->parts.part[i].row;
        if (says->section && !kv)
            return fail(ST_USAGE, "%s: row '%s' is not the name of a method and needs method = NAME",
                        section_place(says->section, r->arena), says->name);
        return cli_unknown(row->place, "method", row->asked, names, n);
    }
    FAIL_IF(m->unavailable, ST_UNSUPPORTED, "%s: method %s cannot run here: %s", row->place, m->name, m->unavailable);
    return preset_resolve(m, r->arena, &row->preset);
}

static status read_rows(struct reader *r)
{
    char **word;
    TRY(read_list(r, "methods", r->head.methods, &word, &r->grid.rows));
    NEW(r->grid.row, r->arena, r->grid.rows + r->parts.count);
    for (int i = 0; i < r->grid.rows; i++) {
        FAIL_IF(strchr(word[i], '/'), ST_USAGE, "%s: the row name '%s' holds a /", head_place(r, "methods"), word[i]);
        add_row(r, i, word[i]);
    }
    for (int i = 0; i < r->grid.rows + r->bases; i++) TRY(find_base(r, &r->grid.row[i]));
    for (int i = 0; i < r->grid.rows; i++) TRY(read_row(r, &r->grid.row[i]));
    return ST_OK;
}

/* ---- tasks ---- */

/* What [train] may set: options of the trainer, and of the arithmetic that it names. */
static bool of_trainer(const char *key)
{
    return option_find(train_option_table, key) || arith_with_option(key);
}

/* Parts a [task T] section into trainer options and, for a user's task, its definition; what both know goes to both. */
static status split_task(struct reader *r, const struct ini_section *s, bool users, struct grid_task *t,
                         struct key_value **own, int *owns)
{
    struct key_value *train, *rest;
    NEW(train, r->arena, s->count + 1);
    NEW(rest, r->arena, s->count + 1);
    *owns = 0;
    for (int i = 0; i < s->count; i++) {
        bool trainer = of_trainer(s->kv[i].key);
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
    return cli_unknown(head_place(r, "tasks"), "task", name, names, n);
}

/* A key of [train] or [task T] that the trainer does not have. */
static status not_the_trainers(struct reader *r, const struct ini_section *s, const struct key_value *kv)
{
    struct train_options scratch = {0};
    for (int i = 0; i < r->grid.rows; i++) {
        const struct grid_row *row = &r->grid.row[i];
        if (option_find(row->preset.method->options, kv->key))
            return fail(ST_USAGE, "%s: '%s' is an option of method %s and belongs in [row %s], not in [%s]",
                        kv_place(r, kv), kv->key, row->preset.method->name, row->name, s->name);
    }
    FAIL_IF(strcmp(kv->key, "store") == 0, ST_USAGE, "%s: 'store' belongs in a [row R] section, not in [%s]",
            kv_place(r, kv), s->name);
    const char *word = foreign_word(kv->key);
    FAIL_IF(word, ST_USAGE, "%s: unknown option '%s'; %s", kv_place(r, kv), kv->key, word);
    return option_set(train_option_table, &scratch, kv->key, kv->value, kv_place(r, kv), r->arena);
}

/* The MMLU task that a language-model task is also measured by: built in, or a section of its own, which then need not
 * be in the list of tasks. Its definition belongs to the cell's, its metrics come before the task's perplexity. */
static status read_benchmark(struct reader *r, const struct key_value *kv, struct task *task, const char **definition)
{
    const char *name = kv->value, *own = "";
    const struct ini_section *s = parts_find(&r->parts, PART_TASK, NULL, name);
    const struct task *found = task_find(name);
    if (s && !found) {
        struct task *made;
        TRY(usertask_make(name, s->kv, s->count, s->path, r->arena, &made));
        TRY(canonical_definition(r, s->kv, s->count, "benchmark", &own));
        found = made;
    }
    FAIL_IF(!found || found->kind != TASK_CHOICE, ST_USAGE,
            "%s: the benchmark '%s' is neither a built-in MMLU task nor a section [task %s] with format = mmlu",
            kv_place(r, kv), name, name);
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
    const struct ini_section *s = parts_find(&r->parts, PART_TASK, NULL, name);
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
    FAIL_IF(built_in, ST_USAGE, "%s: '%s' is a built-in task; a task of your own needs another name",
            section_place(s, r->arena), name);
    struct task *made;
    TRY(usertask_make(name, own, owns, s->path, r->arena, &made));
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

static int task_index(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.tasks; i++)
        if (strcmp(r->grid.task[i].name, name) == 0) return i;
    return -1;
}

static bool is_benchmark(const struct reader *r, const char *name)
{
    for (int i = 0; i < r->grid.tasks; i++) {
        const char *benchmark = r->grid.task[i].task->benchmark_name;
        if (benchmark && strcmp(benchmark, name) == 0) return true;
    }
    return false;
}

static status not_listed(struct reader *r, const struct part *p, const char *key, const char *name)
{
    const char *names[MAX_NAMES];
    int n = 0, rows = strcmp(key, "methods") == 0;
    for (int i = 0; i < (rows ? r->grid.rows : r->grid.tasks) && n < MAX_NAMES; i++)
        names[n++] = rows ? r->grid.row[i].name : r->grid.task[i].name;
    const char *near = text_nearest(name, names, n), *at = section_place(&p->section, r->arena);
    if (near)
        return fail(ST_USAGE, "%s: section [%s]: '%s' is not in the list `%s`; did you mean '%s'?", at, p->section.name,
                    name, key, near);
    return fail(ST_USAGE, "%s: section [%s]: '%s' is not in the list `%s` of [experiment]", at, p->section.name, name,
                key);
}

/* Whether the list of rows and that of tasks have what a section is about. A section of the file itself that nothing
 * uses is an error; one taken over from another file is not. */
static status listed(struct reader *r, const struct part *p, bool *used)
{
    int row = p->row ? row_index(r, p->row) : 0, task = p->task ? task_index(r, p->task) : 0;
    bool row_used = row >= 0 && (p->kind != PART_TUNE || row < r->grid.rows);
    *used = row_used && task >= 0;
    if (*used || p->inherited) return ST_OK;
    if (!row_used) return not_listed(r, p, "methods", p->row);
    return p->kind == PART_TASK && is_benchmark(r, p->task) ? ST_OK : not_listed(r, p, "tasks", p->task);
}

/* [row R task T] sections become overrides; [train] holds trainer options only. */
static status link_sections(struct reader *r)
{
    bool used;
    NEW(r->grid.override, r->arena, r->parts.count + 1);
    for (int i = 0; i < r->parts.count; i++) {
        const struct part *p = &r->parts.part[i];
        const struct ini_section *s = &p->section;
        TRY(listed(r, p, &used));
        if (used && p->kind == PART_ROW_TASK) {
            const struct key_value *kv = ini_get(s, "method");
            if (!kv) kv = ini_get(s, "like");
            FAIL_IF(kv, ST_USAGE, "%s: the method of a row cannot differ between tasks", kv_place(r, kv));
            r->grid.override[r->grid.overrides++] =
                (struct grid_override){s, &r->grid.row[row_index(r, p->row)], task_index(r, p->task)};
        }
        for (int k = 0; p->kind == PART_TRAIN && k < s->count; k++)
            if (!of_trainer(s->kv[k].key)) return not_the_trainers(r, s, &s->kv[k]);
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
        FAIL_IF(t < 0, ST_USAGE, "%s: tune_tasks: '%s' is not in the list `tasks`", head_place(r, "tune_tasks"),
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
            head_place(r, "name"), e->name);
    const char *runs;
    status st = path_expand(r->head.runs, r->arena, &runs);
    if (st != ST_OK) return fail_in(st, "%s", head_place(r, "runs"));
    return experiment_move(e, runs, r->arena);
}

status experiment_read(const char *path, struct arena *arena, struct experiment *e)
{
    struct reader *r;
    const char *model, *data = "";
    ZNEW(r, arena, 1);
    r->arena = arena;
    r->path = r->grid.path = path;
    *e = (struct experiment){.path = path};
    TRY(parts_read(path, arena, &r->parts));
    r->head_section = parts_find(&r->parts, PART_EXPERIMENT, NULL, NULL);
    r->grid.train = parts_find(&r->parts, PART_TRAIN, NULL, NULL);
    TRY(read_head(r));
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
    e->model_place = head_place(r, "model");
    e->data_place = head_place(r, "data");
    /* Their folders: a place is a path with a line behind it. */
    if (!(e->model_folder = path_folder(arena, e->model_place))) return ST_MEMORY;
    if (!(e->data_folder = path_folder(arena, e->data_place))) return ST_MEMORY;
    for (int i = 0; i < r->grid.tasks; i++)
        FAIL_IF(task_needs_data(r->grid.task[i].task) && !*e->data, ST_USAGE,
                "%s: task '%s' reads files: [experiment] needs data = FOLDER", head_place(r, "tasks"),
                r->grid.task[i].name);
    /* Missing folders are experiment_inputs()'s business: tables are made where the model is not. */
    if (model_find(e->model, e->model_folder, arena, &model) != ST_OK) model = e->model;
    if (*e->data && data_find(e->data, e->data_folder, arena, &data) != ST_OK) data = e->data;
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
    status st = model_find(e->model, e->model_folder, arena, &path);
    if (st != ST_OK) return fail_in(st, "%s", e->model_place);
    if (!*e->data) return ST_OK;
    st = data_find(e->data, e->data_folder, arena, &path);
    return st == ST_OK ? ST_OK : fail_in(st, "%s", e->data_place);
}

bool task_needs_data(const struct task *t)
{
    return (t->dir && *t->dir) || (t->benchmark && task_needs_data(t->benchmark));
}
