/* The one door to threads. Work is cut into pieces whose number and borders never depend on the thread count, so
 * results do not either; there are no reductions across threads. OpenMP behind it, or plain threads in the TSan build.
 */
#ifndef PG_CORE_PARALLEL_H
#define PG_CORE_PARALLEL_H

#include <stdbool.h>

void parallel_set_threads(int n); /* 0: as many as the process may use */
int parallel_threads(void);

/* Calls fn(ctx, i, thread) for i = 0 .. n-1, each exactly once, on up to parallel_threads() threads; returns when all
 * are done. thread is 0 .. parallel_threads()-1, to choose a scratch area. A call from inside a piece runs in place. */
void parallel_for(int n, void (*fn)(void *ctx, int i, int thread), void *ctx);

/* Whether the calling thread is running a piece. */
bool parallel_inside(void);

#endif
