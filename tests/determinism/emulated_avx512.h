/* AVX-512 for processors without it: included before a kernel's source (gcc -include), this maps the intrinsics to
 * SIMDe's, which are made of AVX2's. Same source, same order of operations, same rounding; only slower. Three moves
 * that SIMDe lacks are here. */
#ifndef PG_TESTS_EMULATED_AVX512_H
#define PG_TESTS_EMULATED_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <immintrin.h>
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>

/* What the kernels choose their vectors by. After the compiler's own header: that would take it for the target's. */
#define __AVX512F__ 1

#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32

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

#endif
