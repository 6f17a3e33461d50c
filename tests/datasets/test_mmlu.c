/* MMLU: the official files and their counts, prompts letter by letter, truncation rules, letters, faults. */
#include "tests/pgtest.h"

#include <jansson.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/mmlu.h"
#include "tests/tiny_lm.h"
#include "tests/tokens_golden.h"

static struct arena *arena;
static struct task *task;
static struct tokenizer *tokenizer;

/* A task from "key=value;key=value". */
static status make(const char *section)
{
    if (!arena) arena = arena_new("test");
    notice_quiet(1);
    char *text = arena_strdup(arena, section), *rest = NULL;
    struct key_value kv[16];
    int n = 0;
    for (char *p = strtok_r(text, ";", &rest); p; p = strtok_r(NULL, ";", &rest), n++) {
        char *eq = strchr(p, '=');
        *eq = 0;
        kv[n] = (struct key_value){p, eq + 1, "my.ini", 11 + n};
    }
    return usertask_make("my", kv, n, "my.ini", arena, &task);
}

static status load(const char *root, int max, struct rows *rows)
{
    return task->load(task, task->set, root, max, arena, rows);
}

static void open_tokenizer(void)
{
    ck_ok(tokenizer_open(tiny_lm_tokenizer(), arena, &tokenizer));
}

/* The prompts of the task's rows as the text of their tokens. */
static char *prompt_text(const struct tokens *t, int i)
{
    struct text out = {0};
    ck_ok(text_put(&out, ""));
    ck_ok(tokenizer_decode(tokenizer, t->ids + t->offset[i], (int)(t->offset[i + 1] - t->offset[i]), &out));
    char *copy = arena_strdup(arena, out.s);
    text_free(&out);
    return copy;
}

#define TWO ";subjects=anatomy, virology"

START_TEST(official_counts)
{
    static const struct {
        const char *set;
        int rows, least, most;
    } want[] = {{"test", 14042, 100, 1534}, {"val", 1531, 8, 170}, {"dev", 285, 5, 5}};
    NEED_SHARED("data/mmlu");
    for (int i = 0; i < 3; i++) {
        struct rows rows;
        int count[MMLU_SUBJECTS] = {0};
        char section[64];
        snprintf(section, sizeof section, "format=mmlu;set=%s", want[i].set);
        ck_ok(make(section));
        ck_ok(load(shared_path("data"), 0, &rows));
        ck_assert_int_eq(rows.n, want[i].rows);
        for (int k = 0; k < rows.n; k++) count[rows.group[k]]++;
        int least = count[0], most = count[0];
        for (int s = 0; s < MMLU_SUBJECTS; s++) {
            least = count[s] < least ? count[s] : least;
            most = count[s] > most ? count[s] : most;
        }
        ck_assert_int_eq(least, want[i].least);
        ck_assert_int_eq(most, want[i].most);
    }
}
END_TEST

START_TEST(categories)
{
    int count[MMLU_CATEGORIES] = {0}, lm_eval[MMLU_CATEGORIES] = {0};
    static const int want[] = {18, 13, 12, 14}, want_lm_eval[] = {19, 13, 12, 13};
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        if (i) ck_assert_int_lt(strcmp(mmlu_subject_table[i - 1].name, mmlu_subject_table[i].name), 0);
        ck_assert_int_eq(mmlu_subject_find(mmlu_subject_table[i].name), i);
        count[mmlu_category(MMLU_QLORA, i)]++;
        lm_eval[mmlu_category(MMLU_LM_EVAL, i)]++;
    }
    for (int c = 0; c < MMLU_CATEGORIES; c++) {
        ck_assert_int_eq(count[c], want[c]);
        ck_assert_int_eq(lm_eval[c], want_lm_eval[c]);
    }
    ck_assert_int_eq(mmlu_subject_find("alchemy"), -1);
}
END_TEST

