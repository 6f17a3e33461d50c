/* For every row and task: the settings that hold, by precedence; the lists among them as dimensions of a little grid;
 * and for every point of it the option structs and the canonical text.
 *
 * Names decide what a setting is: no two of trainer, arithmetic, store and method may have options of one name
 * (checked), so one list of settings by name is enough. */
#include "bench/experiment_grid.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/foreign_words.h"
#include "core/cpu.h"
#include "core/gemm.h"
#include "core/sha256.h"
#include "core/text.h"

enum { MAX_SETTINGS = 256, MAX_CELLS = 100000 };

struct setting {
    const char *key;
    char **value; /* one, or the list that spans the grid */
    int values;
    const char *where; /* "file:line" for messages */
};
struct point { /* one row on one task, all its settings */
    const struct grid_spec *spec;
    const struct grid_row *row;
    const struct grid_task *task;
    struct setting set[MAX_SETTINGS];
    int settings;
    int at[MAX_SETTINGS]; /* chosen value of each */
    struct arena *arena;
};

/* ---- settings by precedence ---- */

static status put_setting(struct point *p, const struct key_value *kv)
{
    struct setting *s = NULL;
    char *where = kv->path ? arena_printf(p->arena, "%s:%d", kv->path, kv->line)
                           : arena_printf(p->arena, "preset of method %s", p->row->asked);
    if (!where) return ST_MEMORY;
    for (int i = 0; i < p->settings && !s; i++)
        if (strcmp(p->set[i].key, kv->key) == 0) s = &p->set[i];
    if (!s) {
        FAIL_IF(p->settings == MAX_SETTINGS, ST_USAGE, "%s: more than %d settings for one row", where, MAX_SETTINGS);
        s = &p->set[p->settings++];
    }
    s->key = kv->key;
    s->where = where;
    TRY(text_split(kv->value, ',', p->arena, &s->value, &s->values));
    for (int i = 1; i < s->values; i++)
        FAIL_IF(s->value[i][0] == '0' && isdigit((unsigned char)s->value[i][1]), ST_USAGE,
                "%s: '%s = %s' is a list of %d values; decimals are written with a point", where, kv->key, kv->value,
                s->values);
    if (s->values == 0) {
        FAIL_IF(strchr(kv->value, ','), ST_USAGE, "%s: '%s' is an empty list", where, kv->key);
        s->value[0] = (char *)""; /* text_split leaves room for one word at least */
        s->values = 1;
    }
    return ST_OK;
}

static status put_settings(struct point *p, const struct key_value *kv, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(kv[i].key, "method") != 0 && strcmp(kv[i].key, "like") != 0) TRY(put_setting(p, &kv[i]));
    return ST_OK;
}

/* A row's own settings win over those of the row it is like, for all tasks. */
static status collect_row(struct point *p, const struct grid_row *row, int task)
{
    const struct grid_spec *spec = p->spec;
    if (row->base) TRY(collect_row(p, row->base, task));
    if (row->section) TRY(put_settings(p, row->section->kv, row->section->count));
    for (int i = 0; i < spec->overrides; i++)
        if (spec->override[i].row == row && spec->override[i].task == task)
            TRY(put_settings(p, spec->override[i].section->kv, spec->override[i].section->count));
    return ST_OK;
}

/* The arithmetic is what some presets are: what holds for all rows does not take it from them. */
static status keep_precision(struct point *p)
{
    const struct preset *preset = &p->row->preset;
    for (int i = 0; i < preset->settings; i++)
        if (strcmp(preset->setting[i].key, "precision") == 0) TRY(put_setting(p, &preset->setting[i]));
    return ST_OK;
}

static status collect(struct point *p, int task)
{
    const struct grid_spec *spec = p->spec;
    TRY(put_settings(p, p->row->preset.setting, p->row->preset.settings));
    if (spec->train) TRY(put_settings(p, spec->train->kv, spec->train->count));
    TRY(put_settings(p, p->task->train, p->task->trains));
    TRY(keep_precision(p));
    TRY(collect_row(p, p->row, task));
    if (p->row->tune) TRY(put_settings(p, p->row->tune->kv, p->row->tune->count));
    return ST_OK;
}

