#include "tests/pgtest.h"

#include <jansson.h>
#include <math.h>
#include "bench/stats.h"

#define close_to(got, want, rel) \
    do { \
        double g_ = (got), w_ = (want); \
        ck_assert_msg(fabs(g_ - w_) <= (rel)*fabs(w_) + 1e-14, "%s: %.17g, expected %.17g", #got, g_, w_); \
    } while (0)

START_TEST(simple_figures)
{
    const double x[] = {4, 1, 3, 2};
    close_to(stats_mean(x, 4), 2.5, 0);
    close_to(stats_median(x, 4), 2.5, 0);
    close_to(stats_median(x, 3), 3, 0);
    close_to(stats_sd(x, 4), sqrt(5.0 / 3), 1e-15);
    ck_assert(isnan(stats_mean(x, 0)) && isnan(stats_median(x, 0)) && isnan(stats_sd(x, 1)));
    close_to(stats_binomial_se(0.5, 100), 0.05, 1e-15);
}
END_TEST

/* Sign patterns of small sets, counted by hand. */
START_TEST(sign_flip_by_hand)
{
    const double zero[8] = {0}, up[] = {1, 2, 3}, mixed[] = {1, 2, -3.5}, equal[] = {0.1, 0.1, 0.1, -0.1};
    struct test t = stats_sign_flip(up, zero, 3);
    close_to(t.p, 2.0 / 8, 0); /* only +++ and --- are as far out */
    close_to(t.statistic, 2, 0);
    close_to(t.p, stats_sign_flip_floor(3), 0);
    /* sum -0.5; every pattern reaches 0.5: 1 */
    close_to(stats_sign_flip(mixed, zero, 3).p, 1, 0);
    /* sum 0.2: 16 patterns have sums +-0.4 (2), +-0.2 (8), 0 (6): 10 of 16, whatever the rounding */
    close_to(stats_sign_flip(equal, zero, 4).p, 10.0 / 16, 0);
    close_to(stats_sign_flip(zero, zero, 5).p, 1, 0);
    close_to(stats_sign_flip(up, zero, 1).p, 1, 0);
    ck_assert(isnan(stats_sign_flip(up, zero, 0).p));
    close_to(stats_sign_flip_floor(1), 1, 0);
    close_to(stats_sign_flip_floor(5), 1.0 / 16, 0);
}
END_TEST

/* The Gray-code walk against a plain count over all patterns. */
START_TEST(sign_flip_by_enumeration)
{
    for (int n = 1; n <= 10; n++) {
        double a[10], b[10], seen = 0;
        for (int i = 0; i < n; i++) {
            a[i] = sin(3.0 * i + n);
            b[i] = 0.3 * cos(5.0 * i) - 0.2;
            seen += a[i] - b[i];
        }
        int far = 0;
        for (int k = 0; k < 1 << n; k++) {
            double sum = 0;
            for (int i = 0; i < n; i++) sum += k >> i & 1 ? a[i] - b[i] : b[i] - a[i];
            far += fabs(sum) >= fabs(seen) - 1e-9;
        }
        close_to(stats_sign_flip(a, b, n).p, (double)far / (1 << n), 0);
    }
}
END_TEST

/* Above 24 pairs patterns are drawn: near the normal approximation, and the same every time. */
START_TEST(sign_flip_drawn)
{
    double a[30], b[30] = {0}, squares = 0, sum = 0;
    for (int i = 0; i < 30; i++) {
        a[i] = 0.25 + sin(7.0 * i);
        sum += a[i];
        squares += a[i] * a[i];
    }
    double normal = erfc(fabs(sum) / sqrt(2 * squares)), p = stats_sign_flip(a, b, 30).p;
    ck_assert_double_eq_tol(p, normal, 0.01);
    ck_assert_double_eq(p, stats_sign_flip(a, b, 30).p);
    for (int i = 0; i < 30; i++) a[i] = 1;
    close_to(stats_sign_flip(a, b, 30).p, 1 / 1048577.0, 1e-6);
}
END_TEST

/* Closed forms: Cauchy for one degree of freedom, t / sqrt(2 + t^2) for two. */
START_TEST(t_distribution)
{
    const double pi = acos(-1.0);
    for (double t = -20; t <= 20; t += 0.37) {
        close_to(stats_t_cdf(t, 1), 0.5 + atan(t) / pi, 1e-12);
        close_to(stats_t_cdf(t, 2), 0.5 + t / (2 * sqrt(2 + t * t)), 1e-12);
        close_to(stats_t_quantile(stats_t_cdf(t, 7), 7), t, 1e-8);
    }
    close_to(stats_t_quantile(0.975, 1e6), 1.95996640, 1e-7);
    ck_assert(isnan(stats_t_quantile(1, 3)) && isnan(stats_t_quantile(0.5, 0)));
}
END_TEST

START_TEST(mcnemar_by_hand)
{
    close_to(stats_mcnemar(0, 0).p, 1, 0);
    close_to(stats_mcnemar(5, 0).p, 2.0 / 32, 1e-12);
    close_to(stats_mcnemar(1, 4).p, 2.0 * 6 / 32, 1e-12);
    close_to(stats_mcnemar(3, 3).p, 1, 1e-12);
    close_to(stats_mcnemar(1, 4).statistic, -3, 0);
    /* many examples: close to the normal approximation with continuity correction */
    close_to(stats_mcnemar(5200, 5000).p, erfc((200 - 1) / sqrt(10200) / sqrt(2)), 1e-3);
}
END_TEST

START_TEST(wilcoxon_edges)
{
    const double zero[60] = {0};
    double a[60];
    ck_assert_double_eq(stats_wilcoxon(zero, zero, 5).p, 1);
    for (int i = 0; i < 60; i++) a[i] = i + 1;
    close_to(stats_wilcoxon(a, zero, 5).p, 2.0 / 32, 1e-15);
    ck_assert_double_lt(stats_wilcoxon(a, zero, 60).p, 1e-9);
    ck_assert(isnan(stats_paired_t(zero, zero, 5).p));
}
END_TEST

static int doubles(const json_t *array, double *x, int cap)
{
    int n = (int)json_array_size(array);
    ck_assert_int_le(n, cap);
    for (int i = 0; i < n; i++) x[i] = json_number_value(json_array_get(array, (size_t)i));
    return n;
}

static double number(const json_t *row, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(row, key)), "no %s", key);
    return json_number_value(json_object_get(row, key));
}

