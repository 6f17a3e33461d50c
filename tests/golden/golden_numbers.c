/* Golden cases of plain numbers: metrics, statistics of tables, learning-rate schedules. */
#include "bench/metrics.h"

#include <math.h>
#include <string.h>
#include "bench/schedule.h"
#include "bench/stats.h"
#include "tests/golden/golden.h"

/* null in the file: undefined, so it must be NaN here. */
static void compare(struct check *c, const json_t *want, double got, double relative, double absolute, const char *part,
                    size_t row, const char *what)
{
    if (json_is_null(want)) {
        check_measure(c, isnan(got) ? 0 : INFINITY, absolute, "%s %zu, %s is undefined", part, row, what);
        return;
    }
    double w = json_number_value(want);
    check_measure(c, fabs(got - w), relative * fabs(w) + absolute, "%s %zu, %s", part, row, what);
}

static status floats(const json_t *list, struct arena *a, float **x, int *n)
{
    *n = (int)json_array_size(list);
    NEW(*x, a, *n);
    for (int i = 0; i < *n; i++) (*x)[i] = (float)json_number_value(json_array_get(list, (size_t)i));
    return ST_OK;
}

static status doubles(const json_t *list, struct arena *a, double **x, int *n)
{
    *n = (int)json_array_size(list);
    NEW(*x, a, *n);
    for (int i = 0; i < *n; i++) (*x)[i] = json_number_value(json_array_get(list, (size_t)i));
    return ST_OK;
}

/* Rows of predictions and labels: every key that names a metric is compared. */
static status compare_predictions(struct check *c, const char *part, double relative, double absolute)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(c->info, part), i, row)
    {
        float *pred, *label;
        int n, labels;
        struct metric_room room;
        TRY(floats(json_object_get(row, "pred"), c->arena, &pred, &n));
        TRY(floats(json_object_get(row, "label"), c->arena, &label, &labels));
        FAIL_IF(n != labels, ST_INPUT, "%s %zu: %d predictions for %d labels", part, i, n, labels);
        TRY(metric_room(n, c->arena, &room));
        for (const struct metric *m = metric_table; m->name; m++) {
            const json_t *want = json_object_get(row, m->name);
            if (want && m->value)
                compare(c, want, m->value(pred, label, n, &room), relative, absolute, part, i, m->name);
        }
    }
    return ST_OK;
}

static status compare_subjects(struct check *c, double relative)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(c->info, "mmlu"), i, row)
    {
        const json_t *right = json_object_get(row, "correct"), *all = json_object_get(row, "total");
        int n = (int)json_array_size(all);
        long *correct, *total;
        double macro, micro;
        NEW(correct, c->arena, n);
        NEW(total, c->arena, n);
        for (int k = 0; k < n; k++) {
            correct[k] = (long)json_integer_value(json_array_get(right, (size_t)k));
            total[k] = (long)json_integer_value(json_array_get(all, (size_t)k));
        }
        accuracy_by_subject(correct, total, n, &macro, &micro);
        compare(c, json_object_get(row, "macro"), macro, relative, 0, "mmlu", i, "macro");
        compare(c, json_object_get(row, "micro"), micro, relative, 0, "mmlu", i, "micro");
    }
    return ST_OK;
}

static status compare_paired(struct check *c, double relative, double p_relative)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(c->info, "paired_tests"), i, row)
    {
        double *a, *b;
        int n, m;
        TRY(doubles(json_object_get(row, "a"), c->arena, &a, &n));
        TRY(doubles(json_object_get(row, "b"), c->arena, &b, &m));
        FAIL_IF(n != m, ST_INPUT, "paired_tests %zu: %d values for %d", i, n, m);
        struct test t = stats_paired_t(a, b, n), w = stats_wilcoxon(a, b, n);
        compare(c, json_object_get(row, "t"), t.statistic, relative, 0, "paired_tests", i, "t");
        compare(c, json_object_get(row, "p"), t.p, p_relative, 0, "paired_tests", i, "p");
        compare(c, json_object_get(row, "wilcoxon_statistic"), w.statistic, relative, 0, "paired_tests", i, "wilcoxon");
        compare(c, json_object_get(row, "wilcoxon_p"), w.p, p_relative, 0, "paired_tests", i, "wilcoxon p");
    }
    return ST_OK;
}

