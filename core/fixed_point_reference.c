/* The definition of the map to dynamic fixed point, in double and one element after the other. */
#include <float.h>
#include <math.h>
#include "core/fixed_point.h"
#include "core/rng_block.h"

#ifdef PG_DOUBLE
#define LEAST DBL_MIN
#else
#define LEAST FLT_MIN
#endif

static double element(const struct fixed_source *s, int r, int c)
{
    real x;
    if (s->w)
        s->w->tile(s->w, r, 1, c, 1, &x, 1);
    else
        x = s->p[r * s->ld + c];
    return fabs((double)x) < (double)LEAST ? 0 : (double)x; /* denormals are zero (cpu.h) */
}

/* The uniform number of an element, in units of 2^-16: 16 bits of the block (c / 8, r, who). */
static double draw(const struct fixed_rounding *how, int r, int c)
{
    struct rng_key sub = rng_subkey(how->rng->seed, RNG_ROUND, how->step, how->micro);
    uint32_t counter[4] = {(uint32_t)c / 8, (uint32_t)r, how->who, sub.salt}, word[4];
    philox4x32(counter, sub.key, word);
    return word[c % 8 / 2] >> 16 * (c % 2) & 0xffff;
}

static int16_t mantissa(double ratio, int limit, const struct fixed_rounding *how, int r, int c)
{
    double m = how->rng ? floor((rint(ratio * 65536) + draw(how, r, c)) / 65536) : rint(ratio);
    return (int16_t)(m > limit ? limit : m < -limit ? -limit : m);
}

static void map_group(const struct fixed_source *s, int bits, int r0, int r1, const struct fixed_rounding *how,
                      struct fixed_tensor *out)
{
    double largest = 0;
    bool lost = false;
    for (int r = r0; r < r1; r++)
        for (int c = 0; c < s->cols; c++) {
            double x = element(s, r, c);
            if (!isfinite(x)) lost = true;
            if (fabs(x) > largest) largest = fabs(x);
        }
    int exponent = lost || largest == 0 ? 0 : ilogb(largest) - (bits - 2);
    for (int r = r0; r < r1; r++) {
        out->scale[r] = (struct fixed_scale){exponent, lost};
        for (int c = 0; c < s->cols; c++) {
            double ratio = lost ? 0 : ldexp(element(s, r, c), -exponent);
            out->m[(size_t)r * (size_t)s->cols + (size_t)c] = lost ? 0 : mantissa(ratio, fixed_limit(bits), how, r, c);
        }
    }
}

void fixed_map_reference(const struct fixed_source *s, int bits, const struct fixed_groups *groups,
                         const struct fixed_rounding *how, struct fixed_tensor *out)
{
    out->rows = s->rows;
    out->cols = s->cols;
    out->bits = bits;
    if (groups->count == 0) {
        map_group(s, bits, 0, s->rows, how, out);
        return;
    }
    for (int g = 0; g < groups->count; g++)
        map_group(s, bits, groups->first ? groups->first[g] : g, groups->first ? groups->first[g + 1] : g + 1, how,
                  out);
}
