/* The product in bfloat16: both operands are rounded to bfloat16 (nearest, ties to even, denormals to zero) while they
 * are packed, and multiplied and added in f32. Its bits are as fixed as those of core/gemm.h, for any thread count,
 * batch, compiler and processor class: k is cut into blocks of 32, and a block adds
 *
 *     (sum over its even k, one chain of fused multiply-adds in rising order from 0) + (the same over its odd k)
 *
 * to the output, block after block. This is what one AMX instruction does, so that AMX computes it at full speed;
 * AVX512-BF16 and plain FMA reach the same bits by the same chains. gemm_bf16_reference() is the definition, and the
 * instructions of a processor on which they give other bits are not used. */
#ifndef PG_CORE_GEMM_BF16_H
#define PG_CORE_GEMM_BF16_H

#include <stdint.h>
#include <string.h>
#include "core/arena.h"
#include "core/cpu.h"
#include "core/gemm.h"

/* As gemm() and gemm_serial() of core/gemm.h. `gemm = openblas` does not apply. */
void gemm_bf16(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);
void gemm_bf16_serial(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);

/* Nested loops with fma(); the definition of the result. */
void gemm_bf16_reference(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate);

/* The class of the kernels in use: the processor's (core/cpu.h), or the next lower one whose results are right. */
enum cpu_class gemm_bf16_class(void);

/* From now until the release x [its view and its values] stays as it is, so that products whose A it is may share its
 * packed form; the arithmetic's products->hold. Holds of other matrices inside a hold, and those of other threads, are
 * counted and do nothing more. */
void gemm_bf16_hold(const struct mat *x);
void gemm_bf16_release(void);

/* Packed copies of a weight [out, in], 2 bytes a value each: for y = x W' and (backward) for dx = dy W. w->packed then
 * leads to them; products use them as long as w is the source that was packed and the processor class the same. */
status gemm_bf16_pack_weight(struct wsrc *w, bool backward, struct arena *);

/* Memory that these take. */
size_t gemm_bf16_weight_bytes(const struct wsrc *w, bool backward);

/* x as bfloat16; a NaN stays one (made quiet), denormals become zeros of their sign. In the double build x is rounded
 * to float before. */
static inline real bf16_round(real x)
{
    const uint32_t sign = 0x80000000u, infinity = 0x7f800000u, least_normal = 0x00800000u, quiet = 0x00400000u;
    float f = (float)x;
    uint32_t u;
    memcpy(&u, &f, 4);
    uint32_t size = u & ~sign, nearest = u + 0x7fff + (u >> 16 & 1);
    u = (size > infinity ? u | quiet : size < least_normal ? u & sign : nearest) & 0xffff0000u;
    memcpy(&f, &u, 4);
    return (real)f;
}

/* The three products of a linear layer, as in core/gemm.h, but that a sum starts from its bias (in f32), where tiles
 * can load it at no cost. */
void linear_bf16_forward(const struct mat *x, const struct wsrc *w, const real *bias, const struct gemm_after *after,
                         struct mat *y);
void linear_bf16_backward_x(const struct mat *dy, const struct wsrc *w, const struct gemm_after *after, struct mat *dx,
                            bool accumulate);
void linear_bf16_backward_w(const struct mat *x, const struct mat *dy, real *dw, int ld);

extern const struct products products_bf16;

#endif
