/* A user's own task: a section of the experiment file says where its columns are; no C needed. Its rows come through
 * the same readers as GLUE's. */
#include <string.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/dataset.h"
#include "datasets/lm.h"
#include "datasets/mmlu.h"
#include "datasets/rows.h"

struct user_options {
    int format, header, regression, max_len;
    const char *train, *dev, *test;
    const char *text_a, *text_b, *label, *id;
    const char *label_names, *metric, *summary;
    double lo, hi;
};

#define FIELD(x) offsetof(struct user_options, x)
const struct option usertask_option_table[] = {
    {"format", OPT_ENUM, FIELD(format), 0, 0, NULL, TAB_FORMATS, "form of the files", 0},
    {"train", OPT_STRING, FIELD(train), 0, 0, NULL, "FILE", "training set, relative to the experiment file", 0},
    {"dev", OPT_STRING, FIELD(dev), 0, 0, NULL, "FILE", "evaluation set", 0},
    {"test", OPT_STRING, FIELD(test), 0, 0, "", "FILE", "set to predict; its labels are read when it has that column",
     0},
    {"header", OPT_BOOL, FIELD(header), 0, 0, "yes", NULL, "the first line names the columns", 0},
    {"text_a", OPT_STRING, FIELD(text_a), 0, 0, NULL, "COLUMN", "first text: a name, or a number without header", 0},
    {"text_b", OPT_STRING, FIELD(text_b), 0, 0, "", "COLUMN", "second text of pairs", 0},
    {"label", OPT_STRING, FIELD(label), 0, 0, NULL, "COLUMN", "class name or value", 0},
    {"id", OPT_STRING, FIELD(id), 0, 0, "", "COLUMN", "row name in predictions of the test set; default: row number",
     0},
    {"label_names", OPT_STRING, FIELD(label_names), 0, 0, "", "LIST", "classes as in the file, in the order of numbers",
     0},
    {"regression", OPT_BOOL, FIELD(regression), 0, 0, "no", NULL, "labels are numbers instead of classes", 0},
    {"lo", OPT_REAL, FIELD(lo), 0, 0, "0", NULL, "regression: smallest label (lo = hi: no limits)", 0},
    {"hi", OPT_REAL, FIELD(hi), 0, 0, "0", NULL, "regression: largest label", 0},
    {"metric", OPT_STRING, FIELD(metric), 0, 0, "", "LIST", "the first one is the main one", 0},
    {"max_len", OPT_INT, FIELD(max_len), 4, 65536, "128", NULL, "longest input in tokens", 0},
    {"summary", OPT_STRING, FIELD(summary), 0, 0, "a task of the experiment file", "TEXT", "one line for lists", 0},
    OPT_END};

/* Metrics, by what they take; tests/datasets/test_usertask.c compares them with bench/metrics.h. */
static const struct {
    const char *name;
    bool regression, two_classes;
} known_metric[] = {{"accuracy", false, false}, {"f1", false, true},      {"macro_f1", false, false},
                    {"matthews", false, false}, {"pearson", true, false}, {"spearman", true, false},
                    {"mse", true, false}};
enum { KNOWN = sizeof known_metric / sizeof known_metric[0] };

struct user_task {
    enum tab_format format;
    bool header;
    struct columns columns;
};

/* What the making of one task passes around. */
struct making {
    const char *name, *ini;
    const struct key_value *kv;
    int count;
    struct arena *arena;
    struct user_options o;
    struct task *task;
};

static const struct key_value *key_find(const struct key_value *kv, int count, const char *key)
{
    for (int i = 0; i < count; i++)
        if (strcmp(kv[i].key, key) == 0) return &kv[i];
    return count ? kv : NULL;
}

const char *key_place(const struct key_value *kv, int count, const char *key, const char *otherwise,
                      struct arena *arena)
{
    const struct key_value *at = key_find(kv, count, key);
    const char *place = at ? arena_printf(arena, "%s:%d", at->path, at->line) : otherwise;
    return place ? place : otherwise;
}