START_TEST(golden_tests)
{
    NEED_SHARED("golden/methods/metrics/case.json");
    json_t *j = json_load_file(shared_path("golden/methods/metrics/case.json"), 0, NULL);
    ck_assert_ptr_nonnull(j);
    json_t *rows = json_object_get(j, "paired_tests"), *tol = json_object_get(j, "tolerance");
    double rel = number(tol, "rel"), p_rel = number(tol, "p_values_rel");
    ck_assert_int_gt((int)json_array_size(rows), 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        double a[64], b[64];
        int n = doubles(json_object_get(row, "a"), a, 64);
        doubles(json_object_get(row, "b"), b, 64);
        struct test t = stats_paired_t(a, b, n), w = stats_wilcoxon(a, b, n);
        close_to(t.statistic, number(row, "t"), rel);
        close_to(t.p, number(row, "p"), p_rel);
        close_to(w.statistic, number(row, "wilcoxon_statistic"), rel);
        close_to(w.p, number(row, "wilcoxon_p"), p_rel);
    }
    rows = json_object_get(j, "confidence");
    ck_assert_int_gt((int)json_array_size(rows), 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        double x[64];
        int n = doubles(json_object_get(row, "x"), x, 64);
        struct interval v = stats_interval(x, n, 0.95);
        close_to(v.mean, number(row, "mean"), rel);
        close_to(v.sd, number(row, "std_ddof1"), rel);
        close_to(v.sem, number(row, "sem"), rel);
        close_to(v.t, number(row, "t_975"), rel);
        close_to(v.low, json_number_value(json_array_get(json_object_get(row, "ci95"), 0)), rel);
        close_to(v.high, json_number_value(json_array_get(json_object_get(row, "ci95"), 1)), rel);
    }
    json_decref(j);
}
END_TEST

PG_TESTS(TEST(simple_figures), TEST(sign_flip_by_hand), TEST(sign_flip_by_enumeration), TEST(sign_flip_drawn),
         TEST(t_distribution), TEST(mcnemar_by_hand), TEST(wilcoxon_edges), TEST(golden_tests))
