/* Submission files: form, label names, rounding, file names, and one for each unlabelled set of GLUE. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/file.h"
#include "datasets/glue.h"

static char *written(const struct task *task, const struct rows *rows, const float *value, struct arena *arena)
{
    char *text, path[4096];
    snprintf(path, sizeof path, "%s/out.tsv", temp_dir());
    ck_ok(submission_write(task, &task->set[2], rows, value, path));
    ck_ok(file_read(path, 1 << 24, arena, &text, NULL));
    return text;
}

START_TEST(forms)
{
    struct arena *arena = arena_new("test");
    const char *text[] = {"a", "b", "c", "d"};
    const char *id[] = {"0", "1", "5", "9"};
    struct rows rows = {.n = 4, .a = text, .b = text, .row_id = id};
    ck_assert_str_eq(written(&glue_rte, &rows, (const float[]){0, 1, 1, 0}, arena),
                     "index\tprediction\n0\tentailment\n1\tnot_entailment\n5\tnot_entailment\n9\tentailment\n");
    ck_assert_str_eq(written(&glue_stsb, &rows, (const float[]){-0.5f, 5.5f, 2.34567f, 4}, arena),
                     "index\tprediction\n0\t0.000\n1\t5.000\n5\t2.346\n9\t4.000\n");
    rows.row_id = NULL;
    ck_assert_str_eq(written(&glue_cola, &rows, (const float[]){0, 1, 1, 0}, arena),
                     "index\tprediction\n0\t0\n1\t1\n2\t1\n3\t0\n");
    arena_free(arena);
}
END_TEST

START_TEST(faults)
{
    const char *text[] = {"a"};
    struct rows rows = {.n = 1, .a = text, .b = text};
    char path[4096];
    snprintf(path, sizeof path, "%s/out.tsv", temp_dir());
    const struct task_set *test = &glue_rte.set[2];
    ck_fails(submission_write(&glue_rte, test, &rows, (const float[]){2}, path), ST_INTERNAL, "expected a class");
    ck_fails(submission_write(&glue_rte, test, &rows, (const float[]){0.5f}, path), ST_INTERNAL, "expected a class");
    ck_fails(submission_write(&glue_rte, test, &rows, (const float[]){-1}, path), ST_INTERNAL, "expected a class");
    ck_fails(submission_write(&glue_stsb, test, &rows, (const float[]){NAN}, path), ST_INPUT, "not a number");
    ck_assert(!file_exists(path));
    ck_fails(submission_write(&glue_rte, test, &rows, (const float[]){1}, "/nowhere/out.tsv"), ST_IO, "/nowhere");
}
END_TEST

static const struct {
    const char *task, *set, *file;
    int rows;
} official[] = {
    {"cola", "test", "CoLA.tsv", 1063},  {"sst2", "test", "SST-2.tsv", 1821}, {"mrpc", "test", "MRPC.tsv", 1725},
    {"stsb", "test", "STS-B.tsv", 1379}, {"qnli", "test", "QNLI.tsv", 5463},  {"rte", "test", "RTE.tsv", 3000},
    {"wnli", "test", "WNLI.tsv", 146},   {"ax", "test", "AX.tsv", 1104},      {"mnli", "ax", "AX.tsv", 1104}};

START_TEST(every_unlabelled_set)
{
    NEED_SHARED("data/glue");
    struct arena *arena = arena_new("test");
    struct rows rows;
    const struct task *task = task_find(official[_i].task);
    const struct task_set *set = task_set_find(task, official[_i].set);
    ck_assert_str_eq(set->submission, official[_i].file);
    ck_ok(task->load(task, set, shared_path("data/glue"), 0, arena, &rows));
    float *value;
    ck_assert_ptr_nonnull(value = arena_zalloc(arena, sizeof *value * (size_t)rows.n));
    char *text, path[4096];
    snprintf(path, sizeof path, "%s/%s", temp_dir(), set->submission);
    ck_ok(submission_write(task, set, &rows, value, path));
    ck_ok(file_read(path, 1 << 24, arena, &text, NULL));
    int lines = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    ck_assert_int_eq(lines, official[_i].rows + 1);
    arena_free(arena);
}
END_TEST

START_TEST(names_of_the_rest)
{
    ck_assert_str_eq(task_set_find(&glue_mnli, "test_matched")->submission, "MNLI-m.tsv");
    ck_assert_str_eq(task_set_find(&glue_mnli, "test_mismatched")->submission, "MNLI-mm.tsv");
    ck_assert_str_eq(task_set_find(&glue_qqp, "test")->submission, "QQP.tsv");
}
END_TEST

PG_TESTS(TEST(forms), TEST(faults), LOOP_TEST(every_unlabelled_set, 0, sizeof official / sizeof official[0]),
         TEST(names_of_the_rest))
