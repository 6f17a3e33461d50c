/* Progress for people: on a terminal one status line that is rewritten in place, elsewhere plain lines. Written to
 * stderr, so that standard output stays for results. */
#ifndef PG_CORE_PROGRESS_H
#define PG_CORE_PROGRESS_H

#include <stddef.h>

enum progress_mode { PROGRESS_AUTO, PROGRESS_LINE, PROGRESS_PLAIN, PROGRESS_NONE };
#define PROGRESS_CHOICES "auto|line|plain|none" /* in the order of the enum */

struct progress {
    enum progress_mode mode; /* never AUTO */
    double started, drawn;   /* seconds, clock_seconds() */
    int width;               /* columns now on the status line; 0: nothing to wipe */
};

/* AUTO becomes LINE when stderr is a terminal that can rewrite a line, else PLAIN. */
void progress_start(struct progress *, enum progress_mode);

/* The status line: LINE mode only, at most ten times a second, cut to the terminal's width. */
void progress_status(struct progress *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that stays (LINE and PLAIN). */
void progress_say(struct progress *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Wipes the status line. */
void progress_end(struct progress *);

/* "1.5 s", "42 s", "3 min 20 s", "2 h 05 min", "4 d 3 h"; "?" for a negative or infinite time. */
const char *progress_time(double seconds, char *buf, size_t n);
/* Seconds that the rest takes when it goes on as until now; negative: unknown. done, total: any unit of work. */
double progress_eta(double done, double total, double elapsed);

#endif
