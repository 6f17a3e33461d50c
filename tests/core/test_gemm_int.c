/* The integer product against its definition, bit for bit, by every class of kernels that this machine has: all widths
 * of the operands, shapes around every tile border, operand orders, strides, threads; and sums at the very edge of 32
 * bits. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/cpu.h"
#include "core/gemm_int.h"
#include "core/parallel.h"

static struct arena *arena;
static uint32_t state = 1;

static uint32_t any(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void setup(void)
{
    cpu_denormals_off();
    if (!arena) arena = arena_new("integer products");
}

/* Whether this machine has the class, which is then in use. */
static bool use_class(int class)
{
    setup();
    if (cpu_has((enum cpu_class) class)) {
        ck_ok(cpu_force((enum cpu_class) class));
        return true;
    }
    printf("SKIP integer kernels of class %s: this machine lacks it\n", cpu_class_name((enum cpu_class) class));
    return false;
}
enum { CLASSES = CPU_AVX512 + 1 };

static int16_t *mantissas(size_t n, int bits)
{
    int16_t *m = arena_alloc(arena, sizeof *m * (n + 1));
    int limit = fixed_limit(bits);
    ck_assert_ptr_nonnull(m);
    for (size_t i = 0; i < n; i++) m[i] = (int16_t)((int)(any() % (2 * (uint32_t)limit + 1)) - limit);
    return m;
}

struct shape {
    int m, n, k;
    bool ta, tb, accumulate, bias;
    int bits_a, bits_b;
};

/* Memory beside C stays as it is. */
static void check(const struct shape *s)
{
    struct arena_mark mark = arena_mark(arena);
    int lda = (s->ta ? s->m : s->k) + (int)(any() % 3), ldb = (s->tb ? s->k : s->n) + (int)(any() % 3),
        ldc = s->n + (int)(any() % 4);
    size_t size = (size_t)(s->m * ldc);
    real *got = arena_alloc(arena, sizeof *got * size), *want = arena_alloc(arena, sizeof *want * size),
         *bias = arena_alloc(arena, sizeof *bias * (size_t)s->n);
    struct fixed_power *scale = arena_alloc(arena, sizeof *scale * (size_t)s->m);
    ck_assert(got && want && bias && scale);
    for (size_t i = 0; i < size; i++) got[i] = want[i] = (real)any() / 4096;
    for (int i = 0; i < s->n; i++) bias[i] = (real)any() / 4096;
    for (int i = 0; i < s->m; i++)
        scale[i] = fixed_power((struct fixed_scale){-(int)(any() % 20), false}, (struct fixed_scale){3, false});
    struct gemm_int_in a = {mantissas((size_t)(lda * (s->ta ? s->k : s->m)), s->bits_a), lda, s->ta, s->bits_a};
    struct gemm_int_in b = {mantissas((size_t)(ldb * (s->tb ? s->n : s->k)), s->bits_b), ldb, s->tb, s->bits_b};
    struct gemm_int_out out = {got, ldc, s->accumulate, s->bias && !s->accumulate ? bias : NULL, scale};
    ck_ok(gemm_int(s->m, s->n, s->k, a, b, &out, arena));
    out.c = want;
    gemm_int_reference(s->m, s->n, s->k, a, b, &out);
    for (size_t i = 0; i < size; i++)
        if (got[i] != want[i])
            ck_abort_msg("%d x %d x %d, %d and %d bits, %s%s%s: element (%zu, %zu) is %.9g, want %.9g", s->m, s->n,
                         s->k, s->bits_a, s->bits_b, s->ta ? "A' " : "", s->tb ? "B' " : "", s->accumulate ? "+=" : "",
                         i / (size_t)ldc, i % (size_t)ldc, (double)got[i], (double)want[i]);
    arena_reset(arena, mark);
}

START_TEST(every_width)
{
    if (!use_class(_i)) return;
    parallel_set_threads(2);
    for (int a = FIXED_BITS_MIN; a <= FIXED_BITS_MAX; a++)
        for (int b = FIXED_BITS_MIN; b <= FIXED_BITS_MAX; b++)
            check(&(struct shape){9, 37, 70, a & 1, b & 1, a & 2, b & 2, a, b});
}
END_TEST

START_TEST(every_border)
{
    static const int sides[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 97, 129},
                     depths[] = {1, 2, 3, 8, 31, 64, 65, 200};
    enum { SIDES = sizeof sides / sizeof sides[0] };
    if (!use_class(_i)) return;
    int turn = 0;
    for (int i = 0; i < SIDES; i++)
        for (int j = 0; j < SIDES; j++, turn++) {
            parallel_set_threads(turn % 8 ? 1 : 1 + turn / 8 % 3);
            struct shape s = {
                sides[i], sides[j], depths[turn % 8], turn / 2 % 2, turn / 3 % 2, turn / 5 % 2, turn / 7 % 2, 8, 12};
            check(&s);
            s.bits_a = s.bits_b = 16;
            check(&s);
        }
}
END_TEST

