#include "bench/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/system.h"

/* The child's side: never returns. */
static void become(const char *folder, char *const *word, int errors)
{
    dup2(errors, STDERR_FILENO);
    int null = sys_open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, STDIN_FILENO), dup2(null, STDOUT_FILENO);
    if (!folder || chdir(folder) == 0) execvp(word[0], word);
    _exit(SPAWN_NO_PROGRAM);
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

status spawn_program(const char *folder, char *const *word, char *words, size_t room, int *code)
{
    int error[2], how = 0;
    words[0] = 0;
    FAIL_IF(sys_pipe(error) != 0, ST_IO, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = sys_fork();
    int why = errno;
    if (pid == 0) become(folder, word, error[1]);
    sys_close(error[1]);
    if (pid > 0) read_words(error[0], words, room);
    sys_close(error[0]);
    FAIL_IF(pid < 0, ST_IO, "cannot start a process: %s", strerror(why));
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    *code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    return ST_OK;
}
