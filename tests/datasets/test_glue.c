/* GLUE: row and label counts of the official files, and every trap of theirs in files written here. */
#include "tests/pgtest.h"

#include <math.h>
#include <sys/stat.h>
#include "core/file.h"
#include "datasets/glue.h"

static struct arena *arena;

/* Loads the set of a task from the shared folder and checks counts; labels: rows of class 0, 1, 2 (or -1). */
static void counts(const struct task *task, const struct task_set *set, int n, const int labels[3])
{
    struct rows rows;
    arena = arena_new("test");
    ck_ok(task->load(task, set, shared_path("data/glue"), 0, arena, &rows));
    ck_assert_int_eq(rows.n, n);
    ck_assert_int_eq(rows.b != NULL, task->pair);
    int seen[3] = {0};
    for (int i = 0; i < n; i++) {
        ck_assert_int_gt(strlen(rows.a[i]), 0);
        if (task->pair) ck_assert_int_gt(strlen(rows.b[i]), 0);
        if (labels) seen[(int)rows.label[i]]++;
    }
    ck_assert_int_eq(rows.label != NULL, set->kind != SET_TEST);
    ck_assert_int_eq(rows.row_id != NULL, set->kind == SET_TEST);
    if (rows.row_id) {
        ck_assert_str_eq(rows.row_id[0], "0");
        ck_assert_int_eq(atoi(rows.row_id[n - 1]), n - 1);
    }
    for (int k = 0; labels && k < 3; k++) ck_assert_int_eq(seen[k], labels[k]);
    arena_free(arena);
}

static const struct official {
    const char *task, *set;
    int rows, label[3]; /* label[0] < 0: none or regression */
} official[] = {
    {"cola", "train", 8551, {2528, 6023, 0}},
    {"cola", "dev", 1043, {322, 721, 0}},
    {"cola", "test", 1063, {-1}},
    {"sst2", "train", 67349, {29780, 37569, 0}},
    {"sst2", "dev", 872, {428, 444, 0}},
    {"sst2", "test", 1821, {-1}},
    {"mrpc", "train", 3668, {1194, 2474, 0}},
    {"mrpc", "dev", 408, {129, 279, 0}},
    {"mrpc", "test", 1725, {-1}},
    {"stsb", "train", 5749, {-1}},
    {"stsb", "dev", 1500, {-1}},
    {"stsb", "test", 1379, {-1}},
    {"rte", "train", 2490, {1249, 1241, 0}},
    {"rte", "dev", 277, {146, 131, 0}},
    {"rte", "test", 3000, {-1}},
    {"wnli", "train", 635, {323, 312, 0}},
    {"wnli", "dev", 71, {40, 31, 0}},
    {"wnli", "test", 146, {-1}},
    {"qnli", "dev", 5463, {2702, 2761, 0}},
    {"qnli", "test", 5463, {-1}},
    {"mnli", "dev_matched", 9815, {3479, 3123, 3213}},
    {"mnli", "ax", 1104, {-1}},
    {"ax", "test", 1104, {-1}},
};
enum { OFFICIAL = sizeof official / sizeof official[0] };

START_TEST(official_counts)
{
    NEED_SHARED("data/glue");
    const struct official *o = &official[_i];
    const struct task *task = task_find(o->task);
    ck_assert_ptr_nonnull(task);
    const struct task_set *set = task_set_find(task, o->set);
    ck_assert_ptr_nonnull(set);
    counts(task, set, o->rows, o->label[0] < 0 ? NULL : o->label);
}
END_TEST

START_TEST(partial_qqp)
{
    NEED_SHARED("data/glue/QQP/train_partial.tsv");
    const struct task_set partial = {"train", SET_TRAIN, "train_partial.tsv", NULL};
    counts(&glue_qqp, &partial, 23497, (const int[]){14750, 8747, 0});
}
END_TEST

START_TEST(stsb_scores)
{
    NEED_SHARED("data/glue/STS-B/dev.tsv");
    struct rows rows;
    arena = arena_new("test");
    ck_ok(glue_stsb.load(&glue_stsb, &glue_stsb.set[1], shared_path("data/glue"), 0, arena, &rows));
    ck_assert_str_eq(rows.a[0], "A man with a hard hat is dancing.");
    ck_assert_str_eq(rows.b[1], "A child is riding a horse.");
    ck_assert_float_eq(rows.label[0], 5.0f);
    ck_assert_float_eq(rows.label[1], 4.75f);
    for (int i = 0; i < rows.n; i++) ck_assert(rows.label[i] >= 0 && rows.label[i] <= 5);
    arena_free(arena);
}
END_TEST

