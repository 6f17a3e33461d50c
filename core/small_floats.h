/* The 16-bit floats as they lie in files: bfloat16 and IEEE half. A value of either is a float exactly. */
#ifndef PG_CORE_SMALL_FLOATS_H
#define PG_CORE_SMALL_FLOATS_H

#include <stdint.h>
#include <string.h>

static inline float bf16_value(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* IEEE half: sign, 5 bits of exponent, 10 of fraction. */
static inline float f16_value(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
    float f;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
        float v = (float)fraction / 16777216.0F;
        return sign ? -v : v;
    }
    bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Rounds the low bits of v away: to nearest, ties to even. */
static inline uint32_t round_off(uint32_t v, int bits)
{
    uint32_t half = 1u << (bits - 1);
    return (v + half - 1 + (v >> bits & 1)) >> bits;
}

static inline uint16_t bf16_of(float f)
{
    uint32_t v;
    memcpy(&v, &f, sizeof v);
    if ((v & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(v >> 16 | 0x40); /* NaN: rounding could make it infinite */
    return (uint16_t)round_off(v, 16);
}

static inline uint16_t f16_of(float f)
{
    uint32_t v;
    memcpy(&v, &f, sizeof v);
    uint32_t sign = v >> 16 & 0x8000, magnitude = v & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00); /* 65520 and more round to infinity */
    if (magnitude >= 0x38800000u) return (uint16_t)(sign | round_off(magnitude - 0x38000000u, 13));
    if (magnitude < 0x33000000u) return (uint16_t)sign;      /* below 2^-25: zero */
    uint32_t fraction = (magnitude & 0x7FFFFFu) | 0x800000u; /* subnormal: in units of 2^-24 */
    return (uint16_t)(sign | round_off(fraction, 126 - (int)(magnitude >> 23)));
}

#endif
