/* The quantiser of LQ-LoRA (Guo et al. 2023, arXiv 2311.12023; METHODS 7.1): NormalFloat codes whose scales are
 * quantised too.
 *
 * A matrix is read row by row as one long vector and cut into blocks of `block` elements (the last may be short). With
 * s the largest absolute value of a block,
 *
 *     least      = smallest s, a float
 *     top        = largest s - least of scale_block blocks, kept as scale_float, rounded to nearest
 *     scale code = round((s - least) (2^scale_bits - 1) / top), ties to even, at most 2^scale_bits - 1
 *     scale      = least + code top / (2^scale_bits - 1), rounded to float
 *     code       = number of thresholds below x / scale        value = level[code] * scale, rounded to float
 *
 * Levels are those of the construction in METHODS 3.5 as floats, thresholds their midpoints; a ratio on a threshold
 * goes down, and no rounding of ratios comes in between. The codes of elements are looked up with the scale as it will
 * be read, not with the one it came from. A scale of 0 gives zeros. What is computed on the way is computed in double:
 * + - * /, rounding and comparisons, so that codes are the same everywhere. (bitsandbytes, core/nf4.h, takes the mean
 * for least and a map of its own for the scale codes.)
 *
 * A parameter costs bits + scale_bits / block + w / (block scale_block) bits, w = 32 or 16; `least` is one more float a
 * matrix. That is what lies in memory: everything is packed (core/packed_codes.h), products dequantise tiles. */
#ifndef PG_CORE_LQ_H
#define PG_CORE_LQ_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"
#include "core/wsrc.h"

enum { LQ_BITS_MIN = 2, LQ_BITS_MAX = 8, LQ_BLOCK_MAX = 4096, LQ_SCALE_BLOCK_MAX = 65536, LQ_NAME = 32 };
enum lq_float { LQ_FP32, LQ_FP16, LQ_BF16 };
#define LQ_FLOAT_CHOICES "fp32|fp16|bf16" /* in the order of the enum */

/* (b, b0, b1, B0, B1) of the paper. */
struct lq_config {
    int bits, scale_bits; /* LQ_BITS_MIN .. LQ_BITS_MAX */
    enum lq_float scale_float;
    int block, scale_block; /* 1 .. LQ_BLOCK_MAX elements, 1 .. LQ_SCALE_BLOCK_MAX blocks */
};

/* A quantised matrix. */
struct lq {
    struct lq_config config;
    size_t size, blocks, groups; /* elements; ceil(size / block); ceil(blocks / scale_block) */
    uint8_t *code, *scale_code;  /* packed */
    void *top;                   /* [groups] float or uint16_t, as scale_float says */
    float least;
    const float *level; /* [2^bits], at least 16 */
};

/* A matrix without values: its sizes, memory and levels. Fails on a configuration out of range (ST_USAGE). */
status lq_new(size_t size, const struct lq_config *, struct arena *keep, struct lq *);
/* Quantises x [size]. work [blocks]. Fails on a value that is not finite (ST_INPUT). */
status lq_fill(struct lq *, const real *x, float *work);
/* A copy with memory of its own. */
status lq_copy(const struct lq *, struct arena *keep, struct lq *);

/* Elements first .. first+n-1. Pure and thread-safe. */
void lq_values(const struct lq *, size_t first, int n, real *out);
float lq_scale(const struct lq *, size_t block); /* as values are computed with */
int lq_code(const struct lq *, size_t i);
int lq_scale_code(const struct lq *, size_t block);
double lq_top(const struct lq *, size_t group);

/* The matrix as products read it; q must stay where it is. bits: what lq_bytes comes to an element. */
struct wsrc lq_source(const struct lq *q, int rows, int cols);

/* ---- sizes ---- */

double lq_bits(const struct lq_config *); /* a parameter: 3 + 8/64 + 32/(64*256) = 3.127 */
/* Of a matrix of so many elements: 8 lq_bytes, so with short last blocks, `least` and unused bits of last bytes. */
double lq_storage_bits(const struct lq_config *, size_t size);
size_t lq_bytes(const struct lq *);
size_t lq_top_bytes(const struct lq *); /* of `top` */
/* "3,8,fp32,64,256" */
void lq_name(const struct lq_config *, char name[LQ_NAME]);

#endif
