/* peftgrid COMMAND ...: finds the command, runs it, turns its status into the exit code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench/cli.h"
#include "bench/paths.h"
#include "core/cache.h"
#include "core/cpu.h"
#include "core/system.h"

static status dispatch(int argc, char **argv, struct arena *arena)
{
    TRY(cpu_from_environment());
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
    const char *kept;
    TRY(result_cache(arena, &kept));
    cache_set_folder(kept);
    status st = cmd->run(line.options, line.args, line.count, arena);
    cache_set_folder(NULL);
    return st;
}

/* ---- standard output --------------------------------------------------------------------------------------------- */

/* stdio loses what a signal interrupts, and forgets why a write failed long before the end. So stdout becomes a stream
 * that writes through core/system.h and keeps the first reason. */
struct output {
    FILE *stream, *before; /* before: what stdout was */
    int error;
};

static ssize_t put_bytes(void *ctx, const char *bytes, size_t n)
{
    struct output *o = ctx;
    if (sys_write_all(STDOUT_FILENO, bytes, n) == 0) return (ssize_t)n;
    if (!o->error) o->error = errno;
    return 0;
}

static status output_begin(struct output *o)
{
    fflush(stdout);
    o->stream = fopencookie(o, "w", (cookie_io_functions_t){.write = put_bytes});
    FAIL_IF(!o->stream, ST_MEMORY, "out of memory for standard output");
    if (isatty(STDOUT_FILENO)) setvbuf(o->stream, NULL, _IOLBF, 0);
    o->before = stdout;
    stdout = o->stream;
    return ST_OK;
}

/* A full disk or a closed pipe behind standard output must not look like success, nor hide the summary that tells which
 * cells failed and why. */
static status output_end(struct output *o, status st)
{
    if (!o->stream) return st;
    stdout = o->before;
    int bad = fclose(o->stream) != 0 || o->error;
    if (!bad) return st;
    const char *why = strerror(o->error);
    if (st == ST_OK) return fail(ST_IO, "cannot write to standard output: %s", why);
    return fail(st == ST_CELLS ? ST_IO : st, "%s; cannot write to standard output: %s", status_message(), why);
}

int cli_main(int argc, char **argv)
{
    struct output output = {0};
    status st = output_begin(&output);
    if (st == ST_OK) st = cpu_from_environment();
    struct arena *arena = st == ST_OK ? arena_new("command") : NULL;
    if (st == ST_OK) st = arena ? dispatch(argc, argv, arena) : ST_MEMORY;
    st = output_end(&output, st);
    /* A failed cell was named where it failed; the status alone says that there was one. */
    if (st != ST_OK && *status_message()) fprintf(stderr, "peftgrid: %s\n", status_message());
    arena_free(arena);
    return (int)st;
}
