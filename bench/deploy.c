#include "bench/deploy.h"

#include <string.h>
#include "bench/cli.h"
#include "bench/experiment.h"
#include "bench/paths.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/text.h"
#include "results/record.h"

/* What the command line, the record and the adapter come to. */
struct wanted {
    const char *model, *adapter, *task, *store, *precision, *data;
    int max_len;
    struct adapter_info info;
};

static bool given(const char *s)
{
    return s && *s;
}

/* ---- from the record ---- */

/* The adapter of a record has its name with another ending. */
static status beside(const char *record, struct arena *arena, const char **adapter)
{
    size_t n = strlen(record);
    if (n > 3 && strcmp(record + n - 3, ".h5") == 0) n -= 3;
    *adapter = arena_printf(arena, "%.*s.safetensors", (int)n, record);
    if (!*adapter) return ST_MEMORY;
    FAIL_IF(!file_exists(*adapter), ST_INPUT, "%s: the run kept no adapter (save_adapter = yes keeps it)", record);
    return ST_OK;
}

static status from_record(const char *path, const struct deploy_options *o, struct arena *arena, struct wanted *w)
{
    struct record r;
    long long max_len;
    TRY(record_read(path, arena, &r));
    if (!given(w->model)) w->model = record_get_string(&r, "run/model", "");
    if (!given(w->task)) w->task = record_get_string(&r, "run/task", "");
    if (!given(w->store)) w->store = record_get_string(&r, "run/store", "");
    if (!given(w->precision)) w->precision = record_get_string(&r, "run/arith", "");
    if (text_to_longlong(record_get_string(&r, "config/train.max_len", "0"), &max_len) && o->max_len == 0)
        w->max_len = (int)max_len;
    return given(w->adapter) ? ST_OK : beside(path, arena, &w->adapter);
}

/* ---- the parts ---- */

static status find_task(const char *name, const struct task **task)
{
    const char *names[256];
    int n = 0;
    FAIL_IF(!given(name), ST_USAGE, "which task? Give --task NAME");
    *task = task_find(name);
    for (const struct task *const *t = task_table; *t && n < 256; t++) names[n++] = (*t)->name;
    return *task ? ST_OK : cli_unknown("", "task", name, names, n);
}

/* A user's task is defined in an experiment file, whose model and data serve unless others are given. */
static status from_experiment(const char *file, const char *task, struct wanted *w, struct deployment *d)
{
    struct experiment e;
    const char *path;
    TRY(experiment_find(file, d->arena, &path));
    TRY(experiment_read(path, d->arena, &e));
    TRY(experiment_inputs(&e, d->arena));
    for (int i = 0; i < e.cells && !d->task; i++)
        if (!given(task) || strcmp(e.cell[i].task->name, task) == 0) d->task = e.cell[i].task;
    FAIL_IF(!d->task, ST_USAGE, "%s has no task '%s'", path, task);
    if (!given(w->model)) w->model = e.cell[0].model_path;
    if (!given(w->data)) w->data = e.cell[0].data_root;
    return ST_OK;
}

/* The store of this name: with the options it had in training when the adapter tells them. */
static status find_store(const struct wanted *w, const struct store **store, void **options, struct arena *arena)
{
    const char *names[64], *name = given(w->store) ? w->store : w->info.store;
    int n = 0;
    *store = store_find(given(name) ? name : "f32");
    for (const struct store *const *s = store_table; *s && n < 64; s++) names[n++] = (*s)->name;
    if (!*store) return cli_unknown("", "store", name, names, n);
    TRY(option_new((*store)->options, (*store)->option_size, arena, options));
    bool as_trained = w->info.store_options && w->info.store && strcmp(w->info.store, name) == 0;
    if (!as_trained) return ST_OK;
    return adapter_options(w->info.store_options, w->adapter, (*store)->options, *options, arena);
}

/* The same for the arithmetic. */
static status find_arith(const struct wanted *w, const struct arith **arith, void **options, struct arena *arena)
{
    const char *name = given(w->precision) ? w->precision : w->info.precision;
    TRY(arith_choose(given(name) ? name : arith_f32.name, arith));
    TRY(option_new((*arith)->options, (*arith)->option_size, arena, options));
    bool as_trained = w->info.precision_options && w->info.precision && strcmp(w->info.precision, name) == 0;
    if (!as_trained) return ST_OK;
    return adapter_options(w->info.precision_options, w->adapter, (*arith)->options, *options, arena);
}

/* "alpha=16 rslora=no" of the command line, over what the adapter says. */
static status set_options(const struct method *m, void *options, const char *list, struct arena *arena)
{
    char **word;
    int n;
    TRY(text_split(list, ' ', arena, &word, &n));
    FAIL_IF(n > 0 && !m->options, ST_USAGE, "method %s has no options", m->name);
    for (int i = 0; i < n; i++) {
        char *value = strchr(word[i], '=');
        FAIL_IF(!value, ST_USAGE, "--options: '%s' is no name=value", word[i]);
        *value++ = 0;
        TRY(option_set(m->options, options, word[i], value, "--options", arena));
    }
    return ST_OK;
}

