/* The quantiser of LQ-LoRA: against a naive one written from METHODS 7.1, sizes, packing, degenerate matrices, and the
 * same bits on every processor class. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/cpu.h"
#include "core/gemm_bf16.h"
#include "core/lq.h"
#include "core/nf4.h"
#include "core/parallel.h"
#include "core/rng.h"

static struct arena *arena;

static void begin(void)
{
    if (!arena) arena = arena_new("test");
    ck_assert_ptr_nonnull(arena);
}

/* ---- the naive reference ---- */

struct naive {
    int *code, *scale_code;
    float *scale, *value;
};

static float rounded_top(float x, enum lq_float f)
{
    if (f == LQ_BF16) return (float)bf16_round((real)x);
    if (f == LQ_FP32 || x == 0) return x;
    int e;
    frexpf(x, &e); /* half: 11 bits, the last of them at 2^-24 for the smallest */
    double step = ldexp(1, e - 11 < -24 ? -24 : e - 11);
    return (float)fmin(rint((double)x / step) * step, 65504);
}

static void naive_scales(struct naive *v, const struct lq_config *c, const float *s, size_t blocks)
{
    float least = INFINITY;
    double steps = pow(2, c->scale_bits) - 1;
    for (size_t b = 0; b < blocks; b++) least = fminf(least, s[b]);
    for (size_t g = 0; g < blocks; g += (size_t)c->scale_block) {
        double most = 0;
        size_t end = g + (size_t)c->scale_block < blocks ? g + (size_t)c->scale_block : blocks;
        for (size_t b = g; b < end; b++) most = fmax(most, (double)s[b] - (double)least);
        double top = (double)rounded_top((float)most, c->scale_float);
        for (size_t b = g; b < end; b++) {
            double code = top > 0 ? rint(((double)s[b] - (double)least) * steps / top) : 0;
            v->scale_code[b] = (int)fmin(code, steps);
            v->scale[b] = (float)((double)least + v->scale_code[b] * top / steps);
        }
    }
}

static struct naive naive_quantize(const real *x, size_t n, const struct lq_config *c)
{
    size_t block = (size_t)c->block, blocks = (n + block - 1) / block;
    struct naive v = {arena_zalloc(arena, n * sizeof(int)), arena_zalloc(arena, blocks * sizeof(int)),
                      arena_zalloc(arena, blocks * 4), arena_zalloc(arena, n * 4)};
    float *s = arena_zalloc(arena, blocks * 4);
    double exact[256];
    nf_construct(c->bits, exact);
    for (size_t i = 0; i < n; i++) s[i / block] = fmaxf(s[i / block], (float)fabs((double)x[i]));
    naive_scales(&v, c, s, blocks);
    for (size_t i = 0; i < n; i++) {
        long double scale = (long double)v.scale[i / block];
        for (int k = 1; k < 1 << c->bits; k++) {
            long double threshold = ((long double)(float)exact[k - 1] + (long double)(float)exact[k]) / 2;
            if ((scale > 0 ? (long double)x[i] : 0) > threshold * scale) v.code[i] = k;
        }
        float value = (float)exact[v.code[i]] * v.scale[i / block];
        v.value[i] = value;
    }
    return v;
}

/* ---- helpers ---- */

/* Floats, in the double build too; blocks of scales that differ. */
static real *drawn(size_t n, double deviation)
{
    static uint64_t seed;
    seed++;
    const struct rng rng = {.seed = seed};
    real *x = arena_alloc(arena, sizeof *x * n);
    rng_fill_normal(&rng, "x", x, n, 0, deviation);
    for (size_t i = 0; i < n; i++) x[i] = (real)((float)x[i] * (1 + (float)(i / 50 % 7)));
    return x;
}

static struct lq quantized(const real *x, size_t n, struct lq_config c)
{
    struct lq q;
    ck_ok(lq_new(n, &c, arena, &q));
    ck_ok(lq_fill(&q, x, arena_alloc(arena, sizeof(float) * q.blocks)));
    return q;
}

static void compare(const real *x, size_t n, struct lq_config c)
{
    struct lq q = quantized(x, n, c);
    struct naive want = naive_quantize(x, n, &c);
    real *value = arena_alloc(arena, sizeof *value * n);
    int codes = 0, scales = 0, values = 0;
    char name[LQ_NAME];
    lq_name(&c, name);
    lq_values(&q, 0, (int)n, value);
    for (size_t i = 0; i < n; i++) {
        codes += lq_code(&q, i) != want.code[i];
        values += (float)value[i] != want.value[i];
    }
    for (size_t b = 0; b < q.blocks; b++)
        scales += lq_scale_code(&q, b) != want.scale_code[b] || lq_scale(&q, b) != want.scale[b];
    ck_assert_msg(codes + scales + values == 0, "%s, %zu elements: %d codes, %d scales, %d values differ", name, n,
                  codes, scales, values);
}

/* ---- tests ---- */

static const int sizes[] = {1, 5, 64, 1000, 4096 + 3, 64 * 256 * 3 + 17};

START_TEST(equals_the_naive_quantiser)
{
    begin();
    size_t n = (size_t)sizes[_i];
    real *x = drawn(n, 0.02);
    static const int bits[] = {2, 3, 4, 8}, blocks[] = {16, 64, 7}, groups[] = {16, 256, 1};
    for (int b = 0; b < 4; b++)
        for (int s = 0; s < 4; s++)
            for (int f = 0; f < 3; f++)
                compare(
                    x, n,
                    (struct lq_config){bits[b], bits[s], (enum lq_float)f, blocks[(b + s) % 3], groups[(s + f) % 3]});
    for (int b = 5; b < 8; b++) compare(x, n, (struct lq_config){b, b, LQ_FP16, 32, 64});
}
END_TEST

