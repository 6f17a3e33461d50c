/* The stopwatch of a step's components. See lap.h. */
#include "core/lap.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static struct {
    bool on;
    enum lap now;
    double since, seconds[LAPS];
} watch;

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *lap_name(enum lap l)
{
    static const char *const names[LAPS] = {"other", "layers", "adapters", "attention", "row operations", "update"};
    return l < LAPS ? names[l] : "?";
}

static void turn_to(enum lap l)
{
    double t = clock_seconds();
    watch.seconds[watch.now] += t - watch.since;
    watch.since = t;
    watch.now = l;
}

void lap_watch_start(void)
{
    memset(&watch, 0, sizeof watch);
    watch.since = clock_seconds();
    watch.on = true;
}

void lap_watch_stop(double seconds[LAPS])
{
    turn_to(LAP_OTHER);
    watch.on = false;
    memcpy(seconds, watch.seconds, sizeof watch.seconds);
}

enum lap lap_begin(enum lap l)
{
    enum lap before = watch.now;
    bool inner = before == LAP_OTHER || (before == LAP_ADAPTERS && l == LAP_LAYERS) ||
                 (before == LAP_LAYERS && l == LAP_ADAPTERS);
    if (watch.on && inner && l != before) turn_to(l);
    return before;
}

void lap_end(enum lap before)
{
    if (watch.on && watch.now != before) turn_to(before);
}
