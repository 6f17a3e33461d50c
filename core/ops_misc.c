/* New matrices, additions, products element by element, copies, dropout, sums of squares. */
#include <string.h>

#include "core/finish.h"
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/parallel.h"
#include "core/row_kernels.h"

status mat_new(struct arena *arena, int rows, int cols, struct mat *m)
{
    real *a;
    NEW(a, arena, (size_t)rows * (size_t)cols);
    *m = mat_of(a, rows, cols);
    return ST_OK;
}

struct pair {
    const struct row_kernels *k;
    const struct mat *x;
    struct mat *y;
    real s;
};

static void add_rows(const void *ctx, int r0, int r1)
{
    const struct pair *p = ctx;
    for (int r = r0; r < r1; r++) p->k->add(mat_row(p->x, r), p->x->cols, mat_row(p->y, r));
}

void op_add(const struct mat *x, struct mat *y)
{
    struct pair p = {.k = row_kernels(), .x = x, .y = y};
    over_rows(x->rows, x->cols, add_rows, &p);
}

static void scale_rows(const void *ctx, int r0, int r1)
{
    const struct pair *p = ctx;
    for (int r = r0; r < r1; r++) p->k->scale(mat_row(p->y, r), p->y->cols, p->s);
}

void op_scale(struct mat *x, double s)
{
    struct pair p = {.k = row_kernels(), .y = x, .s = (real)s};
    over_rows(x->rows, x->cols, scale_rows, &p);
}

void op_multiply(const struct mat *x, struct mat *y)
{
    struct finish_product p = {x, y};
    finish_all(&(struct gemm_finish){finish_product, &p}, x->rows, x->cols);
}

struct columns {
    const struct mat *x;
    const real *f;
    struct mat *y;
};

static void scale_columns(const void *ctx, int r0, int r1)
{
    const struct columns *p = ctx;
    for (int r = r0; r < r1; r++) {
        const real *x = mat_row(p->x, r);
        real *y = mat_row(p->y, r);
        for (int c = 0; c < p->x->cols; c++) y[c] = x[c] * p->f[c];
    }
}

void op_scale_columns(const struct mat *x, const real *f, struct mat *y)
{
    struct columns p = {x, f, y};
    over_rows(x->rows, x->cols, scale_columns, &p);
}

static void zero_rows(const void *ctx, int r0, int r1)
{
    const struct pair *p = ctx;
    for (int r = r0; r < r1; r++) memset(mat_row(p->y, r), 0, sizeof(real) * (size_t)p->y->cols);
}

void op_zero(struct mat *x)
{
    struct pair p = {.y = x};
    over_rows(x->rows, x->cols, zero_rows, &p);
}

static void copy_rows(const void *ctx, int r0, int r1)
{
    const struct pair *p = ctx;
    for (int r = r0; r < r1; r++) memcpy(mat_row(p->y, r), mat_row(p->x, r), sizeof(real) * (size_t)p->x->cols);
}

void op_copy(const struct mat *x, struct mat *y)
{
    struct pair p = {.x = x, .y = y};
    over_rows(x->rows, x->cols, copy_rows, &p);
}

/* ---- dropout ------------------------------------------------------------------------------------------------------
 */

struct drop {
    const struct dropout *d;
    const uint32_t *row_key;
    const struct mat *x;
    struct mat *y;
};

void dropout_rows(const struct dropout *d, const uint32_t *row_key, const struct mat *x, int first_col, struct mat *y)
{
    struct dropout_place place = {.at.who = d->who, .threshold = (uint32_t)(d->p * 65536 + 0.5)};
    if (place.threshold < 65536) place.scale = (real)(65536.0 / (65536 - place.threshold));
    place.at.sub = rng_subkey(d->rng->seed, RNG_DROPOUT, d->step, 0);
    const struct row_kernels *k = row_kernels();
    for (int r = 0; r < x->rows; r++) {
        place.at.row_key = row_key[r];
        k->dropout(&place, mat_row(x, r), x->cols, first_col, mat_row(y, r));
    }
}

static void drop_rows(const void *ctx, int r0, int r1)
{
    const struct drop *d = ctx;
    const struct mat x = mat_part(d->x, r0, r1 - r0, 0, d->x->cols);
    struct mat y = mat_part(d->y, r0, r1 - r0, 0, d->x->cols);
    dropout_rows(d->d, d->row_key + r0, &x, 0, &y);
}

void op_dropout(const struct dropout *d, const uint32_t *row_key, const struct mat *x, struct mat *y)
{
    struct drop ctx = {d, row_key, x, y};
    if (d->p > 0)
        over_rows(x->rows, x->cols, drop_rows, &ctx);
    else if (x->a != y->a)
        op_copy(x, y);
}

/* ---- whole arrays -------------------------------------------------------------------------------------------------
 */

/* At most ARRAY_PIECES pieces whose size follows from n alone. */
enum { ARRAY_PIECES = 256, ARRAY_LEAST = 1 << 14 };

struct array {
    const struct row_kernels *k;
    const real *x;
    size_t n, step;
    const unsigned char *some; /* rows of `cols` that are not zeros; NULL: all */
    size_t cols;
    double part[ARRAY_PIECES];
};

static size_t piece_length(const struct array *a, int i)
{
    size_t from = (size_t)i * a->step;
    return a->n - from < a->step ? a->n - from : a->step;
}

static bool all_zeros(const struct array *a, int i)
{
    size_t first = (size_t)i * a->step / a->cols, last = ((size_t)i * a->step + piece_length(a, i) - 1) / a->cols;
    while (first <= last && !a->some[first]) first++;
    return first > last;
}

/* Zeros add nothing: a piece of them may be left out. */
static void squares_piece(void *ctx, int i, int thread)
{
    (void)thread;
    struct array *a = ctx;
    a->part[i] = 0;
    if (a->some && all_zeros(a, i)) return;
    a->part[i] = a->k->sum_squares(a->x + (size_t)i * a->step, piece_length(a, i));
}

static void finite_piece(void *ctx, int i, int thread)
{
    (void)thread;
    struct array *a = ctx;
    a->part[i] = a->k->all_finite(a->x + (size_t)i * a->step, piece_length(a, i)) ? 0 : 1;
}

static double over_array(struct array *a, void (*fn)(void *, int, int))
{
    a->k = row_kernels();
    a->step = (a->n + ARRAY_PIECES - 1) / ARRAY_PIECES;
    if (a->step < ARRAY_LEAST) a->step = ARRAY_LEAST;
    int pieces = (int)((a->n + a->step - 1) / a->step);
    parallel_for(pieces, fn, a);
    double sum = 0;
    for (int i = 0; i < pieces; i++) sum += a->part[i];
    return sum;
}

double op_sum_squares(const real *x, size_t n)
{
    return over_array(&(struct array){.x = x, .n = n}, squares_piece);
}

double op_sum_squares_of(const struct mat *x, const unsigned char *some)
{
    struct array a = {.x = x->a, .n = (size_t)x->rows * (size_t)x->cols, .some = some, .cols = (size_t)x->cols};
    return over_array(&a, squares_piece);
}

int op_all_finite(const real *x, size_t n)
{
    return over_array(&(struct array){.x = x, .n = n}, finite_piece) == 0;
}
