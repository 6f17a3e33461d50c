#include "bench/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "core/file.h"
#include "core/lap.h"
#include "core/system.h"

enum { OWNER_TEXT = 256 };

static int read_some(const char *path, char *buf, size_t size)
{
    size_t n;
    status st = file_head(path, buf, size - 1, &n);
    buf[n] = 0;
    return st == ST_OK;
}

static int read_owner(const char *path, char *buf)
{
    return read_some(path, buf, OWNER_TEXT);
}

/* When a process of this host began, in ticks since the system did: with it a number names one process, however often
 * numbers are used again. 0: the system does not tell us. *ended: only its parent has not noticed its end yet. */
static unsigned long long born(long pid, int *ended)
{
    char path[64], text[1024], state = '?';
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    const char *rest = read_some(path, text, sizeof text) ? strrchr(text, ')') : NULL; /* a name may hold anything */
    /* Fields 3 and 22 of proc(5). */
    if (rest)
        sscanf(rest + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &state,
               &ticks);
    *ended = state == 'Z' || state == 'X';
    return ticks;
}

/* "pid host beginning" of this process. */
static void owner(char *buf)
{
    char host[128] = "?";
    int ended;
    gethostname(host, sizeof host - 1);
    snprintf(buf, OWNER_TEXT, "%ld %s %llu\n", (long)getpid(), host, born((long)getpid(), &ended));
}

static int alive(long pid, unsigned long long beginning)
{
    int ended;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return 0;
    unsigned long long ticks = born(pid, &ended);
    return !ended && (ticks == 0 || beginning == 0 || ticks == beginning);
}

/* The owner of a claim is gone: its process, when it ran on this host, or its renewals. */
static int stale(const char *path, const char *text)
{
    struct stat st;
    long pid;
    unsigned long long beginning = 0; /* not told */
    char host[128] = "", here[128] = "?";
    gethostname(here, sizeof here - 1);
    if (sys_stat(path, &st) != 0) return 0;
    if (sscanf(text, "%ld %127s %llu", &pid, host, &beginning) >= 2 && pid > 0 && strcmp(host, here) == 0)
        return !alive(pid, beginning);
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
    if (sys_rename(path, aside) != 0) return;
    int mine = !read_owner(aside, now) || strcmp(now, text) == 0;
    if (!mine && sys_link(aside, path) != 0) notice("%s: taken over while it was being renewed", path);
    sys_unlink(aside);
}

static int create(const char *path, status *st)
{
    char text[OWNER_TEXT];
    int fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0) {
        if (errno != EEXIST) *st = fail(ST_IO, "%s: cannot create it: %s", path, strerror(errno));
        return 0;
    }
    owner(text);
    if (sys_write_all(fd, text, strlen(text)) != 0) *st = fail(ST_IO, "%s: cannot write it: %s", path, strerror(errno));
    sys_close(fd);
    if (*st != ST_OK) sys_unlink(path);
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
        if (*taken || st != ST_OK || round == 1 || !read_owner(c->path, text) || !stale(c->path, text)) continue;
        remove_stale(c->path, text);
    }
    c->beaten = clock_seconds();
    if (!*taken) c->path[0] = 0;
    return st;
}

void claim_clear(const char *dir, const char *key)
{
    char path[PATH_MAX], text[OWNER_TEXT];
    if (snprintf(path, sizeof path, "%s/%s.claim", dir, key) >= (int)sizeof path) return;
    if (read_owner(path, text) && stale(path, text)) remove_stale(path, text);
}

void claim_beat(struct claim *c)
{
    double now = clock_seconds();
    if (!c->path[0] || now - c->beaten < CLAIM_BEAT) return;
    sys_touch(c->path);
    c->beaten = now;
}

void claim_drop(struct claim *c)
{
    if (c->path[0] && file_remove(c->path) != ST_OK) notice("%s", status_message());
    c->path[0] = 0;
}
