/* Language-model tasks: styles, target tokens, limits, blocks, counts of the real files, faults. */
#include "tests/pgtest.h"

#include "core/text.h"
#include "datasets/lm.h"
#include "tests/tiny_lm.h"
#include "tests/tokens_golden.h"

static struct arena *arena;
static struct task *task;
static struct tokenizer *tokenizer;
static char root[4300], ini[4400];

static void begin(void)
{
    if (arena) return;
    arena = arena_new("test");
    notice_quiet(1);
    snprintf(root, sizeof root, "%s", fresh_folder());
    snprintf(ini, sizeof ini, "%s/my.ini", root);
    ck_ok(tokenizer_open(tiny_lm_tokenizer(), arena, &tokenizer));
}

static status make(const char *section)
{
    begin();
    char *text = arena_strdup(arena, section), *rest = NULL;
    struct key_value kv[16];
    int n = 0;
    for (char *p = strtok_r(text, ";", &rest); p; p = strtok_r(NULL, ";", &rest), n++) {
        char *eq = strchr(p, '=');
        *eq = 0;
        kv[n] = (struct key_value){p, eq + 1, ini, 11 + n};
    }
    return usertask_make("my", kv, n, ini, arena, &task);
}

static status load(int max_len, struct tokens *t)
{
    return tokens_load(task, task->set, NULL, 0, tokenizer, max_len, NULL, true, arena, t);
}

/* A sequence as text: "<" begin, ">" end, target tokens in upper case. */
static const char *shown(const struct tokens *t, int i)
{
    struct text out = {0};
    ck_ok(text_put(&out, ""));
    for (uint64_t k = t->offset[i]; k < t->offset[i + 1]; k++) {
        size_t from = out.n;
        if (t->ids[k] == TINY_LM_END)
            ck_ok(text_put(&out, k == t->offset[i] ? "<" : ">"));
        else
            ck_ok(tokenizer_decode(tokenizer, &t->ids[k], 1, &out));
        for (char *p = out.s + from; t->types[k] && *p; p++)
            if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 32);
    }
    const char *copy = arena_strdup(arena, out.s);
    text_free(&out);
    return copy;
}

#define COMPLETION "style=completion;format=csv;train=t.csv;dev=t.csv;prompt={q} says:;completion={a}"

START_TEST(completion)
{
    struct tokens t;
    ck_ok(make(COMPLETION));
    write_text(root, "t.csv", "q,a\nsue,yes\n\"a, b\",no\n");
    ck_ok(load(100, &t));
    ck_assert_int_eq(t.n, 2);
    ck_assert_str_eq(shown(&t, 0), "<sue says: YES>");
    ck_assert_str_eq(shown(&t, 1), "<a, b says: NO>");
    ck_assert_float_eq(t.label[0], 5); /* the blank, three letters, the end */
    ck_assert_float_eq(t.label[1], 4);
    ck_assert_int_eq(t.truncated, 0);
    ck_assert_int_eq(t.types[t.offset[2] - 1], 1);
    ck_ok(make(COMPLETION ";separator=newline;bos=no;end=no"));
    ck_ok(load(100, &t));
    ck_assert_str_eq(shown(&t, 0), "sue says:\nYES");
    ck_ok(make(COMPLETION ";separator=none;max_prompt=4;max_completion=2"));
    ck_ok(load(100, &t));
    ck_assert_str_eq(shown(&t, 0), "<sueYE"); /* the begin token counts, the end token is cut */
    ck_assert_int_eq(t.truncated, 2);
    ck_ok(make(COMPLETION));
    ck_ok(load(14, &t)); /* the second one keeps a target, the first too */
    ck_assert_str_eq(shown(&t, 0), "<sue says: YES");
    ck_assert_int_eq(t.truncated, 2);
    ck_ok(load(11, &t)); /* the second one's are all cut away */
    ck_assert_int_eq(t.n, 1);
    ck_assert_str_eq(shown(&t, 0), "<sue says: ");
}
END_TEST

START_TEST(alpaca)
{
    struct tokens t;
    ck_ok(make("style=alpaca;train=t.jsonl;dev=t.jsonl"));
    write_text(
        root, "t.jsonl",
        "{\"instruction\": \"add\", \"input\": \"1 2\", \"output\": \"three\"}\n"
        "{\"instruction\": \"greet\", \"output\": \"hi\"}\n{\"output\": \"z\", \"input\": \"\", \"instruction\": "
        "\"w\"}");
    ck_ok(load(1000, &t));
    ck_assert_int_eq(t.n, 3);
    ck_assert_str_eq(shown(&t, 0),
                     "<Below is an instruction that describes a task, paired with an input that provides further "
                     "context. Write a response that appropriately completes the request.\n\n### Instruction:\nadd\n\n"
                     "### Input:\n1 2\n\n### Response: THREE>");
    ck_assert_str_eq(shown(&t, 1),
                     "<Below is an instruction that describes a task. Write a response that appropriately completes "
                     "the request.\n\n### Instruction:\ngreet\n\n### Response: HI>");
    ck_assert_ptr_nonnull(strstr(shown(&t, 2), "Instruction:\nw\n\n### Response: Z>"));
}
END_TEST

