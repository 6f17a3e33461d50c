/* A user's task: every format, every fault of the section and of the files. */
#include "tests/pgtest.h"

#include "bench/metrics.h"
#include "core/file.h"
#include "datasets/dataset.h"

static const char *root;
static char ini[4096];
static struct arena *arena;
static struct task *task;

static void begin(void)
{
    root = temp_dir();
    snprintf(ini, sizeof ini, "%s/my.ini", root);
    arena = arena_new("test");
    notice_quiet(1);
}

static void put_file(const char *file, const char *text)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", root, file);
    ck_ok(file_write_atomic(path, text, strlen(text)));
}

/* Makes a task from "key=value;key=value"; the first key stands in line 11. */
static status make(const char *section)
{
    char *text = arena_strdup(arena, section), *rest = NULL;
    struct key_value kv[32];
    int n = 0;
    for (char *p = strtok_r(text, ";", &rest); p; p = strtok_r(NULL, ";", &rest), n++) {
        char *eq = strchr(p, '=');
        *eq = 0;
        kv[n] = (struct key_value){p, eq + 1, ini, 11 + n};
    }
    return usertask_make("my", kv, n, ini, arena, &task);
}

static status load(const char *set, struct rows *rows)
{
    return task->load(task, task_set_find(task, set), NULL, 0, arena, rows);
}

#define CSV "format=csv;train=t.csv;dev=t.csv;text_a=text;label=class;label_names=no, yes"

START_TEST(csv)
{
    struct rows rows;
    begin();
    ck_ok(make(CSV ";test=u.csv;id=key;text_b=other"));
    ck_assert_str_eq(task->name, "my");
    ck_assert_int_eq(task->labels, 2);
    ck_assert_str_eq(task->metric[0], "accuracy");
    ck_assert(task->pair);
    put_file("t.csv", "\xef\xbb\xbfkey,text,class,other\r\n"
                      "1,plain,yes,\"a, b\"\r\n"
                      "2,\"two\r\nlines\",no,\"he said \"\"hi\"\"\"\r\n"
                      "3,in\"side,\"yes\",\"\"\"\"");
    ck_ok(load("train", &rows));
    ck_assert_int_eq(rows.n, 3);
    ck_assert_str_eq(rows.a[1], "two\r\nlines");
    ck_assert_str_eq(rows.b[0], "a, b");
    ck_assert_str_eq(rows.b[1], "he said \"hi\"");
    ck_assert_str_eq(rows.a[2], "in\"side");
    ck_assert_str_eq(rows.b[2], "\"");
    ck_assert_float_eq(rows.label[0], 1);
    ck_assert_float_eq(rows.label[1], 0);
    ck_assert_ptr_null(rows.row_id);
    put_file("u.csv", "key,text,other\nx7,a,b\n");
    ck_ok(load("test", &rows)); /* no label column: unlabelled */
    ck_assert_ptr_null(rows.label);
    ck_assert_str_eq(rows.row_id[0], "x7");
    put_file("u.csv", "key,class,text,other\nx7,yes,a,b\n");
    ck_ok(load("test", &rows));
    ck_assert_float_eq(rows.label[0], 1);
    arena_free(arena);
}
END_TEST

START_TEST(bad_csv)
{
    static const char *const file[][2] = {
        {"text,class\na,yes\n\"b\nc\",perhaps\n", "t.csv:3: column 2 (class): 'perhaps', expected one of: no, yes"},
        {"text,class\na,yes\n\"b,no\n", "t.csv:3: column 1: a quoted field is never closed"},
        {"text,class\n\"a\nb\"c,yes\n", "t.csv:3: column 1: text after a closing quote"},
        {"text,class\n\"a\nb\",yes\nonly\n", "t.csv:4: column 2: the line has 1 fields, expected 2"},
        {"text,klass\na,yes\n", "t.csv:1: no column is called 'class'; the columns are: text, klass"},
    };
    struct rows rows;
    begin();
    ck_ok(make(CSV));
    put_file("t.csv", file[_i][0]);
    ck_fails(load("dev", &rows), ST_INPUT, file[_i][1]);
    arena_free(arena);
}
END_TEST

