/* The work on rows is in rows_bits_body.h; here are the constants of a quantiser, the cut into pieces, sums, penalties.
 */
#include "core/bayesian_bits.h"

#include <string.h>
#include <tgmath.h> /* of a real, whichever it is */
#include "core/hard_concrete.h"
#include "core/parallel.h"
#include "core/row_kernels.h"

static const double shrink = 1 - 1e-7, least_range = 1e-8;

void bits_set(struct bits *q, double x_max, bool is_signed, bool clip, const double z[BITS_GATES])
{
    static const double most[BITS_LEVELS] = {0, 2, 8, 128, 32768}, part[BITS_LEVELS] = {0, 5, 17, 257, 65537};
    double range = x_max > least_range ? x_max : least_range;
    *q = (struct bits){.x_max = (real)range, .is_signed = is_signed, .passes = true};
    q->hi = clip ? (real)(shrink * range) : (real)INFINITY;
    q->lo = is_signed ? -q->hi : clip ? 0 : (real)-INFINITY;
    q->most[0] = clip ? (real)(is_signed ? 1 : 3) : (real)INFINITY;
    q->least = is_signed ? -q->most[0] : clip ? 0 : (real)-INFINITY;
    q->open[0] = 1;
    double step = (is_signed ? 2 * range : range) / 3;
    for (int b = 0; b < BITS_LEVELS; b++) {
        if (b > 0) step /= part[b];
        q->step[b] = (real)step;
        q->inverse[b] = (real)(1 / step);
        if (b == 0) continue;
        q->most[b] = (real)most[b];
        q->gate[b - 1] = (real)z[b - 1];
        q->open[b] = q->open[b - 1] * q->gate[b - 1];
        if (q->open[b] > 0) q->levels = b;
        if (z[b - 1] < 1) q->passes = false;
    }
}

/* ---- arrays: pieces whose borders follow from n alone --------------------------------------------------------------
 */

enum { PIECES = 256, PIECE_LEAST = 1 << 14, SUMS = BITS_GATES + 2 };

struct job {
    const struct bits *q;
    bool gates;
    const real *x;
    real *y; /* the result, or the gradient */
    size_t n, step;
    double sum[PIECES][SUMS];
};

static int cut(struct job *j)
{
    j->step = (j->n + PIECES - 1) / PIECES;
    j->step = (j->step + BITS_CHUNK - 1) / BITS_CHUNK * BITS_CHUNK;
    if (j->step < PIECE_LEAST) j->step = PIECE_LEAST;
    return (int)((j->n + j->step - 1) / j->step);
}

static size_t piece_end(const struct job *j, size_t from)
{
    return j->n - from < j->step ? j->n : from + j->step;
}

static void quantise_piece(void *ctx, int i, int thread)
{
    (void)thread;
    const struct job *j = ctx;
    size_t from = (size_t)i * j->step;
    row_kernels()->bits(j->q, j->x + from, piece_end(j, from) - from, j->y + from);
}

void bits_quantise(const struct bits *q, const real *x, size_t n, real *y)
{
    struct job j = {.q = q, .x = x, .y = y, .n = n};
    parallel_for(cut(&j), quantise_piece, &j);
}

static void backward_piece(void *ctx, int i, int thread)
{
    (void)thread;
    struct job *j = ctx;
    size_t from = (size_t)i * j->step, end = piece_end(j, from);
    for (size_t c = from; c < end; c += BITS_CHUNK) {
        size_t n = end - c < BITS_CHUNK ? end - c : BITS_CHUNK;
        row_kernels()->bits_backward(j->q, j->gates, j->x + c, n, j->y + c, j->sum[i]);
    }
}

void bits_backward(const struct bits *q, bool gates, const real *x, size_t n, real *g, struct bits_sums *sums)
{
    struct job j = {.q = q, .gates = gates, .x = x, .y = g, .n = n};
    int pieces = cut(&j);
    double total[SUMS] = {0};
    parallel_for(pieces, backward_piece, &j);
    for (int i = 0; i < pieces; i++)
        for (int k = 0; k < SUMS; k++) total[k] += j.sum[i][k];
    sums->x_max += shrink * total[BITS_GATES + 1] - total[BITS_GATES] / (double)q->x_max;
    for (int b = 0; gates && b < BITS_GATES; b++) sums->gate[b] += (double)q->open[b] * total[b];
}

/* ---- weights -------------------------------------------------------------------------------------------------------
 */

static void weight_tile(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const struct bits_weight *b = w->ctx;
    b->inner.tile(&b->inner, r0, nr, c0, nc, dst, ld);
    for (int r = 0; r < nr; r++) {
        real *row = dst + (size_t)r * (size_t)ld;
        row_kernels()->bits(&b->bits, row, (size_t)nc, row);
    }
}

