/* peftgrid COMMAND ...: finds the command, runs it, turns its status into the exit code. The only file that exits. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cli.h"
#include "core/arena.h"
#include "core/cpu.h"
#include "core/status.h"

static status dispatch(int argc, char **argv, struct arena *arena)
{
    if (argc < 2) {
        cli_help(stderr);
        return fail(ST_USAGE, "no command given; `peftgrid help` lists them");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_help(stdout);
        return ST_OK;
    }
    if (strcmp(name, "--version") == 0) {
        puts("peftgrid " PG_VERSION);
        return ST_OK;
    }
    const struct command *cmd = cli_find(name);
    if (!cmd) return cli_unknown_command(name, arena);
    struct command_line line;
    TRY(cli_parse(cmd, argc - 2, argv + 2, arena, &line));
    if (line.help) {
        cli_command_help(stdout, cmd);
        return ST_OK;
    }
    return cmd->run(line.options, line.args, line.count, arena);
}

/* A full disk or a closed pipe behind standard output must not look like success. */
static status close_output(status st)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return st;
    return st != ST_OK ? st : fail(ST_IO, "cannot write to standard output: %s", strerror(errno ? errno : EIO));
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_DFL); /* `peftgrid ... | head` ends quietly, even where the caller ignores the signal */
    cpu_denormals_off();
    struct arena *arena = arena_new("command");
    status st = arena ? cpu_from_environment() : ST_MEMORY;
    if (st == ST_OK) st = dispatch(argc, argv, arena);
    st = close_output(st);
    /* A failed cell was named where it failed; the status alone says that there was one. */
    if (st != ST_OK && *status_message()) fprintf(stderr, "peftgrid: %s\n", status_message());
    arena_free(arena);
    exit((int)st);
}
