/* NormalFloat: against a naive quantiser written from METHODS 3.5, at thresholds and beside them, packing, tails, zero
 * and tiny blocks, sizes, and the same bits on every processor class. */
#include "tests/pgtest.h"

#include <float.h>
#include <math.h>
#include "core/cpu.h"
#include "core/nf4.h"
#include "core/rng.h"

static struct arena *arena;

static void begin(void)
{
    if (!arena) arena = arena_new("test");
}

/* ---- the naive reference: nearest level by distance in double, a tie goes down ---- */

static int naive_code(const float *level, int n, float ratio)
{
    int best = 0;
    for (int i = 1; i < n; i++) {
        float middle = (float)(((double)level[i - 1] + (double)level[i]) / 2);
        if (ratio > middle) best = i;
    }
    return best;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The construction of the dynamic map, sorted. */
static void naive_map(float *map)
{
    int n = 0;
    for (int i = 0; i < 7; i++) {
        int parts = 1 << i;
        for (int j = 0; j < parts; j++) {
            double low = 0.1 + j * (0.9 / parts), high = j + 1 == parts ? 1.0 : 0.1 + (j + 1) * (0.9 / parts);
            double v = (low + high) / 2 * pow(10, i - 6);
            map[n++] = (float)v;
            map[n++] = (float)-v;
        }
    }
    map[n++] = 0;
    map[n++] = 1;
    ck_assert_int_eq(n, NF_MAP_SIZE);
    qsort(map, NF_MAP_SIZE, sizeof *map, by_value);
}

struct naive {
    unsigned char *code;         /* one an element */
    float *absmax, *absmax_used; /* before and after double quantisation */
    float *value;
};

static float largest(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

static void naive_scales(struct naive *v, size_t blocks)
{
    float map[NF_MAP_SIZE];
    double sum = 0;
    naive_map(map);
    for (size_t b = 0; b < blocks; b++) sum += (double)v->absmax[b];
    float offset = (float)(sum / (double)blocks);
    for (size_t g = 0; g < blocks; g += 256) {
        size_t n = blocks - g < 256 ? blocks - g : 256;
        float rest[256] = {0};
        for (size_t i = 0; i < n; i++) rest[i] = v->absmax[g + i] - offset;
        float most = largest(rest, n);
        for (size_t i = 0; i < n; i++) {
            float part = map[naive_code(map, NF_MAP_SIZE, most > 0 ? rest[i] / most : 0)] * most;
            v->absmax_used[g + i] = part + offset;
        }
    }
}

static struct naive naive_quantize(const float *x, size_t n, const struct nf_format *f)
{
    size_t block = (size_t)f->block, blocks = (n + block - 1) / block;
    struct naive v = {arena_zalloc(arena, n), arena_zalloc(arena, 4 * blocks), arena_zalloc(arena, 4 * blocks),
                      arena_zalloc(arena, 4 * n)};
    float level[NF_LEVELS];
    nf_levels(f->bits, level);
    for (size_t b = 0; b < blocks; b++) {
        size_t first = b * block, len = n - first < block ? n - first : block;
        float most = v.absmax[b] = v.absmax_used[b] = largest(x + first, len);
        for (size_t i = first; i < first + len; i++)
            v.code[i] = (unsigned char)naive_code(level, 1 << f->bits, most > 0 ? x[i] / most : 0);
    }
    if (f->nested) naive_scales(&v, blocks);
    for (size_t i = 0; i < n; i++) {
        float value = level[v.code[i]] * v.absmax_used[i / block];
        v.value[i] = value;
    }
    return v;
}

/* ---- helpers ---- */

static float *random_floats(size_t n, double deviation)
{
    static uint64_t seed;
    seed++;
    const struct rng rng = {.seed = seed};
    real *drawn = arena_alloc(arena, sizeof(real) * n);
    float *x = arena_alloc(arena, sizeof *x * n);
    rng_fill_normal(&rng, "x", drawn, n, 0, deviation);
    for (size_t i = 0; i < n; i++) x[i] = (float)drawn[i] * (1 + (float)(i / 50 % 7)); /* scales that differ */
    return x;
}

static struct nf quantized(const float *x, int rows, int cols, struct nf_format f)
{
    struct wsrc w = wsrc_f32(x, rows, cols);
    struct nf q;
    ck_ok(nf_quantize(&w, &f, arena, &q));
    return q;
}

static void compare(const float *x, int rows, int cols, struct nf_format f)
{
    size_t n = (size_t)rows * (size_t)cols;
    struct nf q = quantized(x, rows, cols, f);
    struct naive want = naive_quantize(x, n, &f);
    real *value = arena_alloc(arena, sizeof *value * n);
    int codes = 0, scales = 0, values = 0;
    nf_values(&q, 0, (int)n, value);
    for (size_t i = 0; i < n; i++) {
        codes += nf_code(&q, i) != want.code[i];
        values += (float)value[i] != want.value[i];
    }
    for (size_t b = 0; b < q.blocks; b++) scales += nf_absmax(&q, b) != want.absmax_used[b];
    ck_assert_msg(codes + scales + values == 0, "%d bits, block %d, %s, %d x %d: %d codes, %d scales, %d values differ",
                  f.bits, f.block, f.nested ? "nested" : "plain", rows, cols, codes, scales, values);
}

/* ---- tests ---- */

START_TEST(equals_the_naive_quantiser)
{
    static const int shape[][2] = {{1, 1}, {1, 64}, {3, 21}, {33, 37}, {48, 96}, {130, 131}};
    static const int block[] = {1, 7, 8, 64, 100, 4096};
    begin();
    for (size_t s = 0; s < sizeof shape / sizeof shape[0]; s++) {
        const float *x = random_floats((size_t)shape[s][0] * (size_t)shape[s][1], 0.05);
        for (int bits = NF_BITS_MIN; bits <= NF_BITS_MAX; bits++)
            for (size_t b = 0; b < sizeof block / sizeof block[0]; b++)
                for (int nested = 0; nested < 2; nested++)
                    compare(x, shape[s][0], shape[s][1], (struct nf_format){bits, block[b], nested});
    }
}
END_TEST

START_TEST(tables)
{
    static const float nf3[] = {-1, -0.4786292F, -0.2171418F, 0, 0.1609302F, 0.3379152F, 0.5626170F, 1};
    static const float nf2[] = {-1, 0, 0.3379152F, 1};
    static const float middle[] = {-0.8480964F, -0.6106329F, -0.4599953F, -0.3396794F, -0.2346074F,
                                   -0.1379117F, -0.0455250F, 0.0397901F,  0.1202553F,  0.2035213F,
                                   0.2920138F,  0.3893125F,  0.5016634F,  0.6427869F,  0.8614784F}; /* METHODS 3.5 */
    float level[NF_LEVELS], threshold[NF_LEVELS], map[NF_MAP_SIZE];
    double exact[256];
    nf_levels(3, level);
    for (int i = 0; i < 8; i++) ck_assert_float_eq_tol(level[i], nf3[i], 2e-7F);
    nf_levels(2, level);
    for (int i = 0; i < 4; i++) ck_assert_float_eq_tol(level[i], nf2[i], 2e-7F);
    nf_levels(4, level);
    nf_construct(4, exact);
    nf_thresholds(level, NF_LEVELS, threshold);
    for (int i = 0; i < 16; i++) ck_assert_double_eq_tol(exact[i], (double)level[i], 2e-7);
    for (int i = 0; i < 15; i++) ck_assert_float_eq_tol(threshold[i], middle[i], 1e-7F);
    for (int bits = 2; bits <= 8; bits++) {
        nf_construct(bits, exact);
        ck_assert(exact[0] == -1 && exact[(1 << (bits - 1)) - 1] == 0);
        ck_assert_double_eq_tol(exact[(1 << bits) - 1], 1, 1e-15);
        for (int i = 1; i < 1 << bits; i++) ck_assert(exact[i] > exact[i - 1]);
    }
    naive_map(map);
    for (int i = 0; i < NF_MAP_SIZE; i++) ck_assert_float_eq(nf_map(i), map[i]);
}
END_TEST

/* One block whose largest element is 1: ratios are the elements. Thresholds go down, the next float above goes up. */
START_TEST(thresholds)
{
    begin();
    for (int bits = NF_BITS_MIN; bits <= NF_BITS_MAX; bits++) {
        int levels = 1 << bits;
        float level[NF_LEVELS], threshold[NF_LEVELS], x[64] = {1};
        nf_levels(bits, level);
        nf_thresholds(level, levels, threshold);
        for (int i = 0; i < levels - 1; i++) {
            x[1 + 3 * i] = threshold[i];
            x[2 + 3 * i] = nextafterf(threshold[i], 2);
            x[3 + 3 * i] = nextafterf(threshold[i], -2);
        }
        struct nf q = quantized(x, 1, 64, (struct nf_format){bits, 64, false});
        ck_assert_int_eq(nf_code(&q, 0), levels - 1);
        for (int i = 0; i < levels - 1; i++) {
            ck_assert_int_eq(nf_code(&q, (size_t)(1 + 3 * i)), i);
            ck_assert_int_eq(nf_code(&q, (size_t)(2 + 3 * i)), i + 1);
            ck_assert_int_eq(nf_code(&q, (size_t)(3 + 3 * i)), i);
        }
        q = quantized(level, 1, levels, (struct nf_format){bits, 64, false});
        for (int i = 0; i < levels; i++) ck_assert_int_eq(nf_code(&q, (size_t)i), i);
        ck_assert_float_eq(nf_absmax(&q, 0), 1);
    }
}
END_TEST

/* The first element is the highest bits of the first byte; the last byte is filled up with zeros. */
START_TEST(packing)
{
    float level[NF_LEVELS], x[16];
    begin();
    nf_levels(4, level);
    const int order[5] = {15, 0, 7, 12, 9};
    for (int i = 0; i < 5; i++) x[i] = level[order[i]];
    struct nf q = quantized(x, 1, 5, (struct nf_format){4, 64, false});
    ck_assert_uint_eq(nf_code_bytes(&q), 3);
    ck_assert(q.code[0] == 0xf0 && q.code[1] == 0x7c && q.code[2] == 0x90);
    nf_levels(3, level);
    for (int i = 0; i < 9; i++) x[i] = level[i % 8];
    q = quantized(x, 3, 3, (struct nf_format){3, 64, false});
    ck_assert_uint_eq(nf_code_bytes(&q), 4); /* 000 001 010 011 100 101 110 111 000 */
    ck_assert(q.code[0] == 0x05 && q.code[1] == 0x39 && q.code[2] == 0x77 && q.code[3] == 0);
    nf_levels(2, level);
    for (int i = 0; i < 5; i++) x[i] = level[3 - i % 4];
    q = quantized(x, 5, 1, (struct nf_format){2, 64, false});
    ck_assert_uint_eq(nf_code_bytes(&q), 2);
    ck_assert(q.code[0] == 0xe4 && q.code[1] == 0xc0);
}
END_TEST

/* Zero blocks get the code of the level 0 and stay zero, double quantisation or not; so do numbers below the smallest
 * normal float, with and without denormals in the processor. */
START_TEST(nothing_stays_nothing)
{
    static float x[3 * 64];
    begin();
    for (int i = 0; i < 64; i++) x[i] = 0, x[64 + i] = 1e-41F * (float)(i - 30), x[128 + i] = (float)i - 20;
    for (int off = 0; off < 2; off++) {
        if (off) cpu_denormals_off();
        for (int bits = NF_BITS_MIN; bits <= NF_BITS_MAX; bits++) {
            struct nf q = quantized(x, 3, 64, (struct nf_format){bits, 64, false});
            for (size_t i = 0; i < 128; i++) ck_assert_int_eq(nf_code(&q, i), (1 << (bits - 1)) - 1);
            ck_assert(nf_absmax(&q, 0) == 0 && nf_absmax(&q, 1) == 0 && nf_absmax(&q, 2) == 43);
            q = quantized(x, 2, 64, (struct nf_format){bits, 64, true});
            real value[128];
            nf_values(&q, 0, 128, value);
            for (int i = 0; i < 128; i++) ck_assert_double_eq((double)value[i], 0);
            q = quantized(x, 3, 64, (struct nf_format){bits, 64, true});
            nf_values(&q, 0, 128, value); /* level 0 is 0 whatever the scale has become */
            for (int i = 0; i < 128; i++) ck_assert_double_eq((double)value[i], 0);
        }
    }
}
END_TEST

/* Quantising what came out gives the same codes; an error is at most half the widest gap of the levels. */
START_TEST(round_trip)
{
    enum { ROWS = 40, COLS = 77, N = ROWS * COLS };
    begin();
    const float *x = random_floats(N, 0.02);
    for (int bits = NF_BITS_MIN; bits <= NF_BITS_MAX; bits++) {
        float level[NF_LEVELS], back[N], gap = 0;
        real value[N];
        nf_levels(bits, level);
        for (int i = 1; i < 1 << bits; i++) gap = fmaxf(gap, level[i] - level[i - 1]);
        struct nf q = quantized(x, ROWS, COLS, (struct nf_format){bits, 64, false});
        nf_values(&q, 0, N, value);
        for (size_t i = 0; i < N; i++) {
            back[i] = (float)value[i];
            ck_assert_float_le(fabsf(back[i] - x[i]), 0.500001F * gap * nf_absmax(&q, i / 64));
        }
        /* A block without its own largest element among the levels would shrink: NF keeps -1 and 1 in every table. */
        struct nf again = quantized(back, ROWS, COLS, (struct nf_format){bits, 64, false});
        ck_assert_int_eq(memcmp(q.code, again.code, nf_code_bytes(&q)), 0);
        ck_assert_int_eq(memcmp(q.absmax, again.absmax, sizeof(float) * q.blocks), 0);
    }
}
END_TEST

/* Any part of the vector equals that part of the whole, on every processor class, and nothing beside it is written. */
START_TEST(parts)
{
    enum { N = 1221 };
    static real whole[N], part[N + 8];
    begin();
    const float *x = random_floats(N, 1);
    for (int f = 0; f < 9; f++) {
        static const int block[] = {7, 64, 300};
        struct nf q = quantized(x, 33, 37, (struct nf_format){2 + f % 3, block[f / 3], true});
        struct naive want = naive_quantize(x, N, &q.format);
        for (int c = CPU_GENERIC; c <= CPU_AVX512; c++) {
            if (!cpu_has((enum cpu_class)c)) continue;
            ck_ok(cpu_force((enum cpu_class)c));
            nf_values(&q, 0, N, whole);
            for (int i = 0; i < N; i++) ck_assert_float_eq((float)whole[i], want.value[i]);
            for (int first = 0; first < N; first += 13)
                for (int n = 0; n <= N - first; n += 1 + n / 2) {
                    part[n] = -77;
                    nf_values(&q, (size_t)first, n, part);
                    ck_assert_int_eq(memcmp(part, whole + first, sizeof *part * (size_t)n), 0);
                    ck_assert_double_eq((double)part[n], -77);
                }
        }
    }
}
END_TEST

START_TEST(sizes)
{
    begin();
    ck_assert_double_eq_tol(nf_bits(&(struct nf_format){4, 64, true}), 4.127, 5e-4);
    ck_assert_double_eq(nf_bits(&(struct nf_format){4, 64, false}), 4.5);
    ck_assert_double_eq(nf_bits(&(struct nf_format){3, 64, true}), 3 + 8.0 / 64 + 32.0 / (64 * 256));
    struct arena *keep = arena_new("kept");
    const float *x = random_floats(512 * 512, 1);
    struct wsrc w = wsrc_f32(x, 512, 512);
    for (int bits = NF_BITS_MIN; bits <= NF_BITS_MAX; bits++)
        for (int nested = 0; nested < 2; nested++) {
            struct nf_format f = {bits, 64, nested};
            struct nf q;
            size_t before = arena_used(keep);
            ck_ok(nf_quantize(&w, &f, keep, &q));
            double want = nf_bits(&f) * 512 * 512 / 8;
            ck_assert_double_eq_tol((double)nf_bytes(&q), want + (nested ? sizeof(float) : 0), 0.5);
            ck_assert_double_le((double)(arena_used(keep) - before), want + 4 * 64);
        }
    arena_free(keep);
}
END_TEST

START_TEST(refuses)
{
    float x[6] = {1, 2, 3, 4, 5, 6};
    struct wsrc w = wsrc_f32(x, 2, 3);
    struct nf q;
    begin();
    ck_fails(nf_quantize(&w, &(struct nf_format){5, 64, true}, arena, &q), ST_INTERNAL, "5 bits");
    ck_fails(nf_quantize(&w, &(struct nf_format){4, 0, true}, arena, &q), ST_INTERNAL, "blocks of 0");
    x[4] = NAN;
    ck_fails(nf_quantize(&w, &(struct nf_format){4, 64, true}, arena, &q), ST_INPUT, "weight (1, 1) is no finite");
    x[4] = 0, x[2] = -INFINITY;
    ck_fails(nf_quantize(&w, &(struct nf_format){4, 2, true}, arena, &q), ST_INPUT, "weight (0, 2) is no finite");
}
END_TEST

PG_TESTS(TEST(equals_the_naive_quantiser), TEST(tables), TEST(thresholds), TEST(packing), TEST(nothing_stays_nothing),
         TEST(round_trip), TEST(parts), TEST(sizes), TEST(refuses))
