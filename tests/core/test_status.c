/* Messages. */
#include "tests/pgtest.h"

START_TEST(messages_are_one_line)
{
    ck_assert_int_eq(fail(ST_INPUT, "%s:3: '%s'", "a\033[31mb", "two\nlines\tand\x7F"), ST_INPUT);
    ck_assert_str_eq(status_message(), "a?[31mb:3: 'two lines and?'");
    ck_assert_int_eq(fail_in(ST_USAGE, "folder\r%d", 7), ST_USAGE);
    ck_assert_str_eq(status_message(), "folder?7: a?[31mb:3: 'two lines and?'");
    ck_assert_int_eq(fail(ST_INPUT, "r\xc3\xa9sum\xc3\xa9"), ST_INPUT); /* other than ASCII stays */
    ck_assert_str_eq(status_message(), "r\xc3\xa9sum\xc3\xa9");
}
END_TEST

START_TEST(long_messages_are_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    fail(ST_INPUT, "%s", text);
    fail_in(ST_INPUT, "place");
    ck_assert_int_eq(strncmp(status_message(), "place: xx", 9), 0);
    ck_assert_uint_lt(strlen(status_message()), 2100);
}
END_TEST

PG_TESTS(TEST(messages_are_one_line), TEST(long_messages_are_cut))
