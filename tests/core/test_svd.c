/* Truncated decompositions: right angles, best approximations and planted spectra, deficient matrices, warm starts, the
 * small solvers against their definitions, and the same bits for any number of threads. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "core/svd.h"

static struct arena *arena;
static const bool exact = sizeof(real) == 8;

static void begin(void)
{
    if (!arena) arena = arena_new("test");
    ck_assert_ptr_nonnull(arena);
}

static struct mat drawn(const char *name, int rows, int cols)
{
    const struct rng rng = {.seed = 3};
    real *a = arena_alloc(arena, sizeof *a * (size_t)rows * (size_t)cols);
    rng_fill_normal(&rng, name, a, (size_t)rows * (size_t)cols, 0, 1);
    return mat_of(a, rows, cols);
}

static struct mat product(const struct mat *a, const struct mat *b)
{
    struct mat c = mat_of(arena_alloc(arena, sizeof(real) * (size_t)a->rows * (size_t)b->rows), a->rows, b->rows);
    struct gemm_in left = {.p = a->a, .ld = a->ld}, right = {.p = b->a, .ld = b->ld, .trans = true};
    gemm(a->rows, b->rows, a->cols, left, right, c.a, c.ld, false);
    return c;
}

static double norm(const struct mat *a, const struct mat *minus)
{
    double sum = 0;
    for (int r = 0; r < a->rows; r++)
        for (int c = 0; c < a->cols; c++)
            sum += pow((double)mat_row(a, r)[c] - (minus ? (double)mat_row(minus, r)[c] : 0), 2);
    return sqrt(sum);
}

/* rows x cols with orthonormal columns */
static struct mat orthonormal(const char *name, int rows, int cols)
{
    struct mat q = drawn(name, rows, cols);
    svd_orthonormalize(q.a, rows, cols, arena_alloc(arena, sizeof(double) * svd_orthonormalize_work(rows, cols)));
    return q;
}

/* U diag(s) V' with `count` values s. */
static struct mat planted(int rows, int cols, const double *s, int count)
{
    struct mat u = orthonormal("u", rows, count), v = orthonormal("v", cols, count);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < count; i++) mat_row(&u, r)[i] *= (real)s[i];
    return product(&u, &v);
}

static void ck_orthonormal(const struct mat *q, int cols, double tolerance)
{
    for (int i = 0; i < cols; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int r = 0; r < q->rows; r++) sum += (double)mat_row(q, r)[i] * (double)mat_row(q, r)[j];
            ck_assert_msg(fabs(sum - (i == j)) <= tolerance, "columns %d and %d: %g", i, j, sum);
        }
}

static double distance(const struct svd *d, const struct mat *a)
{
    struct mat us = mat_of(arena_alloc(arena, sizeof(real) * (size_t)d->rows * (size_t)d->rank), d->rows, d->rank);
    for (int r = 0; r < d->rows; r++)
        for (int i = 0; i < d->rank; i++) mat_row(&us, r)[i] = mat_row(&d->u, r)[i] * (real)d->s[i];
    struct mat back = product(&us, &d->v);
    return norm(a, &back);
}

static struct svd computed(const struct mat *a, int rank, int calls)
{
    struct svd d;
    ck_ok(svd_begin(a->rows, a->cols, rank, arena, &d));
    for (int i = 0; i < calls; i++) svd_compute(&d, a);
    return d;
}

/* ---- the parts ---- */

START_TEST(columns_become_orthonormal)
{
    begin();
    static const int shapes[][2] = {{1, 1}, {7, 3}, {300, 74}, {90, 90}, {65, 64}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct mat q = orthonormal("q", shapes[i][0], shapes[i][1]);
        ck_orthonormal(&q, q.cols, exact ? 1e-13 : 1e-6);
    }
}
END_TEST

/* Columns 3 and 5 are sums of others: they become 0, the rest stays right, with columns a millionth apart too. */
START_TEST(dependent_columns_become_zero)
{
    begin();
    struct mat q = drawn("q", 50, 7);
    for (int r = 0; r < q.rows; r++) {
        real *x = mat_row(&q, r);
        x[3] = 2 * x[0];
        x[5] = 4 * x[1];
        x[6] = x[2] + x[6] * (real)1e-3;
    }
    svd_orthonormalize(q.a, q.rows, q.cols, arena_alloc(arena, sizeof(double) * svd_orthonormalize_work(50, 7)));
    for (int r = 0; r < q.rows; r++) {
        ck_assert(mat_row(&q, r)[3] == 0 && mat_row(&q, r)[5] == 0);
        real *x = mat_row(&q, r);
        x[3] = x[6];
    }
    struct mat some = mat_part(&q, 0, q.rows, 0, 5);
    ck_orthonormal(&some, 5, exact ? 1e-12 : 1e-6);
}
END_TEST

