/* Weight sources over plain memory: dense reals, and float, half and bfloat16 values as they lie in a checkpoint file
 * (little-endian, of any alignment). Every conversion to float is exact. */
#include "core/wsrc.h"

#include <stdint.h>
#include <string.h>
#include "core/row_kernels.h"

static const unsigned char *element(const struct wsrc *w, int r, int c, size_t size)
{
    return (const unsigned char *)w->ctx + ((size_t)r * (size_t)w->cols + (size_t)c) * size;
}

static void tile_dense(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    for (int r = 0; r < nr; r++)
        memcpy(dst + (size_t)r * (size_t)ld, w->dense + (size_t)(r0 + r) * (size_t)w->cols + c0,
               (size_t)nc * sizeof *dst);
}

static void tile_f32(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    for (int r = 0; r < nr; r++) {
        const unsigned char *src = element(w, r0 + r, c0, 4);
        for (int c = 0; c < nc; c++) {
            float f;
            memcpy(&f, src + 4 * c, 4);
            dst[(size_t)r * (size_t)ld + c] = f;
        }
    }
}

static void tile_bf16(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    for (int r = 0; r < nr; r++) {
        const unsigned char *src = element(w, r0 + r, c0, 2);
        for (int c = 0; c < nc; c++) {
            uint16_t half;
            memcpy(&half, src + 2 * c, 2);
            uint32_t bits = (uint32_t)half << 16;
            float f;
            memcpy(&f, &bits, 4);
            dst[(size_t)r * (size_t)ld + c] = f;
        }
    }
}

static void tile_f16(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const struct row_kernels *k = row_kernels();
    for (int r = 0; r < nr; r++) k->from_half(element(w, r0 + r, c0, 2), nc, dst + (size_t)r * (size_t)ld);
}

struct wsrc wsrc_dense(const real *w, int rows, int cols)
{
    return (struct wsrc){.rows = rows, .cols = cols, .tile = tile_dense, .dense = w, .bits = 32};
}

struct wsrc wsrc_f32(const void *w, int rows, int cols)
{
#ifndef PG_DOUBLE
    if ((uintptr_t)w % sizeof(float) == 0) return wsrc_dense(w, rows, cols);
#endif
    return (struct wsrc){.rows = rows, .cols = cols, .tile = tile_f32, .bits = 32, .ctx = w};
}

struct wsrc wsrc_f16(const void *w, int rows, int cols)
{
    return (struct wsrc){.rows = rows, .cols = cols, .tile = tile_f16, .bits = 16, .ctx = w};
}

struct wsrc wsrc_bf16(const void *w, int rows, int cols)
{
    return (struct wsrc){.rows = rows, .cols = cols, .tile = tile_bf16, .bits = 16, .ctx = w};
}

bool wsrc_is_bf16(const struct wsrc *w)
{
    return w->tile == tile_bf16;
}

void wsrc_row(const struct wsrc *w, int r, real *dst)
{
    w->tile(w, r, 1, 0, w->cols, dst, w->cols);
}
