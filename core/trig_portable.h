/* Sine and cosine in double from + - * / alone, which round the same everywhere (with -ffp-contract=off): for rotary
 * angles, whose bits may not depend on the C library. See log_portable.h. */
#ifndef PG_CORE_TRIG_PORTABLE_H
#define PG_CORE_TRIG_PORTABLE_H

/* 0 <= x < 2^20. x = k pi/2 + r, |r| <= 0.79; pi/2 is subtracted in three parts, the first two of 33 bits, whose
 * products with k are exact. Then the series of both functions, whose first terms left out are below 1e-18. Error below
 * 2e-16 + 1e-17 * k. */
static inline void sin_cos_portable(double x, double *sine, double *cosine)
{
    double shift = 0x1.8p52, k = (x * 0.63661977236758134308 + shift) - shift;
    double r = ((x - k * 0x1.921fb544p0) - k * 0x1.0b4611a6p-34) - k * 0x1.3198a2e037073p-69;
    double r2 = r * r, s = 1, c = 1;
    for (int i = 18; i > 0; i -= 2) {
        s = 1 - s * r2 / (i * (i + 1));
        c = 1 - c * r2 / (i * (i - 1));
    }
    s *= r;
    switch ((int)((long long)k & 3)) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

#endif
