/* Files (see file.h). Every system call that can fail is checked, and the message names the file and the system's
 * reason.
 *
 * An atomic write is: temporary name in the same folder, write, fsync, rename, fsync of the folder. The last step makes
 * the rename itself durable; without it a power failure may bring the old name back. */
#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static status io_fail(const char *path, const char *what)
{
    return fail(ST_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* A file that is not there or cannot be opened is bad input, not a failing system: the user named it. */
static status open_read(const char *path, int *fd, struct stat *st)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not wait for a writer */
    if (*fd < 0) return fail(ST_INPUT, "%s: cannot open it: %s", path, strerror(errno));
    if (fstat(*fd, st) != 0) {
        status s = io_fail(path, "cannot get its size");
        close(*fd);
        return s;
    }
    if (!S_ISREG(st->st_mode)) {
        close(*fd);
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
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            status s = io_fail(path, "cannot map it");
            close(fd);
            return s;
        }
        m->data = m->priv = p;
        m->size = (size_t)st.st_size;
    }
    close(fd);
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
    size_t n = (size_t)st.st_size, got = 0;
    char *p = n > max ? NULL : arena_alloc(a, n + 1);
    if (!p) {
        close(fd);
        return n > max ? fail(ST_INPUT, "%s: %zu bytes, expected at most %zu", path, n, max) : ST_MEMORY;
    }
    while (got < n) {
        ssize_t r = read(fd, p + got, n - got);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) {
            status s = io_fail(path, "cannot read it");
            close(fd);
            return s;
        }
        if (r == 0) break; /* shortened while we read: what is left is the file */
        got += (size_t)r;
    }
    close(fd);
    p[got] = '\0';
    *text = p;
    if (size) *size = got;
    return ST_OK;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return 0;
        p += w;
        n -= (size_t)w;
    }
    return 1;
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
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_fail(dir, "cannot open the folder");
    /* Some file systems cannot sync a folder and say EINVAL; there the rename is as durable as it gets. */
    int bad = fsync(fd) != 0 && errno != EINVAL;
    status s = bad ? io_fail(dir, "cannot sync the folder") : ST_OK;
    close(fd);
    return s;
}

status file_commit(const char *temp, const char *path)
{
    int fd = open(temp, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_fail(temp, "cannot open it");
    status s = fsync(fd) != 0 ? io_fail(temp, "cannot sync it") : ST_OK;
    close(fd);
    if (s == ST_OK && rename(temp, path) != 0) s = io_fail(path, "cannot rename the finished file to this name");
    if (s != ST_OK) {
        unlink(temp);
        return s;
    }
    return sync_folder_of(path);
}

status file_write_atomic(const char *path, const void *bytes, size_t size)
{
    char temp[PATH_MAX];
    TRY(file_temp_name(path, temp, sizeof temp));
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return io_fail(path, "cannot create a file beside it");
    status s = write_all(fd, bytes, size) ? ST_OK : io_fail(path, "cannot write it");
    if (close(fd) != 0 && s == ST_OK) s = io_fail(path, "cannot write it");
    if (s != ST_OK) {
        unlink(temp);
        return s;
    }
    return file_commit(temp, path);
}

status file_append_line(const char *path, const char *line)
{
    size_t n = strlen(line);
    int complete = n > 0 && line[n - 1] == '\n';
    char *copy = malloc(n + 2);
    FAIL_IF(!copy, ST_MEMORY, "out of memory: a line of %zu bytes for %s", n, path);
    memcpy(copy, line, n);
    if (!complete) copy[n++] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    status s = fd < 0 ? io_fail(path, "cannot open it for appending") : ST_OK;
    if (s == ST_OK && !write_all(fd, copy, n)) s = io_fail(path, "cannot append to it");
    if (s == ST_OK && fsync(fd) != 0) s = io_fail(path, "cannot sync it");
    if (fd >= 0) close(fd);
    free(copy);
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
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return io_fail(part, "cannot create the folder");
    }
    FAIL_IF(n > 0 && !file_is_dir(path), ST_IO, "%s: expected a folder, something else has this name", path);
    return ST_OK;
}

int file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

int file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
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
    DIR *d = opendir(dir);
    if (!d) return fail(ST_INPUT, "%s: cannot open the folder: %s", dir, strerror(errno));
    char **list = NULL;
    int n = 0, cap = 0;
    status s = ST_OK;
    const struct dirent *e;
    while (s == ST_OK && (errno = 0, e = readdir(d)) != NULL) {
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

char *path_join(struct arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    if (n == 0) return arena_strdup(a, name);
    while (n > 0 && dir[n - 1] == '/') n--;
    while (*name == '/') name++;
    return arena_printf(a, "%.*s/%s", (int)n, dir, name);
}
