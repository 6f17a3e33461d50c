/* What every Check program of this project shares: a main(), places of the reference data, comparison helpers.
 *
 *   #include "tests/pgtest.h"
 *   START_TEST(adds_up) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *   PG_TESTS(TEST(adds_up), TEST(...))
 *
 * A test that needs the reference data calls NEED_GOLDEN / NEED_SHARED first: where the folder is missing it prints
 * "SKIP <test>: ..." and returns, so nothing is skipped silently. */
#ifndef PG_TESTS_PGTEST_H
#define PG_TESTS_PGTEST_H

#include <check.h>
#undef fail /* an old name of check.h that core/status.h uses */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/status.h"

/* ThreadSanitizer makes arithmetic some twenty times slower and sees a race in the first product that has one: where a
 * test goes through many shapes, it takes some of them then. AddressSanitizer makes a run some ten times slower: where
 * a test does the same hundreds of times, it does some of them then. */
#if defined(__has_feature) /* clang */
#if __has_feature(thread_sanitizer)
#define WATCHES_THREADS 1
#endif
#if __has_feature(address_sanitizer)
#define WATCHES_MEMORY 1
#endif
#elif defined(__SANITIZE_THREAD__) /* gcc */
#define WATCHES_THREADS 1
#elif defined(__SANITIZE_ADDRESS__)
#define WATCHES_MEMORY 1
#endif
#ifndef WATCHES_THREADS
#define WATCHES_THREADS 0
#endif
#ifndef WATCHES_MEMORY
#define WATCHES_MEMORY 0
#endif

struct pgtest {
    const char *name;
    const TTest **fn; /* START_TEST makes a pointer variable of the test's name */
    int from, to;     /* loop test, to > from */
};
#define TEST(fn) \
    { \
#fn, &fn, 0, 0 \
    }
#define LOOP_TEST(fn, a, b) \
    { \
#fn, &fn, a, b \
    }
#define PG_TESTS(...) \
    static const struct pgtest pg_tests[] = {__VA_ARGS__}; \
    int main(void) \
    { \
        return pgtest_main(__FILE__, pg_tests, sizeof pg_tests / sizeof pg_tests[0]); \
    }
int pgtest_main(const char *file, const struct pgtest *, size_t count);

/* $PEFTGRID_SHARED or ../shared, with rest appended; static buffer. */
const char *shared_path(const char *rest);
int skip_without(const char *test, const char *path); /* prints the SKIP line and returns 1 when path is missing */
#define NEED_SHARED(rest) \
    do { \
        if (skip_without(__func__, shared_path(rest))) return; \
    } while (0)

/* A fresh folder under $TMPDIR, removed when the test process ends. */
const char *temp_dir(void);

#define ck_ok(expr) \
    do { \
        status ck_st_ = (expr); \
        ck_assert_msg(ck_st_ == ST_OK, "%s: %s: %s", #expr, status_name(ck_st_), status_message()); \
    } while (0)
#define ck_fails(expr, want, part) \
    do { \
        status ck_st_ = (expr); \
        ck_assert_msg(ck_st_ == (want), "%s gave %s, message: %s", #expr, status_name(ck_st_), status_message()); \
        ck_assert_msg(strstr(status_message(), (part)) != NULL, "message lacks '%s': %s", (part), status_message()); \
    } while (0)

#endif
