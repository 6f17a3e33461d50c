#include "tests/pgtest.h"

#include <jansson.h>
#include <math.h>
#include "bench/schedule.h"

static const char *const names[] = {"linear", "cosine", "constant", "constant_with_warmup", "polynomial"};

static json_t *load_case(void)
{
    json_error_t error;
    json_t *j = json_load_file(shared_path("golden/methods/schedules/case.json"), 0, &error);
    ck_assert_msg(j != NULL, "%s", error.text);
    return j;
}

static int schedule_of(const char *name)
{
    for (int i = 0; i < 5; i++)
        if (strcmp(names[i], name) == 0) return i;
    ck_abort_msg("unknown schedule %s", name);
    return -1;
}

START_TEST(golden_rates)
{
    NEED_SHARED("golden/methods/schedules/case.json");
    json_t *j = load_case(), *rows = json_object_get(j, "rows"), *tol = json_object_get(j, "tolerance");
    double rel = json_number_value(json_object_get(tol, "rel")), abs = json_number_value(json_object_get(tol, "abs"));
    unsigned seen = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *rates = json_object_get(row, "lr_at_step");
        int s = schedule_of(json_string_value(json_object_get(row, "name")));
        double lr = json_number_value(json_object_get(row, "lr"));
        long warmup = (long)json_integer_value(json_object_get(row, "warmup"));
        long steps = (long)json_integer_value(json_object_get(row, "steps"));
        ck_assert_int_gt((int)json_array_size(rates), 0);
        for (size_t k = 0; k < json_array_size(rates); k++) {
            double want = json_number_value(json_array_get(rates, k));
            double got = schedule_rate((enum schedule)s, lr, warmup, steps, (long)k);
            ck_assert_msg(fabs(got - want) <= rel * fabs(want) + abs, "%s, step %zu of %ld: %.17g, expected %.17g",
                          names[s], k, steps, got, want);
        }
        seen |= 1u << s;
    }
    ck_assert_uint_eq(seen, 31);
    json_decref(j);
}
END_TEST

START_TEST(golden_warmup_ratio)
{
    NEED_SHARED("golden/methods/schedules/case.json");
    json_t *j = load_case(), *rows = json_object_get(j, "warmup_ratio");
    ck_assert_int_gt((int)json_array_size(rows), 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        ck_assert_int_eq(schedule_warmup(json_number_value(json_object_get(row, "ratio")),
                                         (long)json_integer_value(json_object_get(row, "steps"))),
                         json_integer_value(json_object_get(row, "warmup")));
    }
    json_decref(j);
}
END_TEST

/* The own cosine against the C library's. */
START_TEST(cosine_is_exact)
{
    for (long k = 0; k <= 10000; k++) {
        double want = 0.5 * (1 + cos(acos(-1.0) * (double)k / 10000));
        ck_assert_double_eq_tol(schedule_rate(SCHED_COSINE, 1, 0, 10000, k), want, 4.5e-16);
    }
}
END_TEST

START_TEST(odd_lengths)
{
    for (int s = 0; s < 5; s++) {
        for (long warmup = 0; warmup <= 3; warmup++)
            for (long steps = 0; steps <= 3; steps++)
                for (long k = 0; k <= 6; k++) {
                    double r = schedule_rate((enum schedule)s, 0.5, warmup, steps, k);
                    ck_assert_msg(r >= 0 && r <= 0.5, "%s %ld %ld %ld: %g", names[s], warmup, steps, k, r);
                }
        ck_assert_double_eq(schedule_rate((enum schedule)s, 0.5, 4, 10, 4), 0.5); /* the top, exactly */
    }
    ck_assert_double_eq(schedule_rate(SCHED_CONSTANT_WARMUP, 0.5, 4, 10, 1), 0.125);
    ck_assert_double_eq(schedule_rate(SCHED_LINEAR, 0.5, 0, 10, 10), 0);
    ck_assert_int_eq(schedule_warmup(0, 100), 0);
    ck_assert_int_eq(schedule_warmup(1, 7), 7);
}
END_TEST

PG_TESTS(TEST(golden_rates), TEST(golden_warmup_ratio), TEST(cosine_is_exact), TEST(odd_lengths))
