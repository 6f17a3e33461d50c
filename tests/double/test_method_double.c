/* The double build: directional derivatives of every trainable tensor of every method to about 1e-7, which separates an
 * error of logic from rounding, and accumulation of gradients to the last digits. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

START_TEST(derivatives_are_exact)
{
    ck_assert_int_eq(sizeof(real), 8);
    every_method_keeps(&(struct named_check){"gradients", check_gradients, false});
}
END_TEST

START_TEST(accumulation_is_exact)
{
    every_method_keeps(&(struct named_check){"accumulation", check_accumulation, false});
}
END_TEST

START_TEST(merging_is_exact)
{
    every_method_keeps(&(struct named_check){"merge", check_merge, false});
}
END_TEST

PG_TESTS(TEST(derivatives_are_exact), TEST(accumulation_is_exact), TEST(merging_is_exact))
