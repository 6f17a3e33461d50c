/* Hard-concrete gates (Louizos, Welling, Kingma 2018; constants of Bayesian Bits, van Baalen et al. 2020; METHODS
 * 3.6.1): a gate is a number in [0, 1] that is exactly 0 or exactly 1 with some chance, as ruled by one learned number
 * phi. Sampled in training, thresholded otherwise; the chance of being open is what penalties add up. Bits do not
 * depend on the machine. */
#ifndef PG_CORE_HARD_CONCRETE_H
#define PG_CORE_HARD_CONCRETE_H

#include "core/real.h"

struct gate {
    double z, slope; /* its value and dz/dphi; slope 0: phi cannot move it */
};

/* z = clamp(1.2 v - 0.1, 0, 1), v = logistic((ln u - ln(1-u) + phi) / (2/3)), u a uniform number in (0, 1). */
struct gate gate_sampled(double phi, double u);
/* 1 when phi > -0.9353, else 0: the chance of z = 0 is below 0.34. */
struct gate gate_decided(double phi);
/* How far phi must come down for the gate to be decided closed; 0: it is. */
double gate_travel(double phi);
/* P(z > 0) and its slope, as a gate. */
struct gate gate_chance(double phi);

/* Rank gates (METHODS 3.6.2): product[0] = 1, product[i] = z_1 ... z_i, for n gates. */
void rank_products(const struct gate *, int n, double *product);
/* Given dL/dproduct[0..n], adds dL/dphi of the n gates. */
void rank_products_backward(const struct gate *, int n, const double *product, const double *dproduct, real *dphi);

#endif
