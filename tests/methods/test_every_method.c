/* Every method of the table keeps the promises of methods/method.h, on every tiny model and with every store it permits.
 * No list is kept here: a new file in methods/ is tested by being there. */
#include "tests/pgtest.h"

#include "tests/method_checks.h"

static const struct method *runnable(const struct method *m)
{
    return m->unavailable || m->preset_of ? NULL : m;
}

static bool permitted(const struct method *m, const struct store *store)
{
    return !(m->flags & METHOD_TRAINS_BASE) || strcmp(store->name, "f32") == 0;
}

START_TEST(keeps_its_promises)
{
    const struct named_check *check = &method_checks[_i];
    int broken = 0, done = 0;
    for (const struct method *const *m = method_table; *m; m++)
        for (const struct store *const *store = store_table; *store && runnable(*m); store++)
            for (int model = 0; model < PROBE_MODELS && permitted(*m, *store); model++) {
                const struct probe p = {*m, probe_options(*m), (enum probe_model)model, *store};
                const char *verdict = check->run(&p);
                done++;
                if (!verdict) continue;
                printf("%s on %s, store %s: %s: %s\n", (*m)->name, probe_model_name(p.model), (*store)->name, check->name,
                       verdict);
                broken++;
            }
    ck_assert_msg(broken == 0, "%s: %d of %d broken (see above)", check->name, broken, done);
    ck_assert_int_ge(done, 2);
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

enum { CHECKS = 13 };
START_TEST(all_checks_run)
{
    int n = 0;
    while (method_checks[n].name) n++;
    ck_assert_int_eq(n, CHECKS);
}
END_TEST

PG_TESTS(LOOP_TEST(keeps_its_promises, 0, CHECKS), TEST(the_table_is_sorted_and_sound), TEST(all_checks_run))
