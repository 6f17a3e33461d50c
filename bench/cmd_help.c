#include <stddef.h>
#include "bench/cli.h"

struct help_options {
    int man;
};
static const struct option help_options[] = {
    {"man", OPT_FLAG, offsetof(struct help_options, man), 0, 0, "no", NULL, "as a man page (troff)", 0}, OPT_END};

static status run_help(const void *options, char **args, int count, struct arena *arena)
{
    const struct help_options *o = options;
    if (count == 0) {
        (o->man ? cli_man : cli_help)(stdout);
        return ST_OK;
    }
    const struct command *c = cli_find(args[0]);
    if (!c) return cli_unknown_command(args[0], arena);
    (o->man ? cli_command_man : cli_command_help)(stdout, c);
    return ST_OK;
}

const struct command command_help = {
    .name = "help",
    .summary = "explain a command, or list all of them",
    .usage = "[COMMAND] [--man]",
    .details =
        "Without COMMAND: all commands, exit codes and environment variables. With --man the same as a man page: "
        "peftgrid help run --man | man -l -",
    .options = help_options,
    .option_size = sizeof(struct help_options),
    .max_args = 1,
    .run = run_help,
};
