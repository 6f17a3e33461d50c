/* Products: from a call to pieces; see gemm_inside.h for the way on from there. Everything decided here (orientation,
 * the cut into pieces) moves time and no bit. */
#include "core/gemm.h"

#include <stdatomic.h>
#include <string.h>
#include "core/gemm_inside.h"
#include "core/parallel.h"

static atomic_int backend = GEMM_OWN;

status gemm_select(enum gemm_backend b)
{
    FAIL_IF(b != GEMM_OWN && b != GEMM_OPENBLAS, ST_USAGE, "no product backend has the number %d", (int)b);
    atomic_store(&backend, (int)b);
    return ST_OK;
}

enum gemm_backend gemm_backend(void)
{
    return (enum gemm_backend)atomic_load_explicit(&backend, memory_order_relaxed);
}

const char *gemm_backend_name(enum gemm_backend b)
{
    return b == GEMM_OWN ? "own" : "openblas";
}

static struct gemm_in dense_if_possible(struct gemm_in in)
{
    if (in.w != NULL && in.w->dense != NULL)
        in = (struct gemm_in){.p = in.w->dense, .ld = in.w->cols, .trans = in.trans};
    return in;
}

/* C' = B' A': the vector lanes then run along the rows of the caller's C. */
static struct gemm_problem transposed(const struct gemm_problem *p)
{
    struct gemm_problem t = *p;
    t.m = p->n, t.n = p->m;
    t.a = p->b, t.b = p->a;
    t.a.trans = !p->b.trans, t.b.trans = !p->a.trans;
    t.row = p->col, t.col = p->row;
    t.turned = true;
    return t;
}

/* Whether the transposed problem is the faster one. What counts is which operand must be transposed while it is packed
 * (the one whose lanes lie apart in memory), and lanes that stay empty. Costs in units of one packed element. */
static bool transpose_pays(const struct gemm_problem *p)
{
    enum { LANE_WASTE = 8 };
    double m = p->m, n = p->n, k = p->k;
    double as_is = (p->b.trans ? n * k : 0) + (p->a.trans ? m * k / 2 : 0),
           flipped = (p->a.trans ? 0 : m * k) + 3 * m * n;
    flipped += p->b.trans ? 0 : n * k / 2;
    if (p->n < LANE_WASTE) as_is += (LANE_WASTE - n) * m * k / 4;
    if (p->m < LANE_WASTE) flipped += (LANE_WASTE - m) * n * k / 4;
    return flipped < as_is;
}

struct cut {
    const struct gemm_problem *p, *plus; /* plus: the term on top, over the same C; NULL: none */
    const struct gemm_finish *finish;    /* NULL: none */
    gemm_piece_fn *piece;
    int rows, columns; /* into how many parts m and n are cut */
    int width;         /* of a part of n; a multiple of the panel but for the last */
};

static _Thread_local _Alignas(64) struct gemm_buffers buffers; /* kept; untouched pages cost nothing */

static void run_piece(void *ctx, int i, int thread)
{
    (void)thread;
    const struct cut *c = ctx;
    int r = i / c->columns, j0 = i % c->columns * c->width;
    int i0 = (int)((long long)c->p->m * r / c->rows), i1 = (int)((long long)c->p->m * (r + 1) / c->rows);
    int n = c->p->n - j0 < c->width ? c->p->n - j0 : c->width;
    c->piece(c->p, i0, i1 - i0, j0, n, &buffers);
    if (c->plus) c->piece(c->plus, i0, i1 - i0, j0, n, &buffers);
    if (!c->finish) return;
    if (c->p->turned)
        c->finish->fn(c->finish->ctx, j0, n, i0, i1 - i0);
    else
        c->finish->fn(c->finish->ctx, i0, i1 - i0, j0, n);
}

static gemm_piece_fn *kernels(int n)
{
    enum cpu_class c = cpu_class();
    if (c == CPU_GENERIC) return gemm_piece_generic;
    return c == CPU_AVX2 || n <= 8 ? gemm_piece_avx2
                                   : gemm_piece_avx512; /* 8 columns fill half of a long vector only */
}

/* What packing costs when C is cut into rows x columns parts: every part packs its rows of A and its columns of B. A
 * weight source is dear, since it is dequantised while it is packed. */
static double packing_cost(const struct gemm_problem *p, int rows, int columns)
{
    double a = p->a.w != NULL ? 4 : 1, b = p->b.w != NULL ? 4 : p->b.trans ? 1 : 0.5;
    return a * p->m * p->k * columns + b * p->n * p->k * rows;
}

/* Cuts until every thread has some pieces to take, as long as pieces stay large enough to be worth handing out, and
 * among the cuts that do so takes the one with the least packing. */