static status compare_intervals(struct check *c, double relative)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(c->info, "confidence"), i, row)
    {
        double *x;
        int n;
        TRY(doubles(json_object_get(row, "x"), c->arena, &x, &n));
        struct interval v = stats_interval(x, n, 0.95);
        const json_t *ends = json_object_get(row, "ci95");
        compare(c, json_object_get(row, "mean"), v.mean, relative, 0, "confidence", i, "mean");
        compare(c, json_object_get(row, "std_ddof1"), v.sd, relative, 0, "confidence", i, "sd");
        compare(c, json_object_get(row, "sem"), v.sem, relative, 0, "confidence", i, "sem");
        compare(c, json_object_get(row, "t_975"), v.t, relative, 0, "confidence", i, "t");
        compare(c, json_array_get(ends, 0), v.low, relative, 0, "confidence", i, "low");
        compare(c, json_array_get(ends, 1), v.high, relative, 0, "confidence", i, "high");
    }
    return ST_OK;
}

status check_metrics(struct check *c, void *ctx)
{
    double relative, p_relative, classes_abs, values_abs;
    (void)ctx;
    TRY(check_tolerance(c, "rel", &relative));
    TRY(check_tolerance(c, "p_values_rel", &p_relative));
    TRY(check_tolerance(c, "matthews_abs", &classes_abs));
    TRY(check_tolerance(c, "pearson_large_offset_abs", &values_abs));
    TRY(compare_predictions(c, "classification", relative, classes_abs));
    TRY(compare_predictions(c, "regression", relative, values_abs));
    TRY(compare_subjects(c, relative));
    TRY(compare_paired(c, relative, p_relative));
    return compare_intervals(c, relative);
}

/* ---- schedules --------------------------------------------------------------------------------------------------- */

static status compare_rates(struct check *c, const json_t *row, size_t i, double relative, double absolute)
{
    double lr, warmup, steps;
    int schedule;
    const char *name = json_string_value(json_object_get(row, "name"));
    TRY(check_number(row, "lr", "case.json", &lr));
    TRY(check_number(row, "warmup", "case.json", &warmup));
    TRY(check_number(row, "steps", "case.json", &steps));
    TRY(golden_schedule(name, &schedule));
    const json_t *rates = json_object_get(row, "lr_at_step"), *want;
    size_t k;
    json_array_foreach((json_t *)rates, k, want)
    {
        double got = schedule_rate((enum schedule)schedule, lr, (long)warmup, (long)steps, (long)k);
        compare(c, want, got, relative, absolute, "row", i, name);
    }
    return ST_OK;
}

status check_schedules(struct check *c, void *ctx)
{
    double relative, absolute;
    size_t i;
    const json_t *row;
    (void)ctx;
    TRY(check_tolerance(c, "rel", &relative));
    TRY(check_tolerance(c, "abs", &absolute));
    json_array_foreach(json_object_get(c->info, "rows"), i, row) TRY(compare_rates(c, row, i, relative, absolute));
    json_array_foreach(json_object_get(c->info, "warmup_ratio"), i, row)
    {
        double ratio, steps;
        TRY(check_number(row, "ratio", "case.json", &ratio));
        TRY(check_number(row, "steps", "case.json", &steps));
        compare(c, json_object_get(row, "warmup"), (double)schedule_warmup(ratio, (long)steps), 0, 0, "warmup_ratio", i,
                "warmup");
    }
    return ST_OK;
}

status golden_schedule(const char *name, int *schedule)
{
    const char *at = SCHEDULE_CHOICES;
    for (int i = 0; name && *at; i++) {
        size_t n = strcspn(at, "|");
        if (strlen(name) == n && strncmp(name, at, n) == 0) {
            *schedule = i;
            return ST_OK;
        }
        at += n + (at[n] == '|');
    }
    return fail(ST_INPUT, "unknown schedule '%s', expected %s", name ? name : "", SCHEDULE_CHOICES);
}
