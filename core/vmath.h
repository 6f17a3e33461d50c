/* Elementary functions on 16 lanes: own polynomials (minimax, fitted in 40 digits and rounded to float), so that
 * results do not depend on a library's version; the double build calls the C library lane by lane instead. Errors are
 * the largest found over all floats of the stated range (tests/core/test_vmath_slow.c); NaN gives NaN.
 *
 *   x16_exp       0.98 ulp   all x (below -87.33 exactly 0, above 88.72 infinity)
 *   x16_tanh      1.37 ulp   all x
 *   x16_logistic  2.58 ulp   all x whose result is a normal number
 *   x16_normal    5.5  ulp   x > -13; the density 2.6 ulp for |x| < 5 */
#ifndef PG_CORE_VMATH_H
#define PG_CORE_VMATH_H

#include "core/vec.h"

#ifndef PG_DOUBLE

X16_FN x16 x16_poly(x16 x, const float *c, int degree)
{
    x16 sum = x16_all(c[degree]);
    for (int i = degree - 1; i >= 0; i--) sum = x16_fma(sum, x, x16_all(c[i]));
    return sum;
}

/* x = n log 2 + r; e^r = 1 + r + r^2 q(r), error of q below 3.1e-9; n goes into the exponent. Adding 1.5 * 2^23 rounds
 * to an integer and leaves it in the low bits. log 2 is subtracted in two parts, the first exact for every n. */
X16_FN x16 x16_exp(x16 x)
{
    static const float q[] = {0.4999999341f, 0.1666652011f, 0.04166839421f, 0.008368780419f, 0.00138144673f};
    x16 shift = x16_all(12582912.0f);
    x16 t = x16_fma(x, x16_all(1.44269504f), shift);
    x16 n = x16_sub(t, shift);
    x16 r = x16_fma(n, x16_all(-0.693359375f), x);
    r = x16_fma(n, x16_all(2.12194440e-4f), r);
    x16 p = x16_fma(x16_mul(r, r), x16_poly(r, q, 4), r);
    x16 y = x16_shift_exponent(x16_add(p, x16_all(1)), t);
    y = x16_if_gt(x, x16_all(88.7228317f), x16_all(INFINITY), y);
    y = x16_if_gt(x16_all(-87.3365402f), x, x16_all(0), y);
    return x16_if_nan(x, x, y);
}

/* Below 0.55: x + x^3 p(x^2), error of p below 1e-9. Above: 1 - 2 / (e^2|x| + 1). */
X16_FN x16 x16_tanh(x16 x)
{
    static const float p[] = {-0.3333331756f, 0.1333258614f, -0.05385230991f, 0.02107167904f, -0.006274239522f};
    x16 a = x16_abs(x), s = x16_mul(x, x), one = x16_all(1);
    x16 small = x16_fma(x16_mul(x, s), x16_poly(s, p, 4), x);
    x16 large = x16_sub(one, x16_div(x16_all(2), x16_add(x16_exp(x16_add(a, a)), one)));
    large = x16_if_gt(x16_all(0), x, x16_sub(x16_all(0), large), large);
    return x16_if_gt(x16_all(0.55f), a, small, x16_if_nan(x, x, large));
}

/* 1 / (1 + e^-x), the smaller of it and its complement first, which keeps its relative precision. */
X16_FN x16 x16_logistic(x16 x)
{
    x16 e = x16_exp(x16_sub(x16_all(0), x16_abs(x))), one = x16_all(1);
    x16 r = x16_div(one, x16_add(one, e));
    return x16_if_nan(x, x, x16_if_gt(x16_all(0), x, x16_mul(e, r), r));
}

/* The normal distribution function, and *density when not NULL. Upper tail Q(t) = e^(-t^2/2) u p(2u - 1) with
 * u = 1 / (1 + 0.35 t), relative error of p below 3.2e-8 for t <= 13.5; beyond, Q underflows. */
X16_FN x16 x16_normal(x16 x, x16 *density)
{
    static const float p[] = {0.2532442767f,    0.1714958048f,    0.07109895186f,   0.01023384076f,   -0.005108791133f,
                              -0.001754256869f, 0.0006901123507f, 0.0002138183873f, -0.0001137727263f};
    x16 t = x16_abs(x), one = x16_all(1), end = x16_all(14);
    t = x16_if_gt(end, t, t, end);
    x16 square = x16_mul(t, t), lost = x16_fma(t, t, x16_sub(x16_all(0), square)); /* t^2 = square + lost */
    x16 e = x16_exp(x16_mul(square, x16_all(-0.5f)));
    e = x16_fma(x16_mul(lost, x16_all(-0.5f)), e, e);
    x16 u = x16_div(one, x16_fma(t, x16_all(0.35f), one));
    x16 tail = x16_mul(x16_mul(e, u), x16_poly(x16_fma(u, x16_all(2), x16_all(-1)), p, 8));
    if (density != NULL) *density = x16_mul(e, x16_all(0.398942280f));
    return x16_if_nan(x, x, x16_if_gt(x16_all(0), x, tail, x16_sub(one, tail)));
}

#else

X16_FN x16 x16_exp(x16 x)
{
    X16_MAP(exp(x.v[i]));
}
X16_FN x16 x16_tanh(x16 x)
{
    X16_MAP(tanh(x.v[i]));
}
X16_FN x16 x16_logistic(x16 x)
{
    X16_MAP(1 / (1 + exp(-x.v[i])));
}
X16_FN x16 x16_normal(x16 x, x16 *density)
{
    for (int i = 0; i < X16 && density != NULL; i++)
        density->v[i] = 0.39894228040143267794 * exp(-0.5 * x.v[i] * x.v[i]);
    X16_MAP(0.5 * erfc(-M_SQRT1_2 * x.v[i]));
}

#endif
#endif
