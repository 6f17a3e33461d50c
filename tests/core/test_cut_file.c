/* Files that are cut while they are mapped: one sentence and an exit code, whichever thread meets it. */
#include "tests/pgtest.h"

#include <signal.h>
#include <sys/wait.h>
#include "core/cut_file.h"
#include "core/file.h"
#include "core/parallel.h"

enum { BYTES = 1 << 16, THREADS = 4 };

static struct arena *arena;
static char said[1024];

/* In a child: what it writes to standard error goes to `said`; how it ended, as waitpid tells. */
static int child(void (*act)(const char *), const char *path)
{
    int ends[2], how;
    size_t n = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        cut_file_watch();
        act(path);
        _exit(99);
    }
    ck_assert_int_gt(pid, 0);
    close(ends[1]);
    for (ssize_t k; (k = read(ends[0], said + n, sizeof said - 1 - n)) > 0;) n += (size_t)k;
    said[n] = 0;
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    return how;
}

static struct file_map map_and_cut(const char *path)
{
    struct file_map m;
    if (file_map(path, &m) != ST_OK || truncate(path, 0) != 0) _exit(98);
    return m;
}

static void look(const struct file_map *m, size_t at)
{
    volatile unsigned char byte = m->data[at];
    (void)byte;
}

static void cut_and_look(const char *path)
{
    struct file_map m = map_and_cut(path);
    look(&m, BYTES / 2);
}

static void look_at_piece(void *m, int i, int thread)
{
    (void)thread;
    look(m, (size_t)i * (BYTES / THREADS));
}

static void cut_and_look_from_threads(const char *path)
{
    struct file_map m = map_and_cut(path);
    parallel_set_threads(THREADS);
    parallel_for(THREADS, look_at_piece, &m);
}

static void send_signal(const char *path)
{
    (void)path;
    raise(SIGBUS);
}

static const char *new_file(const char *name)
{
    static const char zeros[BYTES];
    arena = arena_new("test");
    const char *path = path_join(arena, temp_dir(), name);
    ck_ok(file_write_atomic(path, zeros, sizeof zeros));
    return path;
}

static void told(void (*act)(const char *), const char *name, const char *shown)
{
    const char *path = new_file(name);
    int how = child(act, path);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == ST_IO, "ended with %x: %s", how, said);
    ck_assert_msg(strncmp(said, "peftgrid: /", 11) == 0, "%s", said);
    const char *rest = strstr(said, shown);
    ck_assert_msg(rest && rest[-1] == '/', "%s", said);
    ck_assert_str_eq(rest + strlen(shown), ": it was cut while it was in use, or its disk failed\n");
    arena_free(arena);
}

START_TEST(a_cut_file_is_told)
{
    told(cut_and_look, "model.safetensors", "model.safetensors");
    told(cut_and_look, "name with\tblanks \033[2J", "name with?blanks ?[2J");
}
END_TEST

START_TEST(threads_tell_it_once)
{
    for (int i = 0; i < 20; i++) told(cut_and_look_from_threads, "model.safetensors", "model.safetensors");
}
END_TEST

START_TEST(other_bus_errors_kill)
{
    int how = child(send_signal, NULL);
    ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGBUS, "ended with %x", how);
    ck_assert_str_eq(said, "");
}
END_TEST

PG_TESTS(TEST(a_cut_file_is_told), TEST(threads_tell_it_once), TEST(other_bus_errors_kill))
