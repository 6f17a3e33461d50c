/* bops: bit operations of a record, of a row of an experiment, or of a method with options. */
#include <stddef.h>
#include <string.h>
#include "bench/bops_sheet.h"
#include "bench/cli.h"
#include "bench/paths.h"
#include "core/file.h"

struct bops_options {
    const char *model, *task, *variant;
    double length, table_rows;
    int layers, derive, format;
};
#define AT(field) offsetof(struct bops_options, field)
static const struct option bops_option_table[] = {
    {"model", OPT_STRING, AT(model), 0, 0, "deberta-v3-base", "MODEL",
     "for a method: the network to count on; deberta-v3-base needs no files", 0},
    {"task", OPT_STRING, AT(task), 0, 0, "", "TASK", "for an experiment: whose maximum length; default the first", 0},
    {"variant", OPT_STRING, AT(variant), 0, 0, "", "NAME",
     "for a run with several forms: which, such as rank=4; default the last", 0},
    {"length", OPT_REAL, AT(length), 0, 1e6, "0", "TOKENS", "count at this length too, and list its products", 0},
    {"table-rows", OPT_REAL, AT(table_rows), -1, 1e6, "-1", "ROWS",
     "with --length: rows of the relative table; -1: the model's", 0},
    {"layers", OPT_FLAG, AT(layers), 0, 0, "no", NULL, "products layer by layer", 0},
    {"derive", OPT_FLAG, AT(derive), 0, 0, "no", NULL, "where the published 97.04 % and 98.31 % come from", 0},
    {"format", OPT_ENUM, AT(format), 0, 0, "text", SHEET_CHOICES, "of the tables", 0},
    OPT_END};
#undef AT

static void print_sheets(struct sheet *const *sheet, int n, int format)
{
    for (int i = 0; i < n; i++) {
        if (i) putchar('\n');
        sheet_print(stdout, sheet[i], (enum sheet_format)format);
    }
}

static status derive(const struct bops_options *o, int count, struct arena *arena)
{
    struct sheet *sheet[BOPS_DERIVATION_SHEETS];
    int sheets;
    FAIL_IF(count, ST_USAGE, "--derive stands alone");
    TRY(bops_derivation_sheets(arena, sheet, &sheets));
    print_sheets(sheet, sheets, o->format);
    return ST_OK;
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static status open_subject(const struct bops_options *o, char **args, int count, struct arena *arena,
                           struct bops_subject *s)
{
    const char *path;
    if (ends_in(args[0], ".h5")) {
        FAIL_IF(count > 1, ST_USAGE, "a record is all there is to name: '%s' has no place", args[1]);
        return bops_of_record(args[0], o->variant, arena, s);
    }
    FAIL_IF(*o->variant, ST_USAGE, "--variant goes with a record");
    if (method_find(args[0])) return bops_of_method(args[0], args + 1, count - 1, o->model, arena, s);
    FAIL_IF(count > 2, ST_USAGE, "after an experiment comes one row: '%s' has no place", args[2]);
    if (!strchr(args[0], '/') && !ends_in(args[0], ".ini") && experiment_find(args[0], arena, &path) != ST_OK)
        return bops_of_method(args[0], args + 1, count - 1, o->model, arena, s); /* tells what is near */
    TRY(experiment_find(args[0], arena, &path));
    return bops_of_experiment(path, count > 1 ? args[1] : "", o->task, arena, s);
}

static status print_subject(const struct bops_options *o, struct bops_subject *s)
{
    struct sheet *sheet[2];
    const struct bops_setting *set = &s->setting[0];
    if (o->length > 0) {
        double rows = o->table_rows < 0 ? model_table_rows(s->model) : o->table_rows;
        TRY(bops_add_setting(s, "asked", o->length, rows));
        set = &s->setting[s->settings - 1];
    }
    TRY(bops_products_sheet(s, set, o->layers, &sheet[0]));
    TRY(bops_settings_sheet(s, &sheet[1]));
    print_sheets(sheet, 2, o->format);
    return ST_OK;
}

static status run_bops(const void *options, char **args, int count, struct arena *arena)
{
    const struct bops_options *o = options;
    struct bops_subject s;
    if (o->derive) return derive(o, count, arena);
    FAIL_IF(count == 0, ST_USAGE, "bops needs a record, an experiment or a method; `peftgrid bops --help` tells more");
    TRY(open_subject(o, args, count, arena, &s));
    status st = print_subject(o, &s);
    bops_subject_close(&s);
    return st;
}

const struct command command_bops = {
    .name = "bops",
    .summary = "bit operations by product, of a run, a row or a method",
    .usage = "RUN.h5 | EXPERIMENT [ROW] | METHOD [NAME=VALUE...] [options]",
    .details =
        "Every product of the network counts multiply-accumulates x bits x bits, adapters included. A run is counted "
        "with the ranks and bits it ended with; a row or a method as it starts. Compared are LoRA of rank 16 on query, "
        "key and value (what the B-LoRA paper refers to), the same adapters at full rank and 32 bits, and the network "
        "without adapters; in the setting of the published numbers (20 tokens, 512 table rows), at the task's maximum "
        "length, and at the mean real length. What an encoder has learnt is also counted on DeBERTaV3-base's shape.",
    .options = bops_option_table,
    .option_size = sizeof(struct bops_options),
    .max_args = -1,
    .run = run_bops,
};