/* ---- one point of the grid ---- */

/* The place of a setting, -1 when it is not given. */
static int setting_find(const struct point *p, const char *key)
{
    for (int i = 0; i < p->settings; i++)
        if (strcmp(p->set[i].key, key) == 0) return i;
    return -1;
}

static int add_names(const struct option *table, const char **names, int n, int max)
{
    for (const struct option *o = table; o && o->name && n < max; o++)
        if (!(o->flags & OPTION_HIDDEN)) names[n++] = o->name;
    return n;
}

/* The arithmetic a point asks for; a name that there is not is told when the trainer's options are filled. */
static const struct arith *arith_asked(const struct point *p)
{
    int at = setting_find(p, "precision");
    const struct arith *a = at < 0 ? NULL : arith_find(p->set[at].value[p->at[at]]);
    return a ? a : &arith_f32;
}

static status unknown_setting(const struct point *p, const struct cell *c, const struct arith *arith,
                              const struct setting *s)
{
    const char *names[512];
    int n = 0;
    const struct arith *other = arith_with_option(s->key);
    if (other)
        return fail(ST_USAGE, "%s: '%s' is an option of precision = %s, and row '%s' has precision = %s", s->where,
                    s->key, other->name, p->row->name, arith->name);
    names[n++] = "method";
    names[n++] = "like";
    names[n++] = "store";
    n = add_names(c->method->options, names, n, 512);
    n = add_names(c->store->options, names, n, 512);
    n = add_names(arith->options, names, n, 512);
    n = add_names(train_option_table, names, n, 512);
    const char *near = text_nearest(s->key, names, n), *word = foreign_word(s->key);
    if (word) return fail(ST_USAGE, "%s: unknown option '%s'; %s", s->where, s->key, word);
    if (near) return fail(ST_USAGE, "%s: unknown option '%s'; did you mean '%s'?", s->where, s->key, near);
    return fail(ST_USAGE, "%s: unknown option '%s': neither method %s nor store %s nor the trainer has it", s->where,
                s->key, c->method->name, c->store->name);
}

/* A task without training needs no learning rate. */
static bool only_evaluated(const struct point *p, const struct option *table)
{
    return table == train_option_table && p->task->task->kind == TASK_CHOICE;
}

/* Fills an option struct from the settings; *out stays NULL for a table without options. */
static status fill(struct point *p, const char *what, const struct option *table, void *base)
{
    TRY(option_defaults(table, base, p->arena));
    for (const struct option *o = table; o && o->name; o++)
        FAIL_IF(!o->def && setting_find(p, o->name) < 0 && !only_evaluated(p, table), ST_USAGE,
                "%s: row '%s', task '%s': %s needs a value for '%s': none is given in [train], [task %s] or [row %s]",
                p->spec->path, p->row->name, p->task->name, what, o->name, p->task->name, p->row->name);
    for (int i = 0; i < p->settings; i++) {
        const struct setting *s = &p->set[i];
        if (option_find(table, s->key)) TRY(option_set(table, base, s->key, s->value[p->at[i]], s->where, p->arena));
    }
    return ST_OK;
}

static status fill_new(struct point *p, const char *what, const struct option *table, size_t size, const void **out)
{
    *out = NULL;
    if (!table || !table->name) return ST_OK;
    void *base = arena_zalloc(p->arena, size);
    if (!base) return ST_MEMORY;
    TRY(fill(p, what, table, base));
    *out = base;
    return ST_OK;
}

static status choose_store(struct point *p, struct cell *c)
{
    int at = setting_find(p, "store"), n = 0;
    const char *name = at < 0 ? "f32" : p->set[at].value[p->at[at]], *names[64];
    c->store = store_find(name);
    if (c->store) return ST_OK;
    for (const struct store *const *s = store_table; *s && n < 64; s++) names[n++] = (*s)->name;
    return cli_unknown(at < 0 ? p->spec->path : p->set[at].where, "store", name, names, n);
}

