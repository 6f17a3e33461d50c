/* Every allocation of a short run of every method fails once. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

START_TEST(every_allocation_fails_once)
{
    int done, failures = check_every_method(&memory_check, &done);
    ck_assert_msg(failures == 0, "%d of %d broken (see above)", failures, done);
    ck_assert_int_ge(done, 2);
}
END_TEST

PG_TESTS(TEST(every_allocation_fails_once))
