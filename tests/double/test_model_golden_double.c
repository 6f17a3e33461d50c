/* The same reference values in the double build: what is left is the rounding of the stored float32. */
#include "tests/pgtest.h"

#include "tests/model_golden.h"

START_TEST(golden)
{
    NEED_SHARED("golden/models");
    check_golden_model(encoder_cases[_i], 1e-7);
}
END_TEST

START_TEST(language)
{
    NEED_SHARED("golden/models");
    check_golden_language(language_cases[_i], 1e-7);
}
END_TEST

PG_TESTS(LOOP_TEST(golden, 0, ENCODER_CASES), LOOP_TEST(language, 0, LANGUAGE_CASES))
