/* The low-rank update against its formulas in double, with every part of the rank range. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include "core/gemm.h"
#include "core/lowrank.h"
#include "core/parallel.h"

enum { T = 45, IN = 50, OUT = 37, R = 9 };

static struct {
    real a[R * IN], b[OUT * R], e[R], x[T * IN], z[T * R], y[T * OUT], dy[T * OUT], da[R * IN], db[OUT * R], de[R];
    real dx[T * IN], scratch[T * R], work[R * OUT];
} v;
static double y_old[T * OUT], da0[R * IN], db0[OUT * R], de0[R], dx0[T * IN];

static void random_values(void)
{
    uint32_t state = 3;
    real *p = (real *)&v;
    for (size_t i = 0; i < sizeof v / sizeof *p; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (real)((double)(state >> 8) / (1 << 23) - 1);
    }
    for (int i = 0; i < T * OUT; i++) y_old[i] = (double)v.y[i];
    for (int i = 0; i < R * IN; i++) da0[i] = (double)v.da[i];
    for (int i = 0; i < OUT * R; i++) db0[i] = (double)v.db[i];
    for (int i = 0; i < R; i++) de0[i] = (double)v.de[i];
    for (int i = 0; i < T * IN; i++) dx0[i] = (double)v.dx[i];
}

/* METHODS 3.2 and 3.4 with z = A x, g = B' dy: y += s B (e z); dB = s dy (e z)', dE = s g z, dA = s (e g) x', dx += s
 * A' (e g). */
static void by_formula(int lo, int hi, int train_lo, double s, bool with_e)
{
    for (int t = 0; t < T; t++) {
        for (int i = lo; i < hi; i++) {
            double z = 0, g = 0, e = with_e ? (double)v.e[i] : 1;
            for (int c = 0; c < IN; c++) z += (double)v.a[i * IN + c] * (double)v.x[t * IN + c];
            for (int o = 0; o < OUT; o++) g += (double)v.b[o * R + i] * (double)v.dy[t * OUT + o];
            for (int o = 0; o < OUT; o++) y_old[t * OUT + o] += s * (double)v.b[o * R + i] * e * z;
            for (int c = 0; c < IN; c++) dx0[t * IN + c] += s * (double)v.a[i * IN + c] * e * g;
            if (i < train_lo) continue;
            for (int o = 0; o < OUT; o++) db0[o * R + i] += s * (double)v.dy[t * OUT + o] * e * z;
            for (int c = 0; c < IN; c++) da0[i * IN + c] += s * e * g * (double)v.x[t * IN + c];
            de0[i] += s * g * z;
        }
    }
}

static double worst(const real *got, const double *want, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)got[i] - want[i]));
    return most;
}

static const struct {
    int lo, hi, train_lo;
    bool e;
} cases[] = {{0, R, 0, false}, {0, R, 0, true}, {0, 5, 4, false}, {2, 7, 2, true},
             {3, 4, 3, true},  {4, 4, 4, true}, {0, 6, 6, false}};

START_TEST(forward_and_backward)
{
    random_values();
    int lo = cases[_i].lo, hi = cases[_i].hi, train_lo = cases[_i].train_lo;
    struct lowrank l = {v.a, v.b, cases[_i].e ? v.e : NULL, IN, OUT, R, lo, hi, 1.25, NULL};
    by_formula(lo, hi, train_lo, 1.25, cases[_i].e);
    struct mat x = mat_of(v.x, T, IN), z = mat_of(v.z, T, R), y = mat_of(v.y, T, OUT), dy = mat_of(v.dy, T, OUT);
    struct mat scratch = mat_of(v.scratch, T, R), dx = mat_of(v.dx, T, IN);
    lowrank_forward(&l, &x, &z, v.work, &y);
    ck_assert_double_le(worst(v.y, y_old, T * OUT), 2e-5);
    lowrank_backward(&l, &x, &z, &dy, v.da, v.db, cases[_i].e ? v.de : NULL, train_lo, &scratch, &dx);
    ck_assert_double_le(worst(v.da, da0, R * IN), 1e-4);
    ck_assert_double_le(worst(v.db, db0, OUT * R), 1e-4);
    ck_assert_double_le(worst(v.dx, dx0, T * IN), 1e-4);
    if (cases[_i].e) ck_assert_double_le(worst(v.de, de0, R), 1e-3);
}
END_TEST

START_TEST(without_dx)
{
    random_values();
    struct lowrank l = {v.a, v.b, NULL, IN, OUT, R, 0, R, 0.5, NULL};
    by_formula(0, R, 0, 0.5, false);
    struct mat x = mat_of(v.x, T, IN), z = mat_of(v.z, T, R), y = mat_of(v.y, T, OUT), dy = mat_of(v.dy, T, OUT);
    struct mat scratch = mat_of(v.scratch, T, R);
    lowrank_forward(&l, &x, &z, v.work, &y);
    lowrank_backward(&l, &x, &z, &dy, v.da, v.db, NULL, 0, &scratch, NULL);
    ck_assert_double_le(worst(v.da, da0, R * IN), 1e-4);
    ck_assert_double_le(worst(v.db, db0, OUT * R), 1e-4);
}
END_TEST

