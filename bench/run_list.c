/* Facts of the records of a folder (see run_list.h). A record is read whole and checked in an arena of its own, the few
 * facts are copied out. */
#include "bench/run_list.h"

#include <math.h>
#include <string.h>
#include "bench/bops_subject.h"
#include "results/record_pack.h"

const char *const protocol_name[PROTOCOLS] = {"best", "last", "split"};

enum { MOST_SETS = 16 };

struct loader {
    const struct record *r;
    struct arena *arena; /* of the facts */
    const char *set[MOST_SETS];
    int sets;
    int column; /* of the asked metric; -1: the main score */
};

static const struct record_item *item(const struct record *r, const char *pattern, const char *first,
                                      const char *second)
{
    char path[RECORD_PATH];
    return record_path(path, pattern, first, second) == ST_OK ? record_get(r, path) : NULL;
}

static double number(const struct record *r, const char *pattern, const char *name)
{
    char path[RECORD_PATH];
    return record_path(path, pattern, name, NULL) == ST_OK ? record_get_real(r, path, NAN) : NAN;
}

static const char *copy(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

/* Which evaluation of a set a protocol picks; -1: not found. */
static int picked(const struct loader *l, const char *set, const char *variant, enum protocol p)
{
    const struct record_item *steps = item(l->r, "eval/{}/{}/steps", set, variant);
    if (!steps || steps->n == 0) return -1;
    if (p == PROTOCOL_LAST) return (int)steps->n - 1;
    double want = number(l->r, p == PROTOCOL_BEST ? "scores/{}/best_step" : "scores/{}/split_step", variant);
    for (size_t i = 0; i < steps->n; i++)
        if ((double)steps->v.i[i] == want) return (int)i;
    return -1;
}

/* A set on which the metric is undefined at every evaluation does not have it: perplexity of lettered answers. */
static int has_metric(const struct loader *l, const char *set, const char *variant)
{
    const struct record_item *m = item(l->r, "eval/{}/{}/metrics", set, variant);
    for (size_t i = 0; m && i < m->dim[0]; i++)
        if (!isnan(m->v.d[i * m->dim[1] + (size_t)l->column])) return 1;
    return 0;
}

/* One metric by name: the mean over the evaluation sets that have it. */
static double metric_score(const struct loader *l, const char *variant, enum protocol p)
{
    double sum = 0;
    int sets = 0;
    for (int s = 0; s < l->sets; s++) {
        if (!has_metric(l, l->set[s], variant)) continue;
        sets++;
        const struct record_item *m =
            item(l->r, p == PROTOCOL_SPLIT ? "eval/{}/{}/second_half" : "eval/{}/{}/metrics", l->set[s], variant);
        int at = picked(l, l->set[s], variant, p);
        if (!m || at < 0 || (size_t)at >= m->dim[0]) return NAN;
        sum += m->v.d[(size_t)at * m->dim[1] + (size_t)l->column];
    }
    return sets ? sum / sets : NAN;
}

static double score(const struct loader *l, const char *variant, enum protocol p)
{
    static const char *const main_score[PROTOCOLS] = {"scores/{}/best", "scores/{}/last", "scores/{}/split"};
    return l->column < 0 ? number(l->r, main_score[p], variant) : metric_score(l, variant, p);
}

/* ---- predictions ------------------------------------------------------------------------------------------------- */

static const char predictions_best[] = "predictions/{}/{}/best", predictions_last[] = "predictions/{}/{}/last";

/* The stored predictions that belong to a protocol: split's only when its evaluation is the best or the last one. */
static const char *predictions_of(const struct loader *l, const char *variant, enum protocol p)
{
    if (p == PROTOCOL_BEST) return predictions_best;
    if (p == PROTOCOL_LAST || l->sets == 0) return predictions_last;
    int at = picked(l, l->set[0], variant, PROTOCOL_SPLIT);
    if (at == picked(l, l->set[0], variant, PROTOCOL_BEST)) return predictions_best;
    return at == picked(l, l->set[0], variant, PROTOCOL_LAST) ? predictions_last : NULL;
}

/* The predicted class of an example, or the value of a regression. */
static double prediction(const struct record_item *p, size_t i)
{
    const double *row = p->v.d + i * p->dim[1];
    if (p->dim[1] == 1) return row[0];
    size_t best = 0;
    for (size_t k = 1; k < p->dim[1]; k++)
        if (row[k] > row[best]) best = k;
    return (double)best;
}

/* Looks through one set's predictions. first: that of the first example of all. */
static int same_everywhere(const struct record_item *p, double *first, int begun)
{
    for (size_t i = 0; i < p->dim[0]; i++) {
        double v = prediction(p, i);
        if (!begun) *first = v, begun = 1;
        if (v != *first) return 0;
    }
    return 1;
}

static void mark_right(const struct record_item *p, const struct record_item *label, unsigned char *right)
{
    for (size_t i = 0; i < p->dim[0]; i++) right[i] = prediction(p, i) == label->v.d[i];
}

/* What a slim record kept of the predictions: see bench/record_slim.h. */
static status take_slim_facts(const struct loader *l, const char *variant, enum protocol protocol,
                              struct run_variant *v)
{
    const char *pattern = predictions_of(l, variant, protocol);
    const struct record_item *constant = item(l->r, "slim/{}/constant", variant, NULL);
    int best = pattern && strcmp(pattern, predictions_best) == 0;
    const struct record_item *right =
        pattern ? item(l->r, best ? "slim/{}/right_best" : "slim/{}/right_last", variant, NULL) : NULL;
    v->constant[protocol] = constant && constant->n == PROTOCOLS ? (int)constant->v.i[protocol] : -1;
    if (!right) return ST_OK;
    NEW(v->right[protocol], l->arena, right->n);
    for (size_t i = 0; i < right->n; i++) v->right[protocol][i] = right->v.i[i] != 0;
    v->examples = (int)right->n;
    return ST_OK;
}

static status look_at_predictions(const struct loader *l, const char *variant, enum protocol protocol,
                                  struct run_variant *v)
{
    const char *pattern = predictions_of(l, variant, protocol);
    const struct record_item *p[MOST_SETS], *label[MOST_SETS];
    size_t all = 0, outputs = 0;
    v->constant[protocol] = -1;
    v->right[protocol] = NULL;
    if (record_get(l->r, "slim/content_hash")) return take_slim_facts(l, variant, protocol, v);
    if (!pattern || l->sets == 0) return ST_OK;
    for (int s = 0; s < l->sets; s++) {
        p[s] = item(l->r, pattern, l->set[s], variant);
        label[s] = item(l->r, "labels/{}", l->set[s], NULL);
        if (!p[s] || !label[s] || p[s]->dim[0] != label[s]->n || p[s]->dim[1] == 0) return ST_OK;
        all += p[s]->dim[0];
        outputs = p[s]->dim[1];
    }
    double first = NAN;
    int same = all > 1;
    for (int s = 0; s < l->sets && same; s++) same = same_everywhere(p[s], &first, s > 0);
    v->constant[protocol] = same;
    v->examples = (int)all;
    if (outputs < 2) return ST_OK;
    NEW(v->right[protocol], l->arena, all);
    size_t at = 0;
    for (int s = 0; s < l->sets; at += p[s++]->dim[0]) mark_right(p[s], label[s], v->right[protocol] + at);
    return ST_OK;
}

/* ---- one record -------------------------------------------------------------------------------------------------- */

/* The name in the place of {} when path is "before{}after"; NULL: it is not. Lives until the next call. */
static const char *name_between(const char *path, const char *before, const char *after)
{
    static _Thread_local char name[RECORD_PATH];
    size_t n = strlen(path), b = strlen(before), a = strlen(after);
    if (n < a + b + 1 || memcmp(path, before, b) != 0 || strcmp(path + n - a, after) != 0) return NULL;
    memcpy(name, path + b, n - a - b);
    name[n - a - b] = 0;
    return strchr(name, '/') ? NULL : name;
}

static status take_variants(const struct loader *l, struct run *run)
{
    const struct record *r = l->r;
    const char *name;
    int n = 0;
    for (int i = 0; i < r->count; i++) n += name_between(r->item[i].path, "scores/", "/last") != NULL;
    ZNEW(run->variant, l->arena, n + 1);
    for (int i = 0; i < r->count; i++) {
        if (!(name = name_between(r->item[i].path, "scores/", "/last"))) continue;
        struct run_variant *v = &run->variant[run->variants++];
        const char *in_paths = arena_strdup(l->arena, name);
        if (!in_paths) return ST_MEMORY;
        v->name = strcmp(in_paths, RECORD_MAIN) == 0 ? "" : in_paths;
        v->deployed = number(r, "parameters/deployed/{}", in_paths);
        TRY(run_bops_take(r, in_paths, &v->bops));
        for (int p = 0; p < PROTOCOLS; p++) {
            v->score[p] = run->lacks_metric ? NAN : score(l, in_paths, (enum protocol)p);
            TRY(look_at_predictions(l, in_paths, (enum protocol)p, v));
        }
    }
    return ST_OK;
}

static void find_metric(struct loader *l, const char *metric, struct run *run)
{
    const struct record_item *names = record_get(l->r, "eval/metric_names");
    l->column = -1;
    run->metric = !names || names->n == 0 ? "" : names->v.ss[0];
    if (!names || !*metric) return;
    run->lacks_metric = 1;
    run->metric = metric;
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->v.ss[i], metric) == 0) l->column = (int)i, run->lacks_metric = 0;
}

