/* From runs to a table (see table.h). Rows are values of the row keys, one a variant; columns are values of the column
 * keys; a cell holds the runs that share both, normally one a seed. */
#include "bench/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/metrics.h"
#include "core/text.h"

struct difference { /* an option in which runs of one cell and seed differ, and the row it was seen in */
    const char *row, *key;
};

struct maker {
    struct table *t;
    const struct run *run;
    int runs;
    char **row_key, **col_key;
    int row_keys, col_keys;
    const char **row_label, **col_label; /* [runs] */
    int *row_of, *col_of;                /* [runs] index of the label among the distinct ones */
    const char **base;                   /* distinct row labels */
    int bases;
    struct difference *differ;
    int differs, differ_cap;
};

/* ---- keys and labels --------------------------------------------------------------------------------------------- */

static status key_value_of(const struct run *run, const char *key, struct arena *a, const char **value)
{
    if (strcmp(key, "row") == 0)
        *value = run->row;
    else if (strcmp(key, "task") == 0)
        *value = run->task;
    else if (strcmp(key, "model") == 0)
        *value = run->model;
    else if (strcmp(key, "seed") == 0)
        return (*value = arena_printf(a, "%lld", run->seed)) ? ST_OK : ST_MEMORY;
    else
        *value = canon_value(run->canon, key, a);
    return ST_OK;
}

/* "lora rank=4": the first key's value alone, further ones with their short names. */
static status make_label(struct maker *m, const struct run *run, char **key, int keys, const char **label)
{
    struct arena *a = m->t->arena;
    *label = "";
    for (int k = 0; k < keys; k++) {
        const char *value, *dot = strrchr(key[k], '.');
        TRY(key_value_of(run, key[k], a, &value));
        if (!value && k > 0) continue;
        if (!value) value = "-";
        *label = k ? arena_printf(a, "%s %s=%s", *label, dot ? dot + 1 : key[k], value) : value;
        if (!*label) return ST_MEMORY;
    }
    return ST_OK;
}

/* Every key that some run has, for the suggestion when an asked one is unknown. */
static status unknown_key(const struct maker *m, const char *key)
{
    const char *names[512] = {"row", "task", "model", "seed"};
    int n = 4;
    for (int i = 0; i < m->runs && n < 512; i++)
        for (const char *line = m->run[i].canon; *line && n < 512; line += strcspn(line, "\n"), line += *line == '\n') {
            const char *eq = strpbrk(line, "=\n");
            if (!eq || *eq != '=') continue;
            const char *dot = memchr(line, '.', (size_t)(eq - line)), *begin = dot ? dot + 1 : line;
            char *name = arena_printf(m->t->arena, "%.*s", (int)(eq - begin), begin);
            if (!name) return ST_MEMORY;
            int known = 0;
            for (int k = 0; k < n; k++) known |= strcmp(names[k], name) == 0;
            if (!known) names[n++] = name;
        }
    return cli_unknown("", "key of rows or columns", key, names, n);
}

static status check_keys(const struct maker *m, char **key, int keys)
{
    for (int k = 0; k < keys; k++) {
        const char *value = NULL;
        for (int i = 0; i < m->runs && !value; i++) TRY(key_value_of(&m->run[i], key[k], m->t->arena, &value));
        if (!value && m->runs) return unknown_key(m, key[k]);
    }
    return ST_OK;
}

static status read_keys(struct maker *m)
{
    const struct table_spec *s = m->t->spec;
    m->t->by_row = !*s->rows;
    m->t->by_col = !*s->cols || strcmp(s->cols, "task") == 0;
    TRY(text_split(*s->rows ? s->rows : "row", ',', m->t->arena, &m->row_key, &m->row_keys));
    TRY(text_split(*s->cols ? s->cols : "task", ',', m->t->arena, &m->col_key, &m->col_keys));
    FAIL_IF(m->row_keys == 0 || m->col_keys == 0, ST_USAGE, "rows and columns need at least one key each");
    TRY(check_keys(m, m->row_key, m->row_keys));
    return check_keys(m, m->col_key, m->col_keys);
}

static status make_labels(struct maker *m)
{
    NEW(m->row_label, m->t->arena, m->runs + 1);
    NEW(m->col_label, m->t->arena, m->runs + 1);
    for (int i = 0; i < m->runs; i++) {
        TRY(make_label(m, &m->run[i], m->row_key, m->row_keys, &m->row_label[i]));
        TRY(make_label(m, &m->run[i], m->col_key, m->col_keys, &m->col_label[i]));
    }
    return ST_OK;
}