/* What METHODS says a parameter costs, and that it lies in memory so. */
START_TEST(sizes_are_as_counted)
{
    const struct lq_config nf3 = {3, 8, LQ_FP32, 64, 256}, nf4 = {4, 8, LQ_FP32, 64, 256},
                           small = {2, 3, LQ_BF16, 64, 64};
    begin();
    ck_assert(lq_bits(&nf3) == 3.126953125 && lq_bits(&nf4) == 4.126953125 && lq_bits(&small) == 2.05078125);
    size_t n = 64 * 256 * 5;
    struct lq q = quantized(drawn(n, 1), n, small);
    ck_assert(lq_storage_bits(&small, n) == lq_bits(&small) * (double)n + 32);
    ck_assert(8 * (double)lq_bytes(&q) == lq_storage_bits(&small, n));
    ck_assert(lq_source(&q, 64, 256 * 5).bits == 8 * (double)lq_bytes(&q) / (double)n);
    q = quantized(drawn(1001, 1), 1001, nf3);
    ck_assert_uint_eq(lq_bytes(&q), (3 * 1001 + 7) / 8 + 16 + 4 + 4);
    ck_assert(lq_storage_bits(&nf3, 1001) == 8 * (double)lq_bytes(&q));
}
END_TEST

START_TEST(tiles_are_the_values)
{
    enum { ROWS = 37, COLS = 53 };
    begin();
    static const int bits[] = {2, 3, 4, 5, 8};
    struct lq q = quantized(drawn(ROWS * COLS, 1), ROWS * COLS, (struct lq_config){bits[_i], 4, LQ_FP16, 16, 8}), copy;
    struct wsrc w = lq_source(&q, ROWS, COLS);
    real all[ROWS * COLS], some[20 * 40];
    lq_values(&q, 0, ROWS * COLS, all);
    for (int r0 = 0; r0 < 17; r0 += 4)
        for (int c0 = 0; c0 < 20; c0++) {
            w.tile(&w, r0, 20, c0, 33, some, 40);
            for (int r = 0; r < 20; r++) ck_assert_mem_eq(some + 40 * r, all + (r0 + r) * COLS + c0, sizeof(real) * 33);
        }
    ck_ok(lq_copy(&q, arena, &copy));
    real again[ROWS * COLS];
    lq_values(&copy, 0, ROWS * COLS, again);
    ck_assert_mem_eq(all, again, sizeof all);
}
END_TEST

/* Zeros, one value, one element that towers over all, numbers too large for a half. */
START_TEST(degenerate_matrices)
{
    const struct lq_config c = {3, 2, _i ? LQ_FP16 : LQ_FP32, 16, 4};
    real x[200] = {0}, y[200];
    begin();
    struct lq q = quantized(x, 200, c);
    lq_values(&q, 0, 200, y);
    for (int i = 0; i < 200; i++) ck_assert(y[i] == 0);
    for (int i = 0; i < 200; i++) x[i] = (real)-0.5;
    q = quantized(x, 200, c);
    lq_values(&q, 0, 200, y);
    for (int i = 0; i < 200; i++) ck_assert(y[i] == (real)-0.5);
    x[150] = (real)1e6;
    q = quantized(x, 200, c);
    lq_values(&q, 0, 200, y);
    ck_assert(_i ? y[150] > 65000 && y[150] < 65600 : y[150] == (real)1e6);
    compare(x, 200, c);
    x[7] = NAN;
    ck_fails(lq_fill(&q, x, arena_alloc(arena, sizeof(float) * q.blocks)), ST_INPUT, "no finite number");
}
END_TEST

START_TEST(wrong_configurations_are_refused)
{
    const struct lq_config wrong[] = {{1, 8, LQ_FP32, 64, 256}, {9, 8, LQ_FP32, 64, 256}, {3, 1, LQ_FP32, 64, 256},
                                      {3, 8, LQ_FP32, 0, 256},  {3, 8, LQ_FP32, 4097, 1}, {3, 8, LQ_FP32, 64, 0}};
    struct lq q;
    begin();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_fails(lq_new(64, &wrong[i], arena, &q), ST_USAGE, "no quantiser");
}
END_TEST

/* Codes, and values as every class of processor makes them, for any number of threads. */
START_TEST(same_bits_everywhere)
{
    enum { N = 64 * 300 };
    begin();
    real *x = drawn(N, 0.1), first[N], y[N];
    for (int threads = 1; threads <= 3; threads++)
        for (int class = 0; class <= (int)CPU_AVX512; class ++) {
            if (!cpu_has((enum cpu_class) class)) continue;
            ck_ok(cpu_force((enum cpu_class) class));
            parallel_set_threads(threads);
            struct lq q = quantized(x, N, (struct lq_config){3, 8, LQ_BF16, 64, 64});
            lq_values(&q, 0, N, y);
            if (threads == 1 && class == 0) memcpy(first, y, sizeof y);
            ck_assert_mem_eq(first, y, sizeof y);
        }
}
END_TEST

PG_TESTS(LOOP_TEST(equals_the_naive_quantiser, 0, 6), TEST(sizes_are_as_counted), LOOP_TEST(tiles_are_the_values, 0, 5),
         LOOP_TEST(degenerate_matrices, 0, 2), TEST(wrong_configurations_are_refused), TEST(same_bits_everywhere))
