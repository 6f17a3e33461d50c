/* The natural logarithm in double from + - * / alone, which round the same everywhere (with -ffp-contract=off): for
 * losses and drawn numbers, whose bits may not depend on the C library. */
#ifndef PG_CORE_LOG_PORTABLE_H
#define PG_CORE_LOG_PORTABLE_H

#include <stdint.h>
#include <string.h>

/* Of a positive, normal, finite x: x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m-1)/(m+1),
 * |s| < 0.172, by its series, whose first term left out is below 1e-17. Error below 2 ulp. Infinity and NaN give
 * themselves; other x give garbage. */
static inline double log_portable(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    if (e >= 1024) return x;
    bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 10; k >= 0; k--) sum = sum * s2 + 1.0 / (2 * k + 1);
    return 2 * s * sum + e * 0.69314718055994530942;
}

#endif