static status fill_options(struct point *p, struct cell *c)
{
    const struct method *m = c->method;
    const struct arith *arith = arith_asked(p);
    for (int i = 0; i < p->settings; i++) {
        const struct setting *s = &p->set[i];
        if (strcmp(s->key, "store") != 0 && !option_find(m->options, s->key) &&
            !option_find(c->store->options, s->key) && !option_find(arith->options, s->key) &&
            !option_find(train_option_table, s->key))
            return unknown_setting(p, c, arith, s);
    }
    TRY(fill(p, "training", train_option_table, &c->train));
    /* What a value stands for decides the bits, so that is what the id says. */
    if (c->train.max_len == 0) c->train.max_len = c->task->max_len;
    if (c->train.micro_batch >= c->train.batch) c->train.micro_batch = 0;
    TRY(fill_new(p, "the method", m->options, m->option_size, &c->method_options));
    TRY(fill_new(p, "the store", c->store->options, c->store->option_size, &c->store_options));
    TRY(fill_new(p, "the arithmetic", arith->options, arith->option_size, &c->arith_options));
    FAIL_IF((m->flags & METHOD_PLAIN_STORE) && strcmp(c->store->name, "f32") != 0, ST_USAGE,
            "%s: row '%s': method %s %s base weights and needs store = f32, not %s",
            setting_find(p, "store") < 0 ? p->spec->path : p->set[setting_find(p, "store")].where, p->row->name,
            m->name, m->flags & METHOD_TRAINS_BASE ? "trains" : "itself quantises", c->store->name);
    return ST_OK;
}

static status canonical_value(struct point *p, const struct cell *c, const char *key, const char **out)
{
    const struct option *o;
    const void *base;
    char buf[4096];
    if ((o = option_find(c->method->options, key)))
        base = c->method_options;
    else if ((o = option_find(c->store->options, key)))
        base = c->store_options;
    else if ((o = option_find(train_arith(&c->train)->options, key)))
        base = c->arith_options;
    else if ((o = option_find(train_option_table, key)))
        base = &c->train;
    else {
        *out = c->store->name;
        return ST_OK;
    }
    option_text(o, base, buf, sizeof buf);
    return (*out = arena_strdup(p->arena, buf)) ? ST_OK : ST_MEMORY;
}

static status make_sweeps(struct point *p, struct cell *c)
{
    c->sweeps = 0;
    NEW(c->sweep_key, p->arena, p->settings + 1);
    NEW(c->sweep_value, p->arena, p->settings + 1);
    c->label = arena_printf(p->arena, "%s/%s/%lld", c->row, c->task->name, c->seed);
    for (int i = 0; i < p->settings && c->label; i++) {
        if (p->set[i].values < 2) continue;
        c->sweep_key[c->sweeps] = p->set[i].key;
        TRY(canonical_value(p, c, p->set[i].key, &c->sweep_value[c->sweeps]));
        c->label = arena_printf(p->arena, "%s/%s=%s", c->label, p->set[i].key, c->sweep_value[c->sweeps++]);
    }
    return c->label ? ST_OK : ST_MEMORY;
}

/* "lr=0.001 rank=4": this cell's values of what is tuned. */
static status make_tuned(struct point *p, struct cell *c)
{
    const struct ini_section *tune = p->row->tune;
    const char *value;
    for (int i = 0; tune && i < tune->count; i++) {
        TRY(canonical_value(p, c, tune->kv[i].key, &value));
        c->tuned = arena_printf(p->arena, "%s%s%s=%s", i ? c->tuned : "", i ? " " : "", tune->kv[i].key, value);
        if (!c->tuned) return ST_MEMORY;
    }
    return ST_OK;
}