/* The main score of several metrics is named after all of them. */
static status name_main_metric(const struct record *r, struct arena *a, struct run *run)
{
    const struct record_item *names = record_get(r, "eval/metric_names");
    const char *all = "";
    for (size_t i = 0; names && i < names->n && all; i++)
        all = arena_printf(a, "%s%s%s", all, i ? "+" : "", names->v.ss[i]);
    return (run->metric = all) ? ST_OK : ST_MEMORY;
}

static enum run_state state_of(const char *word)
{
    return strcmp(word, "ok") == 0 ? RUN_OK : strcmp(word, "diverged") == 0 ? RUN_DIVERGED : RUN_FAILED;
}

/* The evaluation sets: the X of eval/X/<variant>/steps, sorted as the items are. */
static status find_sets(struct loader *l)
{
    for (int i = 0; i < l->r->count && l->sets < MOST_SETS; i++) {
        const char *path = l->r->item[i].path, *end = path + strlen(path), *name = path + strlen("eval/");
        if (strncmp(path, "eval/", strlen("eval/")) != 0 || end - path < 6 || strcmp(end - 6, "/steps") != 0) continue;
        size_t n = strcspn(name, "/");
        if (l->sets && strlen(l->set[l->sets - 1]) == n && strncmp(l->set[l->sets - 1], name, n) == 0) continue;
        if (!(l->set[l->sets++] = arena_printf(l->arena, "%.*s", (int)n, name))) return ST_MEMORY;
    }
    return ST_OK;
}

