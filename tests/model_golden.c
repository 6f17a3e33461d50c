#include "tests/pgtest.h"

#include "tests/model_golden.h"

#include <jansson.h>
#include <math.h>
#include "core/file.h"
#include "models/checkpoint.h"
#include "tests/model_fixture.h"

const char *const encoder_cases[ENCODER_CASES] = {"deberta_v3_cls2",      "deberta_v3_long", "deberta_v3_reg",
                                                  "deberta_v3_buckets32", "bert_cls",        "roberta_cls"};
const char *const language_cases[LANGUAGE_CASES] = {"phi_lm", "qwen2_lm", "llama_lm"};

struct golden {
    struct fixture f;
    struct checkpoint want;
    json_t *info;
    double exact;
};

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, 0, &error);
    ck_assert_msg(j != NULL, "%s: %s", path, error.text);
    return j;
}

static double tolerance(const struct golden *g, const char *key)
{
    double t = json_number_value(json_object_get(json_object_get(g->info, "suggested_float32_tolerance"), key));
    ck_assert_msg(t > 0, "no tolerance %s", key);
    return t;
}

static int zero_in_theory(const struct golden *g, const char *name)
{
    const json_t *list = json_object_get(json_object_get(g->info, "float32_minus_float64"), "analytically_zero_grads");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return 1;
    return 0;
}

/* Largest difference, relative to the largest entry where asked. */
static void compare(struct golden *g, const char *name, const real *got, size_t n, const char *key, int relative)
{
    const struct tensor *t = checkpoint_find(&g->want, name);
    ck_assert_msg(t != NULL, "no reference '%s'", name);
    double *want = arena_alloc(g->f.arena, n * sizeof *want), worst = 0, largest = 0, tol = tolerance(g, key);
    ck_ok(tensor_to_f64(t, want, n));
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fabs(want[i]) > largest ? fabs(want[i]) : largest;
    }
    if (g->exact >= 0) tol = relative ? g->exact : g->exact * fmax(1, largest);
    if (relative && largest > 0) worst /= largest;
    ck_assert_msg(worst <= tol, "%s: error %g, tolerance %g", name, worst, tol);
}

static void compare_grads(struct golden *g)
{
    char name[256];
    for (int i = 0; i < g->f.reg.count; i++) {
        const struct param *p = g->f.reg.list[i];
        snprintf(name, sizeof name, "grad.%s", p->name);
        if (zero_in_theory(g, name))
            compare(g, name, p->grad, param_size(p), "analytically_zero_grads_abs", 0);
        else
            compare(g, name, p->grad, param_size(p), "grad_rel_to_largest_entry_of_the_tensor", 1);
    }
}

static void begin_case(struct golden *g, const char *case_name, enum head_kind head)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s/%s", shared_path("golden/models"), case_name);
    notice_quiet(1);
    ck_ok(fixture_open(&g->f, dir, head, 0));
    g->info = load(path_join(g->f.arena, dir, "case.json"));
    ck_ok(checkpoint_open(path_join(g->f.arena, dir, "expected.safetensors"), g->f.arena, &g->want));
    fixture_batch_file(&g->f, path_join(g->f.arena, dir, "batch.json"));
    fixture_thaw_all(&g->f);
}

static void end_case(struct golden *g)
{
    json_decref(g->info);
    checkpoint_close(&g->want);
    fixture_close(&g->f);
}

static void compare_hidden(struct golden *g, const struct mat *hidden)
{
    char name[64];
    for (int i = 0; i <= g->f.model->config.layers; i++) {
        snprintf(name, sizeof name, "hidden.%d", i);
        compare(g, name, hidden[i].a, (size_t)g->f.batch.offset[1] * (size_t)hidden[i].cols, "hidden_abs", 0);
    }
}

void check_golden_model(const char *case_name, double exact)
{
    struct golden g = {.exact = exact};
    struct mat logits, hidden[64];
    begin_case(&g, case_name, HEAD_CLASSIFY);
    double loss = fixture_step(&g.f, &logits, hidden);
    real loss_real = (real)loss;
    size_t outputs = (size_t)(logits.rows * logits.cols);
    compare(&g, "logits", logits.a, outputs, "logits_abs", 0);
    compare(&g, "loss", &loss_real, 1, "loss_abs", 0);
    compare_hidden(&g, hidden);
    compare_grads(&g);
    /* Without hidden states only the first tokens of the last block are computed: the same bits. */
    real *all = arena_alloc(g.f.arena, sizeof(real) * outputs);
    memcpy(all, logits.a, sizeof(real) * outputs);
    ck_assert_double_eq(fixture_step(&g.f, &logits, NULL), loss);
    ck_assert_mem_eq(all, logits.a, sizeof(real) * outputs);
    compare_grads(&g);
    end_case(&g);
}

void check_golden_language(const char *case_name, double exact)
{
    struct golden g = {.exact = exact};
    struct mat logits, hidden[64];
    begin_case(&g, case_name, HEAD_LM);
    const int32_t *label = g.f.batch.label;
    g.f.batch.label = NULL; /* all rows */
    arena_reset(g.f.tape, (struct arena_mark){0});
    ck_ok(model_forward(g.f.model, &g.f.pass, &logits, hidden));
    compare(&g, "logits", logits.a, (size_t)(logits.rows * logits.cols), "logits_abs", 0);
    compare_hidden(&g, hidden);
    g.f.batch.label = label;
    real loss = (real)fixture_step(&g.f, NULL, NULL);
    compare(&g, "loss", &loss, 1, "loss_abs", 0);
    compare_grads(&g);
    end_case(&g);
}
