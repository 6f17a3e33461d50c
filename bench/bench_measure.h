/* Timing for `peftgrid bench`: warm-up, repeats, median and quartiles; and the report that the parts write into. */
#ifndef PG_BENCH_BENCH_MEASURE_H
#define PG_BENCH_BENCH_MEASURE_H

#include <stdbool.h>
#include <jansson.h>
#include "bench/sheet.h"
#include "core/arena.h"
#include "core/status.h"

/* Of some values: the median, and half the distance of the quartiles as their spread. */
struct measured {
    double median, spread, low, high; /* low, high: least and largest */
    int n;
};
struct measured measured_of(const double *x, int n, struct arena *scratch);

/* How long to measure. */
struct effort {
    double seconds; /* of one thing, at least, after its warm-up */
    int repeats;    /* at least */
};

/* Seconds of one call of fn: called twice to warm up (not when no time is to be spent), then again and again. */
status measure(status (*fn)(void *ctx), void *ctx, const struct effort *, struct arena *scratch, struct measured *);

/* What a run of bench finds out. */
struct bench_report {
    struct arena *arena; /* life of the command */
    enum sheet_format format;
    json_t *json; /* the whole, for --json */
    struct effort effort;
    bool roof; /* what cells come to is held against it */
};

/* json[key] = an empty array, returned; NULL when out of memory. */
json_t *report_list(struct bench_report *, const char *key);
/* Appends object o (its reference is taken; NULL fails) to list. */
status report_add(json_t *list, json_t *o);

/* "12.3" with three significant digits or more, in the report's arena. */
const char *number_text(struct arena *, double x);
/* A sheet cell of a measured value times `unit`: 12.3 +- 0.4. */
struct sheet_cell measured_cell(struct arena *, const struct measured *);
json_t *measured_json(const struct measured *);

/* Largest resident set of the process since the last reset, in bytes (Linux; where the reset is refused: since its
 * start). */
void memory_peak_reset(void);
double memory_peak(void);

#endif
