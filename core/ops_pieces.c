#include "core/ops_pieces.h"

#include "core/lap.h"
#include "core/parallel.h"
#include "core/row_kernels.h"

enum { PIECE = 1 << 14 }; /* elements: some microseconds of work, well above the cost of handing it out */

struct pieces {
    int total, step;
    void (*fn)(const void *ctx, int from, int arg);
    const void *ctx;
};

static void run_rows(void *ctx, int i, int thread)
{
    (void)thread;
    const struct pieces *p = ctx;
    int r0 = i * p->step;
    p->fn(p->ctx, r0, p->total - r0 < p->step ? p->total : r0 + p->step);
}

void over_rows(int rows, int cols, void (*fn)(const void *ctx, int r0, int r1), const void *ctx)
{
    if (rows <= 0 || cols <= 0) return;
    struct pieces p = {rows, PIECE / cols > 1 ? PIECE / cols : 1, fn, ctx};
    enum lap before = lap_begin(LAP_ROWS);
    parallel_for((rows + p.step - 1) / p.step, run_rows, &p);
    lap_end(before);
}

static void run_columns(void *ctx, int i, int thread)
{
    (void)thread;
    const struct pieces *p = ctx;
    int c0 = i * p->step;
    p->fn(p->ctx, c0, p->total - c0 < p->step ? p->total - c0 : p->step);
}

void over_columns(int rows, int cols, void (*fn)(const void *ctx, int c0, int n), const void *ctx)
{
    if (rows <= 0 || cols <= 0) return;
    struct pieces p = {cols, COLUMN_BLOCK, fn, ctx};
    int n = (cols + p.step - 1) / p.step;
    enum lap before = lap_begin(LAP_ROWS);
    if ((long long)rows * cols >= 2 * PIECE)
        parallel_for(n, run_columns, &p);
    else
        for (int i = 0; i < n; i++) run_columns(&p, i, 0);
    lap_end(before);
}
