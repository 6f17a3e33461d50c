/* The decomposition of LQ-LoRA: errors are those of the parts that come back and fall to the end, both results, what
 * low rank and weights are good for, and the same bits for any number of threads. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/gemm.h"
#include "core/lq_decompose.h"
#include "core/parallel.h"
#include "core/rng.h"

static struct arena *arena;
static const struct lq_config nf3 = {3, 8, LQ_FP32, 16, 16};

static void begin(void)
{
    if (!arena) arena = arena_new("test");
    ck_assert_ptr_nonnull(arena);
}

static real *drawn(const char *name, int rows, int cols, double deviation)
{
    const struct rng rng = {.seed = 9};
    real *x = arena_alloc(arena, sizeof *x * (size_t)rows * (size_t)cols);
    rng_fill_normal(&rng, name, x, (size_t)rows * (size_t)cols, 0, deviation);
    return x;
}

/* Noise and something of rank 5 that is larger. */
static real *weight(int out, int in)
{
    real *w = drawn("noise", out, in, 0.05);
    struct gemm_in u = {.p = drawn("u", out, 5, 0.1), .ld = 5}, v = {.p = drawn("v", 5, in, 0.5), .ld = in};
    gemm(out, in, 5, u, v, w, in, true);
    return w;
}

static struct lq_parts decomposed(const real *w, int out, int in, struct lq_form form)
{
    struct lq_parts p;
    ck_ok(lq_decompose(w, out, in, &form, arena, &p));
    return p;
}

/* |sqrt(F) o (W - Q - L1 L2)|, naively */
static double error_of(const struct lq_parts *p, const real *w, const real *f, int out, int in)
{
    real *q = arena_alloc(arena, sizeof *q * (size_t)out * (size_t)in);
    double sum = 0;
    lq_values(&p->q, 0, out * in, q);
    for (int r = 0; r < out; r++)
        for (int c = 0; c < in; c++) {
            double e = (double)w[r * in + c] - (double)q[r * in + c];
            for (int i = 0; i < p->rank; i++) e -= (double)p->l1[r * p->rank + i] * (double)p->l2[i * in + c];
            sum += (f ? (double)f[r * in + c] : 1) * e * e;
        }
    return sqrt(sum);
}

static const int shapes[][3] = {{64, 96, 4}, {96, 64, 4}, {200, 130, 8}, {130, 200, 8}, {24, 16, 64}, {1, 33, 2}};

START_TEST(errors_are_those_of_the_parts)
{
    int out = shapes[_i][0], in = shapes[_i][1];
    begin();
    real *w = weight(out, in), *f = drawn("f", out, in, 1);
    for (int k = 0; k < out * in; k++) f[k] = f[k] * f[k];
    for (int aware = 0; aware < 2; aware++)
        for (int best = 0; best < 2; best++) {
            struct lq_form form = {nf3, shapes[_i][2], 100, aware ? f : NULL, best ? LQ_BEST : LQ_LAST};
            struct lq_parts p = decomposed(w, out, in, form);
            double error = error_of(&p, w, form.weights, out, in);
            ck_assert_double_eq_tol(p.error, error, 1e-4 * error + 1e-5);
            ck_assert(p.rank == fmin(shapes[_i][2], fmin(out, in)));
            int last = p.iterations - 1;
            ck_assert_int_ge(last, 0);
            for (int i = 1; i < last; i++) ck_assert(p.errors[i] < p.errors[i - 1]);
            ck_assert(p.iterations == 100 || p.errors[last] >= p.errors[last - 1]);
            ck_assert(p.error == p.errors[best && p.iterations < 100 ? last - 1 : last]);
        }
}
END_TEST

START_TEST(iterations_are_limited)
{
    begin();
    real *w = weight(64, 96);
    struct lq_parts whole = decomposed(w, 64, 96, (struct lq_form){nf3, 4, 100, NULL, LQ_LAST}),
                    some = decomposed(w, 64, 96, (struct lq_form){nf3, 4, 3, NULL, LQ_LAST});
    ck_assert_int_gt(whole.iterations, 5);
    ck_assert_int_eq(some.iterations, 3);
    ck_assert_mem_eq(whole.errors, some.errors, 3 * sizeof(double));
    ck_assert(some.error == some.errors[2]);
    struct lq_parts none;
    ck_fails(lq_decompose(w, 64, 96, &(struct lq_form){nf3, 4, 0, NULL, LQ_LAST}, arena, &none), ST_USAGE,
             "at least one");
}
END_TEST

