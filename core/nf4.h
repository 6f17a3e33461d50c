/* NormalFloat quantisation with double quantisation of the scales (QLoRA, Dettmers et al. 2023; METHODS 3.5).
 *
 * A weight is read row by row as one long vector and cut into blocks of `block` elements (the last may be short). A
 * block keeps its largest absolute value, and of each element the nearest of 2^bits fixed levels, which are quantiles
 * of a normal distribution:
 *
 *     code = number of decision thresholds below x / absmax        value = level[code] * absmax
 *
 * Thresholds are the midpoints of neighbouring levels; a ratio on a threshold goes down. All of it is arithmetic in
 * float, in every build, so codes and values are the same bits everywhere. With double quantisation absmax itself is
 * kept as a code of the signed 8-bit dynamic map, in groups of 256 blocks:
 *
 *     absmax = map[code] * groupmax + offset, offset = mean of all absmax
 *
 * Codes are packed from the highest bit of a byte on: NF4 puts the first of two elements into the high nibble, NF2 the
 * first of four into the highest two bits, NF3 eight into three bytes. A last byte is filled up with zeros. Numbers
 * below the smallest normal float count as zero, whatever the processor is told to do with them. */
#ifndef PG_CORE_NF4_H
#define PG_CORE_NF4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"
#include "core/wsrc.h"

enum {
    NF_BITS_MIN = 2,
    NF_BITS_MAX = 4,
    NF_LEVELS = 1 << NF_BITS_MAX,
    NF_BLOCK_MAX = 4096,
    NF_GROUP = 256,   /* blocks that share one groupmax */
    NF_MAP_SIZE = 256 /* of the dynamic map */
};

struct nf_format {
    int bits;    /* NF_BITS_MIN .. NF_BITS_MAX */
    int block;   /* 1 .. NF_BLOCK_MAX elements */
    bool nested; /* double quantisation */
};

/* A quantised vector. */
struct nf {
    struct nf_format format;
    size_t size, blocks, groups; /* elements; ceil(size / block); ceil(blocks / NF_GROUP) or 0 */
    uint8_t *code;               /* packed, nf_code_bytes() */
    float *absmax;               /* [blocks]; NULL when nested */
    uint8_t *nested_code;        /* [blocks]; NULL unless nested */
    float *nested_absmax;        /* [groups]; NULL unless nested */
    float offset;
    float level[NF_LEVELS]; /* the first 2^bits are used */
};

/* Quantises w. Memory that stays comes from keep: the codes and scales. Fails on a value that is not finite
 * (ST_INPUT). */
status nf_quantize(const struct wsrc *w, const struct nf_format *, struct arena *keep, struct nf *out);

/* A vector of `size` elements without its codes and scales: numbers of blocks and groups, levels. */
void nf_shape(size_t size, const struct nf_format *, struct nf *out);

/* Elements first .. first+n-1 as reals: level[code] * absmax, rounded to float. Pure and thread-safe. */
void nf_values(const struct nf *, size_t first, int n, real *out);

float nf_absmax(const struct nf *, size_t block); /* as values are computed with, double quantisation undone */
int nf_code(const struct nf *, size_t i);
size_t nf_code_bytes(const struct nf *);
size_t nf_bytes(const struct nf *); /* codes, scales and offset */

/* Storage bits an element of a large weight: 4 + 8/64 + 32/(64*256) = 4.127 for NF4 with blocks of 64, nested. */
double nf_bits(const struct nf_format *);

/* ---- tables ---- */

/* The 2^bits levels of the construction in METHODS 3.5, bits 2 .. 8, rising, level[2^(bits-1) - 1] = 0. */
void nf_construct(int bits, double *level);
/* What is computed with: the published constants for 4 bits (up to 1.8e-7 off the construction), else the
 * construction, as floats. */
void nf_levels(int bits, float level[NF_LEVELS]);
/* Midpoints of neighbours: n - 1 thresholds of n rising levels. */
void nf_thresholds(const float *level, int n, float *threshold);
/* Number of thresholds strictly below x; n levels, n a power of two. */
int nf_nearest(const float *threshold, int n, float x);
/* The signed 8-bit dynamic map: 127 negative values, 0 (code 127), 128 positive ones up to 1. */
float nf_map(int code);

#endif