START_TEST(eigenvectors_are_those_of_the_matrix)
{
    begin();
    enum { N = 40 };
    struct mat x = drawn("x", N, N);
    double *a = arena_alloc(arena, sizeof *a * N * N), *whole = arena_alloc(arena, sizeof *a * N * N),
           *v = arena_alloc(arena, sizeof *v * N * N);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            whole[i * N + j] = a[i * N + j] = (double)mat_row(&x, i)[j] + (double)mat_row(&x, j)[i];
    svd_eigen(a, N, v);
    for (int e = 0; e < N; e++) {
        if (e) ck_assert(a[e * N + e] <= a[(e - 1) * N + e - 1]);
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int j = 0; j < N; j++) sum += whole[i * N + j] * v[e * N + j];
            ck_assert_double_eq_tol(sum, a[e * N + e] * v[e * N + i], 1e-12);
        }
    }
}
END_TEST

/* ---- decompositions ---- */

static const int shapes[][3] = {{30, 20, 4},    {20, 30, 4},    {96, 300, 7}, {300, 96, 7}, {200, 120, 16},
                                {120, 200, 16}, {110, 105, 99}, {1, 9, 4},    {9, 1, 4},    {40, 40, 40}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Falling spectra: values, angles and the error of the best approximation, which nothing can be below. */
START_TEST(finds_a_planted_spectrum)
{
    begin();
    const int rows = shapes[_i][0], cols = shapes[_i][1], rank = shapes[_i][2], n = rows < cols ? rows : cols;
    double s[128] = {0}, rest = 0, tolerance = exact ? 1e-7 : 2e-6;
    for (int i = 0; i < n; i++) s[i] = 5.0 / (1 + i);
    for (int i = rank; i < n; i++) rest += s[i] * s[i];
    struct mat a = planted(rows, cols, s, n);
    struct svd d = computed(&a, rank, 6);
    ck_assert_int_eq(d.rank, rank < n ? rank : n);
    for (int i = 0; i < d.rank; i++) ck_assert_double_eq_tol(d.s[i], s[i], 1e-3 * s[i]);
    ck_orthonormal(&d.u, d.rank, exact ? 1e-9 : 1e-4);
    ck_orthonormal(&d.v, d.rank, exact ? 1e-9 : 1e-5);
    ck_assert_double_ge(distance(&d, &a), sqrt(rest) - 1e-4);
    ck_assert_double_le(distance(&d, &a), sqrt(rest) * (d.exact ? 1 + tolerance : 1 + 1e-4) + 1e-4);
}
END_TEST

/* No spectrum at all: the error may exceed the best by little, and less with every call. */
START_TEST(comes_near_the_best_without_a_gap)
{
    begin();
    struct mat a = drawn("a", 250, 180);
    struct svd best = computed(&a, 180, 1), d;
    double rest = 0, before = INFINITY;
    ck_assert(best.exact);
    for (int i = 16; i < 180; i++) rest += best.s[i] * best.s[i];
    ck_ok(svd_begin(a.rows, a.cols, 16, arena, &d));
    for (int call = 0; call < 12; call++) {
        svd_compute(&d, &a);
        double now = distance(&d, &a);
        ck_assert_double_le(now, before * (1 + 1e-7));
        if (call == 0) ck_assert_double_le(now, sqrt(rest) * 1.01);
        before = now;
    }
    ck_assert_double_le(before, sqrt(rest) * 1.001);
}
END_TEST

/* Fewer directions than are asked for: they are found, the others are 0 and harm nothing. */
START_TEST(a_matrix_of_low_rank_comes_back)
{
    begin();
    const double s[] = {9, 4, 1};
    struct mat a = planted(_i ? 220 : 60, _i ? 150 : 60, s, 3);
    struct svd d = computed(&a, 12, 2);
    ck_assert_int_eq(d.exact, !_i);
    ck_assert_double_le(distance(&d, &a), exact ? 1e-9 : 1e-5);
    for (int i = 3; i < 12; i++) ck_assert_double_le(d.s[i], 1e-5);
}
END_TEST

START_TEST(zeros_are_decomposed_too)
{
    begin();
    struct mat a = mat_of(arena_zalloc(arena, sizeof(real) * 130 * 110), 130, 110);
    struct svd d = computed(&a, 5, 2);
    for (int i = 0; i < 5; i++) ck_assert(d.s[i] == 0);
    ck_assert(norm(&d.u, NULL) == 0);
}
END_TEST

START_TEST(threads_do_not_show)
{
    begin();
    struct mat a = drawn("a", 210, 170);
    struct svd one = {0};
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        struct svd d = computed(&a, 20, 2);
        if (threads == 1) one = d;
        ck_assert_mem_eq(one.s, d.s, sizeof(double) * 20);
        ck_assert_mem_eq(one.u.a, d.u.a, sizeof(real) * 20 * 210);
        ck_assert_mem_eq(one.v.a, d.v.a, sizeof(real) * 20 * 170);
    }
    parallel_set_threads(0);
}
END_TEST

PG_TESTS(TEST(columns_become_orthonormal), TEST(dependent_columns_become_zero),
         TEST(eigenvectors_are_those_of_the_matrix), LOOP_TEST(finds_a_planted_spectrum, 0, SHAPES),
         TEST(comes_near_the_best_without_a_gap), LOOP_TEST(a_matrix_of_low_rank_comes_back, 0, 2),
         TEST(zeros_are_decomposed_too), TEST(threads_do_not_show))
