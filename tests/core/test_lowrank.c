/* The low-rank update against its formulas in double, with every part of the rank range. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include "core/lowrank.h"
#include "core/parallel.h"

enum { T = 45, IN = 50, OUT = 37, R = 9 };

static struct {
    real a[R * IN], b[OUT * R], e[R], x[T * IN], z[T * R], y[T * OUT], dy[T * OUT], da[R * IN], db[OUT * R], de[R];
    real dx[T * IN], scratch[T * R];
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
    struct lowrank l = {v.a, v.b, cases[_i].e ? v.e : NULL, IN, OUT, R, lo, hi, 1.25};
    by_formula(lo, hi, train_lo, 1.25, cases[_i].e);
    struct mat x = mat_of(v.x, T, IN), z = mat_of(v.z, T, R), y = mat_of(v.y, T, OUT), dy = mat_of(v.dy, T, OUT);
    struct mat scratch = mat_of(v.scratch, T, R), dx = mat_of(v.dx, T, IN);
    lowrank_forward(&l, &x, &z, &y);
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
    struct lowrank l = {v.a, v.b, NULL, IN, OUT, R, 0, R, 0.5};
    by_formula(0, R, 0, 0.5, false);
    struct mat x = mat_of(v.x, T, IN), z = mat_of(v.z, T, R), y = mat_of(v.y, T, OUT), dy = mat_of(v.dy, T, OUT);
    struct mat scratch = mat_of(v.scratch, T, R);
    lowrank_forward(&l, &x, &z, &y);
    lowrank_backward(&l, &x, &z, &dy, v.da, v.db, NULL, 0, &scratch, NULL);
    ck_assert_double_le(worst(v.da, da0, R * IN), 1e-4);
    ck_assert_double_le(worst(v.db, db0, OUT * R), 1e-4);
}
END_TEST

PG_TESTS(LOOP_TEST(forward_and_backward, 0, sizeof cases / sizeof cases[0]), TEST(without_dx))