/* ---- runs that would fall together ------------------------------------------------------------------------------- */

static status add_difference(struct maker *m, const char *row, const char *key)
{
    for (int i = 0; i < m->differs; i++)
        if (strcmp(m->differ[i].row, row) == 0 && strcmp(m->differ[i].key, key) == 0) return ST_OK;
    if (m->differs == m->differ_cap) {
        struct difference *more;
        NEW(more, m->t->arena, 2 * m->differ_cap + 8);
        if (m->differs) memcpy(more, m->differ, sizeof *more * (size_t)m->differs);
        m->differ = more;
        m->differ_cap = 2 * m->differ_cap + 8;
    }
    m->differ[m->differs++] = (struct difference){row, key};
    return ST_OK;
}

/* The options both runs have with different values. */
static status compare_runs(struct maker *m, const char *row, const struct run *x, const struct run *y)
{
    struct arena *a = m->t->arena;
    int before = m->differs;
    if (strcmp(x->model, y->model) != 0) TRY(add_difference(m, row, "model"));
    for (const char *line = x->canon; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t n = strcspn(line, "=\n");
        if (line[n] != '=') continue;
        char *key = arena_printf(a, "%.*s", (int)n, line);
        if (!key) return ST_MEMORY;
        const char *u = canon_value(x->canon, key, a), *v = canon_value(y->canon, key, a);
        if (u && v && strcmp(u, v) != 0) TRY(add_difference(m, row, key));
    }
    if (m->differs == before && strcmp(x->row, y->row) != 0) TRY(add_difference(m, row, "row"));
    return ST_OK;
}

static status find_differences(struct maker *m)
{
    m->differs = 0;
    for (int i = 1; i < m->runs; i++)
        for (int k = 0; k < i; k++)
            if (m->run[i].seed == m->run[k].seed && strcmp(m->row_label[i], m->row_label[k]) == 0 &&
                strcmp(m->col_label[i], m->col_label[k]) == 0) {
                TRY(compare_runs(m, m->row_label[i], &m->run[k], &m->run[i]));
                break;
            }
    return ST_OK;
}

/* By default a row that was run with lists of values becomes one row a value. */
static status split_rows(struct maker *m)
{
    struct arena *a = m->t->arena;
    const char **plain = m->row_label;
    char **key;
    NEW(m->row_label, a, m->runs + 1);
    NEW(key, a, m->differs + 1);
    for (int i = 0; i < m->runs; i++) {
        int n = 1;
        key[0] = m->row_key[0];
        for (int d = 0; d < m->differs; d++)
            if (strcmp(m->differ[d].row, plain[i]) == 0 && !(key[n++] = arena_strdup(a, m->differ[d].key)))
                return ST_MEMORY;
        TRY(make_label(m, &m->run[i], key, n, &m->row_label[i]));
    }
    return ST_OK;
}

static status name_mixed(struct maker *m)
{
    struct arena *a = m->t->arena;
    m->t->mixed = "";
    for (int d = 0; d < m->differs; d++) {
        int seen = 0;
        for (int k = 0; k < d; k++) seen |= strcmp(m->differ[k].key, m->differ[d].key) == 0;
        if (seen) continue;
        m->t->mixed = arena_printf(a, "%s%s%s", m->t->mixed, *m->t->mixed ? ", " : "", m->differ[d].key);
        if (!m->t->mixed) return ST_MEMORY;
    }
    return ST_OK;
}

/* ---- rows, columns, cells ---------------------------------------------------------------------------------------- */

/* Index of each label among the distinct ones, in order of appearance. */
static status number_labels(const char *const *label, int n, struct arena *a, int *of, const char ***distinct,
                            int *count)
{
    NEW(*distinct, a, n + 1);
    *count = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < *count && strcmp((*distinct)[k], label[i]) != 0) k++;
        if (k == *count) (*distinct)[(*count)++] = label[i];
        of[i] = k;
    }
    return ST_OK;
}

static int by_name(const void *a, const void *b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b); /* rank=2 before rank=16 */
}