/* Against quantising alone, and against a low rank on top of that (the first step from the other side). */
START_TEST(beats_quantising_alone)
{
    int out = shapes[_i][0], in = shapes[_i][1];
    begin();
    real *w = weight(out, in), *q = arena_alloc(arena, sizeof *q * (size_t)out * (size_t)in);
    struct lq alone;
    double sum = 0;
    ck_ok(lq_new((size_t)out * (size_t)in, &nf3, arena, &alone));
    ck_ok(lq_fill(&alone, w, arena_alloc(arena, sizeof(float) * alone.blocks)));
    lq_values(&alone, 0, out * in, q);
    for (int k = 0; k < out * in; k++) sum += pow((double)w[k] - (double)q[k], 2);
    struct lq_parts p = decomposed(w, out, in, (struct lq_form){nf3, shapes[_i][2], 100, NULL, LQ_LAST});
    ck_assert_double_lt(p.error, 0.7 * sqrt(sum));
}
END_TEST

/* What weights ask for they get; weights that are all alike change nothing but rounding; rows of weight 0 are none. */
START_TEST(weights_choose_what_is_kept)
{
    enum { OUT = 64, IN = 96 };
    begin();
    real *w = weight(OUT, IN), *f = arena_zalloc(arena, sizeof *f * OUT * IN);
    for (int r = 0; r < OUT; r++)
        for (int c = 0; c < IN; c++) f[r * IN + c] = r < 8 ? 1 : r < 60 ? (real)0.01 : 0;
    struct lq_parts plain = decomposed(w, OUT, IN, (struct lq_form){nf3, 4, 100, NULL, LQ_BEST}),
                    aware = decomposed(w, OUT, IN, (struct lq_form){nf3, 4, 100, f, LQ_BEST});
    ck_assert_double_lt(error_of(&aware, w, f, OUT, IN), 0.9 * error_of(&plain, w, f, OUT, IN));
    ck_assert_double_gt(error_of(&aware, w, NULL, OUT, IN), plain.error);
    for (int k = 0; k < OUT * IN; k++) f[k] = 4;
    struct lq_parts even = decomposed(w, OUT, IN, (struct lq_form){nf3, 4, 1, f, LQ_LAST}),
                    one = decomposed(w, OUT, IN, (struct lq_form){nf3, 4, 1, NULL, LQ_LAST});
    ck_assert_double_eq_tol(even.error, 2 * one.error, 1e-3 * even.error);
    f[5] = -1;
    ck_fails(lq_decompose(w, OUT, IN, &(struct lq_form){nf3, 4, 1, f, LQ_LAST}, arena, &one), ST_INPUT,
             "expected a number >= 0");
}
END_TEST

START_TEST(threads_do_not_show)
{
    enum { OUT = 150, IN = 210 };
    begin();
    real *w = weight(OUT, IN);
    struct lq_parts one = {0};
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        struct lq_parts p = decomposed(w, OUT, IN, (struct lq_form){nf3, 8, 100, NULL, LQ_LAST});
        if (threads == 1) one = p;
        ck_assert_int_eq(p.iterations, one.iterations);
        ck_assert_mem_eq(p.errors, one.errors, sizeof(double) * (size_t)p.iterations);
        ck_assert_mem_eq(p.l1, one.l1, sizeof(real) * OUT * 8);
        ck_assert_mem_eq(p.l2, one.l2, sizeof(real) * IN * 8);
        for (size_t i = 0; i < p.q.size; i++) ck_assert_int_eq(lq_code(&p.q, i), lq_code(&one.q, i));
    }
}
END_TEST

START_TEST(what_is_not_finite_is_refused)
{
    struct lq_parts p;
    begin();
    real *w = weight(10, 12);
    w[17] = INFINITY;
    ck_fails(lq_decompose(w, 10, 12, &(struct lq_form){nf3, 4, 1, NULL, LQ_LAST}, arena, &p), ST_INPUT,
             "no finite number");
}
END_TEST

PG_TESTS(LOOP_TEST(errors_are_those_of_the_parts, 0, 6), TEST(iterations_are_limited),
         LOOP_TEST(beats_quantising_alone, 0, 5), TEST(weights_choose_what_is_kept), TEST(threads_do_not_show),
         TEST(what_is_not_finite_is_refused))
