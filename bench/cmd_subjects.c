/* subjects: MMLU by subject, from a record. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/subjects.h"
#include "core/text.h"

struct subjects_options {
    const char *set, *variant;
};
#define AT(field) offsetof(struct subjects_options, field)
static const struct option options[] = {
    {"set", OPT_STRING, AT(set), 0, 0, "", "NAME", "set or benchmark; default: every one that has subjects", 0},
    {"variant", OPT_STRING, AT(variant), 0, 0, "", "NAME", "variant such as rank=4; default: every one", 0},
    OPT_END};
#undef AT

/* "subjects/SET/VARIANT/last_accuracy": prints that table when it is asked for. */
static status print_item(const char *path, const struct subjects_options *o, const struct record *r,
                         struct arena *arena, int *printed)
{
    char **word;
    int n;
    TRY(text_split(path, '/', arena, &word, &n));
    if (n != 4 || strcmp(word[0], "subjects") != 0 || strcmp(word[3], "last_accuracy") != 0) return ST_OK;
    if ((*o->set && strcmp(o->set, word[1]) != 0) || (*o->variant && strcmp(o->variant, word[2]) != 0)) return ST_OK;
    if ((*printed)++) putchar('\n');
    printf("set %s, variant %s, last evaluation\n", word[1], word[2]);
    return subjects_print(stdout, r, word[1], word[2]);
}

static status run_subjects(const void *opts, char **args, int count, struct arena *arena)
{
    const struct subjects_options *o = opts;
    struct record r;
    int printed = 0;
    (void)count;
    TRY(record_read(args[0], arena, &r));
    for (int i = 0; i < r.count; i++) TRY(print_item(r.item[i].path, o, &r, arena, &printed));
    FAIL_IF(!printed, ST_USAGE, "%s: no scores by subject%s", args[0],
            *o->set || *o->variant ? " of that set and variant" : ": it is not a run with MMLU");
    return ST_OK;
}

const struct command command_subjects = {
    .name = "subjects",
    .summary = "MMLU's table by subject, from a run's record",
    .usage = "RUN.h5 [--set NAME] [--variant NAME]",
    .details = "Accuracy of every subject with its standard error, of the four categories, and both averages: macro "
               "(mean of the subjects, as QLoRA reports) and micro (all questions alike, as the original and "
               "lm-evaluation-harness do).",
    .options = options,
    .option_size = sizeof(struct subjects_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_subjects,
};
