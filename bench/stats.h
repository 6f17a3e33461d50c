/* Small exact statistics for tables: what a handful of seeds, or the examples of a test set, can tell. */
#ifndef PG_BENCH_STATS_H
#define PG_BENCH_STATS_H

double stats_mean(const double *x, int n);   /* NAN for n = 0 */
double stats_sd(const double *x, int n);     /* n - 1 in the denominator; NAN below two values */
double stats_median(const double *x, int n); /* of a copy; NAN for n = 0 */

/* Two-sided interval mean +- t * sem of Student's distribution; level 0.95. */
struct interval {
    double mean, sd, sem, t, low, high; /* NAN below two values, but for mean */
};
struct interval stats_interval(const double *x, int n, double level);

struct test {
    double statistic, p; /* p two-sided; NAN when the test cannot be made */
    int n;               /* pairs that took part */
};

/* Exact paired permutation test: under "the two are exchangeable" every sign of every difference a[i] - b[i] is equally
 * likely; p is the share of the 2^n sign patterns whose sum is at least as far from 0 as the one seen. statistic: mean
 * difference. Up to 24 pairs every pattern is counted; above, 2^20 patterns drawn from a fixed seed. */
struct test stats_sign_flip(const double *a, const double *b, int n);
/* The smallest p that test can reach with n pairs: 2 / 2^n (1 for n = 0). */
double stats_sign_flip_floor(int n);

/* Student's paired t test; statistic t, n - 1 degrees of freedom. Equal differences: p NAN. */
struct test stats_paired_t(const double *a, const double *b, int n);
/* Wilcoxon's signed-rank test; statistic min(W+, W-). Differences are rounded to 6 decimals, zeros dropped; exact
 * without ties and zeros up to 50 pairs, else the normal approximation with tie-corrected variance. */
struct test stats_wilcoxon(const double *a, const double *b, int n);

/* McNemar's exact test on two sets of predictions for the same examples: of those that one predicts rightly and the
 * other wrongly, only_a and only_b, either is equally likely. statistic: only_a - only_b. */
struct test stats_mcnemar(long only_a, long only_b);

/* Standard error of a share p of n examples. */
double stats_binomial_se(double p, double n);

/* Distribution function of Student's t and its inverse (0 < p < 1). */
double stats_t_cdf(double t, double df);
double stats_t_quantile(double p, double df);

#endif
