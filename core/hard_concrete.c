#include "core/hard_concrete.h"

#include "core/exp_portable.h"
#include "core/log_portable.h"

#define TEMPERATURE (2.0 / 3.0)
static const double stretch = 1.2, low = -0.1;         /* v is stretched to (-0.1, 1.1) */
static const double closed_shift = -1.598596848532247; /* TEMPERATURE * ln(0.1 / 1.1): P(z = 0) = logistic(it - phi) */
static const double threshold = -0.9353026311219829;   /* P(z = 0) = 0.34 */

struct gate gate_sampled(double phi, double u)
{
    double v = logistic_portable((log_portable(u) - log_portable(1 - u) + phi) / TEMPERATURE);
    double z = stretch * v + low;
    if (z < 0) return (struct gate){0, 0};
    if (z > 1) return (struct gate){1, 0};
    return (struct gate){z, stretch / TEMPERATURE * v * (1 - v)};
}

struct gate gate_decided(double phi)
{
    return (struct gate){phi > threshold ? 1 : 0, 0};
}

double gate_travel(double phi)
{
    return phi > threshold ? phi - threshold : 0;
}

struct gate gate_chance(double phi)
{
    double q = logistic_portable(phi - closed_shift);
    return (struct gate){q, q * (1 - q)};
}

void rank_products(const struct gate *gate, int n, double *product)
{
    product[0] = 1;
    for (int i = 0; i < n; i++) product[i + 1] = product[i] * gate[i].z;
}

/* dL/dz_j = product[j-1] S_j with S_j = sum over i >= j of dL/dproduct[i] z_{j+1} ... z_i, from the last j down. */
void rank_products_backward(const struct gate *gate, int n, const double *product, const double *dproduct, real *dphi)
{
    double tail = 0;
    for (int j = n - 1; j >= 0; j--) {
        tail = dproduct[j + 1] + (j + 1 < n ? gate[j + 1].z * tail : 0);
        dphi[j] += (real)(product[j] * tail * gate[j].slope);
    }
}
