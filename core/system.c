/* A fault is met inside the loop that tries again after EINTR: what a test injects takes the way of the real thing. */
#include "core/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "core/fault.h"

enum sort { PLAIN, NEEDS_ROOM, TRANSFERS, WRITES }; /* WRITES is a transfer and needs room, too */

static enum sys_fault fault;

void sys_fail_after(long n, enum sys_fault f)
{
    fault = f;
    fault_arm(FAULT_SYSTEM, n);
}

static int applies(enum sort sort, size_t bytes)
{
    switch (fault) {
    case SYS_SHORT: return (sort == TRANSFERS || sort == WRITES) && bytes > 1;
    case SYS_FULL: return sort == NEEDS_ROOM || sort == WRITES;
    default: return 1;
    }
}

/* Whether this call is to meet the fault. path NULL: that of fd. */
static int struck(enum sort sort, const char *call, const char *path, int fd, size_t bytes)
{
    char link[64], name[160];
    if (!applies(sort, bytes)) return 0;
    long age = fault_age(FAULT_SYSTEM);
    if (age == 0 || (age > 1 && fault != SYS_FULL)) return 0;
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, name, sizeof name - 1);
        name[n > 0 ? n : 0] = 0;
    }
    if (age == 1) fault_note("%s %s", call, path ? path : name);
    return 1;
}

/* For calls that do all or nothing: the fault is an error. */
static int refused(enum sort sort, const char *call, const char *path, int fd)
{
    static const int error[SYS_FAULTS] = {[SYS_EIO] = EIO, [SYS_EINTR] = EINTR, [SYS_FULL] = ENOSPC};
    if (!struck(sort, call, path, fd, 0)) return 0;
    errno = error[fault];
    return 1;
}

/* r = the call's value, or -1 where it is refused; again after EINTR. */
#define CALL(r, refusal, call) \
    do { \
        do (r) = (refusal) ? -1 : (call); \
        while ((r) < 0 && errno == EINTR); \
    } while (0)

int sys_open(const char *path, int flags)
{
    int fd;
    CALL(fd, refused(flags & O_CREAT ? NEEDS_ROOM : PLAIN, "open", path, -1), open(path, flags | O_CLOEXEC, 0666));
    return fd;
}

/* Not tried again: after EINTR the file is closed. */
int sys_close(int fd)
{
    int bad = refused(NEEDS_ROOM, "close", NULL, fd), why = errno;
    int r = close(fd);
    if (!bad) return r < 0 && errno == EINTR ? 0 : r;
    errno = why;
    return why == EINTR ? 0 : -1;
}

/* The bytes to ask for: all, half of them, or with -1 in *r none. */
static size_t portion(enum sort sort, const char *call, int fd, size_t n, ssize_t *r)
{
    *r = 0;
    if (fault == SYS_SHORT) return struck(sort, call, NULL, fd, n) ? n / 2 : n;
    if (refused(sort, call, NULL, fd)) *r = -1;
    return n;
}

/* r = the value of a call that moves `part` bytes, of n; again after EINTR. */
#define TRANSFER(r, sort, name, fd, n, call) \
    do { \
        size_t part = portion(sort, name, fd, n, &(r)); \
        if ((r) == 0) (r) = (call); \
    } while ((r) < 0 && errno == EINTR)

ssize_t sys_read(int fd, void *p, size_t n)
{
    ssize_t r;
    TRANSFER(r, TRANSFERS, "read", fd, n, read(fd, p, part));
    return r;
}

ssize_t sys_write(int fd, const void *p, size_t n)
{
    ssize_t r;
    TRANSFER(r, WRITES, "write", fd, n, write(fd, p, part));
    return r;
}

ssize_t sys_receive(int fd, void *p, size_t n)
{
    ssize_t r;
    TRANSFER(r, TRANSFERS, "recv", fd, n, recv(fd, p, part, 0));
    return r;
}

ssize_t sys_send(int fd, const void *p, size_t n)
{
    ssize_t r;
    TRANSFER(r, TRANSFERS, "send", fd, n, send(fd, p, part, MSG_NOSIGNAL));
    return r;
}

