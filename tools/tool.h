/* The main() of the small programs in this folder: one command, its table and its messages. */
#ifndef PG_TOOLS_TOOL_H
#define PG_TOOLS_TOOL_H

#include <stdio.h>
#include "bench/cli.h"

/* Parses the words by the command's table and runs it; --help prints usage, summary and options. What went wrong goes
 * to stderr behind the command's name. Returns the exit code, a status. */
static inline int tool_main(const struct command *command, int argc, char **argv)
{
    struct command_line line;
    struct arena *a = arena_new(command->name);
    status st = a ? cli_parse(command, argc - 1, argv + 1, a, &line) : ST_MEMORY;
    if (st == ST_OK && line.help) {
        printf("usage: %s\n%s\n\n", command->usage, command->summary);
        option_help(stdout, command->options, 1);
    } else if (st == ST_OK) {
        st = command->run(line.options, line.args, line.count, a);
    }
    if (st != ST_OK) fprintf(stderr, "%s: %s\n", command->name, status_message());
    arena_free(a);
    return st;
}

#endif
