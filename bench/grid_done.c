#include "bench/grid_done.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/cell_name.h"
#include "bench/eval_log.h"
#include "bench/run_keeper.h"
#include "core/file.h"
#include "core/system.h"
#include "results/record.h"

struct search {
    const struct experiment *e;
    const int *index;
    int count;
    const char *cache_dir;
    struct arena *arena;
    unsigned char *done;
};

/* What a kill or a failed call between the record and the removal leaves: the cell itself takes it away. */
static bool has_leftovers(const char *folder, const char *id)
{
    static const char *const end[] = {CHECKPOINT_ENDING, CHECKPOINT_BEFORE_ENDING, EVAL_LOG_ENDING};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof end / sizeof *end; i++)
        if (snprintf(path, sizeof path, "%s/%s%s", folder, id, end[i]) < (int)sizeof path && file_exists(path))
            return true;
    return false;
}

static status look_at(const struct search *s, struct cell_namer *namer, struct arena *reading, int i)
{
    char id[65];
    struct record r;
    const struct arena_mark mark = arena_mark(reading);
    TRY(cell_name(namer, &s->e->cell[s->index[i]], id));
    const char *path = arena_printf(reading, "%s/%s.h5", s->e->runs_dir, id);
    if (!path) return ST_MEMORY;
    if (file_exists(path) && record_read(path, reading, &r) == ST_OK)
        s->done[i] = strcmp(record_get_string(&r, "run/status", ""), "ok") == 0 && !has_leftovers(s->e->runs_dir, id);
    arena_reset(reading, mark);
    return ST_OK;
}

static status look(const struct search *s)
{
    struct cell_namer *namer = NULL;
    struct arena *reading = arena_new("records");
    status st = reading ? cell_namer_open(s->cache_dir, s->arena, &namer) : ST_MEMORY;
    for (int i = 0; i < s->count && st == ST_OK; i++) st = look_at(s, namer, reading, i);
    cell_namer_close(namer);
    arena_free(reading);
    return st;
}

/* The process that looks: silent, since cells say the same things again. */
static void look_and_tell(const struct search *s, int to)
{
    int nowhere = sys_open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    status st = look(s);
    if (st == ST_OK && sys_write_all(to, s->done, (size_t)s->count) != 0) st = ST_IO;
    _exit((int)st);
}

/* All bytes or none. */
static void hear(struct search *s, int from)
{
    if (sys_read_all(from, s->done, (size_t)s->count) != s->count) memset(s->done, 0, (size_t)s->count);
}

/* In a process of its own: tokenising a data set starts threads, and a process that has started threads must not fork,
 * which is what the driver is about to do. */
status grid_done(const struct experiment *e, const int *index, int count, const char *cache_dir, struct arena *arena,
                 unsigned char **done)
{
    struct search s = {.e = e, .index = index, .count = count, .cache_dir = cache_dir, .arena = arena};
    char **name;
    int records = 0, ends[2];
    ZNEW(*done, arena, count + 1);
    s.done = *done;
    if (file_is_dir(e->runs_dir)) TRY(file_list(e->runs_dir, ".h5", arena, &name, &records));
    if (records == 0) return ST_OK;
    FAIL_IF(sys_pipe(ends) != 0, ST_IO, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = sys_fork();
    if (pid == 0) look_and_tell(&s, ends[1]);
    int why = errno;
    sys_close(ends[1]);
    if (pid > 0) hear(&s, ends[0]);
    sys_close(ends[0]);
    FAIL_IF(pid < 0, ST_IO, "cannot start a process: %s", strerror(why));
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    return ST_OK;
}