int sys_write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t w = sys_write(fd, p, n);
        if (w < 0) return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

ssize_t sys_read_all(int fd, void *bytes, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = sys_read(fd, (char *)bytes + got, n - got);
        if (r < 0) return -1;
        if (r == 0) break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

int sys_seek(int fd, off_t from_end)
{
    return lseek(fd, from_end, SEEK_END) < 0 ? -1 : 0;
}

int sys_lock(int fd)
{
    int r;
    CALL(r, refused(PLAIN, "flock", NULL, fd), flock(fd, LOCK_EX));
    return r;
}

int sys_fsync(int fd)
{
    int r;
    CALL(r, refused(NEEDS_ROOM, "fsync", NULL, fd), fsync(fd));
    return r;
}

int sys_stat(const char *path, struct stat *st)
{
    int r;
    CALL(r, refused(PLAIN, "stat", path, -1), stat(path, st));
    return r;
}

int sys_fstat(int fd, struct stat *st)
{
    int r;
    CALL(r, refused(PLAIN, "fstat", NULL, fd), fstat(fd, st));
    return r;
}

int sys_rename(const char *from, const char *to)
{
    int r;
    CALL(r, refused(NEEDS_ROOM, "rename", from, -1), rename(from, to));
    return r;
}

int sys_link(const char *from, const char *to)
{
    int r;
    CALL(r, refused(NEEDS_ROOM, "link", from, -1), link(from, to));
    return r;
}

int sys_unlink(const char *path)
{
    int r;
    CALL(r, refused(PLAIN, "unlink", path, -1), unlink(path));
    return r;
}

int sys_rmdir(const char *path)
{
    int r;
    CALL(r, refused(PLAIN, "rmdir", path, -1), rmdir(path));
    return r;
}

int sys_mkdir(const char *path)
{
    int r;
    CALL(r, refused(NEEDS_ROOM, "mkdir", path, -1), mkdir(path, 0777));
    return r;
}

int sys_touch(const char *path)
{
    int r;
    CALL(r, refused(PLAIN, "utimensat", path, -1), utimensat(AT_FDCWD, path, NULL, 0));
    return r;
}

/* A full disk is no error here, but an answer. */
int sys_room(const char *path, double *bytes)
{
    struct statvfs s;
    int r;
    *bytes = 0;
    if (fault == SYS_FULL && struck(NEEDS_ROOM, "statvfs", path, -1, 0)) return 0;
    CALL(r, refused(PLAIN, "statvfs", path, -1), statvfs(path, &s));
    if (r == 0) *bytes = (double)s.f_bavail * (double)s.f_frsize;
    return r;
}

DIR *sys_opendir(const char *path)
{
    DIR *d;
    do d = refused(PLAIN, "opendir", path, -1) ? NULL : opendir(path);
    while (!d && errno == EINTR);
    return d;
}

const struct dirent *sys_readdir(DIR *d)
{
    const struct dirent *e;
    do {
        errno = 0;
        e = refused(PLAIN, "readdir", NULL, dirfd(d)) ? NULL : readdir(d);
    } while (!e && errno == EINTR);
    return e;
}

void *sys_map(int fd, size_t n)
{
    void *p;
    do p = refused(PLAIN, "mmap", NULL, fd) ? MAP_FAILED : mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    while (p == MAP_FAILED && errno == EINTR);
    return p == MAP_FAILED ? NULL : p;
}

int sys_pipe(int fd[2])
{
    int r;
    CALL(r, refused(PLAIN, "pipe2", "", -1), pipe2(fd, O_CLOEXEC));
    return r;
}

int sys_socket_pair(int fd[2])
{
    int r;
    CALL(r, refused(PLAIN, "socketpair", "", -1), socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
    return r;
}

pid_t sys_fork(void)
{
    pid_t pid;
    CALL(pid, refused(PLAIN, "fork", "", -1), fork());
    return pid;
}
