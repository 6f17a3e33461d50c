/* A handler may call next to nothing. The kernel knows which file lies at an address and tells it in /proc/self/maps,
 * in lines "FROM-TO rwxp OFFSET DEVICE INODE      PATH"; so there is no list of maps to keep here. */
#include "core/cut_file.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "core/status.h"
#include "core/system.h"

enum { FIELDS_BEFORE_PATH = 5, LINE_BYTES = PATH_MAX + 128 };

/* The hexadecimal number at *p, which moves behind it. */
static uintptr_t hexadecimal(const char **p)
{
    uintptr_t n = 0;
    for (;; ++*p) {
        char c = **p;
        if (c >= '0' && c <= '9')
            n = 16 * n + (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = 16 * n + (uintptr_t)(c - 'a' + 10);
        else
            return n;
    }
}

/* The path of a line whose addresses hold this one; NULL: they do not, or no file lies there. */
static char *path_in(char *line, uintptr_t address)
{
    const char *p = line;
    uintptr_t from = hexadecimal(&p);
    if (*p++ != '-' || address < from || address >= hexadecimal(&p)) return NULL;
    for (int i = 1; i < FIELDS_BEFORE_PATH; i++) {
        p += strspn(p, " ");
        p += strcspn(p, " ");
    }
    p += strspn(p, " ");
    return *p == '/' ? line + (p - line) : NULL;
}

/* The file that lies at an address: its name in `line`, or NULL. */
static char *file_at(uintptr_t address, char line[LINE_BYTES])
{
    char some[1024];
    char *path = NULL;
    size_t length = 0;
    ssize_t n;
    int fd = sys_open("/proc/self/maps", O_RDONLY);
    if (fd < 0) return NULL;
    while (!path && (n = sys_read(fd, some, sizeof some)) > 0)
        for (ssize_t i = 0; i < n && !path; i++) {
            if (some[i] != '\n') {
                if (length + 1 < LINE_BYTES) line[length++] = some[i];
                continue;
            }
            line[length] = 0;
            path = path_in(line, address);
            length = 0;
        }
    sys_close(fd);
    return path;
}

static void say(const char *text)
{
    (void)sys_write_all(STDERR_FILENO, text, strlen(text));
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    static atomic_flag telling = ATOMIC_FLAG_INIT;
    static char line[LINE_BYTES];
    (void)context;
    while (atomic_flag_test_and_set(&telling)) pause(); /* another thread is here, and ends the process */
    char *path = info->si_code == BUS_ADRERR ? file_at((uintptr_t)info->si_addr, line) : NULL;
    if (!path) {
        signal(number, SIG_DFL); /* the instruction is tried again, and this time it kills; so does who sent it */
        atomic_flag_clear(&telling);
        if (info->si_code <= 0) raise(number);
        return;
    }
    for (char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
    say("peftgrid: ");
    say(path);
    say(": it was cut while it was in use, or its disk failed\n");
    _exit(ST_IO);
}

void cut_file_watch(void)
{
    struct sigaction act = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    sigaction(SIGBUS, &act, NULL);
}
