/* Models against the reference values of shared/golden/models, at the tolerances that each case gives for float32. */
#include "tests/pgtest.h"

#include "tests/model_golden.h"

START_TEST(golden)
{
    NEED_SHARED("golden/models");
    check_golden_model(encoder_cases[_i], -1);
}
END_TEST

START_TEST(language)
{
    NEED_SHARED("golden/models");
    check_golden_language(language_cases[_i], -1);
}
END_TEST

PG_TESTS(LOOP_TEST(golden, 0, ENCODER_CASES), LOOP_TEST(language, 0, LANGUAGE_CASES))