const char *key_file(const struct key_value *kv, int count, const char *key, const char *file, struct arena *arena)
{
    const struct key_value *at = key_find(kv, count, key);
    const char *slash = at ? strrchr(at->path, '/') : NULL;
    if (file[0] == '/' || !slash) return file;
    return arena_printf(arena, "%.*s/%s", (int)(slash - at->path), at->path, file);
}

static const char *place(const struct making *m, const char *key)
{
    return key_place(m->kv, m->count, key, m->ini, m->arena);
}

static status read_options(struct making *m)
{
    static const char *const required[] = {"format", "train", "dev", "text_a", "label"};
    TRY(option_defaults(usertask_option_table, &m->o, m->arena));
    for (int i = 0; i < m->count; i++) {
        for (int j = 0; j < i; j++)
            FAIL_IF(strcmp(m->kv[i].key, m->kv[j].key) == 0, ST_USAGE, "%s:%d: %s was already given in line %d",
                    m->kv[i].path, m->kv[i].line, m->kv[i].key, m->kv[j].line);
        const char *where = place(m, m->kv[i].key);
        TRY(option_set(usertask_option_table, &m->o, m->kv[i].key, m->kv[i].value, where, m->arena));
    }
    for (size_t r = 0; r < sizeof required / sizeof required[0]; r++) {
        bool given = false;
        for (int i = 0; i < m->count; i++)
            if (strcmp(m->kv[i].key, required[r]) == 0 && m->kv[i].value[0]) given = true;
        FAIL_IF(!given, ST_USAGE, "%s: [task %s] lacks '%s' (%s)", place(m, required[r]), m->name, required[r],
                option_find(usertask_option_table, required[r])->help);
    }
    return ST_OK;
}

static status set_labels(struct making *m)
{
    struct task *task = m->task;
    char **name;
    int count;
    if (m->o.regression) {
        FAIL_IF(m->o.label_names[0], ST_USAGE, "%s: label_names and regression = yes exclude each other",
                place(m, "label_names"));
        FAIL_IF(m->o.lo > m->o.hi, ST_USAGE, "%s: lo = %g is above hi = %g", place(m, "lo"), m->o.lo, m->o.hi);
        task->labels = 1;
        task->lo = m->o.lo;
        task->hi = m->o.hi;
        return ST_OK;
    }
    FAIL_IF(m->o.lo != 0 || m->o.hi != 0, ST_USAGE, "%s: lo and hi are for regression = yes", place(m, "lo"));
    TRY(text_split(m->o.label_names, ',', m->arena, &name, &count));
    FAIL_IF(count < 2 || count > TASK_LABELS, ST_USAGE,
            "%s: [task %s] has %d label_names, expected 2 to %d (or regression = yes)", place(m, "label_names"),
            m->name, count, TASK_LABELS);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++)
            FAIL_IF(strcmp(name[i], name[j]) == 0, ST_USAGE, "%s: label '%s' is named twice", place(m, "label_names"),
                    name[i]);
        task->label_name[i] = name[i];
    }
    task->labels = count;
    return ST_OK;
}

