/* AVX-512 for processors without it: included before a kernel's source (gcc -include), this maps the intrinsics to
 * SIMDe's, which are made of AVX2's. Same source, same order of operations, same rounding; only slower. What SIMDe
 * lacks is here: three moves, a product of pairs and a shift of integers, and the two bfloat16 instructions (its
 * product adds in another order and without fusing). These flush denormals on a processor whatever MXCSR says; here
 * they do as MXCSR says, which is the program's rule too. */
#ifndef PG_TESTS_EMULATED_AVX512_H
#define PG_TESTS_EMULATED_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <immintrin.h>
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>
#include "core/gemm_bf16.h"

/* What the kernels choose their vectors by. After the compiler's own header: that would take it for the target's. */
#define __AVX512F__ 1

#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 emulated_madd_epi16
#undef _mm512_srai_epi32
#define _mm512_srai_epi32 emulated_srai_epi32
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh
#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps emulated_dpbf16_ps

static inline __m512 emulated_maskz_loadu_ps(__mmask16 mask, const void *p)
{
    float value[16] = {0};
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy(&value[i], (const float *)p + i, sizeof *value);
    return _mm512_loadu_ps(value);
}

static inline void emulated_mask_storeu_ps(void *p, __mmask16 mask, __m512 a)
{
    float value[16];
    _mm512_storeu_ps(value, a);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy((float *)p + i, &value[i], sizeof *value);
}

static inline __m512i emulated_cvtepu8_epi32(__m128i bytes)
{
    uint8_t code[16];
    int32_t value[16];
    memcpy(code, &bytes, sizeof code);
    for (int i = 0; i < 16; i++) value[i] = code[i];
    return _mm512_loadu_si512(value);
}

static inline __m512i emulated_madd_epi16(__m512i a, __m512i b)
{
    __m256i x[2], y[2];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 2; i++) x[i] = _mm256_madd_epi16(x[i], y[i]);
    memcpy(&a, x, sizeof a);
    return a;
}

static inline __m512i emulated_srai_epi32(__m512i a, int by)
{
    __m256i x[2];
    memcpy(x, &a, sizeof x);
    for (int i = 0; i < 2; i++) x[i] = _mm256_srai_epi32(x[i], by);
    memcpy(&a, x, sizeof a);
    return a;
}

static inline __m512bh emulated_cvtne2ps_pbh(__m512 high, __m512 low)
{
    float from[32];
    uint16_t value[32];
    __m512bh all;
    _mm512_storeu_ps(from, low);
    _mm512_storeu_ps(from + 16, high);
    for (int i = 0; i < 32; i++) {
        float x = bf16_round(from[i]);
        memcpy(&value[i], (const char *)&x + 2, sizeof value[i]);
    }
    memcpy(&all, value, sizeof all);
    return all;
}

static inline float emulated_from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Both of a pair go into one chain, the later first. */
static inline __m512 emulated_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b)
{
    uint16_t left[32], right[32];
    float value[16];
    memcpy(left, &a, sizeof left);
    memcpy(right, &b, sizeof right);
    _mm512_storeu_ps(value, sum);
    for (int i = 31; i >= 0; i--)
        value[i / 2] = __builtin_fmaf(emulated_from_bf16(left[i]), emulated_from_bf16(right[i]), value[i / 2]);
    return _mm512_loadu_ps(value);
}

#endif
