/* Which records a table or a figure takes, and in which order (see material.h). */
#include "bench/material.h"

#include <stdlib.h>
#include <string.h>
#include "bench/experiment.h"
#include "bench/paths.h"
#include "bench/tuning.h"
#include "core/file.h"
#include "results/record_pack.h"

static status add_note(struct material *m, const char *text)
{
    if (!text) return ST_MEMORY;
    m->note[m->notes++] = text;
    return ST_OK;
}

static status note_list(struct material *m, const struct run_list *list, int older, struct arena *a)
{
    if (list->unreadable)
        TRY(add_note(m, arena_printf(a, "%d file%s no valid record%s and left out; the first: %s", list->unreadable,
                                     list->unreadable == 1 ? " is" : "s are", list->unreadable == 1 ? "" : "s",
                                     list->first_fault)));
    if (older)
        TRY(add_note(
            m,
            arena_printf(a, "%d older records of the same cells (other model, tokenizer or data files) are left out.",
                         older)));
    return ST_OK;
}

/* ---- a folder ---------------------------------------------------------------------------------------------------- */

static int by_names(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    int c = strverscmp(x->row, y->row);
    if (!c) c = strverscmp(x->canon, y->canon);
    if (!c) c = strcmp(x->model, y->model);
    return c ? c : strcmp(y->date, x->date); /* the latest of equal cells first */
}

static int same_cell(const struct run *x, const struct run *y)
{
    return strcmp(x->canon, y->canon) == 0 && strcmp(x->model, y->model) == 0;
}

/* All records, sorted; of records of one cell the latest. */
static status from_folder(const char *dir, const struct run_list *list, struct material *m, struct arena *a)
{
    int older = 0;
    FAIL_IF(list->count == 0 && list->unreadable == 0, ST_INPUT, "%s: no records (*.h5) in this folder", dir);
    FAIL_IF(list->count == 0, ST_INPUT, "%s", list->first_fault);
    qsort(list->run, (size_t)list->count, sizeof *list->run, by_names);
    m->run = list->run;
    for (int i = 0; i < list->count; i++) {
        int again = m->count && strcmp(m->run[m->count - 1].row, list->run[i].row) == 0 &&
                    same_cell(&m->run[m->count - 1], &list->run[i]);
        if (again)
            older++;
        else
            m->run[m->count++] = list->run[i];
    }
    m->title = dir;
    return note_list(m, list, older, a);
}

/* ---- an experiment ----------------------------------------------------------------------------------------------- */

/* The latest record of a cell; *older counts the others. */
static const struct run *record_of(const struct cell *c, const struct run_list *list, int *older)
{
    const struct run *found = NULL;
    for (int i = 0; i < list->count; i++) {
        const struct run *r = &list->run[i];
        if (strcmp(r->canon, c->canon) != 0 || strcmp(r->model, c->model_label) != 0) continue;
        if (found) ++*older;
        if (!found || strcmp(r->date, found->date) > 0) found = r;
    }
    return found;
}

static status from_experiment(const struct experiment *e, const struct run_list *list, struct material *m,
                              struct arena *a)
{
    int older = 0, used = 0;
    NEW(m->run, a, e->cells + 1);
    for (int i = 0; i < e->cells; i++) {
        const struct cell *c = &e->cell[i];
        const struct run *r = record_of(c, list, &older);
        struct run *out = &m->run[m->count++];
        *out = r ? *r : (struct run){.state = RUN_MISSING, .cause = "", .date = "", .metric = "", .canon = c->canon};
        out->row = c->row;
        out->task = c->task->name;
        out->model = c->model_label;
        out->seed = c->seed;
        out->protocol = (enum protocol)c->train.protocol;
        used += r != NULL;
    }
    FAIL_IF(list->count == 0 && list->unreadable, ST_INPUT, "%s", list->first_fault);
    FAIL_IF(used == 0, ST_INPUT, "%s: no records of this experiment's %d cells%s; `peftgrid run %s` makes them",
            e->runs_dir, e->cells, list->count ? " (the records there belong to others)" : "", e->path);
    m->title = *e->description ? arena_printf(a, "%s: %s", e->name, e->description) : e->name;
    m->caption = m->title;
    return m->title ? note_list(m, list, older, a) : ST_MEMORY;
}

/* What was tried for which row, and what is still to be tried. */
static status note_tuning(const struct tuning *t, struct material *m, struct arena *a)
{
    enum { ROOM = MATERIAL_NOTES - 8 };
    for (int i = 0; i < t->choices && i < ROOM; i++) {
        const struct tuning_choice *c = &t->choice[i];
        const char *left = c->missing ? arena_printf(a, "; %d records are missing: left out", c->missing) : "";
        if (!left) return ST_MEMORY;
        TRY(add_note(m, arena_printf(a, "Tuned on other seeds: %s%s.", c->text, left)));
    }
    if (t->choices > ROOM) TRY(add_note(m, arena_printf(a, "And %d more tuned rows.", t->choices - ROOM)));
    return ST_OK;
}

/* "table1" of "results/reference/table1.h5" and of "runs/table1/". */
static const char *short_name(const char *path, struct arena *a)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    const char *end = path + n, *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    if (end - begin > 3 && strncmp(end - 3, ".h5", 3) == 0) end -= 3;
    return arena_printf(a, "%.*s", (int)(end - begin), begin);
}

static status gather_records(const char *where, const char *metric, int details, struct arena *a, struct material *m)
{
    struct run_list list;
    TRY(run_list_read(where, metric, details, a, &list));
    if (!(m->name = m->caption = short_name(where, a))) return ST_MEMORY;
    return from_folder(where, &list, m, a);
}

status material_gather(const char *where, const char *runs, const char *metric, int what, struct arena *a,
                       struct material *m)
{
    struct run_list list = {0};
    struct experiment e;
    const char *path;
    enum place_kind kind;
    *m = (struct material){0};
    TRY(record_place_kind(where, &kind));
    if (kind != PLACE_NONE) {
        FAIL_IF(*runs, ST_USAGE, "--runs goes with an experiment; %s is a place of records itself", where);
        FAIL_IF(what & MATERIAL_TUNING, ST_USAGE, "--tuning goes with an experiment; %s is a place of records itself",
                where);
        return gather_records(where, metric, what & MATERIAL_DETAILS, a, m);
    }
    TRY(experiment_find(where, a, &path));
    TRY(experiment_read(path, a, &e));
    if (*runs) TRY(record_place_kind(runs, &kind));
    if (*runs && kind == PLACE_PACK)
        e.runs_dir = runs;
    else if (*runs)
        TRY(experiment_move(&e, runs, a));
    struct tuning tuning = {0};
    TRY(tuning_read(&e, a, &tuning));
    TRY(record_place_kind(e.runs_dir, &kind));
    if (kind != PLACE_NONE) TRY(run_list_read(e.runs_dir, metric, what & MATERIAL_DETAILS, a, &list));
    m->name = e.name;
    TRY(note_tuning(&tuning, m, a));
    if (what & MATERIAL_TUNING) {
        FAIL_IF(e.tune_cells == 0, ST_USAGE, "%s: no row is tuned", e.path);
        e.cell = e.tune_cell;
        e.cells = e.tune_cells;
    }
    return from_experiment(&e, &list, m, a);
}
