/* One cell in a process of its own: a crash, a kill or memory exhaustion of one cell stays with that cell. Two pipes
 * lead back: reports (fixed-size, so that each is one atomic write) and whatever the cell writes to stderr. */
#ifndef PG_BENCH_GRID_CHILD_H
#define PG_BENCH_GRID_CHILD_H

#include <sys/types.h>
#include "bench/grid.h"

enum { CHILD_TEXT = 1024 };
struct child_report {
    int final; /* 0: progress, 1: the end */
    status st;
    int skipped;
    long done, total;
    double loss;
    char phase[16];
    char note[80];         /* final: see struct cell_result */
    char text[CHILD_TEXT]; /* final: the record's path, or the failure's message */
};
struct child {
    pid_t pid; /* 0: free */
    int cell;
    int reports, errors; /* read ends; -1: closed */
    double started;
    struct child_report last; /* latest progress, then the final one */
    int training;             /* a progress report has come: it is not being skipped */
    char line[CHILD_TEXT];    /* of stderr, unfinished */
    size_t line_n;
    char words[CHILD_TEXT]; /* last whole line of stderr */
};

status child_start(struct child *, const struct cell *, int index, grid_cell_fn *, void *ctx);

/* Takes what has come. on_line gets each whole line that the cell wrote to stderr. */
void child_read(struct child *, void (*on_line)(void *ctx, const char *line), void *ctx);

/* Both pipes are closed: waits for the process and completes c->last (final, with a sentence about a death by signal).
 */
int child_over(const struct child *);
void child_finish(struct child *);

#endif
