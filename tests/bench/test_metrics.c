#include "tests/pgtest.h"

#include <jansson.h>
#include <math.h>
#include "bench/evaluate.h"
#include "bench/metrics.h"

static double measured(const struct metric *m, const float *pred, const float *label, int n)
{
    struct metric_room room;
    struct arena *arena = arena_new("metrics");
    ck_ok(metric_room(n, arena, &room));
    double value = m->value(pred, label, n, &room);
    arena_free(arena);
    return value;
}

static double value_of(const char *metric, const float *pred, const float *label, int n)
{
    const struct metric *m = metric_find(metric);
    ck_assert_msg(m != NULL, "no metric %s", metric);
    return measured(m, pred, label, n);
}

static float *floats(const json_t *array)
{
    float *x = malloc((json_array_size(array) + 1) * sizeof *x);
    for (size_t i = 0; i < json_array_size(array); i++) x[i] = (float)json_number_value(json_array_get(array, i));
    return x;
}

static json_t *load_case(void)
{
    json_error_t error;
    json_t *j = json_load_file(shared_path("golden/methods/metrics/case.json"), 0, &error);
    ck_assert_msg(j != NULL, "%s", error.text);
    return j;
}

/* Compares with the value of the case when it has one; JSON null means undefined. Returns 1 when compared. */
static int compare(const json_t *row, const char *key, const char *metric, double got, double rel)
{
    const json_t *want = json_object_get(row, key);
    if (!want) return 0;
    const char *name = json_string_value(json_object_get(row, "name"));
    if (json_is_null(want)) {
        ck_assert_msg(isnan(got), "%s of '%s': %.17g, expected undefined", metric, name, got);
        return 1;
    }
    double w = json_number_value(want);
    ck_assert_msg(fabs(got - w) <= rel * fabs(w) + 1e-12, "%s of '%s': %.17g, expected %.17g", metric, name, got, w);
    return 1;
}

static void golden_rows(const char *part, const char *const keys[][2], int count)
{
    json_t *j = load_case(), *rows = json_object_get(j, part);
    double rel = json_number_value(json_object_get(json_object_get(j, "tolerance"), "rel"));
    int compared = 0;
    ck_assert_int_gt((int)json_array_size(rows), 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *labels = json_object_get(row, "label");
        float *pred = floats(json_object_get(row, "pred")), *label = floats(labels);
        int n = (int)json_array_size(labels);
        for (int k = 0; k < count; k++)
            compared += compare(row, keys[k][0], keys[k][1], value_of(keys[k][1], pred, label, n), rel);
        free(pred);
        free(label);
    }
    ck_assert_int_gt(compared, (int)json_array_size(rows) - 1);
    json_decref(j);
}

START_TEST(golden_classification)
{
    NEED_SHARED("golden/methods/metrics/case.json");
    const char *const keys[][2] = {
        {"accuracy", "accuracy"}, {"f1", "f1"}, {"matthews", "matthews"}, {"matthews_sklearn", "matthews"}};
    golden_rows("classification", keys, 4);
}
END_TEST

START_TEST(golden_regression)
{
    NEED_SHARED("golden/methods/metrics/case.json");
    const char *const keys[][2] = {{"pearson", "pearson"}, {"spearman", "spearman"}};
    golden_rows("regression", keys, 2);
}
END_TEST

START_TEST(golden_subjects)
{
    NEED_SHARED("golden/methods/metrics/case.json");
    json_t *j = load_case(), *rows = json_object_get(j, "mmlu");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *c = json_object_get(row, "correct"), *t = json_object_get(row, "total");
        long correct[64], total[64];
        int n = (int)json_array_size(t);
        ck_assert_int_le(n, 64);
        for (int k = 0; k < n; k++) {
            correct[k] = (long)json_integer_value(json_array_get(c, (size_t)k));
            total[k] = (long)json_integer_value(json_array_get(t, (size_t)k));
        }
        double macro, micro;
        accuracy_by_subject(correct, total, n, &macro, &micro);
        ck_assert_double_eq_tol(macro, json_number_value(json_object_get(row, "macro")), 1e-12);
        ck_assert_double_eq_tol(micro, json_number_value(json_object_get(row, "micro")), 1e-12);
    }
    json_decref(j);
}
END_TEST

