/* The published tables inside the program: whole, and as METHODS 8 and 9 judge them. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/published.h"

static struct arena *arena;

static struct published table(int n)
{
    struct published t;
    if (!arena) arena = arena_new("test");
    ck_ok(published_read(n, arena, &t));
    return t;
}

START_TEST(tables_are_whole)
{
    static const int rows[] = {0, 9, 4, 8, 8, 2, 8}, cols[] = {4, 13, 11, 2, 8, 14, 7};
    for (int n = 1; n <= PUBLISHED_TABLES; n++) {
        struct published t = table(n);
        ck_assert_int_eq(t.rows, rows[n]);
        ck_assert_int_eq(t.cols, cols[n]);
        for (int r = 0; r < t.rows; r++) ck_assert_msg(*published_at(&t, r, 0), "table %d, row %d has no name", n, r);
    }
    ck_assert_int_eq(table(0).cols, cols[0]);
    struct published t;
    ck_fails(published_read(7, arena, &t), ST_USAGE, "tables 1 to 6");
}
END_TEST

/* A note that names no row or column of its table would never be printed. */
START_TEST(notes_have_a_place)
{
    struct published notes = table(0);
    ck_assert_int_gt(notes.rows, 10);
    for (int i = 0; i < notes.rows; i++) {
        struct published t = table((int)published_number(published_at(&notes, i, 0)));
        const char *row = published_at(&notes, i, 1), *column = published_at(&notes, i, 2);
        int found = 0;
        for (int r = 0; r < t.rows; r++)
            for (int c = 0; c < 2; c++) found += strcmp(published_at(&t, r, c), row) == 0;
        ck_assert_msg(found > 0, "note %d: no row '%s'", i, row);
        ck_assert_msg(published_column(&t, column) >= 0, "note %d: no column '%s'", i, column);
    }
}
END_TEST

static double mean_of(const struct published *t, int row)
{
    double sum = 0;
    for (int c = 2; c < 10; c++) sum += published_number(published_at(t, row, c));
    return sum / 8;
}

/* METHODS 4.2: what the two tables say of each other. */
START_TEST(tables_contradict_each_other)
{
    struct published two = table(2);
    ck_assert_double_eq_tol(mean_of(&two, 0), 32.857, 0.001);
    ck_assert_double_eq_tol(mean_of(&two, 1), 31.929, 0.001);
    for (int c = 2; c < 10; c++) { /* f = (100 - E) / (100 - A) is one number in the rows (q) */
        double e = published_number(published_at(&two, 0, c)), a = published_number(published_at(&two, 2, c));
        ck_assert_double_eq_tol((100 - e) / (100 - a), 0.86303, 1e-4);
    }
}
END_TEST

START_TEST(numbers_are_read)
{
    ck_assert_double_eq(published_number("1.33M"), 1.33e6);
    ck_assert_double_eq(published_number("8.5k"), 8500);
    ck_assert_double_eq(published_number("5e-4"), 5e-4);
    ck_assert(isnan(published_number("")));
    ck_assert(isnan(published_number("all")));
    ck_assert(isnan(published_number("12x")));
}
END_TEST

PG_TESTS(TEST(tables_are_whole), TEST(notes_have_a_place), TEST(tables_contradict_each_other), TEST(numbers_are_read))
