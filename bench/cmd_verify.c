/* `peftgrid verify`: runs a record's cell again and compares. The experiment says what the cell is; the record's
 * canonical text finds it there, and its id proves that model, tokenizer and data are those of the record. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/cell_name.h"
#include "bench/cli.h"
#include "bench/paths.h"
#include "bench/trainer.h"
#include "core/file.h"
#include "core/text.h"
#include "results/record_pack.h"

struct verify_options {
    const char *experiment, *cache;
    int threads, items;
};
#define AT(field) offsetof(struct verify_options, field)
static const struct option verify_option_table[] = {
    {"experiment", OPT_STRING, AT(experiment), 0, 0, "", "EXPERIMENT.ini",
     "where the cells are described; default: the experiment that comes along under the record's name", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "threads of a run; 0: the experiment's", 0},
    {"items", OPT_INT, AT(items), 1, 100000, "5", NULL, "items to name of a record that differs", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    OPT_END};
#undef AT

struct verify {
    const struct verify_options *o;
    struct arena *arena;  /* the whole command's */
    struct arena *record; /* one record and what its cell gave */
    const char *cache, *asked;
    struct experiment e; /* of the name asked for; path NULL: none yet */
    struct cell_namer *namer;
    int equal, differ;
};

/* ---- the record's cell ------------------------------------------------------------------------------------------- */

/* The experiment of this name; the one at hand is kept for the records that follow. */
static status open_experiment(struct verify *v, const char *name, const char *place)
{
    const char *path;
    if (v->e.path && strcmp(v->asked, name) == 0) return ST_OK;
    v->e.path = NULL;
    status st = experiment_find(name, v->arena, &path);
    if (st != ST_OK && !*v->o->experiment)
        return fail(ST_USAGE, "%s: no experiment '%s' comes along; give its file with --experiment", place, name);
    TRY(st);
    TRY(experiment_read(path, v->arena, &v->e));
    TRY(experiment_inputs(&v->e, v->arena));
    return (v->asked = arena_strdup(v->arena, name)) ? ST_OK : ST_MEMORY;
}

static const struct cell *cell_of(const struct cell *cell, int n, const char *canon)
{
    for (int i = 0; i < n; i++)
        if (strcmp(cell[i].canon, canon) == 0) return &cell[i];
    return NULL;
}

static status find_cell(struct verify *v, const struct record *r, const char *place, const struct cell **cell)
{
    char id[65];
    const char *name = *v->o->experiment ? v->o->experiment : record_get_string(r, "environment/experiment", "");
    const char *canon = record_get_string(r, "run/canon", "");
    TRY(open_experiment(v, name, place));
    *cell = cell_of(v->e.cell, v->e.cells, canon);
    if (!*cell) *cell = cell_of(v->e.tune_cell, v->e.tune_cells, canon);
    FAIL_IF(!*cell, ST_USAGE, "%s: %s has no cell with the settings of this run (%s, task %s, seed %.0f)", place,
            v->e.path, record_get_string(r, "run/row", ""), record_get_string(r, "run/task", ""),
            record_get_real(r, "run/seed", 0));
    TRY(cell_name(v->namer, *cell, id));
    FAIL_IF(strcmp(id, record_get_string(r, "run/id", "")) != 0, ST_INPUT,
            "%s: model %s, its tokenizer or the data here are not those of this run: its id would be %.12s", place,
            (*cell)->model_label, id);
    return ST_OK;
}

/* ---- running it again -------------------------------------------------------------------------------------------- */

/* A divergence is a result too. */
static status run_again(struct verify *v, const struct cell *cell, const char *folder, struct record *again)
{
    struct cell own = *cell;
    struct run_paths paths = {.runs_dir = folder, .cache_dir = v->cache};
    const char *path;
    int skipped;
    own.train.save_adapter = 0;
    if (v->o->threads) own.train.threads = v->o->threads;
    status st = cell_run(&own, &paths, NULL, NULL, v->record, &skipped, &path);
    if (st != ST_OK && st != ST_DIVERGED) return st;
    return record_read(path, v->record, again);
}