static status check_metric(const struct making *m, const char *name)
{
    const char *names[KNOWN];
    for (int i = 0; i < KNOWN; i++) {
        names[i] = known_metric[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        FAIL_IF(known_metric[i].regression != (m->task->labels == 1), ST_USAGE, "%s: metric '%s' is for %s",
                place(m, "metric"), name, known_metric[i].regression ? "regression = yes" : "classes");
        FAIL_IF(known_metric[i].two_classes && m->task->labels != 2, ST_USAGE,
                "%s: metric '%s' is for two classes, the task has %d", place(m, "metric"), name, m->task->labels);
        return ST_OK;
    }
    const char *near = text_nearest(name, names, KNOWN);
    return fail(ST_USAGE,
                "%s: unknown metric '%s'%s%s%s; expected accuracy, f1, macro_f1, matthews, pearson, spearman or mse",
                place(m, "metric"), name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static status set_metrics(struct making *m)
{
    char **name;
    int count;
    const char *list = m->o.metric[0] ? m->o.metric : m->o.regression ? "pearson, spearman" : "accuracy";
    TRY(text_split(list, ',', m->arena, &name, &count));
    FAIL_IF(count < 1 || count > TASK_METRICS, ST_USAGE, "%s: %d metrics, expected 1 to %d", place(m, "metric"), count,
            TASK_METRICS);
    for (int i = 0; i < count; i++) {
        TRY(check_metric(m, name[i]));
        m->task->metric[i] = name[i];
    }
    return ST_OK;
}

/* A set has the name of its key. */
static status add_set(struct making *m, int at, const char *set, enum set_kind kind, const char *file)
{
    const char *path = key_file(m->kv, m->count, set, file, m->arena);
    const char *submission = kind == SET_TEST ? arena_printf(m->arena, "%s.tsv", m->name) : NULL;
    if (!path || (kind == SET_TEST && !submission)) return ST_MEMORY;
    m->task->set[at] = (struct task_set){set, kind, path, submission};
    return ST_OK;
}

static status set_files(struct making *m)
{
    TRY(add_set(m, 0, "train", SET_TRAIN, m->o.train));
    TRY(add_set(m, 1, "dev", SET_DEV, m->o.dev));
    if (m->o.test[0]) TRY(add_set(m, 2, "test", SET_TEST, m->o.test));
    return ST_OK;
}

static const char *or_null(const char *s)
{
    return s[0] ? s : NULL;
}

static status user_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
                        struct arena *arena, struct rows *rows)
{
    (void)data_root;
    const struct user_task *user = task->priv;
    struct columns columns = user->columns;
    FAIL_IF(!file_exists(set->file), ST_INPUT, "%s is missing: it is the %s set of task %s", set->file, set->name,
            task->name);
    struct tabfile t;
    status st = tabfile_open(&t, user->format, set->file, user->header, arena);
    if (set->kind != SET_TEST) columns.id = NULL;
    columns.label_optional = set->kind == SET_TEST;
    if (st == ST_OK) st = rows_read(&t, &columns, task, max_examples, arena, rows);
    tabfile_close(&t);
    return st;
}

/* Sections of language-model tasks have a style, those of MMLU the format mmlu. */
static bool make_other_kind(const struct making *m, status *st, struct task **out)
{
    for (int i = 0; i < m->count; i++) {
        bool style = strcmp(m->kv[i].key, "style") == 0;
        if (!style && (strcmp(m->kv[i].key, "format") != 0 || strcmp(m->kv[i].value, "mmlu") != 0)) continue;
        *st = (style ? lm_make : mmlu_make)(m->name, m->kv, m->count, m->ini, m->arena, out);
        return true;
    }
    return false;
}

status usertask_make(const char *name, const struct key_value *kv, int count, const char *ini_path, struct arena *arena,
                     struct task **out)
{
    struct making m = {.name = name, .ini = ini_path, .kv = kv, .count = count, .arena = arena};
    status other;
    FAIL_IF(task_find(name), ST_USAGE, "%s: task '%s' is built in, choose another name", place(&m, "format"), name);
    if (make_other_kind(&m, &other, out)) return other;
    TRY(read_options(&m));
    struct user_task *user;
    ZNEW(m.task, arena, 1);
    ZNEW(user, arena, 1);
    TRY(set_labels(&m));
    TRY(set_metrics(&m));
    TRY(set_files(&m));
    user->format = (enum tab_format)m.o.format;
    user->header = m.o.header;
    user->columns =
        (struct columns){.a = m.o.text_a, .b = or_null(m.o.text_b), .label = m.o.label, .id = or_null(m.o.id)};
    struct task *task = m.task;
    if (!(task->name = arena_strdup(arena, name))) return ST_MEMORY;
    task->summary = m.o.summary;
    task->source = ini_path;
    task->pair = user->columns.b != NULL;
    task->max_len = m.o.max_len;
    task->load = user_load;
    task->priv = user;
    *out = task;
    return ST_OK;
}
