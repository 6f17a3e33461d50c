/* The limits of every option of every method: they work or are refused with a sentence. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

START_TEST(every_option_at_its_limits)
{
    every_method_keeps(&limits_check);
}
END_TEST

PG_TESTS(TEST(every_option_at_its_limits))
