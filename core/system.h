/* The system calls of the program's own code. Each wrapper returns what the call returns, with errno; a call that a
 * signal interrupted is made again. No other file of the rooms makes these calls (tools/check-layers.sh), so a test
 * that makes the n-th of them fail meets every place where the system can say no. core/file.h is built on them and is
 * what most code wants. */
#ifndef PG_CORE_SYSTEM_H
#define PG_CORE_SYSTEM_H

#include <dirent.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

int sys_open(const char *path, int flags); /* O_CLOEXEC is added; a new file has mode 0666 */
int sys_close(int fd);
ssize_t sys_read(int fd, void *, size_t);        /* may be short, as read(2) */
ssize_t sys_write(int fd, const void *, size_t); /* may be short, as write(2) */
int sys_write_all(int fd, const void *, size_t); /* 0, or -1 after a failure: a part may be written */
ssize_t sys_read_all(int fd, void *, size_t);    /* up to the end of the file; -1: failure */
int sys_seek(int fd, off_t from_end);            /* 0 or -1 */
int sys_fsync(int fd);
int sys_lock(int fd); /* waits until no other process has locked the file; closing it unlocks */
int sys_stat(const char *path, struct stat *);
int sys_fstat(int fd, struct stat *);
int sys_rename(const char *from, const char *to);
int sys_link(const char *from, const char *to);
int sys_unlink(const char *path);
int sys_rmdir(const char *path);
int sys_mkdir(const char *path);               /* mode 0777 */
int sys_touch(const char *path);               /* its times become now */
int sys_room(const char *path, double *bytes); /* free for this user on the disk of an existing path */
DIR *sys_opendir(const char *path);
const struct dirent *sys_readdir(DIR *); /* NULL with errno 0: the end */
void *sys_map(int fd, size_t);           /* read-only and shared; NULL: failure */
int sys_pipe(int fd[2]);
int sys_socket_pair(int fd[2]);                 /* connected streams */
ssize_t sys_receive(int fd, void *, size_t);    /* may be short, as recv(2) */
ssize_t sys_send(int fd, const void *, size_t); /* may be short; EPIPE and no signal where nobody listens */
pid_t sys_fork(void);

/* Test switch: the n-th call from now to which the fault applies meets it; n = 0 turns it off. */
enum sys_fault {
    SYS_EIO,   /* any call, once: EIO */
    SYS_EINTR, /* any call, once: EINTR */
    SYS_SHORT, /* a read, write, send or receipt of several bytes, once: half of them */
    SYS_FULL,  /* calls that need room on the disk, from the n-th on: ENOSPC */
    SYS_FAULTS
};
void sys_fail_after(long n, enum sys_fault);

#endif