/* Three classes, worked by hand: confusion rows (label) 0: 2 1 0, 1: 0 1 1, 2: 1 0 2; right 5 of 8. */
START_TEST(three_classes)
{
    const float label[] = {0, 0, 0, 1, 1, 2, 2, 2}, pred[] = {0, 0, 1, 1, 2, 2, 2, 0};
    ck_assert_double_eq_tol(value_of("accuracy", pred, label, 8), 5.0 / 8, 1e-15);
    /* s = 8, c = 5, labels 3 2 3, predictions 3 2 3: (5*8 - 22) / (64 - 22) */
    ck_assert_double_eq_tol(value_of("matthews", pred, label, 8), 18.0 / 42, 1e-15);
    /* F1: 2*2/6, 2*1/4, 2*2/6 */
    ck_assert_double_eq_tol(value_of("macro_f1", pred, label, 8), (4.0 / 6 + 2.0 / 4 + 4.0 / 6) / 3, 1e-15);
}
END_TEST

/* A class that neither occurs nor is predicted does not count in the average. */
START_TEST(macro_f1_skips_absent_classes)
{
    const float label[] = {0, 0, 5}, pred[] = {0, 5, 5};
    ck_assert_double_eq_tol(value_of("macro_f1", pred, label, 3), (2.0 / 3 + 2.0 / 3) / 2, 1e-15);
}
END_TEST

START_TEST(mse_is_a_mean)
{
    const float label[] = {1, 2, 3, 5}, pred[] = {1, 2.5f, 1, 5};
    ck_assert_double_eq_tol(value_of("mse", pred, label, 4), (0.25 + 4) / 4, 1e-15);
    ck_assert_int_eq(metric_find("mse")->higher_is_better, 0);
}
END_TEST

/* A metric without memory is an error, never a value of NAN in a record. */
START_TEST(no_memory_is_no_metric)
{
    float pred[] = {1, 2, 3}, label[] = {1, 3, 2};
    double metric[TASK_METRICS];
    const struct task task = {.name = "t", .metric = {"spearman"}};
    const struct predicted p = {.kind = TASK_CLASSES, .pred = pred, .label = label, .n = 3};
    struct arena *arena = arena_new("metrics");
    for (long n = 1; n <= 2; n++) {
        arena_fail_after(n);
        ck_assert_int_eq(task_metrics(&task, &p, -1, arena, metric), ST_MEMORY);
    }
    arena_fail_after(0);
    ck_ok(task_metrics(&task, &p, -1, arena, metric));
    ck_assert_double_eq_tol(metric[0], 0.5, 1e-15);
    arena_free(arena);
}
END_TEST

START_TEST(undefined_inputs)
{
    const float ok[] = {0, 1, 1}, half[] = {0, 0.5f, 1}, minus[] = {0, -1, 1}, bad[] = {0, NAN, 1},
                huge[] = {0, 1e30f, 1};
    for (const struct metric *m = metric_table; m->name; m++) {
        ck_assert_int_eq(m->value != NULL, m->use != METRIC_CHOICE && m->use != METRIC_TEXT);
        if (!m->value) continue;
        ck_assert_msg(isnan(measured(m, ok, ok, 0)), "%s of nothing", m->name);
        ck_assert_msg(isnan(measured(m, bad, ok, 3)), "%s of a NaN", m->name);
        if (m->use != METRIC_CLASSES) continue;
        ck_assert_msg(isnan(measured(m, half, ok, 3)), "%s of class 0.5", m->name);
        ck_assert_msg(isnan(measured(m, minus, ok, 3)), "%s of class -1", m->name);
        ck_assert_msg(isnan(measured(m, huge, ok, 3)), "%s of class 1e30", m->name);
    }
    ck_assert_ptr_null(metric_find("no such metric"));
}
END_TEST

START_TEST(perplexity_counts_tokens)
{
    const float loss[] = {2, 1, 3}, targets[] = {1, 2, 3};
    ck_assert_double_eq_tol(value_of("perplexity", loss, targets, 3), exp(1.0), 1e-15);
    ck_assert_int_eq(metric_find("perplexity")->higher_is_better, 0);
}
END_TEST

START_TEST(macro_accuracy_counts_subjects)
{
    const float pred[] = {0, 1, 2, 3, 0}, label[] = {0, 1, 1, 3, 1};
    const int group[] = {4, 4, 4, 4, 0}; /* 3 of 4, 0 of 1; subjects that do not occur do not count */
    const struct metric *m = metric_find("macro_accuracy");
    ck_assert_double_eq_tol(m->grouped(pred, label, group, 5), 0.375, 1e-15);
    ck_assert(isnan(m->grouped(pred, label, group, 0)));
}
END_TEST

PG_TESTS(TEST(perplexity_counts_tokens), TEST(macro_accuracy_counts_subjects), TEST(golden_classification),
         TEST(golden_regression), TEST(golden_subjects), TEST(three_classes), TEST(macro_f1_skips_absent_classes),
         TEST(mse_is_a_mean), TEST(no_memory_is_no_metric), TEST(undefined_inputs))
