#include "tests/fault/fault_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/cli.h"
#include "core/file.h"
#include "core/heap.h"
#include "core/text.h"

enum { PATIENCE = 120 }; /* seconds: no command of these tests takes two */

/* The leak checker of a sanitized build. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static char *leaks; /* what the child found, in memory shared with it */
enum { LEAK_TEXT = 200 };

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static void redirect(int to, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, to) < 0) _exit(99);
    close(fd);
}

/* The child's side. Never returns. */
static void run_command(char *const *word, const char *folder, struct fault f)
{
    int words = 0;
    while (word[words]) words++;
    signal(SIGPIPE, SIG_DFL);
    if (chdir(folder) != 0) _exit(99);
    redirect(STDOUT_FILENO, f.out ? f.out : "out.txt");
    redirect(STDERR_FILENO, "err.txt");
    alarm(PATIENCE);
    long pieces = heap_live();
    size_t held = arena_total_held();
    int files = open_files();
    struct rlimit limit = {f.memory, f.memory};
    if (f.memory && setrlimit(RLIMIT_AS, &limit) != 0) _exit(99);
    if (f.group == FAULT_SYSTEM)
        sys_fail_after(f.n, f.how);
    else
        fault_arm(f.group, f.n);
    int code = cli_main(words, (char **)word);
    /* Fewer files than before is no leak: the parent's reader of records is let go. */
    if (heap_live() != pieces || arena_total_held() != held || open_files() > files)
        snprintf(leaks, LEAK_TEXT, "%ld pieces, %zu bytes of arenas, %d files are not given back", heap_live() - pieces,
                 arena_total_held() - held, open_files() - files);
    else if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        snprintf(leaks, LEAK_TEXT, "the leak checker found some");
    _exit(code);
}

static const char *read_text(const char *folder, const char *name, struct arena *arena)
{
    char *text;
    return file_read(path_join(arena, folder, name), 1 << 20, arena, &text, NULL) == ST_OK ? text : "";
}

void child_run(char *const *word, const char *folder, struct fault f, struct arena *arena, struct child_run *r)
{
    int how;
    if (!leaks) leaks = mmap(NULL, LEAK_TEXT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    leaks[0] = 0;
    fault_arm(f.group, 0);
    long before = fault_events(f.group);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) run_command(word, folder, f);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    char struck[256];
    long events = fault_events(f.group) - before;
    snprintf(struck, sizeof struck, "%s", f.n ? fault_noted() : "");
    fault_arm(f.group, 0); /* before this process allocates anything: a child that was done early has not met it */
    *r = (struct child_run){.code = WIFEXITED(how) ? WEXITSTATUS(how) : -1,
                            .signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0,
                            .events = events,
                            .struck = arena_strdup(arena, struck),
                            .leak = arena_strdup(arena, leaks)};
    r->out = f.out ? "" : read_text(folder, "out.txt", arena);
    r->err = read_text(folder, "err.txt", arena);
}
