/* The checks of every method that take long: options at their limits, every allocation failing once. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

enum { CHECKS = 2 };

START_TEST(keeps_its_promises)
{
    int done, failures = check_every_method(&slow_checks[_i], &done);
    ck_assert_msg(failures == 0, "%s: %d of %d broken (see above)", slow_checks[_i].name, failures, done);
    ck_assert_int_ge(done, 2);
    ck_assert_ptr_null(slow_checks[CHECKS].name);
}
END_TEST

PG_TESTS(LOOP_TEST(keeps_its_promises, 0, CHECKS))
