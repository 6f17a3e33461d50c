/* Subcommands: one cmd_<name>.c each, found by the Makefile's generated table. The table gives dispatch, --help and the man page. */
#ifndef PG_BENCH_CLI_H
#define PG_BENCH_CLI_H

#include "core/arena.h"
#include "core/option.h"

struct command {
    const char *name, *summary;
    const char *usage;            /* after "peftgrid NAME": "EXPERIMENT.ini [options]" */
    const char *details;          /* a paragraph or two for --help and the man page */
    const struct option *options; /* --name VALUE; NULL: none */
    size_t option_size;
    int min_args, max_args;       /* positional; max -1: any number */
    status (*run)(const void *options, char **args, int count, struct arena *);
};
extern const struct command *const command_table[]; /* NULL-terminated, sorted; generated */

#endif
