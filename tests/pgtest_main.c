/* The part of pgtest.h that runs a Check suite; programs without one (the fuzzer) use only the rest. */
#include "tests/pgtest.h"

int pgtest_main(const char *file, const struct pgtest *t, size_t count)
{
    Suite *suite = suite_create(file);
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 600);
    for (size_t i = 0; i < count; i++) {
        if (t[i].to > t[i].from)
            tcase_add_loop_test(tc, *t[i].fn, t[i].from, t[i].to);
        else
            tcase_add_test(tc, *t[i].fn);
    }
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
