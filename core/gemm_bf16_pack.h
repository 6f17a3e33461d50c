/* Packing for the classes with bfloat16 instructions, whose tiles hold pairs of k: a tile of A is [lane][pair], one of
 * B [pair][lane]. Included by gemm_bf16_avx512bf16.c and gemm_bf16_amx.c, which say in which order a block's 32 k lie
 * (ORDER: place -> k; pair p is places 2p and 2p+1). */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include "core/gemm_bf16_inside.h"

enum { PAIRS = BF16_BLOCK / 2 };

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Two times 16 floats as 32 bfloat16: the instruction rounds as bf16_round() does. */
INLINE __m512i rounded(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

INLINE __mmask16 first(int n)
{
    return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}

/* 16 x 16 elements of 32 bits, in place. */
INLINE void turn(__m512i r[16])
{
    __m512i t[16];
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        __m512i a = _mm512_unpacklo_epi32(r[i], r[i + 1]), b = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        __m512i c = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]), d = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
        t[i] = _mm512_unpacklo_epi64(a, c), t[i + 1] = _mm512_unpackhi_epi64(a, c);
        t[i + 2] = _mm512_unpacklo_epi64(b, d), t[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* now quarters of registers are the elements of a 4 x 4 transposition */
        __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88),
                d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
        r[i] = _mm512_shuffle_i32x4(a, c, 0x88), r[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88), r[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

/* A block of lanes whose k lie side by side: register i is lane i's pairs. */
INLINE void load_along(const real *src, ptrdiff_t ld, int lanes, int k, __m512i r[16])
{
    UNROLL
    for (int i = 0; i < 16; i++) {
        const real *from = src + i * ld;
        __m512i x = i < lanes ? rounded(_mm512_maskz_loadu_ps(first(k), from),
                                        _mm512_maskz_loadu_ps(first(k - 16), k > 16 ? from + 16 : from))
                              : _mm512_setzero_si512();
        r[i] = REORDER(x);
    }
}

/* A block of k whose lanes lie side by side: register p is pair p of each lane. */
INLINE void load_across(const real *src, ptrdiff_t ld, int lanes, int k, __m512i r[16])
{
    static const uint8_t order[BF16_BLOCK] = ORDER;
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __mmask16 mask = first(lanes);
    UNROLL
    for (int p = 0; p < PAIRS; p++) {
        int low = order[2 * p], high = order[2 * p + 1];
        __m512 a = low < k ? _mm512_maskz_loadu_ps(mask, src + low * ld) : _mm512_setzero_ps();
        __m512 b = high < k ? _mm512_maskz_loadu_ps(mask, src + high * ld) : _mm512_setzero_ps();
        r[p] = _mm512_permutexvar_epi16(zip, rounded(a, b));
    }
}

INLINE void pack_block(enum bf16_side side, bool along, const real *src, ptrdiff_t ld, int lanes, int k, uint16_t *tile)
{
    __m512i r[16];
    if (along)
        load_along(src, ld, lanes, k, r);
    else
        load_across(src, ld, lanes, k, r);
    if (along != (side == BF16_A)) turn(r);
    UNROLL
    for (int i = 0; i < 16; i++) _mm512_store_si512(tile + i * BF16_BLOCK, r[i]);
}

INLINE void pack_tiles(enum bf16_side side, bool along, const real *src, ptrdiff_t ld, int lanes, int k, uint16_t *tile)
{
    ptrdiff_t step = BF16_BLOCK * (along ? 1 : ld);
    if (lanes == BF16_LANES)
        for (; k >= BF16_BLOCK; k -= BF16_BLOCK, src += step, tile += BF16_TILE)
            pack_block(side, along, src, ld, BF16_LANES, BF16_BLOCK, tile);
    for (; k > 0; k -= BF16_BLOCK, src += step, tile += BF16_TILE)
        pack_block(side, along, src, ld, lanes, k < BF16_BLOCK ? k : BF16_BLOCK, tile);
}

static void pack(enum bf16_side side, bool along, const real *src, ptrdiff_t ld, int lanes, int k, void *tiles)
{
    if (side == BF16_A && along)
        pack_tiles(BF16_A, true, src, ld, lanes, k, tiles);
    else if (side == BF16_A)
        pack_tiles(BF16_A, false, src, ld, lanes, k, tiles);
    else if (along)
        pack_tiles(BF16_B, true, src, ld, lanes, k, tiles);
    else
        pack_tiles(BF16_B, false, src, ld, lanes, k, tiles);
}
