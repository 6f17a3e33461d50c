/* Files: read-only maps, whole-file reads, atomic writes. Messages name the file and the system's reason. */
#ifndef PG_CORE_FILE_H
#define PG_CORE_FILE_H

#include <stddef.h>
#include "core/arena.h"
#include "core/status.h"

/* A read-only shared map of a regular file. An empty file maps to data = "" with size 0. */
struct file_map {
    const unsigned char *data;
    size_t size;
    const char *path;             /* as given; not copied */
    void *priv;                   /* the map itself; NULL for an empty file */
    long long mtime_ns, ctime_ns; /* of the file that was mapped: identity of its content for caches */
};
status file_map(const char *path, struct file_map *);
void file_unmap(struct file_map *); /* zeroed struct is fine */
/* Gives the pages of the map back to the system; they come again when they are looked at. */
void file_release(const struct file_map *);

/* The first n bytes of a file of any kind, or as many as there are. */
status file_head(const char *path, void *buf, size_t n, size_t *got);

/* The whole file as a NUL-terminated string in the arena (refuses more than max bytes). */
status file_read(const char *path, size_t max, struct arena *, char **text, size_t *size);

/* Writes bytes to path atomically: temporary name in the same folder, write, fsync, rename, fsync of the folder. After
 * a failure or a kill, path holds either its old content or the new one, never a part. */
status file_write_atomic(const char *path, const void *bytes, size_t size);
/* The same of bytes that lie in several places. */
struct file_part {
    const void *bytes;
    size_t size;
};
status file_write_parts(const char *path, const struct file_part *, int parts);

/* The steps of that, for writers that produce the file themselves (HDF5): a temporary name beside path (in buf), and
 * the commit: fsync temp, rename to path, fsync folder. The name ends in ".tmp" and holds 64 random bits; a commit that
 * fails removes temp. */
status file_temp_name(const char *path, char *buf, size_t n);
status file_commit(const char *temp, const char *path);

/* One write(2) of a whole line to a file opened with O_APPEND|O_CREAT, then fsync. A missing final newline is added,
 * also that of a line of which an earlier append could write a part only. */
status file_append_line(const char *path, const char *line);

status file_remove(const char *path);                        /* fine when there is none */
status file_rename(const char *from, const char *to);        /* fine when there is no `from` */
status file_remove_folder(const char *path, struct arena *); /* with the files in it; it has no folders */
status file_make_dirs(const char *path);                     /* mkdir -p */
/* Anything of that name, links followed; also a name about which the system gives no answer: opening it tells why. */
int file_exists(const char *path);
int file_is_dir(const char *path); /* 0 also when the system gives no answer */
/* The same for decisions that must not rest on a guess: ST_IO when the system gives no answer. */
status file_ask(const char *path, int *is_there);
status file_ask_dir(const char *path, int *is_dir);

/* Bytes that this user may still write to the disk that a folder is on. */
status file_room(const char *dir, double *bytes);

/* Sorted names in a folder that end in suffix (NULL: all); without "." and "..". */
status file_list(const char *dir, const char *suffix, struct arena *, char ***names, int *count);

/* "a/b" joined with one slash, in the arena; an empty dir gives name alone. NULL when out of memory. */
char *path_join(struct arena *, const char *dir, const char *name);

#endif
