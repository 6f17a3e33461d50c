/* Small exact statistics (see stats.h). Written for n of a few dozen; nothing is tabulated. */
#include "bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "core/heap.h"
#include "core/rng.h"

/* Taken from the first value on: the mean of equal values is that value, exactly. */
double stats_mean(const double *x, int n)
{
    double sum = 0;
    for (int i = 1; i < n; i++) sum += x[i] - x[0];
    return n > 0 ? x[0] + sum / n : NAN;
}

double stats_sd(const double *x, int n)
{
    if (n < 2) return NAN;
    double mean = stats_mean(x, n), sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (n - 1));
}

/* The value with k smaller ones before it when they stand in order: counted, not sorted, so it takes no memory. */
static double ranked_value(const double *x, int n, int k)
{
    for (int i = 0; i < n; i++) {
        int below = 0, equal = 0;
        for (int j = 0; j < n; j++) {
            below += x[j] < x[i];
            equal += x[j] == x[i];
        }
        if (below <= k && k < below + equal) return x[i];
    }
    return NAN; /* one of them is no number */
}

double stats_median(const double *x, int n)
{
    if (n <= 0) return NAN;
    return n % 2 ? ranked_value(x, n, n / 2) : 0.5 * (ranked_value(x, n, n / 2 - 1) + ranked_value(x, n, n / 2));
}

/* ---- Student's t ------------------------------------------------------------------------------------------------- */

/* Continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double k = half ? odd : even;
            d = 1 + k * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + k / c;
            if (fabs(c) < tiny) c = tiny;
            f *= c * d;
        }
        if (fabs(c * d - 1) < 1e-16) break;
    }
    return f;
}

/* Regularised incomplete beta function I_x(a, b). */
static double incomplete_beta(double a, double b, double x)
{
    if (!(x > 0)) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x); /* where the fraction converges fast */
    int sign;
    double front = lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log1p(-x);
    return exp(front) / a * beta_fraction(a, b, x);
}