/* "data" also finds the folder when GLUE lies one level deeper; a missing file is named. */
START_TEST(folders)
{
    NEED_SHARED("data/glue/RTE/dev.tsv");
    struct rows rows;
    arena = arena_new("test");
    ck_ok(glue_rte.load(&glue_rte, &glue_rte.set[1], shared_path("data"), 5, arena, &rows));
    ck_assert_int_eq(rows.n, 5);
    ck_fails(glue_mnli.load(&glue_mnli, &glue_mnli.set[0], shared_path("data/glue"), 0, arena, &rows), ST_INPUT,
             "MNLI/train.tsv is missing");
    ck_fails(glue_rte.load(&glue_rte, &glue_rte.set[1], NULL, 0, arena, &rows), ST_USAGE, "data = PATH");
    arena_free(arena);
}
END_TEST

/* ---- traps, in files written here ------------------------------------------------------------------------------ */

static const char *root;

static void put_file(const char *dir, const char *file, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, dir);
    ck_ok(file_make_dirs(path));
    snprintf(path, sizeof path, "%s/%s/%s", root, dir, file);
    ck_ok(file_write_atomic(path, text, strlen(text)));
}

static void begin(void)
{
    root = temp_dir();
    arena = arena_new("test");
    notice_quiet(1);
}

static status load_text(const struct task *task, const char *set, const char *text, int max, struct rows *rows)
{
    const struct task_set *s = task_set_find(task, set);
    put_file(task->dir, s->file, text);
    return task->load(task, s, root, max, arena, rows);
}

