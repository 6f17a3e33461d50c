#include "tests/pgtest.h"

#include <math.h>
#include "core/progress.h"

START_TEST(times_are_readable)
{
    static const struct {
        double s;
        const char *text;
    } t[] = {{0, "0.0 s"},
             {9.94, "9.9 s"},
             {9.96, "10 s"},
             {59.4, "59 s"},
             {59.6, "1 min 00 s"},
             {200, "3 min 20 s"},
             {3599, "59 min 59 s"},
             {3599.7, "1 h 00 min"},
             {7500, "2 h 05 min"},
             {86369, "23 h 59 min"},
             {86400, "1 d 0 h"},
             {360000, "4 d 4 h"},
             {-1, "?"},
             {INFINITY, "?"},
             {NAN, "?"}};
    char buf[64];
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        ck_assert_str_eq(progress_time(t[i].s, buf, sizeof buf), t[i].text);
}
END_TEST

START_TEST(eta_follows_the_work_done)
{
    ck_assert(progress_eta(1, 4, 10) == 30);
    ck_assert(progress_eta(4, 4, 10) == 0);
    ck_assert(progress_eta(0, 4, 10) < 0);
    ck_assert(progress_eta(5, 4, 10) < 0);
    ck_assert(progress_eta(1, 4, 0) < 0);
}
END_TEST

/* What a progress writes to stderr in a mode. */
static const char *written(enum progress_mode mode)
{
    static char text[4096];
    int p[2];
    struct progress pr;
    ck_assert_int_eq(pipe(p), 0);
    fflush(stderr);
    int keep = dup(STDERR_FILENO);
    dup2(p[1], STDERR_FILENO);
    progress_start(&pr, mode);
    progress_status(&pr, "working %d", 7);
    progress_say(&pr, "one %s", "done");
    progress_status(&pr, "hidden: too soon");
    progress_end(&pr);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
    close(p[1]);
    ssize_t n = read(p[0], text, sizeof text - 1);
    close(p[0]);
    text[n > 0 ? n : 0] = 0;
    return text;
}

START_TEST(modes)
{
    ck_assert_str_eq(written(PROGRESS_NONE), "");
    ck_assert_str_eq(written(PROGRESS_PLAIN), "one done\n");
    ck_assert_str_eq(written(PROGRESS_AUTO), "one done\n"); /* a pipe is no terminal */
    ck_assert_str_eq(written(PROGRESS_LINE), "\rworking 7\r         \rone done\n");
}
END_TEST

PG_TESTS(TEST(times_are_readable), TEST(eta_follows_the_work_done), TEST(modes))