/* ---- canonical text ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static status sorted_lines(const char *lines, struct arena *arena, const char **out)
{
    char **line;
    int n;
    size_t at = 0;
    TRY(text_split(lines, '\n', arena, &line, &n));
    qsort(line, (size_t)n, sizeof *line, by_text);
    char *s = arena_alloc(arena, strlen(lines) + 2);
    if (!s) return ST_MEMORY;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(line[i]);
        memcpy(s + at, line[i], len);
        at += len;
        s[at++] = '\n';
    }
    s[at] = 0;
    *out = s;
    return ST_OK;
}

static status canonical_lines(const struct point *p, const struct cell *c, struct text *t)
{
    const struct arith *arith = train_arith(&c->train);
    TRY(text_printf(t, "numerics=%d\nmethod=%s\nstore=%s\ntask=%s\nseed=%lld\n", NUMERICS_VERSION, c->method->name,
                    c->store->name, c->task->name, c->seed));
    TRY(option_canonical(c->method->options, c->method_options, "method", t));
    TRY(option_canonical(c->store->options, c->store_options, "store", t));
    TRY(option_canonical(arith->options, c->arith_options, "arith", t));
    if (arith->batch_matters && arith->batch_matters(c->arith_options))
        TRY(text_printf(t, "train.eval_batch=%d\n", c->train.eval_batch));
    TRY(option_canonical(train_option_table, &c->train, "train", t));
    return text_put(t, p->task->definition);
}

static status make_canon(struct point *p, struct cell *c)
{
    struct text t = {0};
    status st = canonical_lines(p, c, &t);
    if (st == ST_OK) st = sorted_lines(t.s, p->arena, &c->canon);
    text_free(&t);
    return st;
}

/* ---- the grid ---- */

static status make_cell(struct point *p, struct cell *c)
{
    TRY(choose_store(p, c));
    TRY(fill_options(p, c));
    TRY(make_sweeps(p, c));
    TRY(make_tuned(p, c));
    return make_canon(p, c);
}

/* The next point: the last list turns fastest. 0 after the last one. */
static int next_point(struct point *p)
{
    for (int i = p->settings - 1; i >= 0; i--) {
        if (++p->at[i] < p->set[i].values) return 1;
        p->at[i] = 0;
    }
    return 0;
}

static int by_label(const void *a, const void *b)
{
    return strcmp((*(const struct cell *const *)a)->label, (*(const struct cell *const *)b)->label);
}

static status check_labels(const struct experiment *e, struct arena *arena)
{
    const struct cell **c;
    NEW(c, arena, e->cells + 1);
    for (int i = 0; i < e->cells; i++) c[i] = &e->cell[i];
    qsort(c, (size_t)e->cells, sizeof *c, by_label);
    for (int i = 1; i < e->cells; i++)
        FAIL_IF(by_label(&c[i - 1], &c[i]) == 0, ST_USAGE, "%s: row '%s': a list gives the same value twice (%s)",
                e->path, c[i]->row, c[i]->label);
    return ST_OK;
}

static bool reserved(const char *name)
{
    return option_find(train_option_table, name) || arith_with_option(name) || strcmp(name, "store") == 0 ||
           strcmp(name, "method") == 0 || strcmp(name, "like") == 0;
}

static status check_names(const struct method *m)
{
    for (const struct option *o = m->options; o && o->name; o++)
        FAIL_IF(reserved(o->name), ST_INTERNAL,
                "method %s: its option '%s' has the name of an option of the trainer or of an arithmetic", m->name,
                o->name);
    for (const struct store *const *s = store_table; *s; s++)
        for (const struct option *o = (*s)->options; o && o->name; o++)
            FAIL_IF(
                reserved(o->name) || option_find(m->options, o->name), ST_INTERNAL,
                "store %s: its option '%s' has the name of an option of the trainer, of an arithmetic or of method %s",
                (*s)->name, o->name, m->name);
    return ST_OK;
}

/* Counts the points of a row and task, with its settings collected into *p. */
static status start_point(struct point *p, const struct grid_spec *spec, int row, int task, struct arena *arena,
                          int *count)
{
    *p = (struct point){.spec = spec, .row = &spec->row[row], .task = &spec->task[task], .arena = arena};
    TRY(check_names(p->row->preset.method));
    TRY(collect(p, task));
    long long n = 1;
    for (int i = 0; i < p->settings; i++) {
        n *= p->set[i].values;
        FAIL_IF(n > MAX_CELLS, ST_USAGE, "%s: row '%s' spans more than %d cells", spec->path, p->row->name, MAX_CELLS);
    }
    *count = (int)n;
    return ST_OK;
}

