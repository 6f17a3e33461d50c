/* Files (see file.h). Every system call that can fail is checked, and the message names the file and the system's
 * reason.
 *
 * An atomic write is: temporary name in the same folder, write, fsync, rename, fsync of the folder. The last step makes
 * the rename itself durable; without it a power failure may bring the old name back. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include "core/heap.h"
#include "core/system.h"

static status io_fail(const char *path, const char *what)
{
    return fail(ST_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* A name that leads nowhere, or where the user may not go, is bad input, for the user gave it; the rest is the system's
 * fault. */
static int is_users(int error)
{
    static const int user[] = {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EISDIR, ENXIO, ENODEV};
    for (size_t i = 0; i < sizeof user / sizeof user[0]; i++)
        if (error == user[i]) return 1;
    return 0;
}

static status open_fail(const char *path, const char *what)
{
    return is_users(errno) ? fail(ST_INPUT, "%s: %s: %s", path, what, strerror(errno)) : io_fail(path, what);
}

static status open_read(const char *path, int *fd, struct stat *st)
{
    *fd = sys_open(path, O_RDONLY | O_NONBLOCK); /* opening a pipe must not wait for a writer */
    if (*fd < 0) return open_fail(path, "cannot open it");
    if (sys_fstat(*fd, st) != 0) {
        status s = io_fail(path, "cannot get its size");
        sys_close(*fd);
        return s;
    }
    if (!S_ISREG(st->st_mode)) {
        sys_close(*fd);
        return fail(ST_INPUT, "%s: expected a regular file, this is %s", path,
                    S_ISDIR(st->st_mode) ? "a folder" : "a device, pipe or socket");
    }
    return ST_OK;
}

static long long nanoseconds(struct timespec t)
{
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

status file_map(const char *path, struct file_map *m)
{
    int fd;
    struct stat st;
    *m = (struct file_map){.data = (const unsigned char *)"", .path = path};
    TRY(open_read(path, &fd, &st));
    m->mtime_ns = nanoseconds(st.st_mtim);
    m->ctime_ns = nanoseconds(st.st_ctim);
    if (st.st_size > 0) {
        void *p = sys_map(fd, (size_t)st.st_size);
        if (!p) {
            status s = io_fail(path, "cannot map it");
            sys_close(fd);
            return s;
        }
        m->data = m->priv = p;
        m->size = (size_t)st.st_size;
    }
    sys_close(fd);
    return ST_OK;
}

void file_unmap(struct file_map *m)
{
    if (m->priv) munmap(m->priv, m->size);
    *m = (struct file_map){0};
}

void file_release(const struct file_map *m)
{
    if (m->priv) madvise(m->priv, m->size, MADV_DONTNEED);
}

status file_read(const char *path, size_t max, struct arena *a, char **text, size_t *size)
{
    int fd;
    struct stat st;
    TRY(open_read(path, &fd, &st));
    size_t n = (size_t)st.st_size;
    char *p = n > max ? NULL : arena_alloc(a, n + 1);
    if (!p) {
        sys_close(fd);
        return n > max ? fail(ST_INPUT, "%s: %zu bytes, expected at most %zu", path, n, max) : ST_MEMORY;
    }
    ssize_t got = sys_read_all(fd, p, n); /* fewer: shortened while we read; what is left is the file */
    status s = got < 0 ? io_fail(path, "cannot read it") : ST_OK;
    sys_close(fd);
    if (s != ST_OK) return s;
    p[got] = '\0';
    *text = p;
    if (size) *size = (size_t)got;
    return ST_OK;
}

status file_head(const char *path, void *buf, size_t n, size_t *got)
{
    int fd = sys_open(path, O_RDONLY | O_NONBLOCK);
    *got = 0;
    if (fd < 0) return open_fail(path, "cannot open it");
    ssize_t r = sys_read_all(fd, buf, n);
    status s = r < 0 ? open_fail(path, "cannot read it") : ST_OK;
    sys_close(fd);
    if (r > 0) *got = (size_t)r;
    return s;
}

status file_temp_name(const char *path, char *buf, size_t n)
{
    unsigned long long r;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r) return io_fail(path, "no random bits for a temporary name");
    int len = snprintf(buf, n, "%s.%016llx.tmp", path, r);
    FAIL_IF(len < 0 || (size_t)len >= n, ST_IO, "%s: the name is too long", path);
    return ST_OK;
}

