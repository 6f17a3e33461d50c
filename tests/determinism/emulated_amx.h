/* AMX for processors without it: included before a kernel's source (gcc -include), as emulated_avx512.h, which it takes
 * along. Tiles hold what their configuration says and no more, as those of a processor: rows and bytes beyond it are
 * neither read nor written. Whatever a processor answers with #GP or #UD ends the program with a word about it (Intel's
 * manual, volume 2: LDTILECFG, TILELOADD, TDPBF16PS; exception classes AMX-E1 to E5). */
#ifndef PG_TESTS_EMULATED_AMX_H
#define PG_TESTS_EMULATED_AMX_H

#include <stdio.h>
#include <stdlib.h>
#include "tests/determinism/emulated_avx512.h"

/* The only palette there is: 8 tiles of at most 16 rows of 64 bytes. */
enum { EMULATED_TILES = 8, EMULATED_ROWS = 16, EMULATED_ROW = 64, EMULATED_LANES = EMULATED_ROW / 4 };

static _Thread_local struct emulated_tile {
    int rows, bytes; /* both 0: not configured */
    unsigned char row[EMULATED_ROWS][EMULATED_ROW];
} emulated_tile[EMULATED_TILES];

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_loadconfig
#define _tile_release emulated_release
#define _tile_loadd emulated_loadd
#define _tile_stored emulated_stored
#define _tile_zero emulated_zero
#define _tile_dpbf16ps emulated_dpbf16ps

static inline void emulated_need(int fine, const char *what)
{
    if (fine) return;
    fprintf(stderr, "emulated AMX: %s\n", what);
    abort();
}

static inline void emulated_release(void)
{
    memset(emulated_tile, 0, sizeof emulated_tile);
}

/* Byte 0: palette, 1: the row to go on from, 16 ...: bytes of a row, two bytes a tile, 48 ...: rows; all else 0. */
static inline void emulated_loadconfig(const void *config)
{
    unsigned char byte[64];
    memcpy(byte, config, sizeof byte);
    emulated_release();
    if (byte[0] == 0) return;
    emulated_need(byte[0] == 1, "#GP: a palette other than 1");
    emulated_need(byte[1] == 0, "a load or store that begins within a tile is not emulated");
    for (int i = 2; i < 64; i++)
        emulated_need((i >= 16 && i < 32) || (i >= 48 && i < 56) || byte[i] == 0, "#GP: a reserved byte is not 0");
    for (int i = 0; i < EMULATED_TILES; i++) {
        int bytes = byte[16 + 2 * i] + 256 * byte[17 + 2 * i], rows = byte[48 + i];
        emulated_need(rows <= EMULATED_ROWS && bytes <= EMULATED_ROW, "#GP: a tile of more than 16 rows or 64 bytes");
        emulated_need((rows == 0) == (bytes == 0), "#GP: a tile with rows and no bytes, or the other way round");
        emulated_tile[i].rows = rows;
        emulated_tile[i].bytes = bytes;
    }
}

static inline struct emulated_tile *emulated_get(int tile)
{
    emulated_need(tile >= 0 && tile < EMULATED_TILES, "#UD: no such tile");
    emulated_need(emulated_tile[tile].rows > 0, "#UD: a tile that is not configured");
    return &emulated_tile[tile];
}

static inline void emulated_zero(int tile)
{
    struct emulated_tile *t = emulated_get(tile);
    memset(t->row, 0, sizeof t->row);
}

static inline void emulated_loadd(int tile, const void *from, ptrdiff_t stride)
{
    struct emulated_tile *t = emulated_get(tile);
    memset(t->row, 0, sizeof t->row);
    for (int r = 0; r < t->rows; r++) memcpy(t->row[r], (const char *)from + r * stride, (size_t)t->bytes);
}

static inline void emulated_stored(int tile, void *to, ptrdiff_t stride)
{
    const struct emulated_tile *t = emulated_get(tile);
    for (int r = 0; r < t->rows; r++) memcpy((char *)to + r * stride, t->row[r], (size_t)t->bytes);
}

/* The pairs of one row, as floats: those at even places and those at odd ones. */
static inline void emulated_pairs(const unsigned char *row, float even[EMULATED_LANES], float odd[EMULATED_LANES])
{
    uint16_t value[2 * EMULATED_LANES];
    memcpy(value, row, sizeof value);
    for (int i = 0; i < EMULATED_LANES; i++) {
        even[i] = emulated_from_bf16(value[2 * i]);
        odd[i] = emulated_from_bf16(value[2 * i + 1]);
    }
}

/* One row of C: a chain over the even places and one over the odd ones, from 0; their sum is added. */
static inline void emulated_row(const struct emulated_tile *a, const unsigned char *a_row,
                                const float b[2][EMULATED_ROWS][EMULATED_LANES], float *c, int lanes)
{
    float left[2][EMULATED_LANES], sum[2][EMULATED_LANES] = {{0}};
    emulated_pairs(a_row, left[0], left[1]);
    for (int odd = 0; odd < 2; odd++)
        for (int k = 0; k < a->bytes / 4; k++)
            for (int j = 0; j < EMULATED_LANES; j++)
                sum[odd][j] = __builtin_fmaf(left[odd][k], b[odd][k][j], sum[odd][j]);
    for (int j = 0; j < lanes; j++) c[j] += sum[0][j] + sum[1][j];
}

static inline void emulated_dpbf16ps(int sum, int left, int right)
{
    struct emulated_tile *c = emulated_get(sum);
    const struct emulated_tile *a = emulated_get(left), *b = emulated_get(right);
    float value[2][EMULATED_ROWS][EMULATED_LANES], row[EMULATED_LANES];
    emulated_need(sum != left && sum != right && left != right, "#UD: a product of tiles that are not three");
    emulated_need(c->bytes % 4 == 0 && a->bytes % 4 == 0 && b->bytes % 4 == 0, "#UD: rows that are no whole pairs");
    emulated_need(c->rows == a->rows, "#UD: the rows of C and A differ");
    emulated_need(c->bytes == b->bytes, "#UD: the columns of C and B differ");
    emulated_need(a->bytes / 4 == b->rows, "#UD: the pairs of A are not the rows of B");
    for (int k = 0; k < b->rows; k++) emulated_pairs(b->row[k], value[0][k], value[1][k]);
    for (int i = 0; i < c->rows; i++) {
        memcpy(row, c->row[i], sizeof row);
        emulated_row(a, a->row[i], (const float(*)[EMULATED_ROWS][EMULATED_LANES])value, row, c->bytes / 4);
        memcpy(c->row[i], row, sizeof row);
    }
}

#endif
