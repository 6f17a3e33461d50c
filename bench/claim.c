#include "bench/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "core/progress.h"

enum { OWNER_TEXT = 256 };

/* "pid host" of this process. */
static void owner(char *buf)
{
    char host[128] = "?";
    gethostname(host, sizeof host - 1);
    snprintf(buf, OWNER_TEXT, "%ld %s\n", (long)getpid(), host);
}

static int read_owner(const char *path, char *buf)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, buf, OWNER_TEXT - 1);
    close(fd);
    buf[n > 0 ? n : 0] = 0;
    return n >= 0;
}

/* The owner of a claim is gone: its process, when it ran on this host, or its renewals. */
static int stale(const char *path, const char *text)
{
    struct stat st;
    long pid;
    char host[128] = "", here[128] = "?";
    gethostname(here, sizeof here - 1);
    if (stat(path, &st) != 0) return 0;
    if (sscanf(text, "%ld %127s", &pid, host) == 2 && strcmp(host, here) == 0)
        return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
    return difftime(time(NULL), st.st_mtime) > CLAIM_STALE;
}

int claim_is_stale(const char *path)
{
    char text[OWNER_TEXT];
    return read_owner(path, text) && stale(path, text);
}

/* Moves a stale claim out of the way. Between reading and renaming another driver may have taken it over; then what was
 * renamed is not what was read, and goes back. */
static void remove_stale(const char *path, const char *text)
{
    char aside[PATH_MAX + 32], now[OWNER_TEXT];
    snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
    if (rename(path, aside) != 0) return;
    int mine = !read_owner(aside, now) || strcmp(now, text) == 0;
    if (!mine && link(aside, path) != 0) notice("%s: taken over while it was being renewed", path);
    unlink(aside);
}

static int create(const char *path, status *st)
{
    char text[OWNER_TEXT];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        if (errno != EEXIST) *st = fail(ST_IO, "%s: cannot create it: %s", path, strerror(errno));
        return 0;
    }
    owner(text);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        *st = fail(ST_IO, "%s: cannot write it: %s", path, strerror(errno));
    close(fd);
    if (*st != ST_OK) unlink(path);
    return *st == ST_OK;
}

status claim_take(const char *dir, const char *key, struct claim *c, int *taken)
{
    char text[OWNER_TEXT];
    status st = ST_OK;
    *taken = 0;
    FAIL_IF(snprintf(c->path, sizeof c->path, "%s/%s.claim", dir, key) >= (int)sizeof c->path, ST_IO,
            "%s: the name is too long", dir);
    for (int round = 0; round < 2 && !*taken && st == ST_OK; round++) {
        *taken = create(c->path, &st);
        if (*taken || round == 1 || !read_owner(c->path, text) || !stale(c->path, text)) continue;
        remove_stale(c->path, text);
    }
    c->beaten = progress_now();
    if (!*taken) c->path[0] = 0;
    return st;
}

void claim_beat(struct claim *c)
{
    double now = progress_now();
    if (!c->path[0] || now - c->beaten < CLAIM_BEAT) return;
    utimensat(AT_FDCWD, c->path, NULL, 0);
    c->beaten = now;
}

void claim_drop(struct claim *c)
{
    if (c->path[0]) unlink(c->path);
    c->path[0] = 0;
}