static status sync_folder_of(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    FAIL_IF(n >= sizeof dir, ST_IO, "%s: the name is too long", path);
    if (!slash) {
        strcpy(dir, ".");
    } else if (n == 0) {
        strcpy(dir, "/");
    } else {
        memcpy(dir, path, n);
        dir[n] = '\0';
    }
    int fd = sys_open(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return io_fail(dir, "cannot open the folder");
    /* Some file systems cannot sync a folder and say EINVAL; there the rename is as durable as it gets. */
    int bad = sys_fsync(fd) != 0 && errno != EINVAL;
    status s = bad ? io_fail(dir, "cannot sync the folder") : ST_OK;
    sys_close(fd);
    return s;
}

status file_commit(const char *temp, const char *path)
{
    int fd = sys_open(temp, O_RDONLY);
    status s = fd < 0 ? io_fail(temp, "cannot open it") : ST_OK;
    if (s == ST_OK && sys_fsync(fd) != 0) s = io_fail(temp, "cannot sync it");
    if (fd >= 0) sys_close(fd);
    if (s == ST_OK && sys_rename(temp, path) != 0) s = io_fail(path, "cannot rename the finished file to this name");
    if (s != ST_OK) {
        sys_unlink(temp);
        return s;
    }
    return sync_folder_of(path);
}

status file_write_parts(const char *path, const struct file_part *part, int parts)
{
    char temp[PATH_MAX];
    TRY(file_temp_name(path, temp, sizeof temp));
    int fd = sys_open(temp, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0) return io_fail(path, "cannot create a file beside it");
    status s = ST_OK;
    for (int i = 0; i < parts && s == ST_OK; i++)
        if (sys_write_all(fd, part[i].bytes, part[i].size) != 0) s = io_fail(path, "cannot write it");
    if (sys_close(fd) != 0 && s == ST_OK) s = io_fail(path, "cannot write it");
    if (s != ST_OK) {
        sys_unlink(temp);
        return s;
    }
    return file_commit(temp, path);
}

status file_write_atomic(const char *path, const void *bytes, size_t size)
{
    return file_write_parts(path, &(struct file_part){bytes, size}, 1);
}

status file_remove(const char *path)
{
    return sys_unlink(path) == 0 || errno == ENOENT ? ST_OK : io_fail(path, "cannot remove it");
}

status file_rename(const char *from, const char *to)
{
    return sys_rename(from, to) == 0 || errno == ENOENT ? ST_OK : io_fail(from, "cannot rename it");
}

/* 1: the file ends in the middle of a line, which is what a full disk or a kill leaves of the last one; -1: no answer.
 */
static int ends_within_line(int fd)
{
    char last;
    if (sys_seek(fd, -1) != 0) return 0; /* it is empty */
    ssize_t n = sys_read(fd, &last, 1);
    return n < 0 ? -1 : n == 1 && last != '\n';
}

status file_append_line(const char *path, const char *line)
{
    size_t n = strlen(line);
    int complete = n > 0 && line[n - 1] == '\n';
    char *copy = heap_alloc(n + 3);
    FAIL_IF(!copy, ST_MEMORY, "out of memory: a line of %zu bytes for %s", n, path);
    copy[0] = '\n';
    memcpy(copy + 1, line, n);
    if (!complete) copy[1 + n++] = '\n';
    int fd = sys_open(path, O_RDWR | O_CREAT | O_APPEND);
    status s = fd < 0 ? io_fail(path, "cannot open it for appending") : ST_OK;
    /* Another writer's line, half way into the file, must not look like one that was cut. Where the disk has no locks
     * that costs an empty line at worst. */
    if (s == ST_OK) (void)sys_lock(fd);
    int broken = s == ST_OK ? ends_within_line(fd) : 0;
    if (broken < 0) s = io_fail(path, "cannot read its end");
    if (s == ST_OK && sys_write_all(fd, broken ? copy : copy + 1, n + (size_t)broken) != 0)
        s = io_fail(path, "cannot append to it");
    if (s == ST_OK && sys_fsync(fd) != 0) s = io_fail(path, "cannot sync it");
    if (fd >= 0) sys_close(fd);
    heap_free(copy);
    return s;
}

status file_make_dirs(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    FAIL_IF(n >= sizeof part, ST_IO, "%s: the name is too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (sys_mkdir(part) != 0 && errno != EEXIST) return io_fail(part, "cannot create the folder");
    }
    int is_dir = 1;
    if (n > 0) TRY(file_ask_dir(path, &is_dir));
    FAIL_IF(!is_dir, ST_IO, "%s: expected a folder, something else has this name", path);
    return ST_OK;
}

int file_exists(const char *path)
{
    struct stat st;
    return sys_stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int file_is_dir(const char *path)
{
    struct stat st;
    return sys_stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static status look_up(const char *path, struct stat *st, int *is_there)
{
    *is_there = sys_stat(path, st) == 0;
    return *is_there || is_users(errno) ? ST_OK : io_fail(path, "cannot look it up");
}

status file_ask(const char *path, int *is_there)
{
    struct stat st;
    return look_up(path, &st, is_there);
}

status file_ask_dir(const char *path, int *is_dir)
{
    struct stat st;
    TRY(look_up(path, &st, is_dir));
    *is_dir = *is_dir && S_ISDIR(st.st_mode);
    return ST_OK;
}

status file_room(const char *dir, double *bytes)
{
    return sys_room(dir, bytes) == 0 ? ST_OK : io_fail(dir, "cannot tell how much room is left");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int wanted(const char *name, const char *suffix)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return 0;
    size_t n = strlen(name), s = suffix ? strlen(suffix) : 0;
    return n >= s && (s == 0 || strcmp(name + n - s, suffix) == 0);
}

status file_list(const char *dir, const char *suffix, struct arena *a, char ***names, int *count)
{
    DIR *d = sys_opendir(dir);
    if (!d) return open_fail(dir, "cannot open the folder");
    char **list = NULL;
    int n = 0, cap = 0;
    status s = ST_OK;
    const struct dirent *e;
    while (s == ST_OK && (e = sys_readdir(d)) != NULL) {
        if (!wanted(e->d_name, suffix)) continue;
        if (n == cap) { /* the outgrown list stays in the arena; doubling bounds that to the final size */
            cap = cap ? 2 * cap : 32;
            char **more = arena_alloc(a, sizeof *more * (size_t)cap);
            if (more && n > 0) memcpy(more, list, sizeof *list * (size_t)n);
            if (!more) s = ST_MEMORY;
            list = more;
        }
        if (s == ST_OK && (list[n] = arena_strdup(a, e->d_name)) == NULL) s = ST_MEMORY;
        n++;
    }
    if (s == ST_OK && errno != 0) s = io_fail(dir, "cannot read the folder");
    closedir(d);
    if (s != ST_OK) return s;
    if (n > 0) qsort(list, (size_t)n, sizeof *list, by_name);
    *names = list;
    *count = n;
    return ST_OK;
}

status file_remove_folder(const char *path, struct arena *arena)
{
    char **name;
    int n;
    TRY(file_list(path, NULL, arena, &name, &n));
    for (int i = 0; i < n; i++) {
        const char *file = path_join(arena, path, name[i]);
        if (!file) return ST_MEMORY;
        TRY(file_remove(file));
    }
    return sys_rmdir(path) == 0 ? ST_OK : io_fail(path, "cannot remove it");
}

char *path_join(struct arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    if (n == 0) return arena_strdup(a, name);
    while (n > 0 && dir[n - 1] == '/') n--;
    while (*name == '/') name++;
    return arena_printf(a, "%.*s/%s", (int)n, dir, name);
}
