#include "bench/grid_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/stop.h"
#include "core/lap.h"
#include "core/system.h"

/* ---- the cell's side ---- */

struct sender {
    int fd;
    double sent;
    struct child_report train; /* how far training is */
};

/* A lost report loses a line of progress; a lost final one is seen as an end without verdict. */
static void send_report(const struct sender *s, const struct child_report *r)
{
    ssize_t n;
    do n = write(s->fd, r, sizeof *r);
    while (n < 0 && errno == EINTR);
}

static void on_progress(void *ctx, const char *phase, long done, long total, double loss)
{
    struct sender *s = ctx;
    double now = clock_seconds();
    if (s->sent > 0 && now - s->sent < 0.1 && done < total) return;
    s->sent = now;
    if (strcmp(phase, "eval") != 0) s->train = (struct child_report){.done = done, .total = total, .loss = loss};
    snprintf(s->train.phase, sizeof s->train.phase, "%s", phase);
    send_report(s, &s->train); /* in evaluations the place in training stays */
}

static status run_cell(const struct cell *cell, struct sender *s, grid_cell_fn *fn, void *ctx, struct child_report *r)
{
    struct cell_result result = {0};
    struct arena *arena = arena_new("cell");
    status st = arena ? fn(cell, ctx, on_progress, s, arena, &result) : ST_MEMORY;
    r->skipped = result.skipped;
    snprintf(r->note, sizeof r->note, "%s", result.note);
    snprintf(r->text, sizeof r->text, "%s", st != ST_OK ? status_message() : result.record ? result.record : "");
    arena_free(arena);
    return st;
}

/* The whole life of the child process. */
static int child_main(const struct cell *cell, int fd, grid_cell_fn *fn, void *ctx)
{
    struct sender s = {.fd = fd};
    struct child_report r = {.final = 1};
    r.st = run_cell(cell, &s, fn, ctx, &r);
    fflush(NULL);
    send_report(&s, &r);
    return (int)r.st;
}

/* A SIGTERM that comes while a child is being made must wait until it can be heard there. */
static void hold_signal(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(how, &set, NULL);
}

static void become_child(pid_t parent, int errors)
{
    /* The driver decides, though a terminal tells all of its processes: it sends SIGTERM, and SIGKILL when it is in a
     * hurry. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    stop_on_signal(SIGTERM);
    hold_signal(SIG_UNBLOCK);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a killed driver leaves nothing running */
    if (getppid() != parent) _exit(ST_INTERRUPTED);
    dup2(errors, STDERR_FILENO);
    setvbuf(stderr, NULL, _IOLBF, 0);
}

/* ---- the driver's side ---- */

static status make_pipes(int report[2], int error[2])
{
    FAIL_IF(sys_pipe(report) != 0, ST_IO, "cannot make a pipe: %s", strerror(errno));
    if (sys_pipe(error) != 0) {
        status st = fail(ST_IO, "cannot make a pipe: %s", strerror(errno));
        close(report[0]);
        close(report[1]);
        return st;
    }
    fcntl(report[0], F_SETFL, O_NONBLOCK);
    fcntl(error[0], F_SETFL, O_NONBLOCK);
    return ST_OK;
}

status child_start(struct child *c, const struct cell *cell, int index, grid_cell_fn *fn, void *ctx)
{
    int report[2], error[2];
    pid_t parent = getpid();
    TRY(make_pipes(report, error));
    fflush(NULL);
    hold_signal(SIG_BLOCK);
    pid_t pid = sys_fork();
    if (pid == 0) {
        close(report[0]);
        close(error[0]);
        become_child(parent, error[1]);
        _exit(child_main(cell, report[1], fn, ctx));
    }
    int why = errno;
    hold_signal(SIG_UNBLOCK);
    close(report[1]);
    close(error[1]);
    if (pid < 0) {
        close(report[0]);
        close(error[0]);
        return fail(ST_IO, "cannot start a process: %s", strerror(why));
    }
    *c =
        (struct child){.pid = pid, .cell = index, .reports = report[0], .errors = error[0], .started = clock_seconds()};
    return ST_OK;
}

/* 1: read something, 0: nothing now, -1: closed. */
static int read_some(int *fd, void *buf, size_t n, ssize_t *got)
{
    if (*fd < 0) return -1;
    *got = read(*fd, buf, n);
    if (*got > 0) return 1;
    if (*got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    close(*fd);
    *fd = -1;
    return -1;
}

static void end_line(struct child *c, void (*on_line)(void *, const char *), void *ctx)
{
    c->line[c->line_n] = 0;
    if (c->line_n > 0) {
        memcpy(c->words, c->line, c->line_n + 1);
        on_line(ctx, c->line);
    }
    c->line_n = 0;
}

void child_read(struct child *c, void (*on_line)(void *, const char *), void *ctx)
{
    struct child_report r;
    char buf[512];
    ssize_t n;
    while (read_some(&c->reports, &r, sizeof r, &n) > 0) {
        if (n != (ssize_t)sizeof r) continue;
        c->last = r;
        c->training |= !r.final;
    }
    int state;
    while ((state = read_some(&c->errors, buf, sizeof buf, &n)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] == '\n' || c->line_n + 1 == sizeof c->line) end_line(c, on_line, ctx);
            if (buf[i] != '\n') c->line[c->line_n++] = buf[i];
        }
    if (state < 0) end_line(c, on_line, ctx);
}

int child_over(const struct child *c)
{
    return c->pid && c->reports < 0 && c->errors < 0;
}

void child_finish(struct child *c)
{
    int how = 0;
    while (waitpid(c->pid, &how, 0) < 0 && errno == EINTR) continue;
    struct child_report *r = &c->last;
    if (WIFSIGNALED(how)) {
        const char *hint = WTERMSIG(how) == SIGKILL ? "; perhaps the machine ran out of memory" : "";
        r->st = ST_INTERNAL;
        snprintf(r->text, sizeof r->text, "the process died of signal %d (%s)%s%s%.300s", WTERMSIG(how),
                 strsignal(WTERMSIG(how)), hint, *c->words ? "; its last words: " : "", c->words);
    } else if (!r->final) {
        r->st = WIFEXITED(how) && WEXITSTATUS(how) ? (status)WEXITSTATUS(how) : ST_INTERNAL;
        snprintf(r->text, sizeof r->text, "the process ended without a verdict (exit code %d)%s%.300s",
                 WIFEXITED(how) ? WEXITSTATUS(how) : -1, *c->words ? "; its last words: " : "", c->words);
    }
    r->final = 1;
    c->pid = 0;
}