START_TEST(golden_prompts)
{
    NEED_SHARED("data/mmlu");
    NEED_SHARED("golden/models/smollm2_mmlu");
    json_error_t e;
    json_t *list = json_load_file(shared_path("golden/models/smollm2_mmlu/mmlu_prompts.json"), 0, &e), *row;
    ck_assert_ptr_nonnull(list);
    struct rows rows[2];
    struct text text = {0};
    size_t i;
    ck_ok(make("format=mmlu;scoring=hendrycks"));
    ck_ok(load(shared_path("data"), 0, &rows[0]));
    ck_ok(make("format=mmlu;scoring=hendrycks;shots=5"));
    ck_ok(load(shared_path("data"), 0, &rows[1]));
    json_array_foreach(list, i, row)
    {
        int shots = (int)json_integer_value(json_object_get(row, "shots"));
        int subject = mmlu_subject_find(json_string_value(json_object_get(row, "subject")));
        int at = (int)json_integer_value(json_object_get(row, "index"));
        const struct rows *r = &rows[shots > 0];
        int first = 0;
        while (r->group[first] != subject) first++;
        ck_ok(mmlu_prompt(r->b[first + at], r->a[first + at], shots, &text));
        char *two = strstr(text.s, "about  ");
        memmove(two + 6, two + 7, strlen(two + 7) + 1); /* the golden file has one space, and does not trim */
        ck_assert_str_eq(text.s, json_string_value(json_object_get(row, "prompt")));
        ck_assert_int_eq((int)r->label[first + at], json_string_value(json_object_get(row, "answer"))[0] - 'A');
    }
    text_free(&text);
    json_decref(list);
}
END_TEST

#define HEAD "The following are multiple choice questions (with answers) about"
#define SHOT_1 "Shot 1?\nA. a\nB. b\nC. c\nD. d\nAnswer: A\n\n"
#define SHOT_2 "Shot 2?\nA. e\nB. f\nC. g\nD. h\nAnswer: B\n\n"
#define ASKED "\nA. p\nB. q, r\nC. s\nD. t\nAnswer:"

START_TEST(prompts)
{
    static const struct {
        const char *section, *text;
        bool bos;
    } want[] = {
        {"format=mmlu" TWO, HEAD " anatomy.\n\nWhich one, \n\"x\"?" ASKED, false},
        {"format=mmlu;shots=2" TWO, HEAD " anatomy.\n\n" SHOT_1 SHOT_2 "Which one, \n\"x\"?" ASKED, false},
        {"format=mmlu;scoring=hendrycks;shots=1" TWO, HEAD "  anatomy.\n\n" SHOT_1 " Which one, \n\"x\"?" ASKED, false},
        {"format=mmlu;scoring=qlora" TWO, HEAD "  anatomy.\n\n Which one, \n\"x\"?" ASKED, true},
        {"format=mmlu;scoring=qlora;bos=no" TWO, HEAD "  anatomy.\n\n Which one, \n\"x\"?" ASKED, false},
        {"format=mmlu;bos=yes" TWO, HEAD " anatomy.\n\nWhich one, \n\"x\"?" ASKED, true}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct tokens t;
        ck_ok(make(want[i].section));
        open_tokenizer();
        ck_ok(tokens_load(task, task->set, tiny_mmlu(), 0, tokenizer, 2048, NULL, true, arena, &t));
        ck_assert_int_eq(t.n, 7);
        ck_assert_int_eq(t.truncated, 0);
        ck_assert_str_eq(prompt_text(&t, 0), want[i].text);
        ck_assert_int_eq(t.ids[0] == TINY_LM_END, want[i].bos);
        ck_assert_float_eq(t.label[0], 2);
        ck_assert_float_eq(t.label[6], 3);
        ck_assert_int_eq(t.rows.group[0], mmlu_subject_find("anatomy"));
        ck_assert_int_eq(t.rows.group[6], mmlu_subject_find("virology"));
        tokens_close(&t);
        tokenizer_close(tokenizer);
    }
}
END_TEST

