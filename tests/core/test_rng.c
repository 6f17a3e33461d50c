/* Randomness: the published vectors, addressing, distributions, replay, permutations, dropout. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/parallel.h"
#include "core/rng.h"

/* Known answers of Random123 1.14 (kat_vectors, philox4x32 10). */
START_TEST(known_answers)
{
    static const uint32_t kat[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t out[4];
        philox4x32(kat[i], kat[i] + 4, out);
        ck_assert_mem_eq(out, kat[i] + 6, sizeof out);
    }
}
END_TEST

START_TEST(every_part_of_the_address_counts)
{
    struct rng a = {.seed = 1}, b = {.seed = 2};
    uint32_t v = rng_at(&a, RNG_GATE, 3, 4, 5, 6);
    ck_assert_uint_eq(v, rng_at(&a, RNG_GATE, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&b, RNG_GATE, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_RANK, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3ull | 1ull << 40, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 0, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 4, 0, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 4, 5, 6ull | 1ull << 40));
}
END_TEST

START_TEST(uniforms_and_integers)
{
    struct rng r = {.seed = 99};
    enum { N = 100000 };
    double sum = 0, square = 0;
    int count[7] = {0}, outside = 0;
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&r, RNG_GATE, 1, 0, 2, (uint64_t)i);
        outside += !(u > 0 && u < 1);
        sum += u, square += u * u;
        int k = rng_below(&r, RNG_RANK, 1, 0, 2, (uint64_t)i, 7);
        outside += k < 0 || k > 6;
        count[k]++;
    }
    ck_assert_int_eq(outside, 0);
    ck_assert_double_eq_tol(sum / N, 0.5, 0.004);
    ck_assert_double_eq_tol(square / N, 1.0 / 3, 0.004);
    for (int k = 0; k < 7; k++) ck_assert_int_lt(abs(count[k] - N / 7), 500);
}
END_TEST

/* Moments and tails, addressing by name, mean and spread. */
START_TEST(normal_values)
{
    enum { N = 400000 };
    struct rng r = {.seed = 5};
    real *v = malloc(N * sizeof *v);
    ck_assert_ptr_nonnull(v);
    rng_fill_normal(&r, "layer.weight", v, N, 0, 1);
    double m[5] = {0};
    int beyond[5] = {0};
    for (int i = 0; i < N; i++) {
        double x = (double)v[i], p = 1;
        for (int k = 1; k < 5; k++) m[k] += (p *= x) / N;
        for (int k = 1; k < 5; k++) beyond[k] += fabs(x) > k;
    }
    ck_assert_double_eq_tol(m[1], 0, 0.008);
    ck_assert_double_eq_tol(m[2], 1, 0.012);
    ck_assert_double_eq_tol(m[3], 0, 0.03);
    ck_assert_double_eq_tol(m[4], 3, 0.1);
    for (int k = 1; k < 5; k++) {
        double want = N * erfc(k * M_SQRT1_2);
        ck_assert_double_eq_tol(beyond[k], want, 5 * sqrt(want));
    }
    real again[10], other[10];
    rng_fill_normal(&r, "layer.weight", again, 10, 0, 1);
    ck_assert_mem_eq(v, again, sizeof again);
    rng_fill_normal(&r, "layer.bias", other, 10, 0, 1);
    ck_assert_mem_ne(v, other, sizeof other);
    rng_fill_normal(&r, "layer.weight", other, 10, 3, 0.5);
    for (int i = 0; i < 10; i++) ck_assert_double_eq_tol((double)other[i], 3 + 0.5 * (double)v[i], 1e-6);
    free(v);
}
END_TEST

START_TEST(uniform_values)
{
    struct rng r = {.seed = 5};
    real v[50001];
    double sum = 0;
    rng_fill_uniform(&r, "x", v, 50001, -2, 6);
    int outside = 0;
    for (int i = 0; i < 50001; i++) sum += (double)v[i], outside += v[i] < -2 || v[i] > 6;
    ck_assert_int_eq(outside, 0);
    ck_assert_double_eq_tol(sum / 50001, 2, 0.05);
}
END_TEST

START_TEST(fills_do_not_depend_on_threads)
{
    enum { N = 70001 };
    struct rng r = {.seed = 6};
    static real one[N], many[N];
    parallel_set_threads(1);
    rng_fill_normal(&r, "x", one, N, 0, 1);
    parallel_set_threads(5);
    rng_fill_normal(&r, "x", many, N, 0, 1);
    ck_assert_mem_eq(one, many, sizeof one);
}
END_TEST

static int recorded(void *ctx, enum rng_stream s, uint64_t step, int micro, uint32_t who, uint64_t element, double *u)
{
    (void)micro, (void)who;
    ++*(int *)ctx;
    if (s != RNG_GATE || step != 2) return 0;
    *u = (double)element / 10;
    return 1;
}