static status make_block(struct point *p, long long seed, int count, const struct experiment *e, struct cell *out)
{
    for (int i = 0; i < count; i++) {
        struct cell c = {.row = p->row->name,
                         .method = p->row->preset.method,
                         .task = p->task->task,
                         .seed = seed,
                         .model_label = e->model};
        TRY(make_cell(p, &c));
        out[i] = c;
        next_point(p);
    }
    return ST_OK;
}

/* Whether a row is run on a task: always on the seeds that are reported; on those for tuning where it is tuned. */
static bool takes_part(const struct grid_spec *spec, bool tuning, int row, int task)
{
    return !tuning || (spec->row[row].tune && spec->task[task].tunes);
}

static status count_cells(const struct grid_spec *spec, bool tuning, struct point *p, struct arena *arena,
                          long long *total)
{
    int n = 0, seeds = tuning ? spec->tune_seeds : spec->seeds;
    *total = 0;
    for (int t = 0; t < spec->tasks; t++)
        for (int r = 0; r < spec->rows; r++) {
            if (!takes_part(spec, tuning, r, t)) continue;
            TRY(start_point(p, spec, r, t, arena, &n));
            *total += (long long)n * seeds;
            FAIL_IF(*total > MAX_CELLS, ST_USAGE, "%s: the grid has more than %d cells", spec->path, MAX_CELLS);
        }
    return ST_OK;
}

static status make_cells(const struct grid_spec *spec, bool tuning, struct arena *arena, const struct experiment *e,
                         struct cell **cell, int *count)
{
    const long long *seed = tuning ? spec->tune_seed : spec->seed;
    int seeds = tuning ? spec->tune_seeds : spec->seeds, n = 0;
    struct point *p;
    long long total;
    *count = 0;
    NEW(p, arena, 1);
    TRY(count_cells(spec, tuning, p, arena, &total));
    NEW(*cell, arena, total + 1);
    for (int s = 0; s < seeds; s++)
        for (int t = 0; t < spec->tasks; t++)
            for (int r = 0; r < spec->rows; r++) {
                if (!takes_part(spec, tuning, r, t)) continue;
                TRY(start_point(p, spec, r, t, arena, &n));
                TRY(make_block(p, seed[s], n, e, *cell + *count));
                *count += n;
            }
    return ST_OK;
}

static void place_cells(struct cell *cell, int n, const char *model_path, const char *data_root)
{
    for (int i = 0; i < n; i++) {
        cell[i].model_path = model_path;
        cell[i].data_root = data_root;
    }
}

status grid_make(const struct grid_spec *spec, struct arena *arena, const char *model_path, const char *data_root,
                 struct experiment *e)
{
    e->tune_apart = spec->tune_apart;
    TRY(make_cells(spec, false, arena, e, &e->cell, &e->cells));
    TRY(make_cells(spec, true, arena, e, &e->tune_cell, &e->tune_cells));
    place_cells(e->cell, e->cells, model_path, data_root);
    place_cells(e->tune_cell, e->tune_cells, model_path, data_root);
    return check_labels(e, arena);
}

/* ---- the id ---- */

status cell_id(const struct cell *c, const char *model_hash, const char *tokenizer_hash, const char *data_hash,
               char id[65])
{
    const struct {
        const char *name, *value;
    } extra[] = {{"model_hash=", model_hash}, {"tokenizer_hash=", tokenizer_hash}, {"data_hash=", data_hash}};
    struct sha256 sum;
    sha256_begin(&sum);
    sha256_add(&sum, c->canon, strlen(c->canon));
    for (int i = 0; i < 3; i++) {
        sha256_add(&sum, extra[i].name, strlen(extra[i].name));
        sha256_add(&sum, extra[i].value, strlen(extra[i].value));
        sha256_add(&sum, "\n", 1);
    }
    if (c->train.gemm == GEMM_OPENBLAS) sha256_add(&sum, cpu_model(), strlen(cpu_model())); /* its bits differ */
    sha256_end(&sum, id);
    return ST_OK;
}