START_TEST(json_lines)
{
    struct rows rows;
    begin();
    ck_ok(make("format=jsonl;train=t.jsonl;dev=t.jsonl;test=u.jsonl;text_a=q;text_b=s;label=y;id=id;"
               "label_names=false,true,2"));
    put_file("t.jsonl", "{\"q\": \"a \\\"b\\\"\\n\\u00e9\", \"s\": \"c\", \"y\": true, \"extra\": [1]}\n"
                        "{\"y\": 2, \"s\": \"tab\\t\", \"q\": 3.5}\r\n");
    ck_ok(load("train", &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_str_eq(rows.a[0], "a \"b\"\n\xc3\xa9");
    ck_assert_str_eq(rows.a[1], "3.5");
    ck_assert_float_eq(rows.label[0], 1);
    ck_assert_float_eq(rows.label[1], 2);
    put_file("u.jsonl", "{\"q\": \"a\", \"s\": \"b\", \"id\": 12}\n");
    ck_ok(load("test", &rows));
    ck_assert_ptr_null(rows.label);
    ck_assert_str_eq(rows.row_id[0], "12");
    put_file("t.jsonl", "{\"q\": \"a\", \"s\": \"b\", \"y\": 2}\n{\"q\": \"a\", \"y\": 2}\n");
    ck_fails(load("train", &rows), ST_INPUT, "t.jsonl:2: column 2 (s): missing, expected text");
    put_file("t.jsonl", "{\"q\": \"a\", \"s\": \"b\"}\n");
    ck_fails(load("train", &rows), ST_INPUT, "t.jsonl:1: column 3 (y): missing, expected a label");
    put_file("t.jsonl", "{\"q\": \"a\", \"s\": \"b\", \"y\": 2}\n{\"q\": \"a\"\n");
    ck_fails(load("train", &rows), ST_INPUT, "t.jsonl:2: column");
    put_file("t.jsonl", "[1]\n");
    ck_fails(load("train", &rows), ST_INPUT, "t.jsonl:1: expected a JSON object");
    put_file("t.jsonl", "{\"q\": {}, \"s\": \"b\", \"y\": 2}\n");
    ck_fails(load("train", &rows), ST_INPUT, "t.jsonl:1: key 'q' holds an object or a list");
    arena_free(arena);
}
END_TEST

START_TEST(tsv_by_number)
{
    struct rows rows;
    begin();
    ck_ok(make("format=tsv;header=no;train=t.tsv;dev=t.tsv;test=u.tsv;text_a=3;label=1;regression=yes;lo=-1;hi=1;"
               "max_len=32"));
    ck_assert_int_eq(task->labels, 1);
    ck_assert_int_eq(task->max_len, 32);
    ck_assert_str_eq(task->metric[0], "pearson");
    ck_assert_str_eq(task->metric[1], "spearman");
    put_file("t.tsv", "-0.5\tx\tone \"text\tmore\n1e-1\ty\ttwo\tmore\n");
    ck_ok(load("train", &rows));
    ck_assert_int_eq(rows.n, 2);
    ck_assert_str_eq(rows.a[0], "one \"text");
    ck_assert_float_eq(rows.label[0], -0.5f);
    ck_assert_float_eq(rows.label[1], 0.1f);
    put_file("t.tsv", "-0.5\tx\tone\n1.5\ty\ttwo\n");
    ck_fails(load("dev", &rows), ST_INPUT, "t.tsv:2: column 1: '1.5', expected a number from -1 to 1");
    put_file("t.tsv", "0.5\tx\n");
    ck_fails(load("dev", &rows), ST_INPUT, "t.tsv:1: column 3: the line has 2 fields");
    ck_fails(load("test", &rows), ST_INPUT, "u.tsv is missing: it is the test set of task my");
    ck_ok(make("format=tsv;header=no;train=t.tsv;dev=t.tsv;text_a=text;label=1;label_names=a,b"));
    ck_fails(load("dev", &rows), ST_INPUT, "'text' is no column number");
    ck_ok(make("format=tsv;header=no;train=t.tsv;dev=t.tsv;test=u.tsv;text_a=1;label=2;label_names=a,b"));
    put_file("u.tsv", "text\nother\n");
    ck_ok(load("test", &rows)); /* too narrow for labels: unlabelled */
    ck_assert_ptr_null(rows.label);
    ck_assert_int_eq(rows.n, 2);
    arena_free(arena);
}
END_TEST

START_TEST(bad_sections)
{
    static const char *const section[][2] = {
        {"format=tsv;trian=t", "my.ini:12: unknown option 'trian'; did you mean 'train'?"},
        {"format=xml", "my.ini:11: option format is 'xml', expected one of tsv, csv, jsonl"},
        {"train=t;dev=d;text_a=x;label=y;label_names=a,b", "[task my] lacks 'format'"},
        {"format=tsv;train=t;dev=d;label=y;label_names=a,b", "[task my] lacks 'text_a'"},
        {"format=tsv;train=;dev=d;text_a=x;label=y", "my.ini:12: [task my] lacks 'train'"},
        {"format=tsv;train=t;dev=d;text_a=x;label=y", "has 0 label_names, expected 2 to 64"},
        {CSV ";regression=yes", "my.ini:16: label_names and regression = yes exclude each other"},
        {CSV ";lo=1", "my.ini:17: lo and hi are for regression = yes"},
        {CSV ";metric=acuracy", "my.ini:17: unknown metric 'acuracy', did you mean 'accuracy'?"},
        {CSV ";metric=accuracy, pearson", "my.ini:17: metric 'pearson' is for regression = yes"},
        {CSV ",maybe;metric=f1", "my.ini:17: metric 'f1' is for two classes, the task has 3"},
        {CSV ", no", "my.ini:16: label 'no' is named twice"},
        {CSV ";label=x", "my.ini:17: label was already given in line 15"},
        {CSV ";max_len=1", "my.ini:17: option max_len is '1', expected an integer of 4 to 65536"},
        {"format=tsv;train=t;dev=d;text_a=x;label=y;regression=yes;lo=2;hi=1", "my.ini:17: lo = 2 is above hi = 1"},
    };
    begin();
    ck_fails(make(section[_i][0]), ST_USAGE, section[_i][1]);
    arena_free(arena);
}
END_TEST

START_TEST(built_in_names_are_taken)
{
    struct key_value kv = {"format", "tsv", ini, 3};
    begin();
    ck_fails(usertask_make("cola", &kv, 1, ini, arena, &task), ST_USAGE, "task 'cola' is built in");
    arena_free(arena);
}
END_TEST

/* Every metric of the program can be asked for, and none that it lacks. */
START_TEST(metrics_are_those_of_the_program)
{
    begin();
    for (const struct metric *m = metric_table; m->name; m++) {
        if (m->use != METRIC_CLASSES && m->use != METRIC_VALUES) continue;
        const char *base =
            m->use == METRIC_VALUES ? "format=csv;train=t.csv;dev=t.csv;text_a=text;label=class;regression=yes" : CSV;
        ck_ok(make(arena_printf(arena, "%s;metric=%s", base, m->name)));
        ck_assert_str_eq(task->metric[0], m->name);
    }
    static const char *const known[] = {"accuracy", "f1", "macro_f1", "matthews", "pearson", "spearman", "mse"};
    for (int i = 0; i < 7; i++) ck_assert_ptr_nonnull(metric_find(known[i]));
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(metrics_are_those_of_the_program), TEST(csv), LOOP_TEST(bad_csv, 0, 5), TEST(json_lines),
         TEST(tsv_by_number), LOOP_TEST(bad_sections, 0, 15), TEST(built_in_names_are_taken))