START_TEST(replay)
{
    int calls = 0;
    struct rng plain = {.seed = 1}, r = {.seed = 1, .replay = recorded, .replay_ctx = &calls};
    ck_assert_double_eq(rng_uniform(&r, RNG_GATE, 2, 0, 0, 3), 0.3);
    ck_assert_uint_eq(rng_at(&r, RNG_GATE, 2, 0, 0, 5), 0x80000000u);
    ck_assert_int_eq(rng_below(&r, RNG_GATE, 2, 0, 0, 7, 4), 2);
    ck_assert_double_eq(rng_uniform(&r, RNG_GATE, 3, 0, 0, 3), rng_uniform(&plain, RNG_GATE, 3, 0, 0, 3));
    ck_assert_int_eq(calls, 4);
}
END_TEST

START_TEST(permutations)
{
    enum { N = 1000 };
    struct rng r = {.seed = 3};
    int perm[N], next[N], seen[N] = {0}, same = 0;
    rng_permutation(&r, RNG_SHUFFLE, 0, 0, N, perm);
    rng_permutation(&r, RNG_SHUFFLE, 1, 0, N, next);
    for (int i = 0; i < N; i++) {
        ck_assert(perm[i] >= 0 && perm[i] < N);
        seen[perm[i]]++;
        same += perm[i] == next[i];
    }
    for (int i = 0; i < N; i++) ck_assert_int_eq(seen[i], 1);
    ck_assert_int_lt(same, 10);
    int first[3] = {0};
    for (uint64_t epoch = 0; epoch < 3000; epoch++) {
        rng_permutation(&r, RNG_SHUFFLE, epoch, 1, 3, perm);
        first[perm[0]]++;
    }
    for (int i = 0; i < 3; i++) ck_assert_int_lt(abs(first[i] - 1000), 130);
    rng_permutation(&r, RNG_SHUFFLE, 0, 0, 0, perm);
}
END_TEST

/* Dropout decides by (row key, column) as the header says: one 16-bit draw an element. */
START_TEST(dropout_rate_and_place)
{
    enum { R = 64, C = 500 };
    static real v[R * C];
    uint32_t key[R];
    struct rng r = {.seed = 8};
    struct dropout d = {.rng = &r, .step = 4, .who = 9, .p = 0.1};
    for (int i = 0; i < R; i++) key[i] = (uint32_t)(i << 16 | (i * 3));
    for (int i = 0; i < R * C; i++) v[i] = 1;
    struct mat x = mat_of(v, R, C);
    dropout_rows(&d, key, &x, 0, &x);
    int dropped = 0, wrong = 0;
    for (int i = 0; i < R * C; i++) {
        dropped += v[i] == 0;
        wrong += v[i] != 0 && fabs((double)v[i] - 1 / 0.9) > 2e-5;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_double_eq_tol((double)dropped / (R * C), 0.1, 0.008);

    /* a part of a row, rows in another order, another step, another place */
    real w[R * C];
    for (int from = 0; from < 80; from += 7) {
        for (int i = 0; i < R * C; i++) w[i] = 1;
        struct mat part = {w, R, C - from, C};
        dropout_rows(&d, key, &part, from, &part);
        for (int i = 0; i < R; i++) ck_assert_mem_eq(w + i * C, v + i * C + from, sizeof *w * (size_t)(C - from));
    }
    real line[C], other[C];
    for (int i = 0; i < C; i++) line[i] = other[i] = 1;
    struct mat one = mat_of(line, 1, C), two = mat_of(other, 1, C);
    dropout_rows(&d, key + 17, &one, 0, &one);
    ck_assert_mem_eq(line, v + 17 * C, sizeof line);
    d.step = 5;
    dropout_rows(&d, key + 17, &two, 0, &two);
    ck_assert_mem_ne(line, other, sizeof line);
}
END_TEST

START_TEST(dropout_ends)
{
    real v[40];
    uint32_t key = 1;
    struct rng r = {.seed = 8};
    struct mat x = mat_of(v, 1, 40);
    for (int i = 0; i < 40; i++) v[i] = (real)(i + 1);
    dropout_rows(&(struct dropout){.rng = &r, .p = 0}, &key, &x, 0, &x);
    for (int i = 0; i < 40; i++) ck_assert(v[i] == i + 1);
    dropout_rows(&(struct dropout){.rng = &r, .p = 1}, &key, &x, 0, &x);
    for (int i = 0; i < 40; i++) ck_assert(v[i] == 0);
}
END_TEST

PG_TESTS(TEST(known_answers), TEST(every_part_of_the_address_counts), TEST(uniforms_and_integers), TEST(normal_values),
         TEST(uniform_values), TEST(fills_do_not_depend_on_threads), TEST(replay), TEST(permutations),
         TEST(dropout_rate_and_place), TEST(dropout_ends))
