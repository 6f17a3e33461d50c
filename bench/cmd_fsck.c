/* `peftgrid fsck`: are the records what their runs wrote? */
#include <stdio.h>
#include "bench/cli.h"
#include "bench/fsck.h"
#include "core/file.h"

static void print(void *ctx, int fault, const char *sentence)
{
    (void)ctx;
    printf("%s%s\n", fault ? "" : "note: ", sentence);
}

static void print_count(const char *before, int n, const char *what)
{
    if (n) printf("%s%d %s%s", before, n, what, n == 1 ? "" : "s");
}

static void print_summary(const char *place, const struct fsck_counts *c)
{
    printf("%s: %d record%s", place, c->records, c->records == 1 ? "" : "s");
    print_count(", ", c->packs, "merged file");
    print_count(" of ", c->packed, "record");
    print_count(", ", c->adapters, "saved adapter");
    print_count(", ", c->lines, "line");
    printf("%s: ", c->lines ? " of the journal" : "");
    if (c->faults)
        print_count("", c->faults, "fault");
    else
        printf("nothing is damaged");
    print_count(", ", c->notes, "note");
    putchar('\n');
}

/* A folder of records, or one whose folders are: runs/ itself. */
static status check_place(const char *place, struct arena *arena, struct fsck_counts *sum)
{
    struct fsck_counts c = {0};
    char **name;
    int n = 0, records;
    if (file_is_dir(place)) {
        TRY(file_list(place, ".h5", arena, &name, &records));
        char *journal = path_join(arena, place, "journal.jsonl");
        if (!journal) return ST_MEMORY;
        if (records == 0 && !file_exists(journal)) TRY(file_list(place, NULL, arena, &name, &n));
    }
    for (int i = 0; i < n; i++) {
        char *below = path_join(arena, place, name[i]);
        if (!below) return ST_MEMORY;
        if (file_is_dir(below)) TRY(check_place(below, arena, sum));
    }
    if (n) return ST_OK;
    TRY(fsck_place(place, print, NULL, &c));
    print_summary(place, &c);
    sum->records += c.records + c.packed;
    sum->faults += c.faults;
    return ST_OK;
}

static status run_fsck(const void *options, char **args, int count, struct arena *arena)
{
    struct fsck_counts sum = {0};
    (void)options;
    for (int i = 0; i < count; i++) TRY(check_place(args[i], arena, &sum));
    FAIL_IF(sum.faults, ST_INPUT, "%d fault%s found", sum.faults, sum.faults == 1 ? "" : "s");
    FAIL_IF(sum.records == 0, ST_INPUT, "%s: no records to check", args[0]);
    return ST_OK;
}

const struct command command_fsck = {
    .name = "fsck",
    .summary = "check records, merged files and journals for damage",
    .usage = "FOLDER|FILE.h5...",
    .details =
        "Reads every record whole and compares it with its seal (the size and SHA-256 of all its bytes), HDF5's "
        "checksums, "
        "the schema and its content hash; with its name; with the line of the journal that tells of it; and with other "
        "records of the same run. Saved adapters are compared with what their record says of them, and every line of "
        "the "
        "journal with its own check. One changed byte anywhere is found. Nothing is changed.\n\n"
        "A folder is one experiment's (runs/NAME) or holds several (runs). A line a fault; lines that begin with note: "
        "tell "
        "what lies about but harms nothing: files of killed runs, claims, checkpoints. Exit code 0: nothing is "
        "damaged; 3: "
        "something is damaged or lost. To mend: delete the damaged record and `run` the experiment again, which does "
        "what "
        "is missing; or take it from a copy with `merge`.",
    .min_args = 1,
    .max_args = -1,
    .run = run_fsck,
};