START_TEST(merging)
{
    static real w[OUT * IN];
    static double want[OUT * IN];
    int lo = cases[_i].lo, hi = cases[_i].hi;
    random_values();
    struct lowrank l = {v.a, v.b, cases[_i].e ? v.e : NULL, IN, OUT, R, lo, hi, 1.25, NULL};
    for (int o = 0; o < OUT; o++)
        for (int c = 0; c < IN; c++) {
            double sum = 0;
            for (int i = lo; i < hi; i++)
                sum += (double)v.b[o * R + i] * (cases[_i].e ? (double)v.e[i] : 1) * (double)v.a[i * IN + c];
            w[o * IN + c] = v.x[o * IN + c];
            want[o * IN + c] = (double)v.x[o * IN + c] + 1.25 * sum;
        }
    lowrank_merge(&l, w);
    ck_assert_double_le(worst(w, want, OUT * IN), 1e-5);
}
END_TEST

/* With dropout the update is that of the dropped input, and its gradient goes back through the same mask. */
START_TEST(as_an_adapter_uses_it)
{
    static real dropped[T * IN], y[T * OUT], da[R * IN], dx[T * IN];
    uint32_t key[T];
    const struct rng rng = {.seed = 6};
    const struct dropout drop = {&rng, 2, 77, 0.25};
    struct arena *tape = arena_new("tape"), *scratch = arena_new("scratch");
    void *kept, *none;
    random_values();
    for (uint32_t t = 0; t < T; t++) key[t] = t;
    memcpy(dropped, v.x, sizeof dropped);
    memcpy(y, v.y, sizeof y);
    memcpy(da, v.da, sizeof da);
    memset(dx, 0, sizeof dx);
    struct lowrank l = {v.a, v.b, NULL, IN, OUT, R, 1, 6, 0.5, NULL};
    struct lowrank_grads g = {.a = da, .b = v.db, .from = 4};
    struct mat x = mat_of(v.x, T, IN), in = mat_of(dropped, T, IN), z = mat_of(v.z, T, R), y1 = mat_of(y, T, OUT);
    struct mat y2 = mat_of(v.y, T, OUT), dy = mat_of(v.dy, T, OUT), work = mat_of(v.scratch, T, R);
    struct mat din = mat_of(dx, T, IN), dx2 = mat_of(v.dx, T, IN);
    dropout_rows(&drop, key, &in, 0, &in);
    lowrank_forward(&l, &in, &z, v.work, &y2);
    ck_ok(lowrank_apply(&l, &drop, key, &x, tape, scratch, &kept, &y1));
    ck_assert_mem_eq(y, v.y, sizeof y);
    ck_ok(lowrank_apply(&l, &drop, key, &x, NULL, scratch, &none, &y1));
    ck_assert_ptr_null(none);

    memset(v.dx, 0, sizeof v.dx);
    lowrank_backward(&l, &in, &z, &dy, v.da, v.db, NULL, 4, &work, &dx2);
    dropout_rows(&drop, key, &dx2, 0, &dx2);
    ck_ok(lowrank_unapply(&l, &drop, key, &x, kept, &dy, &g, scratch, &din));
    ck_assert_mem_eq(da, v.da, sizeof da);
    ck_assert_mem_eq(dx, v.dx, sizeof dx);
    ck_assert_uint_eq(arena_used(scratch), 0);
    arena_free(tape);
    arena_free(scratch);
}
END_TEST

/* Sums over tokens in pieces and chunks are the product, bit for bit: ranks on both sides of the limit, widths of one
 * piece, of several and of rows that lie whole pages apart, any number of threads. */
START_TEST(sums_are_products)
{
    static const int ranks[] = {1, 8, 24, 25}, widths[] = {1, 50, 300, 1024, 1100}, heights[] = {1, 17, 129, 300};
    int rank = ranks[_i % 4], cols = widths[_i / 4], ldg = rank + 3, ldc = cols + 5;
    struct arena *arena = arena_new("sums");
    const struct rng rng = {.seed = 8};
    size_t size = (size_t)(rank + 3) * (size_t)(cols + 5);
    real *g = arena_alloc(arena, sizeof *g * 300 * (size_t)ldg), *c = arena_alloc(arena, sizeof *c * size);
    real *want = arena_alloc(arena, sizeof *want * size);
    struct mat x = mat_of(arena_alloc(arena, sizeof(real) * 300 * (size_t)cols), 300, cols);
    rng_fill_uniform(&rng, "x", x.a, 300 * (size_t)cols, -1, 1);
    rng_fill_uniform(&rng, "g", g, 300 * (size_t)ldg, -1, 1);
    for (int i = 0; i < 4; i++)
        for (int turned = 0; turned < 2; turned++) {
            struct gemm_in some = {.p = g, .ld = ldg, .trans = !turned}, all = {.p = x.a, .ld = cols, .trans = turned};
            int ld = turned ? rank + 3 : ldc;
            x.rows = heights[i];
            rng_fill_uniform(&rng, "c", want, size, -1, 1);
            memcpy(c, want, sizeof *c * size);
            gemm_reference(turned ? cols : rank, turned ? rank : cols, x.rows, turned ? all : some, turned ? some : all,
                           want, ld, true);
            parallel_set_threads(i == 3 ? 8 : 1 + i);
            lowrank_sums(g, ldg, rank, &x, c, ld, turned);
            ck_assert_mem_eq(c, want, sizeof *c * size);
        }
    arena_free(arena);
}
END_TEST

PG_TESTS(LOOP_TEST(sums_are_products, 0, 20), LOOP_TEST(merging, 0, sizeof cases / sizeof cases[0]),
         TEST(as_an_adapter_uses_it), LOOP_TEST(forward_and_backward, 0, sizeof cases / sizeof cases[0]),
         TEST(without_dx))