/* The variants of all runs of a row label; one unnamed when no run has a result. */
static status variants_of(const struct maker *m, int base, const char ***names, int *count)
{
    int n = 0, most = 1;
    for (int i = 0; i < m->runs; i++) most += m->run[i].variants;
    NEW(*names, m->t->arena, most);
    for (int i = 0; i < m->runs; i++) {
        if (m->row_of[i] != base || m->run[i].state != RUN_OK) continue;
        for (int v = 0; v < m->run[i].variants; v++) {
            int k = 0;
            while (k < n && strcmp((*names)[k], m->run[i].variant[v].name) != 0) k++;
            if (k == n) (*names)[n++] = m->run[i].variant[v].name;
        }
    }
    if (n == 0) (*names)[n++] = "";
    qsort(*names, (size_t)n, sizeof **names, by_name);
    *count = n;
    return ST_OK;
}

static status make_rows(struct maker *m, int **base_of)
{
    struct table *t = m->t;
    int room = m->bases;
    for (int i = 0; i < m->runs; i++) room += m->run[i].variants;
    NEW(t->row, t->arena, room + 1);
    NEW(*base_of, t->arena, room + 1);
    for (int b = 0; b < m->bases; b++) {
        const char **name;
        int n;
        TRY(variants_of(m, b, &name, &n));
        for (int v = 0; v < n; v++) {
            (*base_of)[t->rows] = b;
            t->row[t->rows++] = (struct table_row){.label = m->base[b], .variant = name[v], .average = NAN};
        }
    }
    return ST_OK;
}

static void describe_column(struct table_col *c, const char *label, const char *metric)
{
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(metric, "+"), metric);
    const struct metric *found = metric_find(first);
    *c = (struct table_col){label, metric, 100, 1};
    if (found && !found->higher_is_better) c->scale = 1, c->higher = 0;
    if (strcmp(first, "nist") == 0) c->scale = 1; /* no share: it has no upper end */
}

static status make_columns(struct maker *m)
{
    struct table *t = m->t;
    const char **label;
    TRY(number_labels(m->col_label, m->runs, t->arena, m->col_of, &label, &t->cols));
    NEW(t->col, t->arena, t->cols + 1);
    for (int c = 0; c < t->cols; c++) {
        const char *metric = "";
        for (int i = 0; i < m->runs; i++) {
            if (m->col_of[i] != c || m->run[i].state != RUN_OK || m->run[i].lacks_metric) continue;
            if (*metric && strcmp(metric, m->run[i].metric) != 0) {
                metric = "mixed";
                break;
            }
            metric = m->run[i].metric;
        }
        describe_column(&t->col[c], label[c], metric);
    }
    return ST_OK;
}

struct table_cell *table_cell_at(const struct table *t, int row, int col)
{
    return &t->cell[(size_t)row * (size_t)t->cols + (size_t)col];
}

static const struct run_variant *variant_of(const struct run *run, const char *name)
{
    for (int v = 0; v < run->variants; v++)
        if (strcmp(run->variant[v].name, name) == 0) return &run->variant[v];
    return NULL;
}

/* The point a run puts into a row, if any: a run without result counts in every variant's row. */
static int point_of(const struct table *t, const struct run *run, const struct table_row *row, struct table_point *p)
{
    enum protocol protocol = t->spec->protocol < 0 ? run->protocol : (enum protocol)t->spec->protocol;
    *p = (struct table_point){run, NULL, protocol, NAN};
    if (run->state != RUN_OK) return 1;
    if (!(p->variant = variant_of(run, row->variant))) return 0;
    p->score = p->variant->score[protocol];
    return 1;
}

static int by_seed(const void *a, const void *b)
{
    const struct table_point *x = a, *y = b;
    return x->run->seed < y->run->seed ? -1 : x->run->seed > y->run->seed;
}

static void summarise(struct table_cell *c, double *score)
{
    for (int i = 0; i < c->points; i++) {
        const struct table_point *p = &c->point[i];
        if (p->run->state == RUN_DIVERGED)
            c->diverged++;
        else if (p->run->state == RUN_FAILED)
            c->failed++;
        else if (p->run->state == RUN_MISSING || p->run->lacks_metric)
            c->missing++;
        else if (isnan(p->score))
            c->undefined++;
        else
            score[c->scored++] = p->score;
        if (p->variant && !p->run->lacks_metric) c->constant += p->variant->constant[p->protocol] == 1;
    }
    c->mean = stats_mean(score, c->scored);
    c->sd = stats_sd(score, c->scored);
}

