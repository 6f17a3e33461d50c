#include "bench/bench_measure.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "bench/stats.h"
#include "core/file.h"
#include "core/lap.h"
#include "core/system.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n sorted values, between neighbours in proportion. */
static double quantile(const double *x, int n, double q)
{
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

struct measured measured_of(const double *x, int n, struct arena *scratch)
{
    struct measured m = {NAN, NAN, NAN, NAN, n};
    struct arena_mark mark = arena_mark(scratch);
    double *sorted = n > 0 ? arena_alloc(scratch, sizeof *sorted * (size_t)n) : NULL;
    if (!sorted) return m;
    memcpy(sorted, x, sizeof *sorted * (size_t)n);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    m.median = quantile(sorted, n, 0.5);
    m.spread = (quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25)) / 2;
    m.low = sorted[0];
    m.high = sorted[n - 1];
    arena_reset(scratch, mark);
    return m;
}

status measure(status (*fn)(void *ctx), void *ctx, const struct effort *e, struct arena *scratch, struct measured *out)
{
    enum { MOST = 2000 };
    int warm_up = e->seconds > 0 ? 2 : 0;
    struct arena_mark mark = arena_mark(scratch);
    double *seconds, begin;
    int n = 0;
    NEW(seconds, scratch, MOST);
    for (int i = 0; i < warm_up; i++) TRY(fn(ctx));
    begin = clock_seconds();
    while (n < MOST && (n < e->repeats || clock_seconds() - begin < e->seconds)) {
        double start = clock_seconds();
        TRY(fn(ctx));
        seconds[n++] = clock_seconds() - start;
    }
    *out = measured_of(seconds, n, scratch);
    arena_reset(scratch, mark);
    return ST_OK;
}

json_t *report_list(struct bench_report *r, const char *key)
{
    json_t *list = json_array();
    return json_object_set_new(r->json, key, list) == 0 ? list : NULL;
}

status report_add(json_t *list, json_t *o)
{
    FAIL_IF(!list || !o || json_array_append_new(list, o) != 0, ST_MEMORY, "out of memory for the JSON report");
    return ST_OK;
}

const char *number_text(struct arena *a, double x)
{
    double size = fabs(x);
    const char *s = arena_printf(a, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, x);
    return s ? s : "";
}

struct sheet_cell measured_cell(struct arena *a, const struct measured *m)
{
    return (struct sheet_cell){.main = number_text(a, m->median), .spread = number_text(a, m->spread)};
}

json_t *measured_json(const struct measured *m)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:i}", "median", m->median, "spread", m->spread, "low", m->low, "high",
                     m->high, "n", m->n);
}

void memory_peak_reset(void)
{
    int fd = sys_open("/proc/self/clear_refs", O_WRONLY);
    if (fd < 0) return;
    (void)sys_write_all(fd, "5", 1); /* where the system does not let us, the peak is that of the whole process */
    sys_close(fd);
}

double memory_peak(void)
{
    struct rusage usage;
    char text[4096];
    size_t n;
    double kilobytes = 0;
    if (file_head("/proc/self/status", text, sizeof text - 1, &n) == ST_OK) {
        text[n] = 0;
        const char *line = strstr(text, "\nVmHWM:");
        if (line) kilobytes = strtod(line + strlen("\nVmHWM:"), NULL);
    }
    if (kilobytes <= 0 && getrusage(RUSAGE_SELF, &usage) == 0) kilobytes = (double)usage.ru_maxrss;
    return kilobytes * 1024;
}
