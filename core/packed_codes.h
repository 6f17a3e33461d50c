/* Small numbers of 1 to 8 bits, packed from the highest bit of a byte on: of 4 bits the first of two lies in the high
 * nibble, of 2 bits the first of four in the highest two bits, and eight of 3 bits fill three bytes. Eight of any width
 * end on a whole byte, so runs of a multiple of eight can be written side by side by threads. */
#ifndef PG_CORE_PACKED_CODES_H
#define PG_CORE_PACKED_CODES_H

#include <stddef.h>
#include <stdint.h>

static inline size_t codes_bytes(size_t n, int bits)
{
    return (n * (size_t)bits + 7) / 8;
}

/* The place must be zero before. A code may reach over into the next byte. */
static inline void code_put(uint8_t *packed, int bits, size_t i, int code)
{
    size_t bit = i * (size_t)bits;
    unsigned two = (unsigned)code << (16 - bit % 8 - (size_t)bits);
    packed[bit / 8] |= (uint8_t)(two >> 8);
    if (two & 0xff) packed[bit / 8 + 1] |= (uint8_t)two;
}

static inline int code_get(const uint8_t *packed, int bits, size_t i)
{
    size_t width = (size_t)bits, bit = i * width, inside = bit % 8;
    unsigned two = (unsigned)packed[bit / 8] << 8;
    if (inside + width > 8) two |= packed[bit / 8 + 1];
    return (int)(two >> (16 - inside - width) & ((1u << width) - 1));
}

/* Codes first .. first+n-1, one a byte. Those that are put must be zero before. */
void codes_pack(uint8_t *packed, int bits, size_t first, int n, const uint8_t *code);
void codes_unpack(const uint8_t *packed, int bits, size_t first, int n, uint8_t *code);

#endif
