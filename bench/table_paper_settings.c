/* Tables 3 to 6: published settings beside those of the experiment's cells, published sizes beside what was loaded. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "bench/table_paper.h"

/* ---- settings ---- */

/* Whose settings a table gives: cells of a method, or of a store. */
struct about {
    const char *title, *key, *value;
};
static const struct about abouts[] = {
    [3] = {"Table 3 of the B-LoRA paper: epochs of B-LoRA", "method", "blora"},
    [4] = {"Table 4 of the B-LoRA paper: settings of AdaLoRA", "method", "adalora"},
    [5] = {"Table 5 of the B-LoRA paper: settings for language models", "store", "nf4"},
};

static bool is_about(const struct paper *p, const struct run *r)
{
    const struct about *a = &abouts[p->number];
    const char *value = canon_value(r->canon, a->key, p->arena);
    return value && strcmp(value, a->value) == 0;
}

static bool same_value(const char *published, const char *own)
{
    double x = published_number(published), y = published_number(own);
    return (!isnan(x) && x == y) || strcasecmp(published, own) == 0;
}

/* One line of the experiment's settings; values that differ from the published ones are marked. */
static status put_own(struct paper *p, int row, const struct run *r)
{
    const struct published *t = &p->table;
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[1].main = r->row;
    for (int c = 1; c < t->cols; c++) {
        const char *own = canon_value(r->canon, t->name[c], p->arena);
        if (strcmp(t->name[c], "optimizer") == 0) own = "AdamW";
        x[1 + c].main = own ? own : "-";
        if (own && !same_value(published_at(t, row, c), own)) x[1 + c].tail = "!";
    }
    return ST_OK;
}

static bool seen_before(const struct paper *p, int i, bool by_task)
{
    const struct run *r = &p->runs.run[i];
    for (int k = 0; k < i; k++) {
        const struct run *s = &p->runs.run[k];
        if (strcmp(s->row, r->row) == 0 && (!by_task || strcmp(s->task, r->task) == 0)) return true;
    }
    return false;
}

static status put_setting(struct paper *p, int row, bool by_task)
{
    const struct published *t = &p->table;
    const char *name = published_at(t, row, 0);
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[0].main = name;
    x[1].main = "published";
    for (int c = 1; c < t->cols; c++) TRY(paper_put(p, name, t->name[c], published_at(t, row, c), &x[1 + c]));
    for (int i = 0; i < p->runs.count; i++) {
        const struct run *r = &p->runs.run[i];
        if (is_about(p, r) && !seen_before(p, i, by_task) && (!by_task || strcmp(r->task, name) == 0))
            TRY(put_own(p, row, r));
    }
    return ST_OK;
}

status paper_settings(struct paper *p)
{
    const struct published *t = &p->table;
    bool by_task = strcmp(t->name[0], "task") == 0;
    const char **heads;
    NEW(heads, p->arena, t->cols + 1);
    heads[0] = t->name[0];
    heads[1] = "";
    for (int c = 1; c < t->cols; c++) heads[1 + c] = t->name[c];
    TRY(paper_sheet(p, abouts[p->number].title, heads, t->cols + 1, 2));
    for (int r = 0; r < t->rows; r++) TRY(put_setting(p, r, by_task));
    TRY(sheet_note(
        p->sheet,
        "Below each published line: the experiment's rows with %s = %s (%s). !  another value. -  no such setting.",
        abouts[p->number].key, abouts[p->number].value, p->runs.title));
    return paper_footnotes(p);
}

/* ---- counts ---- */

static const struct run *run_of_task(const struct paper *p, const char *task)
{
    for (int i = 0; i < p->runs.count; i++)
        if (strcmp(p->runs.run[i].task, task) == 0 && p->runs.run[i].state == RUN_OK) return &p->runs.run[i];
    return NULL;
}

enum { CORPUS, TRAIN, TRAIN_LOADED, DIFFERENCE, TEST, DEV_LOADED, KIND, METRIC, DOMAIN, COUNT_COLUMNS };

static status put_counts(struct paper *p, int row)
{
    const struct published *t = &p->table;
    const char *task = published_at(t, row, published_column(t, "task"));
    const char *train = published_at(t, row, published_column(t, "train"));
    const struct run *r = run_of_task(p, task);
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[CORPUS].main = published_at(t, row, published_column(t, "corpus"));
    TRY(paper_put(p, task, "train", train, &x[TRAIN]));
    TRY(paper_put(p, task, "test", published_at(t, row, published_column(t, "test")), &x[TEST]));
    x[KIND].main = published_at(t, row, published_column(t, "kind"));
    x[METRIC].main = published_at(t, row, published_column(t, "metric"));
    x[DOMAIN].main = published_at(t, row, published_column(t, "domain"));
    x[TRAIN_LOADED].main = x[DEV_LOADED].main = "-";
    if (!r) return ST_OK;
    x[TRAIN_LOADED].main = arena_printf(p->arena, "%.0f", r->train_examples);
    x[DIFFERENCE].main = arena_printf(p->arena, "%+.0f", r->train_examples - published_number(train));
    x[DEV_LOADED].main = arena_printf(p->arena, "%.0f", r->dev_examples);
    return x[TRAIN_LOADED].main && x[DIFFERENCE].main && x[DEV_LOADED].main ? ST_OK : ST_MEMORY;
}

status paper_counts(struct paper *p)
{
    static const char *const heads[COUNT_COLUMNS] = {"corpus",     "train", "loaded", "difference", "test",
                                                     "dev loaded", "task",  "metric", "domain"};
    TRY(paper_sheet(p, "Table 6 of the B-LoRA paper: corpora", heads, COUNT_COLUMNS, 1));
    for (int c = KIND; c < COUNT_COLUMNS; c++) p->sheet->col[c].left = 1;
    for (int r = 0; r < p->table.rows; r++) TRY(put_counts(p, r));
    TRY(sheet_note(
        p->sheet,
        "Loaded: examples in the records of %s; runs are evaluated on the dev sets, for test labels are not public.",
        p->runs.title));
    return paper_footnotes(p);
}
