/* Weight sources: every half and bfloat16 value, tiles at all places, unaligned memory. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/wsrc.h"

/* The value of an IEEE half, by its definition. */
static double half_value(unsigned h)
{
    int e = h >> 10 & 31, f = h & 1023;
    double v = e == 31 ? (f ? (double)NAN : (double)INFINITY) : e == 0 ? ldexp(f, -24) : ldexp(1024 + f, e - 25);
    return h & 0x8000 ? -v : v;
}

START_TEST(all_halves)
{
    static uint16_t h[65536];
    static real v[65536];
    for (unsigned i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    struct wsrc w = wsrc_f16(h, 256, 256);
    for (int c = CPU_GENERIC; c <= CPU_AVX512; c++) {
        if (!cpu_has((enum cpu_class)c)) continue;
        ck_ok(cpu_force((enum cpu_class)c));
        for (int part = 0; part < 256; part += 16) w.tile(&w, part, 16, 0, 256, v + part * 256, 256);
        int wrong = 0;
        for (unsigned i = 0; i < 65536; i++) {
            double want = half_value(i);
            wrong += isnan(want) ? !isnan(v[i]) : (double)v[i] != want || !signbit(v[i]) != !signbit(want);
        }
        ck_assert_int_eq(wrong, 0);
    }
}
END_TEST

START_TEST(all_bfloats)
{
    static uint16_t h[65536];
    real v;
    int wrong = 0;
    for (unsigned i = 0; i < 65536; i++) {
        h[i] = (uint16_t)i;
        struct wsrc w = wsrc_bf16(h + i, 1, 1);
        wsrc_row(&w, 0, &v);
        int e = i >> 7 & 255, f = i & 127;
        double want = e == 255 ? (f ? (double)NAN : (double)INFINITY)
                      : e == 0 ? ldexp(f, -133)
                               : ldexp(128 + f, e - 134);
        if (i & 0x8000) want = -want;
        wrong += isnan(want) ? !isnan(v) : (double)v != want;
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

enum { ROWS = 13, COLS = 37 };

/* Every tile of a source equals that part of the whole, and nothing beside it is written. */
static void check_tiles(const struct wsrc *w, const double *want)
{
    real out[ROWS * 40];
    int wrong = 0;
    for (int r0 = 0; r0 < ROWS; r0 += 3)
        for (int c0 = 0; c0 < COLS; c0 += 5)
            for (int nc = 1; nc <= COLS - c0; nc += 4) {
                int nr = ROWS - r0 < 4 ? ROWS - r0 : 4;
                for (int i = 0; i < ROWS * 40; i++) out[i] = -77;
                w->tile(w, r0, nr, c0, nc, out, 40);
                for (int r = 0; r < ROWS; r++)
                    for (int c = 0; c < 40; c++)
                        wrong += (double)out[r * 40 + c] != (r < nr && c < nc ? want[(r0 + r) * COLS + c0 + c] : -77);
            }
    ck_assert_int_eq(wrong, 0);
    real row[COLS];
    wsrc_row(w, ROWS - 1, row);
    for (int c = 0; c < COLS; c++) ck_assert_double_eq((double)row[c], want[(ROWS - 1) * COLS + c]);
}

START_TEST(tiles)
{
    static real dense[ROWS * COLS];
    static double as_dense[ROWS * COLS], as_half[ROWS * COLS], as_bf[ROWS * COLS];
    static unsigned char f32[ROWS * COLS * 4 + 1], f16[ROWS * COLS * 2 + 1];
    for (int i = 0; i < ROWS * COLS; i++) {
        float f = (float)(i * 0.37 - 50);
        uint16_t h = (uint16_t)(0x3000 + i * 11);
        uint32_t bits = (uint32_t)h << 16;
        float bf;
        memcpy(&bf, &bits, 4);
        memcpy(f32 + 1 + 4 * i, &f, 4);
        memcpy(f16 + 1 + 2 * i, &h, 2);
        dense[i] = f, as_dense[i] = (double)f, as_half[i] = half_value(h), as_bf[i] = (double)bf;
    }
    struct wsrc a = wsrc_dense(dense, ROWS, COLS), b = wsrc_f32(f32 + 1, ROWS, COLS), c = wsrc_f16(f16 + 1, ROWS, COLS);
    struct wsrc d = wsrc_bf16(f16 + 1, ROWS, COLS);
    check_tiles(&a, as_dense), check_tiles(&b, as_dense), check_tiles(&c, as_half), check_tiles(&d, as_bf);
    ck_assert_ptr_eq(a.dense, dense);
    ck_assert_ptr_null(b.dense);
    ck_assert(a.bits == 32 && b.bits == 32 && c.bits == 16 && d.bits == 16);
}
END_TEST

PG_TESTS(TEST(all_halves), TEST(all_bfloats), TEST(tiles))
