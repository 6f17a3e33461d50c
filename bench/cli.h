/* Subcommands: one cmd_<name>.c each, found by the Makefile's generated table. The table gives dispatch, --help and the
 * man page. */
#ifndef PG_BENCH_CLI_H
#define PG_BENCH_CLI_H

#include <stdio.h>
#include "core/arena.h"
#include "core/option.h"

#define PG_VERSION "0.1.0"

struct command {
    const char *name, *summary;
    const char *usage;            /* after "peftgrid NAME": "EXPERIMENT.ini [options]" */
    const char *details;          /* a paragraph or two for --help and the man page */
    const struct option *options; /* --name VALUE; NULL: none */
    size_t option_size;
    int min_args, max_args; /* positional; max -1: any number */
    status (*run)(const void *options, char **args, int count, struct arena *);
};
extern const struct command *const command_table[]; /* NULL-terminated, sorted; generated */

const struct command *cli_find(const char *name); /* NULL: none */

/* ST_USAGE with "unknown WHAT 'name'" and the nearest of names[0..count-1] suggested, or, when none is near, the first
 * few listed. `where` ("file:line", "" for none) comes first. */
status cli_unknown(const char *where, const char *what, const char *name, const char *const *names, int count);
status cli_unknown_command(const char *name, struct arena *);

/* The words after the command's name, taken apart. */
struct command_line {
    void *options; /* command->option_size bytes, defaults filled in; NULL without options */
    char **args;   /* positional words, in order */
    int count;
    int help; /* --help or -h was among the words; nothing else is checked then */
};
/* Accepts --name VALUE, --name=VALUE, flags alone, and "--" after which every word is positional. */
status cli_parse(const struct command *, int argc, char **argv, struct arena *, struct command_line *);

/* What main() does with its words: runs the command, tells what went wrong on stderr. Returns the exit code. */
int cli_main(int argc, char **argv);

void cli_help(FILE *);                                 /* what `peftgrid --help` prints */
void cli_command_help(FILE *, const struct command *); /* what `peftgrid NAME --help` prints */
void cli_man(FILE *);                                  /* the whole man page, troff */
void cli_command_man(FILE *, const struct command *);  /* the page of one command */

#endif
