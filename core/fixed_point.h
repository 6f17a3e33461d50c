/* Dynamic fixed point (METHODS 7.3): a tensor as integer mantissas of 2 to 16 bits and one scale, a power of two:
 *
 *     e = floor(log2 max|x|)    scale = 2^(e - (bits - 2))    m = round(x / scale), within +-(2^(bits - 1) - 1)
 *
 * round: to nearest, ties to even; or stochastic, floor(x / scale + u), whose mean is x / scale. u is a multiple of
 * 2^-16, and so is x / scale before it is added; both are a function of the element's place and of (seed, step,
 * micro-batch, who), never of threads or of how the work is cut. A tensor of zeros (denormals count as such) has the
 * scale 1. One that holds a NaN or an infinity is lost: its mantissas are 0 and its scale is NaN, so that whatever is
 * computed from it is NaN. */
#ifndef PG_CORE_FIXED_POINT_H
#define PG_CORE_FIXED_POINT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/rng.h"
#include "core/status.h"
#include "core/wsrc.h"

enum { FIXED_BITS_MIN = 2, FIXED_BITS_MAX = 16 };

struct fixed_scale { /* 2^exponent; NaN when lost */
    int exponent;
    bool lost;
};
/* The scale of a tensor from the largest magnitude in it, which may be NaN or infinite. */
struct fixed_scale fixed_scale_of(real largest, int bits);

/* 2^(a + b) as a product of two factors, neither of which overflows or is a denormal; NaN when one is lost. Below what
 * could make any sum of products a normal number the factors stay as small as they can be. */
struct fixed_power {
    real factor[2];
};
struct fixed_power fixed_power(struct fixed_scale a, struct fixed_scale b);

static inline int fixed_limit(int bits)
{
    return (1 << (bits - 1)) - 1;
}

/* How to round: rng NULL: to nearest. Draws are of the stream RNG_ROUND; the element is (row, column). */
struct fixed_rounding {
    const struct rng *rng;
    uint64_t step;
    int micro;
    uint32_t who;
};

/* What is mapped: a matrix p [rows, cols] with row distance ld, or the weight w. */
struct fixed_source {
    const real *p;
    ptrdiff_t ld;
    const struct wsrc *w; /* not NULL: p is ignored */
    int rows, cols;
};
struct fixed_source fixed_matrix(const struct mat *);
struct fixed_source fixed_weight(const struct wsrc *);

/* Which rows share a scale: rows first[g] .. first[g+1]-1, for groups that cover all rows. */
struct fixed_groups {
    int count;        /* 0: all rows are one group */
    const int *first; /* [count + 1]; NULL, with count = rows: every row is its own */
};

struct fixed_tensor {
    int rows, cols, bits;
    int16_t *m;                /* [rows, cols] */
    struct fixed_scale *scale; /* [rows], equal within a group; one at least */
};
/* Runs on all threads; memory from the arena. bits: FIXED_BITS_MIN .. FIXED_BITS_MAX. */
status fixed_map(const struct fixed_source *, int bits, const struct fixed_groups *, const struct fixed_rounding *,
                 struct arena *, struct fixed_tensor *out);
/* The definition, element by element, into out->m and out->scale, which are there. */
void fixed_map_reference(const struct fixed_source *, int bits, const struct fixed_groups *,
                         const struct fixed_rounding *, struct fixed_tensor *out);

#endif
