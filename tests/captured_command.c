#include "tests/pgtest.h"

#include <fcntl.h>
#include "bench/cli.h"
#include "tests/captured_command.h"

char captured[1 << 16];

char *in_temp(const char *name)
{
    static char dir[3000], path[16][4200];
    static int turn;
    if (!*dir) snprintf(dir, sizeof dir, "%s", temp_dir());
    turn = (turn + 1) % 16;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

status captured_command(char **word)
{
    int words = 0;
    while (word[words]) words++;
    struct arena *a = arena_new("command");
    const struct command *c = cli_find(word[0]);
    ck_assert_msg(c != NULL, "no command %s", word[0]);
    fflush(stdout);
    int saved = dup(1), fd = open(in_temp("output"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert(saved >= 0 && fd >= 0 && dup2(fd, 1) >= 0);
    struct command_line line;
    status st = cli_parse(c, words - 1, word + 1, a, &line);
    if (st == ST_OK) st = c->run(line.options, line.args, line.count, a);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    ssize_t n = pread(fd, captured, sizeof captured - 1, 0);
    captured[n < 0 ? 0 : n] = 0;
    close(fd);
    arena_free(a);
    return st;
}
