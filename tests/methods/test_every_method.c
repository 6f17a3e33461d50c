/* Every method of the table keeps the promises of methods/method.h: on every tiny model with plain weights, and on one
 * of them by turns with each other store it permits. No list is kept here: a new file in methods/ is tested by being
 * there. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

enum { CHECKS = 12 };

START_TEST(keeps_its_promises)
{
    every_method_keeps(&method_checks[_i]);
}
END_TEST

START_TEST(all_checks_run)
{
    int n = 0;
    while (method_checks[n].name) n++;
    ck_assert_int_eq(n, CHECKS);
}
END_TEST

START_TEST(the_table_is_sorted_and_sound)
{
    for (int i = 0; method_table[i]; i++) {
        ck_assert_ptr_eq(method_find(method_table[i]->name), method_table[i]);
        if (i) ck_assert_int_lt(strcmp(method_table[i - 1]->name, method_table[i]->name), 0);
        ck_assert_msg(strlen(method_table[i]->summary) > 0, "%s has no summary", method_table[i]->name);
    }
    ck_assert_ptr_null(method_find("no such method"));
}
END_TEST

PG_TESTS(LOOP_TEST(keeps_its_promises, 0, CHECKS), TEST(all_checks_run), TEST(the_table_is_sorted_and_sound))
