/* `peftgrid table`: tables from records, of an experiment's cells or of all the records in a folder. (The file is not
 * cmd_table.c because command_table is the list of all commands.) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/experiment.h"
#include "bench/metrics.h"
#include "bench/paths.h"
#include "bench/table.h"
#include "core/file.h"
#include "core/text.h"

struct table_options {
    int format, points, protocol;
    const char *rows, *cols, *baseline, *metric, *runs;
};
#define AT(field) offsetof(struct table_options, field)
static const struct option table_option_table[] = {
    {"format", OPT_ENUM, AT(format), 0, 0, "text", SHEET_CHOICES, "text, Markdown, LaTeX or CSV (a line a cell)", 0},
    {"rows", OPT_STRING, AT(rows), 0, 0, "", "KEYS",
     "what makes a row: row, task, model, seed, method, store or an option; default: row, split by its lists", 0},
    {"cols", OPT_STRING, AT(cols), 0, 0, "task", "KEYS", "what makes a column", 0},
    {"points", OPT_FLAG, AT(points), 0, 0, "no", NULL, "also the score of every single seed", 0},
    {"baseline", OPT_STRING, AT(baseline), 0, 0, "", "ROW", "compare the other rows with this one on the same seeds",
     0},
    {"protocol", OPT_ENUM, AT(protocol), 0, 0, "own", "own|" PROTOCOL_CHOICES,
     "which evaluation counts; own: as the experiment says", 0},
    {"metric", OPT_STRING, AT(metric), 0, 0, "", "NAME", "another metric than each task's main one", 0},
    {"runs", OPT_STRING, AT(runs), 0, 0, "", "FOLDER", "where the records lie: FOLDER/<experiment>", 0},
    OPT_END};
#undef AT

/* What a table is made of. */
struct material {
    struct run *run;
    int count;
    const char *title;
    const char *note[4]; /* ends with NULL */
    int notes;
};

static status check_metric(const char *name)
{
    const char *names[64];
    int n = 0;
    for (const struct metric *m = metric_table; m->name; m++) names[n++] = m->name;
    return !*name || metric_find(name) ? ST_OK : cli_unknown("", "metric", name, names, n);
}

static status add_note(struct material *m, const char *text)
{
    if (!text) return ST_MEMORY;
    m->note[m->notes++] = text;
    return ST_OK;
}

static status note_list(struct material *m, const struct run_list *list, int older, struct arena *a)
{
    if (list->unreadable)
        TRY(add_note(m, arena_printf(a, "%d files are no valid records and left out; the first: %s", list->unreadable,
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
    FAIL_IF(used == 0, ST_INPUT, "%s: no records of this experiment's %d cells%s; `peftgrid run %s` makes them",
            e->runs_dir, e->cells, list->count ? " (the records there belong to others)" : "", e->path);
    m->title = *e->description ? arena_printf(a, "%s: %s", e->name, e->description) : e->name;
    return m->title ? note_list(m, list, older, a) : ST_MEMORY;
}

static status gather(const struct table_options *o, const char *arg, struct arena *a, struct material *m)
{
    struct run_list list;
    struct experiment e;
    const char *path;
    if (file_is_dir(arg)) {
        FAIL_IF(*o->runs, ST_USAGE, "--runs goes with an experiment; %s is a folder of records itself", arg);
        TRY(run_list_read(arg, o->metric, a, &list));
        return from_folder(arg, &list, m, a);
    }
    TRY(experiment_find(arg, a, &path));
    TRY(experiment_read(path, a, &e));
    if (*o->runs) TRY(experiment_move(&e, o->runs, a));
    list = (struct run_list){0};
    if (file_is_dir(e.runs_dir)) TRY(run_list_read(e.runs_dir, o->metric, a, &list));
    return from_experiment(&e, &list, m, a);
}

static status run_table(const void *options, char **args, int count, struct arena *arena)
{
    const struct table_options *o = options;
    struct material m = {0};
    struct table_spec spec = {.rows = o->rows,
                              .cols = o->cols,
                              .baseline = o->baseline,
                              .metric = o->metric,
                              .protocol = o->protocol - 1,
                              .points = o->points};
    struct table t;
    struct sheet *sheet[2];
    int sheets = 1;
    (void)count;
    TRY(check_metric(o->metric));
    TRY(gather(o, args[0], arena, &m));
    TRY(table_make(&spec, m.run, m.count, arena, &t));
    if (o->format == SHEET_CSV)
        TRY(table_lines(&t, &sheet[0]));
    else
        TRY(table_sheets(&t, m.title, m.note, sheet, &sheets));
    for (int i = 0; i < sheets; i++) {
        if (i) putchar('\n');
        sheet_print(stdout, sheet[i], (enum sheet_format)o->format);
    }
    return ST_OK;
}

const struct command command_tables = {
    .name = "table",
    .summary = "print a table of the records of an experiment or of a folder",
    .usage = "EXPERIMENT.ini|FOLDER [options]",
    .details = "Rows are the rows of the experiment (one a variant, and one a value where a list was given), columns "
               "its tasks. A "
               "cell is the mean over the seeds with its standard deviation; notes below the table say which "
               "evaluation counts and "
               "what every mark means. With an experiment only the records of its cells are used, and cells without a "
               "record show "
               "as -; with a folder all records in it.\n\n"
               "KEYS is one or more of row, task, model, seed, method, store and the names of options (rank, lr, "
               "method.rank), "
               "separated by commas. --baseline adds the differences from one row on the same seeds with an exact "
               "test. CSV has a line "
               "a cell, or with --points a line a run, with all digits and scores not times 100.",
    .options = table_option_table,
    .option_size = sizeof(struct table_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_table,
};