START_TEST(guanaco)
{
    struct tokens t;
    const char *row = "{\"text\": \"### Human: hi### Assistant: yo ho### Human: a### Assistant: b\"}\n";
    ck_ok(make("style=guanaco;train=t.jsonl;dev=t.jsonl;max_prompt=16;max_completion=512"));
    write_text(root, "t.jsonl", row);
    ck_ok(load(1000, &t));
    ck_assert_str_eq(shown(&t, 0), "<### HUMAN: HI### ASSISTANT: YO HO### HUMAN: A### ASSISTANT: B>");
    ck_ok(make("style=guanaco;train=t.jsonl;dev=t.jsonl;turns=assistant"));
    ck_ok(load(1000, &t));
    ck_assert_str_eq(shown(&t, 0), "<### Human: hi### Assistant: YO HO### Human: a### Assistant: B>");
}
END_TEST

START_TEST(plain_text)
{
    struct tokens t;
    ck_ok(make("style=text;train=t.txt;dev=t.txt"));
    write_text(root, "t.txt", "one two\nthree");
    ck_ok(load(6, &t)); /* blocks of the begin token and five more */
    ck_assert_int_eq(t.n, 3);
    ck_assert_str_eq(shown(&t, 0), "<ONE T");
    ck_assert_str_eq(shown(&t, 1), "<WO\nTH");
    int targets = 0;
    for (int i = 0; i < t.n; i++) targets += (int)t.label[i];
    ck_assert_int_eq(targets, 13); /* each predicted once */
    ck_ok(make("style=text;train=t.txt;dev=t.txt;bos=no"));
    ck_ok(load(6, &t));
    ck_assert_int_eq(t.n, 2); /* a last block of one token has nothing to predict */
    ck_assert_float_eq(t.label[0], 5);
    ck_assert_int_eq((int)(t.offset[2] - t.offset[1]), 6);
    ck_assert_int_eq(t.rows.n, 1);
    struct tokens two;
    ck_ok(make("style=text;train=t.txt;dev=t.txt"));
    ck_ok(tokens_load(task, task->set, NULL, 1, tokenizer, 100, NULL, false, arena, &two));
    ck_assert_str_eq(shown(&two, 0), "<ONE TWO\n"); /* the first line */
}
END_TEST

START_TEST(packed)
{
    struct tokens t;
    ck_ok(make(COMPLETION ";pack=yes;separator=none"));
    write_text(root, "t.csv", "q,a\nab,cd\nx,y\n");
    ck_ok(load(12, &t));
    ck_assert_int_eq(t.n, 2);
    ck_assert_str_eq(shown(&t, 0), "<ab says:CD>");
    ck_assert_str_eq(shown(&t, 1), "<x says:Y>");
    ck_ok(load(8, &t));
    /* the first block has no target: left out */
    ck_assert_int_eq(t.n, 2);
    ck_assert_str_eq(shown(&t, 0), ":CD>>x s");
    ck_assert_str_eq(shown(&t, 1), "ays:Y>");
    ck_assert_float_eq(t.label[0], 3);
}
END_TEST

START_TEST(prompts)
{
    struct tokens t;
    struct ids ids = {0};
    int *first, *of, n;
    ck_ok(make(COMPLETION));
    write_text(root, "t.csv", "q,a\nb,1\na,2\nb,3\nc,4\na,5\n");
    ck_ok(load(100, &t));
    ck_ok(lm_prompts(&t.rows, arena, &first, &of, &n));
    ck_assert_int_eq(n, 3);
    static const int want_first[] = {0, 1, 3}, want_of[] = {0, 1, 0, 2, 1};
    ck_assert_mem_eq(first, want_first, sizeof want_first);
    ck_assert_mem_eq(of, want_of, sizeof want_of);
    ck_ok(lm_prompt_ids(task, tokenizer, "she", 100, &ids));
    ck_assert_int_eq(ids.n, 3);
    ck_assert_int_eq(ids.id[0], TINY_LM_END);
    ck_assert_int_eq(ids.id[2], TINY_LM_END - 1);
    ck_ok(lm_prompt_ids(task, tokenizer, "abcdef", 3, &ids));
    ck_assert_int_eq(ids.n, 3);
    ck_assert_int_eq(ids.id[0], TINY_LM_END);
    ck_assert_int_eq(ids.id[1], 'e');
    ids_free(&ids);
}
END_TEST

/* Two ways to cut the same rows do not share a cache file; other files of tokens keep their names. */
START_TEST(cache_keys)
{
    struct tokens a, b;
    begin();
    write_text(root, "t.csv", "q,a\nsue,yes\n");
    ck_ok(make(COMPLETION));
    ck_ok(tokens_load(task, task->set, NULL, 0, tokenizer, 100, root, false, arena, &a));
    ck_ok(make(COMPLETION ";end=no"));
    ck_ok(tokens_load(task, task->set, NULL, 0, tokenizer, 100, root, false, arena, &b));
    ck_assert_str_eq(a.data_hash, b.data_hash);
    ck_assert_str_ne(a.key, b.key);
    ck_assert_int_eq((int)a.offset[1], (int)b.offset[1] + 1);
    ck_ok(make(COMPLETION));
    struct tokens again;
    ck_ok(tokens_load(task, task->set, NULL, 0, tokenizer, 100, root, false, arena, &again));
    ck_assert_str_eq(shown(&again, 0), shown(&a, 0));
    ck_assert_float_eq(again.label[0], 5);
    tokens_close(&a);
    tokens_close(&b);
    tokens_close(&again);
}
END_TEST