/* P(|T| > |t|) */
static double t_two_sided(double t, double df)
{
    return incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

double stats_t_cdf(double t, double df)
{
    double tail = 0.5 * t_two_sided(t, df);
    return t > 0 ? 1 - tail : tail;
}

double stats_t_quantile(double p, double df)
{
    if (!(p > 0 && p < 1) || !(df > 0)) return NAN;
    double lo = -1, hi = 1;
    while (stats_t_cdf(lo, df) > p) lo *= 2;
    while (stats_t_cdf(hi, df) < p) hi *= 2;
    for (int i = 0; i < 200 && lo < hi; i++) {
        double mid = lo + (hi - lo) / 2;
        if (mid == lo || mid == hi) break;
        if (stats_t_cdf(mid, df) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

struct interval stats_interval(const double *x, int n, double level)
{
    struct interval v = {stats_mean(x, n), stats_sd(x, n), NAN, NAN, NAN, NAN};
    if (n < 2) return v;
    v.sem = v.sd / sqrt(n);
    v.t = stats_t_quantile(0.5 + level / 2, n - 1);
    v.low = v.mean - v.t * v.sem;
    v.high = v.mean + v.t * v.sem;
    return v;
}

/* ---- paired tests ------------------------------------------------------------------------------------------------ */

enum { EXACT_PAIRS = 24, DRAWN_PATTERNS = 1 << 20 };

double stats_sign_flip_floor(int n)
{
    return n > 0 ? ldexp(1, 1 - n) : 1;
}

/* Sum of a - b with the signs of a drawn pattern. */
static double drawn_sum(const struct rng *rng, uint64_t pattern, const double *a, const double *b, int n)
{
    double sum = 0;
    uint32_t bits = 0;
    for (int i = 0; i < n; i++) {
        if (i % 32 == 0) bits = rng_at(rng, RNG_DATA, pattern, 0, 0, (uint64_t)i / 32);
        sum += bits >> i % 32 & 1 ? a[i] - b[i] : b[i] - a[i];
    }
    return sum;
}

struct test stats_sign_flip(const double *a, const double *b, int n)
{
    struct test t = {NAN, NAN, n};
    if (n <= 0) return t;
    double seen = 0, size = 0;
    for (int i = 0; i < n; i++) {
        seen += a[i] - b[i];
        size += fabs(a[i] - b[i]);
    }
    t.statistic = seen / n;
    /* Sums of the same numbers in another order differ by rounding: such a pattern counts as equal. */
    double bar = fabs(seen) - 1e-12 * size;
    long far = 0;
    if (n <= EXACT_PAIRS) {
        long patterns = 1L << n;
        double sum = size == 0 ? 0 : -seen; /* pattern 0: all signs turned; each next one turns one (Gray code) */
        char turned[EXACT_PAIRS];
        memset(turned, 1, sizeof turned);
        for (long k = 1; k <= patterns; k++) {
            far += fabs(sum) >= bar;
            int i = k < patterns ? __builtin_ctzl((unsigned long)k) : 0;
            sum += (turned[i] ? 2 : -2) * (a[i] - b[i]);
            turned[i] = !turned[i];
        }
        t.p = (double)far / (double)patterns;
    } else {
        struct rng rng = {.seed = 1};
        for (int k = 0; k < DRAWN_PATTERNS; k++) far += fabs(drawn_sum(&rng, (uint64_t)k, a, b, n)) >= bar;
        t.p = (double)(far + 1) / (DRAWN_PATTERNS + 1.0); /* the pattern seen is one of them */
    }
    if (isnan(seen)) t.p = NAN;
    return t;
}

struct test stats_paired_t(const double *a, const double *b, int n)
{
    struct test t = {NAN, NAN, n};
    double *d = n > 1 ? heap_alloc((size_t)n * sizeof *d) : NULL;
    if (!d) return t;
    for (int i = 0; i < n; i++) d[i] = a[i] - b[i];
    double sd = stats_sd(d, n);
    if (sd > 0) {
        t.statistic = stats_mean(d, n) / (sd / sqrt(n));
        t.p = t_two_sided(t.statistic, n - 1);
    }
    heap_free(d);
    return t;
}

struct signed_rank {
    double size, rank;
    int positive;
};

static int by_magnitude(const void *a, const void *b)
{
    const struct signed_rank *x = a, *y = b;
    return x->size < y->size ? -1 : x->size > y->size;
}

/* Average ranks of the sorted sizes; returns the sum of g^3 - g over groups of g equal ones. */
static double rank_sizes(struct signed_rank *s, int n)
{
    double ties = 0;
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && s[end].size == s[i].size;) end++;
        for (int k = i; k < end; k++) s[k].rank = 0.5 * (i + 1 + end);
        double g = end - i;
        ties += g * g * g - g;
    }
    return ties;
}

/* P(W+ <= w) for ranks 1 .. n: the number of subsets of the ranks with each sum, by dynamic programming. */
static double wilcoxon_exact(int w, int n)
{
    enum { MOST_PAIRS = 50, MOST_SUM = MOST_PAIRS * (MOST_PAIRS + 1) / 2 };
    double ways[MOST_SUM + 1] = {1}, below = 0;
    for (int r = 1; r <= n; r++)
        for (int s = r * (r + 1) / 2; s >= r; s--) ways[s] += ways[s - r];
    for (int s = 0; s <= w; s++) below += ways[s];
    return below / ldexp(1, n);
}

struct test stats_wilcoxon(const double *a, const double *b, int n)
{
    struct test t = {NAN, NAN, 0};
    struct signed_rank *s = n > 0 ? heap_alloc((size_t)n * sizeof *s) : NULL;
    if (!s) return t;
    int m = 0;
    for (int i = 0; i < n; i++) {
        double d = rint((a[i] - b[i]) * 1e6) / 1e6;
        if (d != 0) s[m++] = (struct signed_rank){fabs(d), 0, d > 0};
    }
    qsort(s, (size_t)m, sizeof *s, by_magnitude);
    double ties = rank_sizes(s, m), plus = 0, all = 0.5 * m * (m + 1.0);
    for (int i = 0; i < m; i++) plus += s[i].positive ? s[i].rank : 0;
    heap_free(s);
    t.n = m;
    t.statistic = plus < all - plus ? plus : all - plus;
    if (m == n && ties == 0 && n <= 50) {
        double p = 2 * wilcoxon_exact((int)t.statistic, n);
        t.p = p < 1 ? p : 1;
    } else if (m > 0) {
        double variance = m * (m + 1.0) * (2.0 * m + 1) / 24 - ties / 48;
        t.p = erfc(fabs(t.statistic - all / 2) / sqrt(2 * variance));
    } else {
        t.p = 1;
    }
    return t;
}

struct test stats_mcnemar(long only_a, long only_b)
{
    long n = only_a + only_b, k = only_a < only_b ? only_a : only_b;
    double below = 0;
    int sign;
    for (long i = 0; i <= k; i++)
        below += exp(lgamma_r((double)n + 1, &sign) - lgamma_r((double)i + 1, &sign) -
                     lgamma_r((double)(n - i) + 1, &sign) - (double)n * log(2));
    double p = 2 * below;
    return (struct test){(double)(only_a - only_b), p < 1 ? p : 1, n > 2147483647 ? 2147483647 : (int)n};
}

double stats_binomial_se(double p, double n)
{
    return n > 0 ? sqrt(p * (1 - p) / n) : NAN;
}
