/* Randomness as a pure function of (seed, stream, step, micro-batch, who, element): Philox4x32-10 (Salmon et al. 2011).
 * Nothing is stored, so nothing is saved or resumed; any thread order gives the same numbers; two methods with one seed
 * see the same data order, head and dropout. Golden cases replay recorded draws through the same door. */
#ifndef PG_CORE_RNG_H
#define PG_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>
#include "core/real.h"

enum rng_stream {
    RNG_INIT,    /* initial values; who = hash of the tensor's name, element = index in the tensor */
    RNG_SHUFFLE, /* data order; step = epoch */
    RNG_DROPOUT, /* who = the place's id, element = (row key, column) */
    RNG_RANK,    /* DyLoRA's rank of a step */
    RNG_GATE,    /* hard-concrete noise */
    RNG_ROUND,   /* stochastic rounding */
    RNG_MASK,    /* masked language modelling */
    RNG_DATA,    /* generated data, splits */
    RNG_STREAMS
};

struct rng {
    uint64_t seed;
    /* NULL, or recorded draws: fills *u with the uniform (0,1) of this place and returns 1, or returns 0 to let the
     * generator answer. */
    int (*replay)(void *ctx, enum rng_stream, uint64_t step, int micro, uint32_t who, uint64_t element, double *u);
    void *replay_ctx;
};

/* The block function, for tests against the published vectors. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint32_t rng_at(const struct rng *, enum rng_stream, uint64_t step, int micro, uint32_t who, uint64_t element);
double rng_uniform(const struct rng *, enum rng_stream, uint64_t step, int micro, uint32_t who,
                   uint64_t element); /* (0,1) */
int rng_below(const struct rng *, enum rng_stream, uint64_t step, int micro, uint32_t who, uint64_t element, int n);

/* Initial values of a tensor, keyed by its name: n numbers with the given spread. Bits do not depend on the machine. */
void rng_fill_normal(const struct rng *, const char *name, real *out, size_t n, double mean, double sd);
void rng_fill_uniform(const struct rng *, const char *name, real *out, size_t n, double lo, double hi);

/* A random order of 0 .. n-1 for (stream, epoch): perm[i] = the example at position i. Fisher-Yates with rng draws. */
void rng_permutation(const struct rng *, enum rng_stream, uint64_t epoch, uint32_t who, int n, int *perm);

/* Inverted dropout: y[r, c] is x[r, c] divided by 1-p, or 0, as decided by
 * (seed, step, who, row_key[r], first_col + c); y may be x. The same call on a gradient is its backward pass: no mask
 * is stored. row_key is (slot of the example in the step's batch) << 16 | position, so packing and micro-batches do not
 * matter. p is used in steps of 1/65536 (one 16-bit draw an element). p = 0 keeps all. Serial: callers split rows. */
struct dropout {
    const struct rng *rng;
    uint64_t step;
    uint32_t who;
    double p;
};
void dropout_rows(const struct dropout *, const uint32_t *row_key, const struct mat *x, int first_col, struct mat *y);

#endif
