/* Rotary angles in double with functions that no C library decides, rounded once. See rotary.h. */
#include "models/rotary.h"

#include "core/exp_portable.h"
#include "core/log_portable.h"
#include "core/trig_portable.h"

int rotary_pairs(const struct model_config *c)
{
    return (int)(c->rotary_part * c->head_dim) / 2;
}

static double stretched(const struct model_config *c, double frequency)
{
    double wave = 6.28318530717958647693 / frequency;
    if (wave < c->rope_original / c->rope_high) return frequency;
    if (wave > c->rope_original / c->rope_low) return frequency / c->rope_factor;
    double smooth = (c->rope_original / wave - c->rope_low) / (c->rope_high - c->rope_low);
    return (1 - smooth) * frequency / c->rope_factor + smooth * frequency;
}

double rotary_frequency(const struct model_config *c, int j)
{
    double frequency = exp_portable(-log_portable(c->rope_theta) * j / rotary_pairs(c));
    if (c->rope_scaling == ROPE_LINEAR) return frequency / c->rope_factor;
    return c->rope_scaling == ROPE_LLAMA3 ? stretched(c, frequency) : frequency;
}

status rotary_table(const struct model_config *c, int first, int n, struct arena *arena, struct rotary *out)
{
    int pairs = rotary_pairs(c);
    real *cosine, *sine;
    NEW(cosine, arena, (size_t)n * (size_t)pairs);
    NEW(sine, arena, (size_t)n * (size_t)pairs);
    for (int j = 0; j < pairs; j++) {
        double frequency = rotary_frequency(c, j), co, si;
        for (int p = 0; p < n; p++) {
            sin_cos_portable(frequency * (first + p), &si, &co);
            cosine[p * pairs + j] = (real)co;
            sine[p * pairs + j] = (real)si;
        }
    }
    *out = (struct rotary){pairs, first, cosine, sine};
    return ST_OK;
}
