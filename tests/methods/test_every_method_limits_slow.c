/* The limits of every option of every method: they work or are refused with a sentence. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

START_TEST(every_option_at_its_limits)
{
    int done, failures = check_every_method(&limits_check, &done);
    ck_assert_msg(failures == 0, "%d of %d broken (see above)", failures, done);
    ck_assert_int_ge(done, 2);
}
END_TEST

PG_TESTS(TEST(every_option_at_its_limits))