START_TEST(cola_without_header_and_last_line_end)
{
    struct rows rows;
    begin();
    ck_ok(load_text(&glue_cola, "dev", "gj04\t1\t\tBirds sing.\ngj04\t0\t*\tSing birds the.", 0, &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_str_eq(rows.a[0], "Birds sing.");
    ck_assert_str_eq(rows.a[1], "Sing birds the.");
    ck_assert_float_eq(rows.label[0], 1);
    ck_assert_float_eq(rows.label[1], 0);
    ck_assert_ptr_null(rows.b);
    ck_ok(load_text(&glue_cola, "test", "index\tsentence\n0\tBirds sing.\n7\tBirds fly.\n", 0, &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_str_eq(rows.row_id[1], "7");
    ck_assert_ptr_null(rows.label);
    ck_fails(load_text(&glue_cola, "train", "sentence\tlabel\nBirds sing.\t1\n", 0, &rows), ST_INPUT,
             "CoLA/train.tsv:1: column 3: the line has 2 fields, expected 4");
    arena_free(arena);
}
END_TEST

START_TEST(mrpc_mark_and_quotes)
{
    struct rows rows;
    begin();
    ck_ok(load_text(&glue_mrpc, "train",
                    "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
                    "1\t1\t2\t\" We won , he said .\tHe said : we won \" .\r\n"
                    "0\t3\t4\t\"\"quoted\t'single\r\n",
                    0, &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_str_eq(rows.a[0], "\" We won , he said .");
    ck_assert_str_eq(rows.b[0], "He said : we won \" .");
    ck_assert_str_eq(rows.a[1], "\"\"quoted");
    ck_assert_str_eq(rows.b[1], "'single"); /* no carriage return */
    ck_assert_float_eq(rows.label[0], 1);
    /* the test file as the MSR release has it: Quality instead of index */
    ck_fails(load_text(&glue_mrpc, "test", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t1\t2\ta\tb\n", 0, &rows),
             ST_INPUT, "no column is called 'index'; the columns are: Quality, #1 ID, #2 ID, #1 String, #2 String");
    arena_free(arena);
}
END_TEST

START_TEST(qqp_missing_fields)
{
    struct rows rows;
    begin();
    ck_ok(load_text(&glue_qqp, "train",
                    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
                    "1\t1\t2\tWhy?\tHow?\t0\n"
                    "2\t3\t4\tWhat is a broken\n"
                    "line?\tWhat is it?\t1\n"
                    "3\t5\t6\tWho?\t\t1\n"
                    "4\t7\t8\tIs \"it?\tIs it?\t1\n",
                    0, &rows));
    ck_assert_int_eq(rows.n, 3); /* two pieces skipped, the empty question kept */
    ck_assert_str_eq(rows.b[1], "");
    ck_assert_str_eq(rows.a[2], "Is \"it?");
    ck_ok(load_text(&glue_qqp, "test", "id\tquestion1\tquestion2\n0\tWhy?\tHow?\n", 0, &rows));
    ck_assert_str_eq(rows.row_id[0], "0");
    ck_fails(load_text(&glue_qqp, "test", "id\tquestion1\tquestion2\n0\tWhy?\n", 0, &rows), ST_INPUT,
             "QQP/test.tsv:2: column 3: the line has 2 fields, expected 3");
    arena_free(arena);
}
END_TEST

START_TEST(mnli_columns)
{
    struct rows rows;
    begin();
    /* gold_label stands elsewhere in train (12 columns) and dev (16); "-" is no label */
    ck_ok(load_text(&glue_mnli, "train",
                    "index\tpromptID\tpairID\tgenre\tp1\tp2\tq1\tq2\tsentence1\tsentence2\tlabel1\tgold_label\n"
                    "0\t1\t1c\tfiction\t\t\t\t\tA.\tB.\tneutral\tneutral\n"
                    "1\t1\t1d\tfiction\t\t\t\t\tC.\tD.\tneutral\t-\n"
                    "2\t1\t1e\tfiction\t\t\t\t\tE.\tF.\tneutral\tcontradiction\n",
                    0, &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_float_eq(rows.label[0], 1);
    ck_assert_float_eq(rows.label[1], 2);
    ck_assert_str_eq(rows.b[1], "F.");
    ck_ok(load_text(
        &glue_mnli, "dev_mismatched",
        "index\tpromptID\tpairID\tgenre\tp1\tp2\tq1\tq2\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\t"
        "label5\tgold_label\n"
        "0\t\t\t\t\t\t\t\tA.\tB.\t\t\t\t\t\tentailment\n",
        0, &rows));
    ck_assert_float_eq(rows.label[0], 0);
    ck_ok(load_text(&glue_mnli, "test_matched",
                    "index\tpromptID\tpairID\tgenre\tp1\tp2\tq1\tq2\tsentence1\tsentence2\n5\t\t\t\t\t\t\t\tA.\tB.\n",
                    0, &rows));
    ck_assert_str_eq(rows.row_id[0], "5");
    arena_free(arena);
}
END_TEST

START_TEST(label_orders)
{
    struct rows rows;
    begin();
    const char *nli = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\tc\td\tnot_entailment\n";
    ck_ok(load_text(&glue_rte, "dev", nli, 0, &rows));
    ck_assert_float_eq(rows.label[0], 0);
    ck_assert_float_eq(rows.label[1], 1);
    ck_ok(load_text(&glue_qnli, "dev", "index\tquestion\tsentence\tlabel\n0\tq\ts\tnot_entailment\n", 0, &rows));
    ck_assert_float_eq(rows.label[0], 1);
    ck_assert_str_eq(rows.a[0], "q");
    ck_assert_str_eq(rows.b[0], "s");
    ck_ok(load_text(&glue_wnli, "dev", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n", 0, &rows));
    ck_assert_float_eq(rows.label[0], 1);
    ck_ok(load_text(&glue_ax, "test", "index\tsentence1\tsentence2\n0\ta\tb\n", 0, &rows));
    ck_assert_ptr_null(rows.label);
    arena_free(arena);
}
END_TEST

START_TEST(columns_by_name)
{
    struct rows rows;
    begin();
    ck_ok(load_text(&glue_sst2, "dev", "label\textra\tsentence\n1\tx\tfine \n0\ty\tbad\n", 0, &rows));
    ck_assert_str_eq(rows.a[0], "fine "); /* blanks are text */
    ck_assert_float_eq(rows.label[0], 1);
    ck_ok(load_text(&glue_sst2, "dev", "sentence\tlabel\na\t1\nb\t0\nc\t1\n\n\r\n\n", 2, &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_ok(load_text(&glue_sst2, "dev", "sentence\tlabel\na\t1\nb\t0\nc\t1\n\n\r\n\n", 0, &rows));
    ck_assert_int_eq(rows.n, 3); /* blank lines at the end do not count */
    arena_free(arena);
}
END_TEST

static const struct {
    const char *text, *message;
} bad[] = {
    {"", "RTE/train.tsv:1: the file is empty"},
    {"index\tsentence1\tsentence2\tlabel\n", "RTE/train.tsv: the file holds no rows"},
    {"index\tsentence1\tlabel\n0\ta\tentailment\n", "no column is called 'sentence2'"},
    {"index\tsentence1\tsentence2\tlabel\n0\ta\tb\n", "RTE/train.tsv:2: column 4: the line has 3 fields, expected 4"},
    {"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\tx\n",
     "RTE/train.tsv:2: column 5: the line has 5 fields, expected 4"},
    {"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\tc\td\tmaybe\n",
     "RTE/train.tsv:3: column 4 (label): 'maybe', expected one of: entailment, not_entailment"},
    {"index\tsentence1\tsentence2\tlabel\n0\ta\t\tentailment\n",
     "RTE/train.tsv:2: column 3 (sentence2): empty, expected text"},
    {"index\tsentence1\tsentence2\tlabel\n\n0\ta\tb\tentailment\n", "RTE/train.tsv:2: column 2: the line has 1 fields"},
    {"\xff\xfei\0n", "UTF-16"},
};

START_TEST(bad_rows)
{
    struct rows rows;
    begin();
    ck_fails(load_text(&glue_rte, "train", bad[_i].text, 0, &rows), ST_INPUT, bad[_i].message);
    arena_free(arena);
}
END_TEST

START_TEST(bad_scores)
{
    static const char *const score[] = {"5.01", "-0.1", "nan", "x", "", "4,5", "1 "};
    struct rows rows;
    begin();
    for (size_t i = 0; i < sizeof score / sizeof score[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "index\tsentence1\tsentence2\tscore\n0\ta\tb\t%s\n", score[i]);
        ck_fails(load_text(&glue_stsb, "train", text, 0, &rows), ST_INPUT, "expected a number from 0 to 5");
        ck_fails(load_text(&glue_stsb, "train", text, 0, &rows), ST_INPUT, "STS-B/train.tsv:2: column 4 (score)");
    }
    ck_ok(load_text(&glue_stsb, "train", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t3.25\n", 0, &rows));
    ck_assert_float_eq(rows.label[0], 3.25f);
    arena_free(arena);
}
END_TEST

START_TEST(nul_byte)
{
    struct rows rows;
    begin();
    static const char text[] = "index\tsentence1\tsentence2\tlabel\n0\ta\0b\tc\tentailment\n";
    put_file("RTE", "train.tsv", "");
    char path[4096];
    snprintf(path, sizeof path, "%s/RTE/train.tsv", root);
    ck_ok(file_write_atomic(path, text, sizeof text - 1));
    ck_fails(glue_rte.load(&glue_rte, &glue_rte.set[0], root, 0, arena, &rows), ST_INPUT,
             "RTE/train.tsv:2: column 2 (sentence1): holds a NUL byte");
    arena_free(arena);
}
END_TEST

START_TEST(memory_runs_out)
{
    struct rows rows;
    begin();
    const char *text = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n";
    ck_ok(load_text(&glue_rte, "dev", text, 0, &rows));
    status st = ST_MEMORY;
    int n = 0;
    for (; st != ST_OK; n++) {
        struct arena *other = arena_new("other");
        arena_fail_after(n + 1);
        st = glue_rte.load(&glue_rte, &glue_rte.set[1], root, 0, other, &rows);
        arena_fail_after(0);
        ck_assert(st == ST_OK || st == ST_MEMORY);
        arena_free(other);
    }
    ck_assert_int_gt(n, 5);
    arena_free(arena);
}
END_TEST

START_TEST(table_is_sound)
{
    int n = 0;
    for (; task_table[n]; n++) {
        const struct task *t = task_table[n];
        ck_assert_ptr_eq(task_find(t->name), t);
        ck_assert(t->summary && t->load && t->max_len > 0 && t->metric[0]);
        if (t->kind != TASK_CLASSES) continue;
        ck_assert(t->labels == 1 ? t->lo < t->hi : t->label_name[t->labels - 1] && !t->label_name[t->labels]);
        for (const struct task_set *s = t->set; s->name; s++)
            ck_assert_int_eq(s->kind == SET_TEST, s->submission != NULL);
    }
    ck_assert_int_ge(n, 10);
    ck_assert_ptr_null(task_find("nli"));
}
END_TEST

PG_TESTS(LOOP_TEST(official_counts, 0, OFFICIAL), TEST(partial_qqp), TEST(stsb_scores), TEST(folders),
         TEST(cola_without_header_and_last_line_end), TEST(mrpc_mark_and_quotes), TEST(qqp_missing_fields),
         TEST(mnli_columns), TEST(label_orders), TEST(columns_by_name),
         LOOP_TEST(bad_rows, 0, sizeof bad / sizeof bad[0]), TEST(bad_scores), TEST(nul_byte), TEST(memory_runs_out),
         TEST(table_is_sound))
