/* parallel_for: each piece once, thread numbers in range, calls from inside, more threads than processors. */
#include "tests/pgtest.h"

#include <stdatomic.h>
#include <xmmintrin.h>
#include "core/parallel.h"

enum { N = 5000 };
static atomic_int done[N];
static atomic_int bad;
static int threads_now;

static void piece(void *ctx, int i, int thread)
{
    if (ctx != done || thread < 0 || thread >= threads_now) atomic_fetch_add(&bad, 1);
    if ((_mm_getcsr() & 0x8040) != 0x8040) atomic_fetch_add(&bad, 1); /* denormals are off on every thread */
    atomic_fetch_add(&done[i], 1);
}

START_TEST(each_piece_once)
{
    for (threads_now = 1; threads_now <= 9; threads_now++) {
        parallel_set_threads(threads_now);
        ck_assert_int_eq(parallel_threads(), threads_now);
        for (int n = 0; n <= N; n = n * 3 + 1) {
            for (int i = 0; i < N; i++) atomic_store(&done[i], 0);
            parallel_for(n, piece, done);
            int wrong = 0;
            for (int i = 0; i < N; i++) wrong += atomic_load(&done[i]) != (i < n);
            ck_assert_int_eq(wrong, 0);
        }
    }
    ck_assert_int_eq(atomic_load(&bad), 0);
    parallel_for(-1, piece, done);
    parallel_set_threads(0);
    ck_assert_int_ge(parallel_threads(), 1);
}
END_TEST

static void inner(void *ctx, int i, int thread)
{
    int *outer = ctx;
    if (thread != outer[0]) atomic_fetch_add(&bad, 1);
    outer[1] += i + 1;
}

static void outer(void *ctx, int i, int thread)
{
    int here[2] = {thread, 0};
    parallel_for(10, inner, here); /* in place: no other thread writes to here */
    if (here[1] != 55) atomic_fetch_add(&bad, 1);
    atomic_fetch_add((atomic_int *)ctx + i, 1);
}

START_TEST(calls_from_inside_run_in_place)
{
    threads_now = 4;
    parallel_set_threads(4);
    for (int i = 0; i < 100; i++) parallel_for(50, outer, done);
    for (int i = 0; i < 50; i++) ck_assert_int_eq(atomic_load(&done[i]), 100);
    ck_assert_int_eq(atomic_load(&bad), 0);
}
END_TEST

/* Many short regions with a changing number of threads: pools that lose a wake-up hang here. */
START_TEST(many_short_regions)
{
    for (int round = 0; round < 400; round++) {
        threads_now = 1 + round % 4;
        parallel_set_threads(threads_now);
        parallel_for(4, piece, done);
    }
    for (int i = 0; i < 4; i++) ck_assert_int_eq(atomic_load(&done[i]), 400);
    ck_assert_int_eq(atomic_load(&bad), 0);
}
END_TEST

PG_TESTS(TEST(each_piece_once), TEST(calls_from_inside_run_in_place), TEST(many_short_regions))
