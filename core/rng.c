/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and what is drawn
 * from it. A draw has 224 bits of address and Philox takes 192, so addressing is in two steps: one block under the seed
 * turns (stream, step, micro) into a subkey and a salt; blocks under the subkey are counted by (element, who, salt).
 * Only + - * / and sqrt are used, uncontracted, so the numbers are the same on every machine. */
#include "core/rng.h"

#include <math.h>
#include <string.h>
#include "core/log_portable.h"
#include "core/parallel.h"
#include "core/rng_block.h"
#include "core/text.h"

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c[0], p1 = (uint64_t)PHILOX_M1 * c[2];
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0, c[1] = (uint32_t)p1, c[2] = n2, c[3] = (uint32_t)p0;
        k0 += PHILOX_W0, k1 += PHILOX_W1;
    }
    memcpy(out, c, sizeof c);
}

struct rng_key rng_subkey(uint64_t seed, enum rng_stream stream, uint64_t step, int micro)
{
    uint32_t counter[4] = {(uint32_t)step, (uint32_t)(step >> 32), (uint32_t)micro, (uint32_t)stream};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
    philox4x32(counter, key, out);
    return (struct rng_key){{out[0], out[1]}, out[2]};
}

static void block_at(const struct rng_key *sub, uint32_t who, uint64_t element, uint32_t out[4])
{
    uint32_t counter[4] = {(uint32_t)element, (uint32_t)(element >> 32), who, sub->salt};
    philox4x32(counter, sub->key, out);
}

static void draw(const struct rng *r, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element,
                 uint32_t out[4])
{
    struct rng_key sub = rng_subkey(r->seed, stream, step, micro);
    block_at(&sub, who, element, out);
}

/* The recorded draw of this place, or 0 when there is none. */
static int recorded(const struct rng *r, enum rng_stream stream, uint64_t step, int micro, uint32_t who,
                    uint64_t element, double *u)
{
    return r->replay != NULL && r->replay(r->replay_ctx, stream, step, micro, who, element, u);
}

uint32_t rng_at(const struct rng *r, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element)
{
    double u;
    if (recorded(r, stream, step, micro, who, element, &u)) return (uint32_t)(u * 0x1p32);
    uint32_t out[4];
    draw(r, stream, step, micro, who, element, out);
    return out[0];
}

/* (0,1): 52 bits and a half, so that neither end is ever reached. */
static double open_uniform(uint32_t high, uint32_t low)
{
    return ((double)(((uint64_t)high << 20) | (low >> 12)) + 0.5) * 0x1p-52;
}

double rng_uniform(const struct rng *r, enum rng_stream stream, uint64_t step, int micro, uint32_t who,
                   uint64_t element)
{
    double u;
    if (recorded(r, stream, step, micro, who, element, &u)) return u;
    uint32_t out[4];
    draw(r, stream, step, micro, who, element, out);
    return open_uniform(out[0], out[1]);
}

int rng_below(const struct rng *r, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element,
              int n)
{
    int i = (int)(rng_uniform(r, stream, step, micro, who, element) * n);
    return i < n ? i : n - 1;
}

static double poly8(const double *c, double x)
{
    return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
}

/* The standard normal quantile of p in (0,1): Wichura, algorithm AS 241 (PPND16), Applied Statistics 37 (1988);
 * relative error about 1e-16. */
static double normal_quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                               1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double b[] = {1,
                               4.2313330701600911252e+1,
                               6.8718700749205790830e+2,
                               5.3941960214247511077e+3,
                               2.1213794301586595867e+4,
                               3.9307895800092710610e+4,
                               2.8729085735721942674e+4,
                               5.2264952788528545610e+3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                               3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {1,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                               2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {1,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * poly8(a, r) / poly8(b, r);
    }
    double r = sqrt(-log_portable(q < 0 ? p : 1 - p));
    double z = r <= 5 ? poly8(c, r - 1.6) / poly8(d, r - 1.6) : poly8(e, r - 5) / poly8(f, r - 5);
    return q < 0 ? -z : z;
}

/* ---- initial values -----------------------------------------------------------------------------------------------
 */

enum { FILL_PIECE = 1 << 14 }; /* elements; a multiple of 4, as one block gives 4 */

struct fill {
    struct rng_key sub;
    uint32_t who;
    real *out;
    size_t n;
    double shift, scale;
    int normal;
};

static void fill_piece(void *ctx, int piece, int thread)
{
    (void)thread;
    const struct fill *f = ctx;
    size_t begin = (size_t)piece * FILL_PIECE, end = begin + FILL_PIECE < f->n ? begin + FILL_PIECE : f->n;
    for (size_t i = begin; i < end; i += 4) {
        uint32_t w[4];
        block_at(&f->sub, f->who, i / 4, w);
        for (size_t j = 0; j < 4 && i + j < end; j++) {
            double u = ((double)w[j] + 0.5) * 0x1p-32;
            f->out[i + j] = (real)(f->shift + f->scale * (f->normal ? normal_quantile(u) : u));
        }
    }
}

static void fill(const struct rng *r, const char *name, struct fill *f)
{
    f->who = text_hash32(name);
    f->sub = rng_subkey(r->seed, RNG_INIT, 0, 0);
    parallel_for((int)((f->n + FILL_PIECE - 1) / FILL_PIECE), fill_piece, f);
}

void rng_fill_normal(const struct rng *r, const char *name, real *out, size_t n, double mean, double sd)
{
    struct fill f = {.out = out, .n = n, .shift = mean, .scale = sd, .normal = 1};
    fill(r, name, &f);
}

void rng_fill_uniform(const struct rng *r, const char *name, real *out, size_t n, double lo, double hi)
{
    struct fill f = {.out = out, .n = n, .shift = lo, .scale = hi - lo, .normal = 0};
    fill(r, name, &f);
}

void rng_permutation(const struct rng *r, enum rng_stream stream, uint64_t epoch, uint32_t who, int n, int *perm)
{
    for (int i = 0; i < n; i++) perm[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = rng_below(r, stream, epoch, 0, who, (uint64_t)i, i + 1);
        int t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
}
