/* One record, or several, as text. */
#include <stdio.h>
#include "bench/cli.h"
#include "results/record.h"

struct inspect_options {
    int hash, full;
};
#define AT(field) offsetof(struct inspect_options, field)
static const struct option inspect_option_table[] = {
    {"hash", OPT_FLAG, AT(hash), 0, 0, "no", NULL, "only the content hash and the file's name, a line a file", 0},
    {"full", OPT_FLAG, AT(full), 0, 0, "no", NULL, "arrays and texts whole, numbers with all digits", 0},
    OPT_END};
#undef AT

static status inspect(const char *path, const struct inspect_options *o, int several, struct arena *arena)
{
    struct record r;
    char hash[SHA256_HEX];
    struct arena_mark mark = arena_mark(arena);
    TRY(record_read(path, arena, &r));
    record_hash(&r, hash);
    if (o->hash) {
        printf("%s  %s\n", hash, path);
    } else {
        if (several) printf("%s\n", path);
        record_print(stdout, &r, o->full);
        if (several) putchar('\n');
    }
    arena_reset(arena, mark);
    return ST_OK;
}

static status run_inspect(const void *options, char **args, int count, struct arena *arena)
{
    for (int i = 0; i < count; i++) TRY(inspect(args[i], options, count > 1, arena));
    return ST_OK;
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "check a run's record and print it",
    .usage = "RUN.h5... [--hash] [--full]",
    .details =
        "Every file is checked first: size, checksum, schema, content hash. The content hash covers everything but "
        "the group environment (times, memory, machine): runs with equal hashes gave the same results, bit for bit. "
        "docs/RESULTS_SCHEMA.md describes the items.",
    .options = inspect_option_table,
    .option_size = sizeof(struct inspect_options),
    .min_args = 1,
    .max_args = -1,
    .run = run_inspect,
};