static void count_examples(const struct record *r, struct run *run)
{
    const char *name;
    run->train_examples = run->dev_examples = NAN;
    for (int i = 0; i < r->count; i++) {
        if (!(name = name_between(r->item[i].path, "data/", "/examples"))) continue;
        double *n = strcmp(name, "train") == 0 ? &run->train_examples : &run->dev_examples;
        *n = (isnan(*n) ? 0 : *n) + (double)r->item[i].v.i[0];
    }
}

status run_take(const struct record *r, const char *file, const char *metric, struct arena *a, struct run *run)
{
    struct loader l = {.r = r, .arena = a};
    const char *protocol = record_get_string(r, "run/protocol", "");
    TRY(find_sets(&l));
    *run = (struct run){.file = file, .state = state_of(record_get_string(r, "run/status", ""))};
    for (int p = 0; p < PROTOCOLS; p++)
        if (strcmp(protocol, protocol_name[p]) == 0) run->protocol = (enum protocol)p;
    find_metric(&l, metric, run);
    if (!*metric && record_get_real(r, "eval/main_is_mean", 0) != 0) TRY(name_main_metric(r, a, run));
    run->metric = copy(a, run->metric);
    run->row = copy(a, record_get_string(r, "run/row", ""));
    run->task = copy(a, record_get_string(r, "run/task", ""));
    run->model = copy(a, record_get_string(r, "run/model", ""));
    run->canon = copy(a, record_get_string(r, "run/canon", ""));
    run->cause = copy(a, record_get_string(r, "run/cause", ""));
    run->date = copy(a, record_get_string(r, "environment/date", ""));
    if (!run->metric || !run->row || !run->task || !run->model || !run->canon || !run->cause || !run->date)
        return ST_MEMORY;
    run->seed = (long long)record_get_real(r, "run/seed", 0);
    run->adapter =
        record_get_real(r, "parameters/base_trained", NAN) + record_get_real(r, "parameters/adapter_peak", NAN);
    run->head = record_get_real(r, "parameters/head", NAN);
    count_examples(r, run);
    run->seconds =
        record_get_real(r, "environment/train_seconds", 0) + record_get_real(r, "environment/eval_seconds", 0);
    return run->state == RUN_OK ? take_variants(&l, run) : ST_OK;
}

