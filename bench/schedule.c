/* Learning-rate schedules (METHODS 3.0), the formulas of transformers.optimization. */
#include "bench/schedule.h"

#include <math.h>

static const double polynomial_end = 1e-7;

/* cos(pi x) for x in [0, 1]. The C library's cosine may differ in the last bit between versions, and every bit of a
 * rate ends in the weights; this one uses +, - and * only. Error below 2 units in the last place of 1. */
static double cos_pi(double x)
{
    const double pi = 3.14159265358979323846;
    if (x > 0.5) return -cos_pi(1 - x);
    int as_sine = x > 0.25; /* cos(pi x) = sin(pi (1/2 - x)) keeps the argument below pi/4 */
    double y = pi * (as_sine ? 0.5 - x : x), yy = y * y, sum = 1;
    for (int k = as_sine ? 17 : 16; k > 1; k -= 2) sum = 1 - yy / (k * (k - 1)) * sum; /* Taylor, innermost first */
    return as_sine ? y * sum : sum;
}

/* Share of the way from the end of the warm-up to the last step. */
static double progress(long warmup, long steps, long k)
{
    long length = steps - warmup;
    double p = (double)(k - warmup) / (double)(length > 1 ? length : 1);
    return p < 0 ? 0 : p > 1 ? 1 : p;
}

double schedule_rate(enum schedule s, double lr, long warmup, long steps, long k)
{
    if (s == SCHED_CONSTANT) return lr;
    if (k < warmup) return lr * ((double)k / (double)(warmup > 1 ? warmup : 1));
    double p = progress(warmup, steps, k);
    switch (s) {
    case SCHED_LINEAR: return lr * (1 - p);
    case SCHED_COSINE: return lr * (0.5 * (1 + cos_pi(p)));
    case SCHED_POLYNOMIAL: return polynomial_end + (lr - polynomial_end) * (1 - p);
    case SCHED_CONSTANT:
    case SCHED_CONSTANT_WARMUP: break;
    }
    return lr;
}

long schedule_warmup(double ratio, long steps)
{
    return (long)ceil(ratio * (double)steps);
}