/* What each protocol does with a prompt that is too long. */
START_TEST(truncation)
{
    struct tokens t;
    char *text;
    ck_ok(make("format=mmlu;scoring=hendrycks;shots=3" TWO));
    open_tokenizer();
    /* "Second?" with three shots takes about 230 bytes: two fit, for virology (two shots) all */
    ck_ok(tokens_load(task, task->set, tiny_mmlu(), 0, tokenizer, 200, NULL, false, arena, &t));
    text = prompt_text(&t, 1);
    ck_assert_ptr_nonnull(strstr(text, "Shot 2?"));
    ck_assert_ptr_null(strstr(text, "Shot 3?"));
    ck_assert_int_eq(strncmp(text, HEAD, strlen(HEAD)), 0);
    ck_assert_str_eq(text + strlen(text) - 7, "Answer:");
    ck_assert_int_ge(t.truncated, 3);
    /* not even without shots: the start goes */
    ck_ok(tokens_load(task, task->set, tiny_mmlu(), 0, tokenizer, 20, NULL, false, arena, &t));
    text = prompt_text(&t, 1);
    ck_assert_int_eq((int)(t.offset[2] - t.offset[1]), 20);
    ck_assert_str_eq(text + strlen(text) - 7, "Answer:");
    ck_assert_int_eq(t.truncated, 7);
    tokenizer_close(tokenizer);

    ck_ok(make("format=mmlu;scoring=qlora;shots=2" TWO));
    open_tokenizer();
    ck_ok(tokens_load(task, task->set, tiny_mmlu(), 0, tokenizer, 60, NULL, false, arena, &t));
    text = prompt_text(&t, 1); /* the begin token and 59 more, some of two letters */
    ck_assert_int_eq(t.ids[t.offset[1]], TINY_LM_END);
    ck_assert_int_eq((int)(t.offset[2] - t.offset[1]), 60);
    ck_assert_int_eq(strncmp(text, HEAD, 40), 0);
    tokenizer_close(tokenizer);

    ck_ok(make("format=mmlu;shots=2;bos=yes" TWO));
    open_tokenizer();
    ck_ok(tokens_load(task, task->set, tiny_mmlu(), 0, tokenizer, 60, NULL, false, arena, &t));
    text = prompt_text(&t, 1);
    ck_assert_int_eq(t.ids[t.offset[1]], TINY_LM_END);
    ck_assert_int_eq((int)(t.offset[2] - t.offset[1]), 60);
    ck_assert_ptr_null(strstr(text, HEAD));
    ck_assert_str_eq(text + strlen(text) - 7, "Answer:");
    tokenizer_close(tokenizer);
}
END_TEST

START_TEST(letters)
{
    int32_t id[MMLU_CHOICES];
    ck_ok(make("format=mmlu" TWO));
    open_tokenizer();
    ck_ok(mmlu_letters(mmlu_of(task), tokenizer, id));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(id[i], TINY_LM_BYTES + i); /* " A" */
    ck_ok(make("format=mmlu;scoring=qlora" TWO));
    ck_ok(mmlu_letters(mmlu_of(task), tokenizer, id));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(id[i], 'A' + i);
    tokenizer_close(tokenizer);
    ck_assert_ptr_null(mmlu_of(task_find("rte")));
}
END_TEST

/* Real tokenizers: one token a letter, Llama's with the blank in it and a begin token. */
START_TEST(real_letters)
{
    static const char *const folder[] = {"gpt2", "phi-2", "qwen2", "llama2"};
    NEED_SHARED("tokenizers/llama2");
    ck_ok(make("format=mmlu" TWO));
    const struct task *lm_eval = task;
    ck_ok(make("format=mmlu;scoring=qlora" TWO));
    for (int i = 0; i < 4; i++) {
        int32_t with[MMLU_CHOICES], without[MMLU_CHOICES];
        char path[100];
        struct tokens t;
        snprintf(path, sizeof path, "tokenizers/%s", folder[i]);
        ck_ok(tokenizer_open(shared_path(path), arena, &tokenizer));
        ck_ok(mmlu_letters(mmlu_of(lm_eval), tokenizer, with));
        ck_ok(mmlu_letters(mmlu_of(task), tokenizer, without));
        bool llama = i == 3;
        for (int k = 0; k < 4; k++) ck_assert_int_eq(with[k] == without[k], llama);
        ck_ok(tokens_load(lm_eval, lm_eval->set, tiny_mmlu(), 0, tokenizer, 2048, NULL, false, arena, &t));
        ck_assert_int_eq(t.ids[0] == tokenizer->bos, llama);
        tokenizer_close(tokenizer);
    }
}
END_TEST

