#include "tests/pgtest.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "core/arena.h"
#include "core/param.h"

START_TEST(aligned_and_reset)
{
    struct arena *a = arena_new("test");
    char *first = arena_alloc(a, 1);
    struct arena_mark m = arena_mark(a);
    size_t used = arena_used(a);
    for (int i = 0; i < 200; i++) {
        char *p = arena_alloc(a, 5000);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        memset(p, i, 5000);
    }
    *first = 7;
    arena_reset(a, m);
    ck_assert_uint_eq(arena_used(a), used);
    ck_assert_int_eq(*first, 7);
    ck_assert(arena_peak(a) >= 200 * 5000);
    arena_free(a);
}
END_TEST

START_TEST(reset_to_empty_and_reuse)
{
    struct arena *a = arena_new("test");
    struct arena_mark m = arena_mark(a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) ck_assert_ptr_nonnull(arena_alloc(a, 100000));
        arena_reset(a, m);
        ck_assert_uint_eq(arena_used(a), 0);
    }
    arena_free(a);
    ck_assert_uint_eq(arena_total_held(), 0);
}
END_TEST

/* After a round that took several blocks, later ones of the same size use one, the same every time. */
START_TEST(settles_on_one_block)
{
    struct arena *a = arena_new("test");
    char *first[4], *last[4];
    size_t held[4];
    for (int round = 0; round < 4; round++) {
        struct arena_mark m = arena_mark(a);
        first[round] = arena_alloc(a, 64);
        for (int i = 0; i < 500; i++) last[round] = arena_alloc(a, 4096);
        held[round] = arena_total_held();
        arena_reset(a, m);
        ck_assert_uint_eq(arena_used(a), 0);
    }
    ck_assert_ptr_ne(last[0], first[0] + 64 + 499 * 4096);
    ck_assert_ptr_eq(last[1], first[1] + 64 + 499 * 4096);
    ck_assert_ptr_eq(first[2], first[1]);
    ck_assert_ptr_eq(last[3], last[1]);
    ck_assert_uint_eq(held[1], 64 + 500 * 4096);
    ck_assert_uint_eq(held[3], held[1]);
    arena_free(a);
}
END_TEST

/* A pass that is a little larger than those before takes a second block; it stays, and neither is mapped anew. */
START_TEST(somewhat_larger_passes_keep_what_there_is)
{
    enum { PASSES = 6 };
    static const int blocks[PASSES] = {500, 500, 510, 500, 515, 510};
    struct arena *a = arena_new("test");
    char *first[PASSES], *last[PASSES];
    size_t held[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        struct arena_mark m = arena_mark(a);
        first[pass] = arena_alloc(a, 64);
        for (int i = 0; i < blocks[pass] * 16; i++) last[pass] = arena_alloc(a, 4096);
        held[pass] = arena_total_held();
        arena_reset(a, m);
    }
    for (int pass = 2; pass < PASSES; pass++) ck_assert_ptr_eq(first[pass], first[1]);
    ck_assert_ptr_eq(last[3], last[1]);
    ck_assert_ptr_eq(last[5], last[2]);
    ck_assert_uint_eq(held[4], held[2]);
    ck_assert_uint_eq(held[5], held[2]);
    arena_free(a);
    ck_assert_uint_eq(arena_total_held(), 0);
}
END_TEST

START_TEST(loops_of_mark_and_reset_take_the_same_memory)
{
    struct arena *a = arena_new("t");
    arena_alloc(a, 60000); /* of the first block; what follows does not fit into it */
    struct arena_mark m = arena_mark(a);
    char *first = arena_alloc(a, 300000);
    arena_reset(a, m);
    size_t held = arena_total_held();
    for (int i = 0; i < 50; i++) {
        ck_assert_ptr_eq(arena_alloc(a, 300000), first);
        memset(first, i, 300000);
        arena_reset(a, m);
        ck_assert_uint_eq(arena_total_held(), held);
    }
    ck_assert_uint_eq(arena_used(a), 60032);
    arena_alloc(a, 10 * 300000); /* the spare is too small: a block of its own */
    arena_reset(a, m);
    ck_assert_uint_lt(arena_total_held(), held + 12 * 300000);
    arena_free(a);
    ck_assert_uint_eq(arena_total_held(), 0);
}
END_TEST