START_TEST(large_shapes)
{
    static const struct shape large[] = {{200, 300, 150, 0, 1, 0, 1, 12, 8}, {100, 260, 300, 0, 0, 1, 0, 8, 8},
                                         {250, 130, 201, 1, 0, 1, 0, 8, 12}, {97, 257, 1025, 1, 1, 0, 0, 16, 16},
                                         {1, 400, 3000, 0, 1, 0, 1, 12, 12}, {400, 1, 777, 0, 0, 0, 1, 13, 12}};
    if (!use_class(_i)) return;
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) check(&large[i]);
    }
}
END_TEST

/* The largest sums there are: every mantissa at its limit, with k around where 32 bits and where the halves of a wider
 * sum end. Products of two that fit 24 bits, and sums that a float holds, can be told beforehand. */
START_TEST(edge_of_overflow)
{
    enum { MOST = 140001 };
    if (!use_class(_i)) return;
    parallel_set_threads(1);
    int16_t *a = arena_alloc(arena, sizeof *a * MOST), *b = arena_alloc(arena, sizeof *b * MOST);
    ck_assert(a && b);
    for (int bits_a = 2; bits_a <= 16; bits_a++)
        for (int bits_b = bits_a; bits_b <= 16; bits_b++) {
            int64_t product = (int64_t)fixed_limit(bits_a) * fixed_limit(bits_b), fit = INT32_MAX / product;
            const int64_t depth[] = {fit - 1, fit, fit + 1, 2 * fit + 3, 65535, 65538, 140000};
            for (int i = 0; i < MOST; i++) a[i] = (int16_t)fixed_limit(bits_a), b[i] = (int16_t)-fixed_limit(bits_b);
            for (int d = 0; d < 7; d++) {
                if (depth[d] < 1 || depth[d] > MOST || (d > 3 && bits_a + bits_b < 30)) continue;
                const struct fixed_power one = {{1, 1}};
                real c = 0;
                struct gemm_int_out out = {&c, 1, false, NULL, &one};
                int k = (int)depth[d];
                ck_ok(gemm_int(1, 1, k, (struct gemm_int_in){a, k, false, bits_a},
                               (struct gemm_int_in){b, 1, false, bits_b}, &out, arena));
                ck_assert_msg(c == (real)(-product * depth[d]), "%d and %d bits, k %d: %.9g, want %.9g", bits_a, bits_b,
                              k, (double)c, (double)(real)(-product * depth[d]));
            }
        }
}
END_TEST

/* A row whose scale is lost is NaN, whatever its sums; others are not. */
START_TEST(lost_rows)
{
    enum { M = 20, N = 5, K = 4 };
    real c[M * N] = {0}, bias[N] = {0};
    struct fixed_power scale[M];
    setup();
    for (int i = 0; i < M; i++) scale[i] = fixed_power((struct fixed_scale){0, i == 7}, (struct fixed_scale){0, false});
    struct gemm_int_in a = {mantissas(M * K, 8), K, false, 8}, b = {mantissas(N * K, 8), K, true, 8};
    ck_ok(gemm_int(M, N, K, a, b, &(struct gemm_int_out){c, N, false, bias, scale}, arena));
    for (int i = 0; i < M * N; i++) ck_assert_int_eq(isnan(c[i]), i / N == 7);
}
END_TEST

START_TEST(empty_sides)
{
    real c[4] = {1, 2, 3, 4}, bias[2] = {5, 6};
    const struct fixed_power one[2] = {{{1, 1}}, {{1, 1}}};
    int16_t none = 0;
    struct gemm_int_in in = {&none, 1, false, 8};
    setup();
    ck_ok(gemm_int(0, 2, 1, in, in, &(struct gemm_int_out){c, 2, false, NULL, one}, arena));
    ck_ok(gemm_int(2, 0, 1, in, in, &(struct gemm_int_out){c, 2, false, NULL, one}, arena));
    ck_assert(c[0] == 1 && c[3] == 4);
    ck_ok(gemm_int(2, 2, 0, in, in, &(struct gemm_int_out){c, 2, false, bias, one}, arena));
    ck_assert(c[0] == 5 && c[1] == 6 && c[2] == 5 && c[3] == 6);
}
END_TEST

START_TEST(no_memory)
{
    real c[4] = {0};
    const struct fixed_power one[2] = {{{1, 1}}, {{1, 1}}};
    setup();
    struct gemm_int_in a = {mantissas(6, 8), 2, true, 8}, b = {mantissas(6, 8), 2, false, 8};
    for (long n = 1; n <= 2; n++) {
        arena_fail_after(n);
        status st = gemm_int(2, 2, 3, a, b, &(struct gemm_int_out){c, 2, false, NULL, one}, arena);
        arena_fail_after(0);
        ck_assert_int_eq(st, ST_MEMORY);
    }
}
END_TEST

PG_TESTS(LOOP_TEST(every_width, 0, CLASSES), LOOP_TEST(every_border, 0, CLASSES), LOOP_TEST(large_shapes, 0, CLASSES),
         LOOP_TEST(edge_of_overflow, 0, CLASSES), TEST(lost_rows), TEST(empty_sides), TEST(no_memory))