static status run_in_temporary_folder(struct verify *v, const struct cell *cell, struct record *again)
{
    const char *base = getenv("TMPDIR");
    char *folder = arena_printf(v->record, "%s/peftgrid-verify-XXXXXX", base && *base ? base : "/tmp");
    if (!folder) return ST_MEMORY;
    FAIL_IF(!mkdtemp(folder), ST_IO, "%s: cannot create the folder: %s", folder, strerror(errno));
    status st = run_again(v, cell, folder, again);
    if (file_remove_folder(folder, v->record) != ST_OK) notice("%s", status_message());
    return st;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* Value i of an item, as text. */
static const char *value_text(const struct record_item *it, size_t i, char *buf, size_t n)
{
    switch (it->type) {
    case ITEM_STRING: snprintf(buf, n, "'%.60s'", it->v.s); break;
    case ITEM_STRINGS: snprintf(buf, n, "'%.60s'", it->v.ss[i]); break;
    case ITEM_INT:
    case ITEM_INTS: snprintf(buf, n, "%lld", (long long)it->v.i[i]); break;
    case ITEM_REAL:
    case ITEM_REALS: text_from_double(it->v.d[i], buf, n); break;
    }
    return buf;
}

static int same_value(const struct record_item *a, const struct record_item *b, size_t i)
{
    char x[128], y[128];
    if (a->type == ITEM_STRING) return strcmp(a->v.s, b->v.s) == 0;
    if (a->type == ITEM_STRINGS) return strcmp(a->v.ss[i], b->v.ss[i]) == 0;
    if (a->type == ITEM_INT || a->type == ITEM_INTS) return a->v.i[i] == b->v.i[i];
    if (isnan(a->v.d[i]) || isnan(b->v.d[i])) return isnan(a->v.d[i]) && isnan(b->v.d[i]);
    value_text(a, i, x, sizeof x); /* tells -0 from 0 */
    return strcmp(x, value_text(b, i, y, sizeof y)) == 0;
}

/* Tells how two items of one path differ; 0: they do not. */
static int tell_item(const struct record_item *a, const struct record_item *b)
{
    char x[128], y[128];
    size_t i = 0;
    if (!a || !b) {
        printf("  %s: only in the %s\n", a ? a->path : b->path, a ? "record" : "new run");
        return 1;
    }
    if (a->n != b->n) {
        printf("  %s: %zu values in the record, %zu in the new run\n", a->path, a->n, b->n);
        return 1;
    }
    while (i < a->n && same_value(a, b, i)) i++;
    if (i == a->n) return 0;
    printf("  %s", a->path);
    if (a->rank) printf(", value %zu of %zu", i + 1, a->n);
    printf(": %s in the record, %s in the new run\n", value_text(a, i, x, sizeof x), value_text(b, i, y, sizeof y));
    return 1;
}

static int counts(const struct record_item *it)
{
    return strncmp(it->path, "environment/", 12) != 0 && strncmp(it->path, "slim/", 5) != 0;
}

/* Both are sorted by path. What a slim record leaves out is no difference. */
static void tell_differences(const struct record *old, const struct record *new, int most)
{
    int slim = record_get(old, "slim/content_hash") != NULL, told = 0;
    for (int i = 0, k = 0; (i < old->count || k < new->count) && told < most;) {
        const struct record_item *a = i < old->count ? &old->item[i] : NULL, *b = k < new->count ? &new->item[k] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
        if (order > 0) a = NULL;
        if (order < 0) b = NULL;
        i += a != NULL;
        k += b != NULL;
        if (counts(a ? a : b) && (a || !slim)) told += tell_item(a, b);
    }
    if (told == most) printf("  (perhaps more: --items names them)\n");
    if (told == 0) printf("  only in what a slim record leaves out\n");
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static status verify_record(struct verify *v, const struct record *r, const char *place)
{
    const struct cell *cell;
    struct record again;
    char old[SHA256_HEX], new[SHA256_HEX];
    FAIL_IF(strcmp(record_get_string(r, "run/status", ""), "failed") == 0, ST_USAGE,
            "%s: the run failed (%s): there is no result to compare with", place,
            record_get_string(r, "run/cause", "no cause is told"));
    TRY(find_cell(v, r, place, &cell));
    TRY(run_in_temporary_folder(v, cell, &again));
    record_origin_hash(r, old);
    record_origin_hash(&again, new);
    if (strcmp(old, new) == 0) {
        v->equal++;
        printf("%s: equal (content %.12s)\n", place, old);
        return ST_OK;
    }
    v->differ++;
    printf("%s: differs (content %.12s, in the new run %.12s)\n", place, old, new);
    tell_differences(r, &again, v->o->items);
    return ST_OK;
}

/* FILE#PREFIX: the records of a merged file whose id begins so. */
static status split_place(const char *arg, struct arena *arena, const char **path, const char **prefix)
{
    const char *hash = strrchr(arg, '#');
    int whole = file_exists(arg) || !hash;
    *prefix = whole ? "" : hash + 1;
    *path = whole ? arg : arena_printf(arena, "%.*s", (int)(hash - arg), arg);
    return *path ? ST_OK : ST_MEMORY;
}

static status verify_place(struct verify *v, const char *arg)
{
    struct record_source *source;
    const char *path, *prefix;
    int seen = 0;
    TRY(split_place(arg, v->arena, &path, &prefix));
    TRY(record_source_open(path, v->arena, &source));
    for (;;) {
        struct record r;
        struct record_place place;
        struct arena_mark mark = arena_mark(v->record);
        status st = record_source_next(source, v->record, &r, &place);
        if (st == ST_OK && place.file && strncmp(record_get_string(&r, "run/id", ""), prefix, strlen(prefix)) == 0) {
            seen++;
            st = verify_record(v, &r, place.name);
        }
        fflush(stdout);
        arena_reset(v->record, mark);
        if (st != ST_OK || !place.file) {
            record_source_close(source);
            FAIL_IF(st == ST_OK && !seen, ST_INPUT, "%s: no record%s%s", path, *prefix ? " whose id begins with " : "",
                    prefix);
            return st;
        }
    }
}

static status run_verify(const void *options, char **args, int count, struct arena *arena)
{
    struct verify v = {.o = options, .arena = arena, .cache = ((const struct verify_options *)options)->cache};
    if (!*v.cache) TRY(token_cache(arena, &v.cache));
    if (!(v.record = arena_new("a record"))) return ST_MEMORY;
    status st = cell_namer_open(v.cache, arena, &v.namer);
    for (int i = 0; i < count && st == ST_OK; i++) st = verify_place(&v, args[i]);
    cell_namer_close(v.namer);
    arena_free(v.record);
    TRY(st);
    FAIL_IF(v.differ, ST_CELLS, "%d of %d records differ from what their cells give here", v.differ,
            v.differ + v.equal);
    return ST_OK;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "run recorded cells again and compare the results, bit for bit",
    .usage = "RECORD.h5|FILE.h5#ID|FOLDER... [--experiment X.ini]",
    .details =
        "Every record's cell is run again in a temporary folder and the content hashes are compared. A record is "
        "found in its experiment by its settings; its id tells whether model, tokenizer and data here are those it was "
        "made with. Of a merged file (`peftgrid help merge`) all records are verified, or with FILE.h5#ID those whose "
        "id "
        "begins so.\n\n"
        "Says equal, or names the first items that differ, with values. Exit code 0: all are equal; 1: one differs; 2: "
        "the experiment does not hold the cell; 3: the record is damaged, or model or data are missing or others. It "
        "takes as long as the runs took.",
    .options = verify_option_table,
    .option_size = sizeof(struct verify_options),
    .min_args = 1,
    .max_args = -1,
    .run = run_verify,
};