static status add_run(struct run_list *list, int *cap, struct arena *arena, struct run **out)
{
    if (list->count == *cap) {
        struct run *more;
        *cap = 2 * *cap + 64;
        NEW(more, arena, *cap);
        if (list->count) memcpy(more, list->run, sizeof *more * (size_t)list->count);
        list->run = more;
    }
    *out = &list->run[list->count++];
    return ST_OK;
}

static status read_all(struct record_source *source, const char *metric, int details, struct arena *whole,
                       struct arena *arena, struct run_list *list)
{
    struct record r;
    struct record_place place;
    int cap = 0;
    for (;;) {
        struct arena_mark mark = arena_mark(whole);
        struct run *run;
        status st = record_source_next(source, whole, &r, &place);
        if (st == ST_OK && !place.file) return ST_OK;
        if (st == ST_INPUT) {
            if (list->unreadable++ == 0 && !(list->first_fault = arena_strdup(arena, status_message())))
                return ST_MEMORY;
        } else {
            TRY(st);
            TRY(add_run(list, &cap, arena, &run));
            TRY(run_take(&r, place.name, metric, arena, run));
            if (details) TRY(run_detail_take(&r, metric, arena, run));
        }
        arena_reset(whole, mark);
    }
}

status run_list_read(const char *place, const char *metric, int details, struct arena *arena, struct run_list *list)
{
    struct record_source *source = NULL;
    struct arena *whole = arena_new("record");
    *list = (struct run_list){0};
    status st = whole ? record_source_open(place, arena, &source) : ST_MEMORY;
    if (st == ST_OK) st = read_all(source, metric, details, whole, arena, list);
    record_source_close(source);
    arena_free(whole);
    return st;
}

const char *canon_value(const char *canon, const char *key, struct arena *arena)
{
    static const char *const prefix[] = {"", "method.", "store.", "arith.", "train."};
    size_t k = strlen(key);
    for (int p = 0; p < 5; p++) {
        size_t b = strlen(prefix[p]);
        for (const char *line = canon; *line; line += strcspn(line, "\n"), line += *line == '\n')
            if (strncmp(line, prefix[p], b) == 0 && strncmp(line + b, key, k) == 0 && line[b + k] == '=') {
                const char *value = line + b + k + 1;
                return arena_printf(arena, "%.*s", (int)strcspn(value, "\n"), value);
            }
    }
    return NULL;
}