START_TEST(official_counts)
{
    static const int want[] = {42061, 4672, 4693};
    NEED_SHARED("data/e2e");
    begin();
    for (int i = 0; i < 3; i++) {
        struct rows rows;
        int *first, *of, n;
        ck_ok(lm_load(&lm_e2e, &lm_e2e.set[i], shared_path("data"), 0, arena, &rows));
        ck_assert_int_eq(rows.n, want[i]);
        ck_ok(lm_prompts(&rows, arena, &first, &of, &n));
        if (i) ck_assert_int_eq(n, i == 1 ? 547 : 630);
    }
    struct rows text;
    ck_ok(lm_load(&lm_wikitext2, task_set_find(&lm_wikitext2, "dev"), shared_path("data"), 0, arena, &text));
    ck_assert_uint_eq(strlen(text.b[0]), 1146846);
    ck_assert_str_eq(task_set_find(&lm_wikitext2_valid, "dev")->file, "wiki.test.raw");
}
END_TEST

static const struct {
    const char *section, *file, *text, *part;
} bad[] = {{COMPLETION, "t.csv", "q,b\nx,y\n", "t.csv:1: no column is called 'a'"},
           {COMPLETION, "t.csv", "q,a\nx,y\nz\n", "t.csv:3: column 2: the record has 1 fields, expected 2"},
           {COMPLETION, "t.csv", "q,a\nx,\n", "t.csv:2: the text to be learnt ({a}) is empty"},
           {COMPLETION, "t.csv", "q,a\n", "t.csv: the file holds no rows"},
           {COMPLETION, "t.csv", "q,a\nx,\"y\n", "t.csv:2: column 2: a quoted field is never closed"},
           {"style=alpaca;train=t.jsonl;dev=t.jsonl", "t.jsonl", "{\"instruction\": \"x\", \"input\": \"\"}\n",
            "t.jsonl:1: column 3 (output): missing, expected text"},
           {"style=alpaca;train=t.jsonl;dev=t.jsonl", "t.jsonl", "{\"instruction\": \"x\", \"output\": 1,}\n",
            "t.jsonl:1: column"},
           {"style=guanaco;train=t.jsonl;dev=t.jsonl", "t.jsonl", "{\"text\": [\"x\"]}\n",
            "t.jsonl:1: key 'text' holds an object or a list"},
           {"style=text;train=t.txt;dev=t.txt", "t.txt", "", "t.txt: the file is empty"},
           {"style=text;train=none.txt;dev=t.txt", "t.txt", "", "none.txt is missing: it is the train set of task my"}};
START_TEST(bad_files)
{
    struct tokens t;
    ck_ok(make(bad[_i].section));
    write_text(root, bad[_i].file, bad[_i].text);
    ck_fails(load(100, &t), ST_INPUT, bad[_i].part);
}
END_TEST

START_TEST(bad_sections)
{
    ck_fails(make("style=poem;train=t;dev=t"), ST_USAGE, "my.ini:11: ");
    ck_fails(make("style=text;dev=t"), ST_USAGE, "[task my] lacks 'train'");
    ck_fails(make("style=text;train=t"), ST_USAGE, "[task my] lacks 'dev'");
    ck_ok(make("style=text;train=t;benchmark=mmlu"));
    ck_assert_str_eq(task->benchmark_name, "mmlu");
    ck_fails(make("style=completion;train=t;dev=t"), ST_USAGE, "lacks 'completion'");
    ck_fails(make("style=text;train=t;dev=t;prompt={a}"), ST_USAGE, "my.ini:14: templates are for style = completion");
    ck_fails(make("style=text;train=t;dev=t;turns=assistant"), ST_USAGE, "style = guanaco");
    ck_fails(make("style=text;train=t;dev=t;generate=5"), ST_USAGE, "generate needs a dev set of prompts");
    ck_fails(make("style=text;train=t;dev=t;label=x"), ST_USAGE, "my.ini:14: ");
    struct tokens t;
    ck_ok(make("style=completion;train=t.csv;dev=t.csv;format=csv;completion={a;bos=no"));
    write_text(root, "t.csv", "q,a\nsue,yes\n");
    ck_fails(load(9, &t), ST_USAGE, "has a { without }");
}
END_TEST

PG_TESTS(TEST(completion), TEST(alpaca), TEST(guanaco), TEST(plain_text), TEST(packed), TEST(prompts), TEST(cache_keys),
         TEST(official_counts), LOOP_TEST(bad_files, 0, sizeof bad / sizeof bad[0]), TEST(bad_sections))
