/* Encoders against the reference values of shared/golden/models: logits, loss, hidden states and every gradient, at the
 * tolerances that each case gives for float32. */
#include "tests/pgtest.h"

#include <jansson.h>
#include <math.h>
#include "core/file.h"
#include "models/checkpoint.h"
#include "tests/model_fixture.h"

static const char *const cases[] = {"deberta_v3_cls2",      "deberta_v3_long", "deberta_v3_reg",
                                    "deberta_v3_buckets32", "bert_cls",        "roberta_cls"};
enum { CASES = sizeof cases / sizeof cases[0] };

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, 0, &error);
    ck_assert_msg(j != NULL, "%s: %s", path, error.text);
    return j;
}

static double tolerance(const json_t *info, const char *key)
{
    double t = json_number_value(json_object_get(json_object_get(info, "suggested_float32_tolerance"), key));
    ck_assert_msg(t > 0, "no tolerance %s", key);
    return t;
}

static int listed(const json_t *info, const char *name)
{
    const json_t *list = json_object_get(json_object_get(info, "float32_minus_float64"), "analytically_zero_grads");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return 1;
    return 0;
}

static double *expected(const struct checkpoint *c, const char *name, size_t n, struct arena *arena)
{
    const struct tensor *t = checkpoint_find(c, name);
    ck_assert_msg(t != NULL, "no reference '%s'", name);
    double *v = arena_alloc(arena, n * sizeof *v);
    ck_ok(tensor_to_f64(t, v, n));
    return v;
}

static void compare(const struct checkpoint *c, const char *name, const real *got, size_t n, double tol, int relative,
                    struct arena *arena)
{
    const double *want = expected(c, name, n, arena);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fabs(want[i]) > largest ? fabs(want[i]) : largest;
    }
    if (relative) worst = largest > 0 ? worst / largest : worst;
    ck_assert_msg(worst <= tol, "%s: error %g, tolerance %g", name, worst, tol);
}

START_TEST(golden)
{
    NEED_SHARED("golden/models");
    struct fixture f;
    struct checkpoint want;
    struct mat logits, hidden[64];
    char dir[512], name[256];
    snprintf(dir, sizeof dir, "%s/%s", shared_path("golden/models"), cases[_i]);
    notice_quiet(1);
    ck_ok(fixture_open(&f, dir, HEAD_CLASSIFY, 0));
    json_t *info = load(path_join(f.arena, dir, "case.json"));
    ck_ok(checkpoint_open(path_join(f.arena, dir, "expected.safetensors"), f.arena, &want));
    fixture_batch_file(&f, path_join(f.arena, dir, "batch.json"));
    fixture_thaw_all(&f);
    double loss = fixture_step(&f, &logits, hidden);
    compare(&want, "logits", logits.a, (size_t)(logits.rows * logits.cols), tolerance(info, "logits_abs"), 0, f.arena);
    double want_loss = expected(&want, "loss", 1, f.arena)[0];
    ck_assert_double_eq_tol(loss, want_loss, tolerance(info, "loss_abs"));
    for (int i = 0; i <= f.model->config.layers; i++) {
        snprintf(name, sizeof name, "hidden.%d", i);
        compare(&want, name, hidden[i].a, (size_t)f.batch.offset[1] * (size_t)hidden[i].cols,
                tolerance(info, "hidden_abs"), 0, f.arena);
    }
    for (int i = 0; i < f.reg.count; i++) {
        const struct param *p = f.reg.list[i];
        snprintf(name, sizeof name, "grad.%s", p->name);
        int zero = listed(info, name);
        double tol = tolerance(info, zero ? "analytically_zero_grads_abs" : "grad_rel_to_largest_entry_of_the_tensor");
        compare(&want, name, p->grad, param_size(p), tol, !zero, f.arena);
    }
    /* Without hidden states only the first tokens of the last block are computed: the same bits. */
    real *first = arena_alloc(f.arena, sizeof(real) * (size_t)(logits.rows * logits.cols));
    memcpy(first, logits.a, sizeof(real) * (size_t)(logits.rows * logits.cols));
    ck_assert_double_eq(fixture_step(&f, &logits, NULL), loss);
    ck_assert_mem_eq(first, logits.a, sizeof(real) * (size_t)(logits.rows * logits.cols));
    for (int i = 0; i < f.reg.count; i++) {
        const struct param *p = f.reg.list[i];
        snprintf(name, sizeof name, "grad.%s", p->name);
        int zero = listed(info, name);
        double tol = tolerance(info, zero ? "analytically_zero_grads_abs" : "grad_rel_to_largest_entry_of_the_tensor");
        compare(&want, name, p->grad, param_size(p), tol, !zero, f.arena);
    }
    json_decref(info);
    checkpoint_close(&want);
    fixture_close(&f);
}
END_TEST

PG_TESTS(LOOP_TEST(golden, 0, CASES))
