/* Every allocation of a short run of every method fails once. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

START_TEST(every_allocation_fails_once)
{
    every_method_keeps(&memory_check);
}
END_TEST

PG_TESTS(TEST(every_allocation_fails_once))
