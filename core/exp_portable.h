/* The exponential function in double from + - * / alone, which round the same everywhere (with -ffp-contract=off): for
 * gates and chances, whose bits may not depend on the C library. See log_portable.h. */
#ifndef PG_CORE_EXP_PORTABLE_H
#define PG_CORE_EXP_PORTABLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* x = k log 2 + r, |r| <= 0.35; e^r by its series, whose first term left out is below 1e-18. log 2 is subtracted in two
 * parts, the first exact for every k. Error below 2 ulp. Below -708 the result is 0, above 709 infinity; NaN gives NaN.
 */
static inline double exp_portable(double x)
{
    if (isnan(x)) return x;
    if (x < -708) return 0;
    if (x > 709) return INFINITY;
    double shift = 0x1.8p52, k = (x * 1.44269504088896340736 + shift) - shift;
    double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33, sum = 1;
    for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
    uint64_t bits = (uint64_t)(1023 + (int)k) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* 1 / (1 + e^-x) */
static inline double logistic_portable(double x)
{
    return 1 / (1 + exp_portable(-x));
}

#endif