/* The questions that a number of examples means: the first of every subject. */
START_TEST(first_of_each_subject)
{
    struct rows rows;
    ck_ok(make("format=mmlu" TWO));
    ck_ok(load(tiny_mmlu(), 2, &rows));
    ck_assert_int_eq(rows.n, 4);
    ck_assert_int_ne(rows.group[0], rows.group[2]);
    ck_ok(make("format=mmlu;subjects=virology"));
    ck_ok(load(tiny_mmlu(), 0, &rows));
    ck_assert_int_eq(rows.n, 4);
}
END_TEST

static const struct {
    const char *text, *part;
} bad[] = {{"Q,a,b,c,d\n", "_test.csv:1: column 6: the record has 5 fields, expected 6"},
           {"Q,a,b,c,d,A\nQ,a,b,c,d,e,A\n", ":2: column 7: the record has 7 fields"},
           {"Q,a,b,c,d,A\nQ,a,b,c,d,E\n", ":2: column 6: 'E', expected one of: A, B, C, D"},
           {"Q,a,b,c,d,AB\n", ":1: column 6: 'AB'"},
           {"Q,a,,c,d,A\n", ":1: column 3: empty, expected text"},
           {"\"Q\nQ\",a,b,c,d,A\nQ,a,b\x1e,c,d,A\n", ":3: column 3: holds a control character"},
           {"Q,a,\"b,c,d,A\n", ":1: column 3: a quoted field is never closed"},
           {"", "holds no questions"}};
START_TEST(bad_rows)
{
    struct rows rows;
    char folder[4300], root[4200];
    snprintf(root, sizeof root, "%s", fresh_folder());
    ck_ok(make("format=mmlu;subjects=virology"));
    ck_fails(load(root, 0, &rows), ST_INPUT, "mmlu/test is missing");
    snprintf(folder, sizeof folder, "%s/mmlu/test", root);
    ck_ok(file_make_dirs(folder));
    ck_fails(load(root, 0, &rows), ST_INPUT, "virology_test.csv is missing");
    write_text(folder, "virology_test.csv", bad[_i].text);
    ck_fails(load(root, 0, &rows), ST_INPUT, bad[_i].part);
}
END_TEST

START_TEST(bad_sections)
{
    ck_fails(make("format=mmlu;scorin=qlora"), ST_USAGE, "my.ini:12: ");
    ck_fails(make("format=mmlu;scoring=hellaswag"), ST_USAGE, "my.ini:12: ");
    ck_fails(make("format=mmlu;shots=6"), ST_USAGE, "5");
    ck_fails(make("format=mmlu;subjects=anatomi"), ST_USAGE, "did you mean 'anatomy'");
    ck_fails(make("format=mmlu;shots=5;set=dev"), ST_USAGE, "my.ini:12: the shots are taken from the dev set");
}
END_TEST

START_TEST(averages_by_protocol)
{
    ck_ok(make("format=mmlu;scoring=qlora"));
    ck_assert_str_eq(task->metric[0], "macro_accuracy");
    ck_ok(make("format=mmlu;scoring=hendrycks"));
    ck_assert_str_eq(task->metric[0], "accuracy");
    ck_ok(make("format=mmlu"));
    ck_assert_str_eq(task->metric[0], "accuracy");
    ck_assert_int_eq(task->kind, TASK_CHOICE);
    ck_assert_int_eq(mmlu_of(task)->protocol, MMLU_LM_EVAL);
}
END_TEST

PG_TESTS(TEST(official_counts), TEST(categories), TEST(golden_prompts), TEST(prompts), TEST(truncation), TEST(letters),
         TEST(real_letters), TEST(first_of_each_subject), LOOP_TEST(bad_rows, 0, sizeof bad / sizeof bad[0]),
         TEST(bad_sections), TEST(averages_by_protocol))