static double resident(void)
{
    double pages = 0, all = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_int_eq(fscanf(f, "%lf %lf", &all, &pages), 2);
    fclose(f);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

/* Large zeros exist when they are written, and go the way of all memory of an arena. */
START_TEST(sparse_zeros)
{
    const size_t large = (size_t)256 << 20;
    struct arena *a = arena_new("test");
    char *small = arena_zalloc_sparse(a, 100);
    struct arena_mark mark = arena_mark(a);
    double before = resident();
    char *p = arena_zalloc_sparse(a, large);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    ck_assert(resident() - before < (double)large / 4);
    for (size_t i = 0; i < large; i += 1 << 20) ck_assert_int_eq(p[i] | p[i + 4095], 0);
    memset(p, 1, large);
    ck_assert_uint_ge(arena_used(a), large);
    arena_reset(a, mark);
    ck_assert_uint_lt(arena_used(a), 1 << 20);
    p = arena_zalloc_sparse(a, large); /* new zeros, not what was given back */
    for (size_t i = 0; i < large; i += 4096) ck_assert_int_eq(p[i], 0);
    ck_assert_int_eq(small[99], 0);
    arena_limit(arena_total_held() + large / 2);
    ck_assert_ptr_null(arena_zalloc_sparse(a, large));
    ck_assert_ptr_nonnull(strstr(status_message(), "limit of"));
    arena_limit(0);
    arena_fail_after(1);
    ck_assert_ptr_null(arena_zalloc_sparse(a, large));
    arena_fail_after(0);
    arena_free(a);
}
END_TEST

START_TEST(nth_allocation_fails)
{
    struct arena *a = arena_new("test");
    arena_fail_after(2);
    ck_assert_ptr_nonnull(arena_alloc(a, 8));
    ck_assert_ptr_null(arena_alloc(a, 8));
    ck_assert_ptr_nonnull(strstr(status_message(), "out of memory"));
    ck_assert_ptr_nonnull(arena_alloc(a, 8));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX - 10));
    arena_free(a);
}
END_TEST

START_TEST(poison_is_nan)
{
    struct arena *a = arena_new("test");
    arena_poison(1);
    real *p = arena_alloc(a, sizeof(real));
    ck_assert(*p != *p);
    arena_poison(0);
    arena_free(a);
}
END_TEST

START_TEST(registry)
{
    struct arena *a = arena_new("test");
    struct registry r;
    struct param *w, *b, *base;
    static const real values[6] = {1, 2, 3, 4, 5, 6};
    ck_ok(registry_init(&r, a));
    ck_ok(param_add(&r, P_ADAPTER, "x.lora_A", 2, 3, 4, &w));
    ck_ok(param_add(&r, P_HEAD, "classifier.bias", 1, 3, 7, &b));
    struct wsrc src = {.rows = 2, .cols = 3, .dense = values};
    ck_ok(param_add_base(&r, "encoder.LayerNorm.weight", src, 1, &base));
    struct param *again;
    ck_fails(param_add(&r, P_STATE, "x.lora_A", 1, 1, 0, &again), ST_INTERNAL, "x.lora_A");
    ck_assert(w->decay == 1.0 && b->decay == 0.0 && base->decay == 0.0);
    ck_assert_int_eq(param_lowest_trained(&r), 4);
    ck_assert_uint_eq(param_count(&r, P_ADAPTER, true), 6);
    ck_assert_uint_eq(param_count(&r, P_BASE, true), 0);
    ck_assert_ptr_eq(param_find(&r, "classifier.bias"), b);
    w->grad[3] = 5;
    param_zero_grads(&r);
    ck_assert(w->grad[3] == 0);
    arena_free(a);
}
END_TEST

PG_TESTS(TEST(aligned_and_reset), TEST(reset_to_empty_and_reuse), TEST(settles_on_one_block),
         TEST(somewhat_larger_passes_keep_what_there_is), TEST(loops_of_mark_and_reset_take_the_same_memory),
         TEST(sparse_zeros), TEST(nth_allocation_fails), TEST(poison_is_nan), TEST(registry))