/* A bare file of factors does not tell alpha, and a wrong one gives plausible nonsense. */
static status check_alpha(const struct wanted *w, const struct deploy_options *o)
{
    bool told = w->info.options && strstr(w->info.options, "alpha=");
    FAIL_IF(w->info.foreign && !told && !strstr(o->options, "alpha="), ST_USAGE,
            "%s does not tell the alpha it was trained with: give it with --options alpha=N", w->adapter);
    return ST_OK;
}

static status open_session(struct deployment *d, struct wanted *w, const struct deploy_options *o, const char *model)
{
    struct session_spec spec = {.model = {.path = model,
                                          .head = d->task->kind == TASK_CLASSES ? HEAD_CLASSIFY : HEAD_LM,
                                          .num_labels = d->task->labels,
                                          .cls_dropout = -1,
                                          .hidden_dropout = -1,
                                          .attn_dropout = -1,
                                          .train_pooler = -1},
                                .seed = (uint64_t)w->info.seed};
    void *method_options, *store_options, *arith_options = NULL;
    if (given(o->method)) w->info.method = o->method;
    TRY(adapter_method(&w->info, w->adapter, &spec.method, &method_options, d->arena));
    if (given(w->info.method) && strcmp(w->info.method, "lora") == 0) TRY(check_alpha(w, o));
    TRY(set_options(spec.method, method_options, o->options, d->arena));
    TRY(find_store(w, &spec.store, &store_options, d->arena));
    TRY(find_arith(w, &spec.arith, &arith_options, d->arena));
    spec.method_options = method_options;
    spec.store_options = store_options;
    spec.arith_options = arith_options;
    TRY(session_open(&spec, &d->session));
    bool other = given(w->info.model_hash) && strcmp(w->info.model_hash, d->session.model->hash) != 0;
    status st = adapter_load(&d->session, w->adapter, ADAPTER_EXACT);
    if (st != ST_OK && other) return fail_in(st, "%s was trained on another model than %s", w->adapter, model);
    if (other) notice("%s was trained on another model than %s", w->adapter, model);
    return st;
}

static status open_all(const char *record, const struct deploy_options *o, struct deployment *d)
{
    struct wanted w = {.model = o->model,
                       .adapter = o->adapter,
                       .task = o->task,
                       .store = o->store,
                       .precision = o->precision,
                       .data = o->data,
                       .max_len = o->max_len};
    const char *model;
    if (!(d->arena = arena_new("a deployed model"))) return ST_MEMORY;
    parallel_set_threads(o->threads);
    if (record) TRY(from_record(record, o, d->arena, &w));
    FAIL_IF(!given(w.adapter), ST_USAGE, "which adapter? Give --adapter PATH or a record");
    TRY(adapter_inspect(w.adapter, d->arena, &w.info));
    if (!given(w.task)) w.task = w.info.task;
    if (given(o->experiment)) TRY(from_experiment(o->experiment, w.task, &w, d));
    if (!d->task) TRY(find_task(w.task, &d->task));
    FAIL_IF(!given(w.model), ST_USAGE, "which model? Give --model MODEL, a record or an experiment");
    FAIL_IF(d->task->kind == TASK_CLASSES && w.info.labels > 0 && w.info.labels != d->task->labels, ST_USAGE,
            "%s was trained for %d outputs, task %s has %d", w.adapter, w.info.labels, d->task->name, d->task->labels);
    TRY(model_find(w.model, ".", d->arena, &model));
    d->data_root = "";
    if (given(w.data)) TRY(data_find(w.data, ".", d->arena, &d->data_root));
    bool as_trained = d->task->kind != TASK_CHOICE; /* questions are longer than what was trained on */
    d->max_len = as_trained && w.max_len > 0        ? w.max_len
                 : as_trained && w.info.max_len > 0 ? w.info.max_len
                 : o->max_len > 0                   ? o->max_len
                                                    : d->task->max_len;
    d->max_examples = o->max_examples;
    d->eval_batch = o->eval_batch > 0 ? o->eval_batch : 1;
    TRY(tokenizer_open(model, d->arena, &d->tokenizer));
    return open_session(d, &w, o, model);
}

status deploy_open(const char *record, const struct deploy_options *o, struct deployment *d)
{
    *d = (struct deployment){0};
    status st = open_all(record, o, d);
    if (st != ST_OK) deploy_close(d);
    return st;
}

void deploy_close(struct deployment *d)
{
    session_close(&d->session);
    if (d->tokenizer) tokenizer_close(d->tokenizer);
    arena_free(d->arena);
    *d = (struct deployment){0};
}

/* ---- sets ---- */

status deploy_sets(const struct deployment *d, const char *name, enum set_kind kind, const struct task_set **list,
                   int *count)
{
    const char *names[TASK_SETS];
    int n = 0;
    *count = 0;
    for (const struct task_set *s = d->task->set; s->name; s++) {
        names[n++] = s->name;
        if (given(name) ? strcmp(name, s->name) == 0 : s->kind == kind) list[(*count)++] = s;
    }
    if (*count > 0) return ST_OK;
    if (given(name)) return cli_unknown("", "set", name, names, n);
    return fail(ST_USAGE, "task %s has no %s set", d->task->name, kind == SET_TEST ? "test" : "dev");
}

status deploy_tokens(struct deployment *d, const struct task_set *set, struct tokens *t)
{
    return tokens_load(d->task, set, d->data_root, d->max_examples, d->tokenizer, d->max_len, NULL, true, d->arena, t);
}
