#include "core/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "core/lap.h"

static int terminal_columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 10 ? w.ws_col : 80;
}

void progress_start(struct progress *p, enum progress_mode mode)
{
    if (mode == PROGRESS_AUTO) {
        const char *term = getenv("TERM");
        int rewritable = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
        mode = rewritable ? PROGRESS_LINE : PROGRESS_PLAIN;
    }
    *p = (struct progress){.mode = mode, .started = clock_seconds(), .drawn = -1};
}

static void wipe(struct progress *p)
{
    if (p->width == 0) return;
    fprintf(stderr, "\r%*s\r", p->width, "");
    p->width = 0;
}

void progress_status(struct progress *p, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    double now = clock_seconds();
    if (p->mode != PROGRESS_LINE || (p->drawn >= 0 && now - p->drawn < 0.1)) return;
    p->drawn = now;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    int most = terminal_columns() - 1, n = (int)strlen(line);
    if (n > most) n = most;
    fprintf(stderr, "\r%.*s%*s", n, line, p->width > n ? p->width - n : 0, "");
    fflush(stderr);
    p->width = n;
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    va_list ap;
    if (p->mode == PROGRESS_NONE) return;
    wipe(p);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    wipe(p);
    fflush(stderr);
}

const char *progress_time(double s, char *buf, size_t n)
{
    if (!(s >= 0) || isinf(s)) {
        snprintf(buf, n, "?");
    } else if (s < 9.95) {
        snprintf(buf, n, "%.1f s", s);
    } else if (s < 59.5) {
        snprintf(buf, n, "%.0f s", s);
    } else if (s < 3599.5) {
        long t = lround(s);
        snprintf(buf, n, "%ld min %02ld s", t / 60, t % 60);
    } else if (s < 86370) {
        long t = lround(s / 60);
        snprintf(buf, n, "%ld h %02ld min", t / 60, t % 60);
    } else {
        long t = lround(s / 3600);
        snprintf(buf, n, "%ld d %ld h", t / 24, t % 24);
    }
    return buf;
}

double progress_eta(double done, double total, double elapsed)
{
    if (!(done > 0) || !(elapsed > 0) || !(total >= done)) return -1;
    return elapsed * (total - done) / done;
}
