#include "bench/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/file.h"
#include "core/system.h"

enum { CANNOT_EXEC = 127, WORDS = 600 };

/* The child's side: never returns. */
static void become_gnuplot(const char *folder, char *const *word, int errors)
{
    dup2(errors, STDERR_FILENO);
    int null = sys_open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, STDIN_FILENO), dup2(null, STDOUT_FILENO);
    if (chdir(folder) == 0) execvp(word[0], word);
    _exit(CANNOT_EXEC);
}

/* All that comes, of which the first `room` bytes are kept. */
static void read_words(int fd, char *words, size_t room)
{
    char buf[512];
    size_t kept = 0;
    ssize_t n;
    while ((n = sys_read(fd, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n && kept + 1 < room; i++)
            if (buf[i] != '\n' || (kept && words[kept - 1] != ' ')) words[kept++] = buf[i] == '\n' ? ' ' : buf[i];
    words[kept] = 0;
}

status gnuplot_run(const char *folder, const char *name, const char *format, struct arena *arena)
{
    int error[2], how = 0;
    char words[WORDS];
    char *set = arena_printf(arena, "format='%s'", format), *script = arena_printf(arena, "%s.gp", name);
    const char *image = arena_printf(arena, "%s/%s.%s", folder, name, format);
    if (!set || !script || !image) return ST_MEMORY;
    char *const word[] = {"gnuplot", "-e", set, script, NULL};
    FAIL_IF(sys_pipe(error) != 0, ST_IO, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = sys_fork();
    int why = errno;
    if (pid == 0) become_gnuplot(folder, word, error[1]);
    sys_close(error[1]);
    if (pid > 0) read_words(error[0], words, sizeof words);
    sys_close(error[0]);
    FAIL_IF(pid < 0, ST_IO, "cannot start a process: %s", strerror(why));
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    int code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    FAIL_IF(code == CANNOT_EXEC, ST_UNSUPPORTED,
            "gnuplot is not installed (sh tools/bootstrap.sh deps, or on Debian apt-get install gnuplot-nox); scripts "
            "and data "
            "are in %s, to be drawn with `gnuplot %s.gp`",
            folder, name);
    FAIL_IF(code != 0 || !file_exists(image), ST_IO, "gnuplot could not draw %s: %s", image,
            *words ? words : "it gave no reason");
    return ST_OK;
}
