/* `peftgrid table`: tables from records, of an experiment's cells or of all the records in a folder. (The file is not
 * cmd_table.c because command_table is the list of all commands.) */
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/material.h"
#include "bench/metrics.h"
#include "bench/table.h"
#include "bench/table_paper.h"

struct table_options {
    int format, points, protocol, paper, tuning;
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
    {"paper", OPT_INT, AT(paper), 0, PUBLISHED_TABLES, "0", "N",
     "the B-LoRA paper's table N beside what was measured: 1 scores, 2 bit operations, 3 to 5 settings, 6 corpora", 0},
    {"tuning", OPT_FLAG, AT(tuning), 0, 0, "no", NULL, "the runs on tuning seeds instead of those that are reported",
     0},
    {"runs", OPT_STRING, AT(runs), 0, 0, "", "FOLDER", "where the records lie: FOLDER/<experiment>, or a merged file",
     0},
    OPT_END};
#undef AT

static status check_metric(const char *name)
{
    const char *names[64];
    int n = 0;
    for (const struct metric *m = metric_table; m->name; m++) names[n++] = m->name;
    return !*name || metric_find(name) ? ST_OK : cli_unknown("", "metric", name, names, n);
}

static status print_paper(const struct table_options *o, const char *where, struct arena *arena)
{
    struct sheet *sheet;
    FAIL_IF(*o->rows || strcmp(o->cols, "task") != 0 || *o->baseline || *o->metric || o->points || o->tuning, ST_USAGE,
            "--paper has rows, columns and metrics of its own: only --protocol, --runs and --format go with it");
    TRY(table_paper(o->paper, where, o->runs, o->protocol - 1, arena, &sheet));
    sheet_print(stdout, sheet, (enum sheet_format)o->format);
    return ST_OK;
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
    if (o->paper) return print_paper(o, args[0], arena);
    TRY(check_metric(o->metric));
    TRY(material_gather(args[0], o->runs, o->metric, o->tuning ? MATERIAL_TUNING : 0, arena, &m));
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
    .summary = "print a table of the records of an experiment, a folder or a merged file",
    .usage = "EXPERIMENT.ini|FOLDER|FILE.h5 [options]",
    .details = "Rows are the rows of the experiment (one a variant, and one a value where a list was given), columns "
               "its tasks. A "
               "cell is the mean over the seeds with its standard deviation; notes below the table say which "
               "evaluation counts and "
               "what every mark means. With an experiment only the records of its cells are used, and cells without a "
               "record show "
               "as -; with a folder or a merged file (`peftgrid help merge`) all records in it.\n\n"
               "KEYS is one or more of row, task, model, seed, method, store and the names of options (rank, lr, "
               "method.rank), "
               "separated by commas. --baseline adds the differences from one row on the same seeds with their "
               "confidence intervals, an exact "
               "test. CSV has a line "
               "a cell, or with --points a line a run, with all digits and scores not times 100.",
    .options = table_option_table,
    .option_size = sizeof(struct table_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_table,
};
