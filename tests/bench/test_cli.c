/* Words of a command line by an option table. */
#include "tests/pgtest.h"

#include <stddef.h>
#include "bench/cli.h"

struct opts {
    int jobs, dry;
    const char *runs;
    int colour;
};
static const struct option table[] = {
    {"jobs", OPT_INT, offsetof(struct opts, jobs), 1, 64, "1", NULL, "cells at a time", 0},
    {"dry-run", OPT_FLAG, offsetof(struct opts, dry), 0, 0, "no", NULL, "only tell", 0},
    {"runs", OPT_STRING, offsetof(struct opts, runs), 0, 0, "runs", "DIR", "where records go", 0},
    {"colour", OPT_ENUM, offsetof(struct opts, colour), 0, 0, "red", "red|green", "paint", 0},
    OPT_END};
static const struct command cmd = {.name = "paint",
                                   .summary = "paint walls",
                                   .usage = "WALL [options]",
                                   .details = "First paragraph - with a dash.\n\n.Second paragraph.",
                                   .options = table,
                                   .option_size = sizeof(struct opts),
                                   .min_args = 1,
                                   .max_args = 2};

static struct command_line line;
static struct arena *arena;

static status parse(const char *words)
{
    static char buf[256];
    char *argv[16];
    int n = 0;
    snprintf(buf, sizeof buf, "%s", words);
    for (char *w = strtok(buf, " "); w; w = strtok(NULL, " ")) argv[n++] = w;
    arena_free(arena);
    arena = arena_new("test");
    return cli_parse(&cmd, n, argv, arena, &line);
}
#define OPTS ((const struct opts *)line.options)

START_TEST(takes_both_spellings)
{
    ck_ok(parse("wall --jobs 3 --runs=a=b --dry-run door"));
    ck_assert_int_eq(line.count, 2);
    ck_assert_str_eq(line.args[0], "wall");
    ck_assert_str_eq(line.args[1], "door");
    ck_assert_int_eq(OPTS->jobs, 3);
    ck_assert_int_eq(OPTS->dry, 1);
    ck_assert_str_eq(OPTS->runs, "a=b");
    ck_assert_int_eq(OPTS->colour, 0);
    ck_ok(parse("wall --dry_run"));
    ck_assert_int_eq(OPTS->dry, 1);
    ck_ok(parse("--dry-run=no --runs= -- --jobs -"));
    ck_assert_int_eq(line.count, 2);
    ck_assert_str_eq(line.args[0], "--jobs");
    ck_assert_str_eq(line.args[1], "-");
    ck_assert_int_eq(OPTS->dry, 0);
    ck_assert_str_eq(OPTS->runs, "");
}
END_TEST

START_TEST(help_wins_over_faults)
{
    ck_ok(parse("--nonsense --help"));
    ck_assert_int_eq(line.help, 1);
    ck_ok(parse("-h"));
    ck_assert_int_eq(line.help, 1);
    ck_ok(parse("-- --help"));
    ck_assert_int_eq(line.help, 0);
}
END_TEST

START_TEST(refuses)
{
    ck_fails(parse("wall --job 3"), ST_USAGE, "unknown option '--job'; did you mean '--jobs'?");
    ck_fails(parse("wall --zzzzzzzz"), ST_USAGE,
             "unknown option '--zzzzzzzz'; known: --help, --jobs, --dry-run, --runs, --colour");
    ck_fails(parse("wall --jobs"), ST_USAGE, "option --jobs needs a value: --jobs VALUE");
    ck_fails(parse("wall --runs --dry-run"), ST_USAGE, "option --runs needs a value: --runs DIR");
    ck_fails(parse("wall --jobs 0"), ST_USAGE, "option jobs is '0', expected an integer of 1 to 64");
    ck_fails(parse("wall --colour blue"), ST_USAGE, "expected one of red, green");
    ck_fails(parse("wall -j 3"), ST_USAGE, "unknown option '-j': options are written --name");
    ck_fails(parse(""), ST_USAGE, "paint: an argument is missing; usage: peftgrid paint WALL [options]");
    ck_fails(parse("a b c"), ST_USAGE, "paint: 'c' is one argument too many");
}
END_TEST

static const char *printed(void (*print)(FILE *, const struct command *))
{
    static char *text;
    size_t n;
    free(text);
    FILE *f = open_memstream(&text, &n);
    print(f, &cmd);
    fclose(f);
    return text;
}

START_TEST(help_and_man_come_from_the_table)
{
    const char *help = printed(cli_command_help);
    ck_assert_ptr_nonnull(strstr(help, "Usage: peftgrid paint WALL [options]\n"));
    ck_assert_ptr_nonnull(strstr(help, "--colour red|green  paint (default red)\n"));
    const char *man = printed(cli_command_man);
    ck_assert_ptr_nonnull(strstr(man, ".TH PEFTGRID-PAINT 1"));
    ck_assert_ptr_nonnull(strstr(man, "First paragraph \\- with a dash.\n.PP\n\\&.Second paragraph.\n"));
    ck_assert_ptr_nonnull(strstr(man, ".B \\-\\-dry\\-run\nonly tell.\n"));
    ck_assert_ptr_nonnull(strstr(man, ".SH EXIT STATUS\n.TP\n.B 0\n"));
}
END_TEST

START_TEST(every_command_is_described)
{
    for (const struct command *const *c = command_table; *c; c++) {
        ck_assert_ptr_eq(cli_find((*c)->name), *c);
        ck_assert_msg((*c)->summary && *(*c)->summary && (*c)->details && (*c)->usage && (*c)->run, "%s", (*c)->name);
        for (const struct option *o = (*c)->options; o && o->name; o++)
            ck_assert_msg(o->help && *o->help && o->help[strlen(o->help) - 1] != '.', "%s --%s", (*c)->name, o->name);
    }
    ck_assert_ptr_null(cli_find("no-such-command"));
}
END_TEST

PG_TESTS(TEST(takes_both_spellings), TEST(help_wins_over_faults), TEST(refuses), TEST(help_and_man_come_from_the_table),
         TEST(every_command_is_described))
