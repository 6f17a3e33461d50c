/* The elementary functions over dense sweeps of all floats: largest error in units of the last place, against the C
 * library in double. The bounds here are those that core/vmath.h states. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/log_portable.h"
#include "core/vmath.h"

static double exact_logistic(double x)
{
    return 1 / (1 + exp(-x));
}
static double exact_normal(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}
static double exact_density(double x)
{
    return 0.39894228040143267794 * exp(-0.5 * x * x);
}

static x16 normal(x16 x)
{
    return x16_normal(x, NULL);
}
static x16 density(x16 x)
{
    x16 d;
    x16_normal(x, &d);
    return d;
}
static x16 exp_of(x16 x)
{
    return x16_exp(x);
}
static x16 tanh_of(x16 x)
{
    return x16_tanh(x);
}
static x16 logistic_of(x16 x)
{
    return x16_logistic(x);
}

static const struct {
    const char *name;
    x16 (*fn)(x16);
    double (*exact)(double);
    double from, to; /* of x */
    double ulps;     /* bound */
} sweeps[] = {
    {"exp", exp_of, exp, -87.33, 88.72, 1},
    {"tanh", tanh_of, tanh, -20, 20, 1.4},
    {"logistic", logistic_of, exact_logistic, -87, 100, 2.6},
    {"normal", normal, exact_normal, -1, 10, 5.5},
    {"normal, lower tail", normal, exact_normal, -5, -1, 5.5},
    {"normal, far tail", normal, exact_normal, -13, -5, 5.5},
    {"density", density, exact_density, -5, 5, 2.6},
};

/* The float after x by n, in the order of the real line. */
static float next_by(float x, int n)
{
    int32_t i;
    memcpy(&i, &x, 4);
    int64_t line = i < 0 ? (int64_t)INT32_MIN - i : i;
    line += n;
    i = (int32_t)(line < 0 ? (int64_t)INT32_MIN - line : line);
    memcpy(&x, &i, 4);
    return x;
}

static double ulp_of(double y)
{
    int e;
    frexp(y, &e);
    return ldexp(1, (e < -125 ? -125 : e) - 24);
}

START_TEST(errors)
{
    double ulps = 0, at = 0;
    float x = (float)sweeps[_i].from;
    while (x < sweeps[_i].to) {
        x16 in, out;
        for (int i = 0; i < X16; i++, x = next_by(x, 311)) in.v[i] = fabsf(x) < 1e-30f ? 0 : x;
        out = sweeps[_i].fn(in);
        for (int i = 0; i < X16; i++) {
            double want = sweeps[_i].exact((double)in.v[i]), err = fabs((double)out.v[i] - want);
            if (in.v[i] > sweeps[_i].to || fabs(want) < 1.2e-38) continue;
            if (err / ulp_of(want) > ulps) ulps = err / ulp_of(want), at = (double)in.v[i];
        }
    }
    printf("%-20s %.2f ulp at %.8g\n", sweeps[_i].name, ulps, at);
    ck_assert_double_le(ulps, sweeps[_i].ulps);
}
END_TEST

START_TEST(ends)
{
    x16 x = x16_all(0);
    x.v[0] = INFINITY, x.v[1] = -INFINITY, x.v[2] = NAN, x.v[3] = 1e30f, x.v[4] = -1e30f, x.v[5] = 88.72283f;
    x.v[6] = 88.7229f, x.v[7] = -87.3365f, x.v[8] = -88, x.v[9] = -0.0f;
    uint32_t odd_nan = 0xffc12345u;
    memcpy(&x.v[10], &odd_nan, 4);
    x16 e = x16_exp(x);
    ck_assert(e.v[0] == INFINITY && e.v[1] == 0 && isnan(e.v[2]) && e.v[3] == INFINITY && e.v[4] == 0);
    ck_assert(isfinite(e.v[5]) && e.v[5] > 3.40e38f && e.v[6] == INFINITY && e.v[7] > 0 && e.v[8] == 0 && e.v[9] == 1);
    x16 t = x16_tanh(x), s = x16_logistic(x), n = x16_normal(x, NULL);
    ck_assert(t.v[0] == 1 && t.v[1] == -1 && isnan(t.v[2]) && t.v[3] == 1 && t.v[4] == -1 && t.v[9] == 0);
    ck_assert(s.v[0] == 1 && s.v[1] == 0 && isnan(s.v[2]) && s.v[3] == 1 && s.v[4] == 0 && s.v[9] == 0.5f);
    ck_assert(n.v[0] == 1 && n.v[1] == 0 && isnan(n.v[2]) && n.v[3] == 1 && n.v[4] == 0);
    ck_assert_double_eq_tol((double)n.v[9], 0.5, 6e-8);
    ck_assert(isnan(e.v[10]) && isnan(t.v[10]) && isnan(s.v[10]) && isnan(n.v[10]));
}
END_TEST

START_TEST(logarithm)
{
    double worst = 0;
    for (double x = 1e-300; x < 1e300; x *= 1.0000371 + 1e-7 * sin(x)) {
        double want = log(x), err = fabs(log_portable(x) - want) / (fabs(want) * 0x1p-52);
        if (want != 0 && err > worst) worst = err;
    }
    for (double x = 0.5; x < 2; x += 1.37e-6) {
        double want = log(x), err = fabs(log_portable(x) - want) / (fabs(want) * 0x1p-52);
        if (fabs(want) > 1e-7 && err > worst) worst = err;
    }
    printf("%-20s %.2f ulp\n", "log_portable", worst);
    ck_assert_double_le(worst, 2.5);
    ck_assert(log_portable(1) == 0 && log_portable(INFINITY) == INFINITY && isnan(log_portable(NAN)));
}
END_TEST

PG_TESTS(LOOP_TEST(errors, 0, sizeof sweeps / sizeof sweeps[0]), TEST(ends), TEST(logarithm))
