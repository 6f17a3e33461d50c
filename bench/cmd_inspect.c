/* One record, or several, as text. */
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "results/record_pack.h"

struct inspect_options {
    int hash, full;
    const char *id;
};
#define AT(field) offsetof(struct inspect_options, field)
static const struct option inspect_option_table[] = {
    {"hash", OPT_FLAG, AT(hash), 0, 0, "no", NULL, "only the content hash and the file's name, a line a record", 0},
    {"full", OPT_FLAG, AT(full), 0, 0, "no", NULL,
     "arrays and texts whole, numbers with all digits; a merged file's records one after the other", 0},
    {"id", OPT_STRING, AT(id), 0, 0, "", "PREFIX", "only the records whose id begins so; of a merged file", 0},
    OPT_END};
#undef AT

static void print_one(const struct record *r, const char *name, const struct inspect_options *o, int several)
{
    char hash[SHA256_HEX];
    if (o->hash) {
        record_origin_hash(r, hash);
        printf("%s  %s\n", hash, name);
        return;
    }
    if (several) printf("%s\n", name);
    record_print(stdout, r, o->full);
    if (several) putchar('\n');
}

/* A line a record: what tells runs apart. */
static void print_line(const struct record *r)
{
    char hash[SHA256_HEX];
    record_origin_hash(r, hash);
    printf("%.12s  content %.12s  %-8s  %s  %s  seed %.0f\n", record_get_string(r, "run/id", ""), hash,
           record_get_string(r, "run/status", ""), record_get_string(r, "run/row", ""),
           record_get_string(r, "run/task", ""), record_get_real(r, "run/seed", 0));
}

static status inspect(const char *path, const struct inspect_options *o, int several, struct arena *arena)
{
    struct record r;
    struct record_place place;
    struct record_source *source = NULL;
    enum place_kind kind;
    TRY(record_place_kind(path, &kind));
    int merged = kind == PLACE_PACK, shown = 0;
    TRY(record_source_open(path, arena, &source));
    for (;;) {
        struct arena_mark mark = arena_mark(arena);
        status st = record_source_next(source, arena, &r, &place);
        if (st != ST_OK || !place.file) {
            record_source_close(source);
            FAIL_IF(st == ST_OK && !shown, ST_INPUT, "%s: no record%s%s", path, *o->id ? " whose id begins with " : "",
                    o->id);
            return st;
        }
        if (strncmp(record_get_string(&r, "run/id", ""), o->id, strlen(o->id)) == 0) {
            shown++;
            if (merged && !o->hash && !o->full && !*o->id)
                print_line(&r);
            else
                print_one(&r, place.name, o, several || merged);
        }
        arena_reset(arena, mark);
    }
}

static status run_inspect(const void *options, char **args, int count, struct arena *arena)
{
    for (int i = 0; i < count; i++) TRY(inspect(args[i], options, count > 1, arena));
    return ST_OK;
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "check a run's record and print it",
    .usage = "FILE.h5... [--hash] [--full] [--id PREFIX]",
    .details =
        "Every file is checked first: size, checksum, schema, content hash. The content hash covers everything but "
        "the group environment (times, memory, machine): runs with equal hashes gave the same results, bit for bit. "
        "docs/RESULTS_SCHEMA.md describes the items.\n\n"
        "Of a merged file (`peftgrid help merge`) every record is checked and named in a line; --id shows one whole. "
        "The "
        "hash of a slim record is that of the record it was made from.",
    .options = inspect_option_table,
    .option_size = sizeof(struct inspect_options),
    .min_args = 1,
    .max_args = -1,
    .run = run_inspect,
};