static status fill_cell(const struct maker *m, const int *base_of, int row, int col)
{
    struct table *t = m->t;
    struct table_cell *c = table_cell_at(t, row, col);
    struct table_point p;
    double *score;
    *c = (struct table_cell){.mean = NAN, .sd = NAN};
    for (int pass = 0; pass < 2; pass++) {
        int n = 0;
        for (int i = 0; i < m->runs; i++)
            if (m->row_of[i] == base_of[row] && m->col_of[i] == col && point_of(t, &m->run[i], &t->row[row], &p)) {
                if (pass) c->point[n] = p;
                n++;
            }
        if (!pass) NEW(c->point, t->arena, n + 1);
        c->points = n;
    }
    qsort(c->point, (size_t)c->points, sizeof *c->point, by_seed);
    NEW(score, t->arena, c->points + 1);
    summarise(c, score);
    return ST_OK;
}

static status make_cells(struct maker *m, const int *base_of)
{
    struct table *t = m->t;
    NEW(t->cell, t->arena, t->rows * t->cols + 1);
    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->cols; c++) TRY(fill_cell(m, base_of, r, c));
    return ST_OK;
}

/* ---- what rows and columns say ----------------------------------------------------------------------------------- */

static void widen(struct range *r, double v)
{
    if (isnan(v)) return;
    if (!(r->low <= v)) r->low = v; /* also when still NAN */
    if (!(r->high >= v)) r->high = v;
}

static void describe_rows(struct table *t)
{
    for (int r = 0; r < t->rows; r++) {
        struct table_row *row = &t->row[r];
        double sum = 0;
        row->adapter = row->head = row->deployed = row->bops = (struct range){NAN, NAN};
        for (int c = 0; c < t->cols; c++) {
            const struct table_cell *cell = table_cell_at(t, r, c);
            sum += cell->mean;
            for (int i = 0; i < cell->points; i++) {
                const struct table_point *p = &cell->point[i];
                if (!p->variant) continue;
                widen(&row->adapter, p->run->adapter);
                widen(&row->head, p->run->head);
                widen(&row->deployed, p->variant->deployed);
                widen(&row->bops, p->variant->bops.here.encoder);
            }
        }
        row->average = t->averaged ? sum / t->cols : NAN;
    }
}

/* Whether v is the best of n values, the NANs left out; a lone one is not. */
static int is_best(double v, const double *all, int n, int higher)
{
    int with = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(all[i])) continue;
        with++;
        if (higher ? all[i] > v : all[i] < v) return 0;
    }
    return with > 1 && !isnan(v);
}

static status mark_best(struct table *t)
{
    double *v;
    NEW(v, t->arena, t->rows + 1);
    for (int c = 0; c < t->cols; c++) {
        for (int r = 0; r < t->rows; r++) v[r] = table_cell_at(t, r, c)->mean;
        for (int r = 0; r < t->rows; r++) table_cell_at(t, r, c)->best = is_best(v[r], v, t->rows, t->col[c].higher);
    }
    for (int r = 0; r < t->rows; r++) v[r] = t->row[r].average;
    for (int r = 0; r < t->rows && t->averaged; r++)
        t->row[r].best_average = is_best(v[r], v, t->rows, t->col[0].higher);
    return ST_OK;
}

static int may_average(const struct table *t)
{
    if (!t->by_col || t->cols < 2) return 0;
    for (int c = 0; c < t->cols; c++)
        if (t->col[c].scale != t->col[0].scale || t->col[c].higher != t->col[0].higher) return 0;
    return 1;
}

status table_make(const struct table_spec *spec, const struct run *run, int runs, struct arena *arena, struct table *t)
{
    *t = (struct table){.spec = spec, .arena = arena};
    struct maker m = {.t = t, .run = run, .runs = runs};
    int *base_of;
    NEW(m.row_of, arena, runs + 1);
    NEW(m.col_of, arena, runs + 1);
    TRY(read_keys(&m));
    TRY(make_labels(&m));
    TRY(find_differences(&m));
    if (t->by_row && m.differs) {
        TRY(split_rows(&m));
        TRY(find_differences(&m));
    }
    TRY(name_mixed(&m));
    TRY(number_labels(m.row_label, runs, arena, m.row_of, &m.base, &m.bases));
    TRY(make_columns(&m));
    TRY(make_rows(&m, &base_of));
    TRY(make_cells(&m, base_of));
    t->averaged = may_average(t);
    describe_rows(t);
    TRY(mark_best(t));
    return table_compare(t);
}
