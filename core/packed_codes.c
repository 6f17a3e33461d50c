#include "core/packed_codes.h"

#include <string.h>

static void unpack_nibbles(const uint8_t *restrict packed, size_t first, int n, uint8_t *restrict code)
{
    packed += first / 2;
    if (first % 2 && n > 0) {
        *code++ = *packed++ & 15;
        n--;
    }
    for (int i = 0; i < n / 2; i++) {
        code[2 * i] = packed[i] >> 4;
        code[2 * i + 1] = packed[i] & 15;
    }
    if (n % 2) code[n - 1] = packed[n / 2] >> 4;
}

/* Eight of 3 bits are three bytes. */
static void unpack_threes(const uint8_t *restrict packed, size_t first, int n, uint8_t *restrict code)
{
    int i = 0;
    for (; i < n && (first + (size_t)i) % 8; i++) code[i] = (uint8_t)code_get(packed, 3, first + (size_t)i);
    const uint8_t *at = packed + (first + (size_t)i) / 8 * 3;
    for (; i + 8 <= n; i += 8, at += 3) {
        unsigned all = (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];
        for (int k = 0; k < 8; k++) code[i + k] = (uint8_t)(all >> (21 - 3 * k) & 7);
    }
    for (; i < n; i++) code[i] = (uint8_t)code_get(packed, 3, first + (size_t)i);
}

void codes_unpack(const uint8_t *packed, int bits, size_t first, int n, uint8_t *code)
{
    if (bits == 4)
        unpack_nibbles(packed, first, n, code);
    else if (bits == 3)
        unpack_threes(packed, first, n, code);
    else if (bits == 8)
        memcpy(code, packed + first, (size_t)n);
    else
        for (int i = 0; i < n; i++) code[i] = (uint8_t)code_get(packed, bits, first + (size_t)i);
}

/* Eight of any width are whole bytes. */
void codes_pack(uint8_t *packed, int bits, size_t first, int n, const uint8_t *code)
{
    int i = 0;
    for (; i < n && (first + (size_t)i) % 8; i++) code_put(packed, bits, first + (size_t)i, code[i]);
    uint8_t *to = packed + (first + (size_t)i) / 8 * (size_t)bits;
    for (; i + 8 <= n; i += 8, to += bits) {
        uint64_t all = 0;
        for (int k = 0; k < 8; k++) all = all << bits | code[i + k];
        for (int k = 0; k < bits; k++) to[k] = (uint8_t)(all >> (8 * (bits - 1 - k)));
    }
    for (; i < n; i++) code_put(packed, bits, first + (size_t)i, code[i]);
}