struct wsrc bits_source(const struct bits_weight *w)
{
    return (struct wsrc){
        .rows = w->inner.rows, .cols = w->inner.cols, .tile = weight_tile, .bits = w->inner.bits, .ctx = w};
}

enum { ROW_BLOCK = 64 }; /* rows of a weight that are made at once */

/* Calls fn for runs of rows of the weight, as plain arrays. */
static status over_weight(const struct wsrc *w, struct arena *scratch, void (*fn)(void *, const real *, size_t, size_t),
                          void *ctx)
{
    struct arena_mark mark = arena_mark(scratch);
    real *rows;
    NEW(rows, scratch, (size_t)ROW_BLOCK * (size_t)w->cols);
    for (int r = 0; r < w->rows; r += ROW_BLOCK) {
        int n = w->rows - r < ROW_BLOCK ? w->rows - r : ROW_BLOCK;
        w->tile(w, r, n, 0, w->cols, rows, w->cols);
        fn(ctx, rows, (size_t)r * (size_t)w->cols, (size_t)n * (size_t)w->cols);
    }
    arena_reset(scratch, mark);
    return ST_OK;
}

struct weight_job {
    const struct bits *q;
    bool gates;
    real *dw;
    struct bits_sums *sums;
};

static void backward_rows(void *ctx, const real *rows, size_t at, size_t n)
{
    struct weight_job *j = ctx;
    bits_backward(j->q, j->gates, rows, n, j->dw + at, j->sums);
}

status bits_weight_backward(const struct bits_weight *w, bool gates, real *dw, struct bits_sums *sums,
                            struct arena *scratch)
{
    struct weight_job j = {&w->bits, gates, dw, sums};
    return over_weight(&w->inner, scratch, backward_rows, &j);
}

/* ---- ranges --------------------------------------------------------------------------------------------------------
 */

void bits_observe(struct bits_range *range, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double size = fabs((double)x[i]);
        if (size > range->largest) range->largest = size;
        range->negative |= x[i] < 0;
        range->positive |= x[i] > 0;
    }
}

static void observe_rows(void *ctx, const real *rows, size_t at, size_t n)
{
    (void)at;
    bits_observe(ctx, rows, n);
}

status bits_observe_weight(struct bits_range *range, const struct wsrc *w, struct arena *scratch)
{
    return over_weight(w, scratch, observe_rows, range);
}

bool bits_signed(const struct bits_range *range)
{
    return range->negative || !range->positive;
}

/* ---- gates ---------------------------------------------------------------------------------------------------------
 */

double bits_penalty(const real phi[BITS_GATES], const double w[BITS_LEVELS], double scale, real *grad)
{
    struct gate q[BITS_GATES];
    double tail[BITS_GATES], before = scale; /* tail[b]: the terms that q[b] multiplies */
    double beyond = 0;                       /* what the gates after b add to them */
    for (int b = BITS_GATES - 1; b >= 0; b--) {
        q[b] = gate_chance((double)phi[b]);
        tail[b] = w[b + 1] + beyond;
        beyond = q[b].z * tail[b];
    }
    for (int b = 0; grad && b < BITS_GATES; b++) {
        grad[b] += (real)(before * tail[b] * q[b].slope);
        before *= q[b].z;
    }
    return w[0] + q[0].z * tail[0];
}

double bits_effective(const double z[BITS_GATES])
{
    double open = 1, exponent = 1;
    for (int b = 0; b < BITS_GATES; b++) {
        open *= z[b];
        exponent += open;
    }
    return exp2(exponent);
}

/* ---- gradient checks -----------------------------------------------------------------------------------------------
 */

/* Codes exactly as the row kernels choose them, ties included. What is left after a level is -step * offset. */
static void record_element(const struct bits *q, real x, struct bits_record *r)
{
    r->side = x > q->hi ? 1 : x < q->lo ? -1 : 0;
    real rest = r->side > 0 ? q->hi : r->side < 0 ? q->lo : x;
    for (int b = 0; b < BITS_LEVELS; b++) {
        real least = b == 0 ? q->least : -q->most[b], code = rint(rest * q->inverse[b]);
        code = code > q->most[b] ? q->most[b] : code < least ? least : code;
        rest = fma(-q->step[b], code, rest);
        r->offset[b] = -(double)rest / (double)q->step[b];
    }
}

void bits_quantise_held(const struct bits *q, struct bits_record *held, bool record, const real *x, size_t n, real *y)
{
    for (size_t i = 0; i < n; i++) {
        struct bits_record *r = &held[i];
        if (record) record_element(q, x[i], r);
        double value = r->side > 0 ? (double)q->hi : r->side < 0 ? (double)q->lo : (double)x[i];
        for (int b = 0; b < BITS_LEVELS; b++) {
            double weight = (double)q->open[b] * (b < BITS_GATES ? 1 - (double)q->gate[b] : 1);
            value += weight * (double)q->step[b] * r->offset[b];
        }
        y[i] = (real)value;
    }
}