static void cut_up(struct cut *c, int threads)
{
    enum { PIECE_WORK = 1 << 18, PIECES_A_THREAD = 4, LEAST = GEMM_PAD };
    const struct gemm_problem *p = c->p;
    double most = (double)p->m * p->n * p->k / PIECE_WORK, best = 0;
    int wanted = threads == 1 ? 1 : threads * PIECES_A_THREAD;
    if (wanted > most) wanted = most < 1 ? 1 : (int)most;
    int least_columns = (p->n + GEMM_NC - 1) / GEMM_NC, most_columns = (p->n + LEAST - 1) / LEAST;
    int most_rows = (p->m + LEAST - 1) / LEAST, best_columns = least_columns;
    c->rows = 1;
    for (int rows = 1; rows <= wanted && rows <= most_rows; rows++) {
        int columns = (wanted + rows - 1) / rows;
        if (columns < least_columns) columns = least_columns;
        if (columns > most_columns) columns = most_columns;
        double cost = packing_cost(p, rows, columns);
        if (rows * columns < wanted) cost *= 2.0 * wanted / (rows * columns); /* too few pieces: idle threads */
        if (best == 0 || cost < best) best = cost, c->rows = rows, best_columns = columns;
    }
    int width = (p->n + best_columns - 1) / best_columns;
    c->width = best_columns == 1 ? p->n : (width + GEMM_PAD - 1) / GEMM_PAD * GEMM_PAD;
    c->columns = (p->n + c->width - 1) / c->width;
}

static struct gemm_problem problem(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc,
                                   bool accumulate)
{
    return (struct gemm_problem){
        .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .row = ldc, .col = 1, .accumulate = accumulate};
}

static void multiply(struct gemm_problem *p, bool serial, const struct gemm_after *after)
{
    if (p->m <= 0 || p->n <= 0) return;
    p->a = dense_if_possible(p->a);
    p->b = dense_if_possible(p->b);
    struct gemm_problem flipped, plus;
    struct cut c = {.p = p, .finish = after ? after->finish : NULL};
    if (after && after->plus) {
        const struct gemm_term *t = after->plus;
        plus = problem(p->m, p->n, t->k, t->a, t->b, p->c, (int)p->row, true);
        c.plus = &plus;
    }
    if (gemm_backend() == GEMM_OPENBLAS && p->a.w == NULL) {
        c.piece = gemm_piece_openblas;
    } else {
        if (transpose_pays(p)) {
            flipped = transposed(p);
            if (c.plus) plus = transposed(&plus);
            c.p = &flipped;
        }
        c.piece = kernels(c.p->n);
    }
    cut_up(&c, serial ? 1 : parallel_threads());
    if (serial)
        for (int i = 0; i < c.rows * c.columns; i++) run_piece(&c, i, 0);
    else
        parallel_for(c.rows * c.columns, run_piece, &c);
}

void gemm(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct gemm_problem p = problem(m, n, k, a, b, c, ldc, accumulate);
    multiply(&p, false, NULL);
}

void gemm_serial(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate)
{
    struct gemm_problem p = problem(m, n, k, a, b, c, ldc, accumulate);
    multiply(&p, true, NULL);
}

void gemm_add_term(gemm_fn *multiply_by, const struct gemm_term *t, struct mat *c)
{
    multiply_by(c->rows, c->cols, t->k, t->a, t->b, c->a, c->ld, true);
}

/* ---- linear layers ------------------------------------------------------------------------------------------------
 */

static struct gemm_in whole(const struct mat *m, bool trans)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld, .trans = trans};
}

void linear_forward(const struct mat *x, const struct wsrc *w, const real *bias, const struct gemm_after *after,
                    struct mat *y)
{
    struct gemm_in weight = {.w = w, .trans = true};
    struct gemm_problem p = problem(x->rows, w->rows, w->cols, whole(x, false), weight, y->a, y->ld, false);
    p.bias = bias;
    multiply(&p, false, after);
}

void linear_backward_x(const struct mat *dy, const struct wsrc *w, const struct gemm_after *after, struct mat *dx,
                       bool accumulate)
{
    struct gemm_in weight = {.w = w};
    struct gemm_problem p = problem(dy->rows, w->cols, w->rows, whole(dy, false), weight, dx->a, dx->ld, accumulate);
    multiply(&p, false, after);
}

void linear_backward_w(const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    gemm(dy->cols, x->cols, x->rows, whole(dy, true), whole(x, false), dw, ld, true);
}

static void hold(const struct mat *x)
{
    (void)x;
}

static void release(void)
{
}

const struct products products_f32 = {gemm, gemm_serial, linear_forward, linear_backward_x, linear_backward_w,
                                      hold, release};
