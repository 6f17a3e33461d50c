/* Whole model inputs of real data against ids that the reference implementations recorded with the golden models. */
#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

#include <jansson.h>
#include "core/text.h"
#include "datasets/glue.h"

static struct arena *arena;

static json_t *read_json(const char *rest)
{
    json_error_t error;
    json_t *root = json_load_file(shared_path(rest), 0, &error);
    ck_assert_msg(root != NULL, "%s:%d: %s", error.source, error.line, error.text);
    return root;
}

static void add_ids(struct text *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        ck_ok(text_printf(out, i ? " %d" : "%d", (int)json_integer_value(json_array_get(list, i))));
}

static void load_dev(const struct task *task, struct rows *rows)
{
    char root[4096];
    snprintf(root, sizeof root, "%s", shared_path("data/glue"));
    for (const struct task_set *s = task->set; s->name; s++)
        if (strcmp(s->name, "dev") == 0) ck_ok(task->load(task, s, root, 0, arena, rows));
    ck_assert_int_gt(rows->n, 0);
}

START_TEST(pairs_of_glue)
{
    NEED_SHARED("golden/models/minilm_l6/batch.json");
    NEED_SHARED("tokenizers/bert-base-uncased/vocab.txt");
    NEED_SHARED("data/glue/RTE/dev.tsv");
    NEED_SHARED("data/glue/MRPC/dev.tsv");
    arena = arena_new("test");
    struct tokenizer *t;
    ck_ok(tokenizer_open(shared_path("tokenizers/bert-base-uncased"), arena, &t));
    struct rows rte, mrpc;
    load_dev(&glue_rte, &rte);
    load_dev(&glue_mrpc, &mrpc);
    json_t *batch = read_json("golden/models/minilm_l6/batch.json"), *v;
    size_t i;
    struct text want = {0};
    json_array_foreach(batch, i, v)
    {
        const char *source = json_string_value(json_object_get(v, "source"));
        int row = (int)json_integer_value(json_object_get(v, "row"));
        const struct rows *from = strcmp(source, "RTE/dev") == 0 ? &rte : &mrpc;
        want.n = 0;
        add_ids(&want, json_object_get(v, "input_ids"));
        ck_ok(text_put(&want, "|"));
        add_ids(&want, json_object_get(v, "token_type_ids"));
        ck_assert_int_lt(row, from->n);
        ck_assert_str_eq(built(t, from->a[row], from->b[row], 512), want.s);
    }
    ck_assert_uint_gt(i, 0);
    text_free(&want);
    json_decref(batch);
    tokenizer_close(t);
    arena_free(arena);
}
END_TEST

START_TEST(prompts_of_smollm2)
{
    char folder[4096];
    const char *models = getenv("PEFTGRID_MODELS"), *home = getenv("HOME");
    snprintf(folder, sizeof folder, models ? "%s/smollm2-135m" : "%s/.cache/peftgrid/models/smollm2-135m",
             models ? models
             : home ? home
                    : "");
    NEED_SHARED("golden/models/smollm2_mmlu/mmlu_prompts.json");
    if (skip_without(__func__, folder)) return;
    arena = arena_new("test");
    struct tokenizer *t;
    ck_ok(tokenizer_open(folder, arena, &t));
    ck_assert_int_eq(t->vocab, 49152);
    ck_assert_int_eq(t->bos, 1);
    ck_assert_int_eq(t->eos, 2);
    ck_assert_int_eq(t->cls, -1);
    json_t *prompts = read_json("golden/models/smollm2_mmlu/mmlu_prompts.json"), *v;
    size_t i;
    struct text want = {0};
    json_array_foreach(prompts, i, v)
    {
        const json_t *prompt = json_object_get(v, "prompt");
        want.n = 0;
        add_ids(&want, json_object_get(v, "ids"));
        ck_assert_str_eq(encoded(t, json_string_value(prompt), json_string_length(prompt)), want.s);
        want.n = 0;
        add_ids(&want, json_object_get(v, "letter_ids"));
        char letters[64] = "";
        for (int k = 0; k < 4; k++) {
            char letter[] = {' ', (char)('A' + k), 0};
            strcat(strcat(letters, k ? " " : ""), encoded(t, letter, 2));
        }
        ck_assert_str_eq(letters, want.s);
    }
    ck_assert_uint_gt(i, 0);
    ck_assert_str_eq(encoded(t, "<|im_start|>user\n2024", 21), "1 4093 198 34 32 34 36");
    text_free(&want);
    json_decref(prompts);
    tokenizer_close(t);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(pairs_of_glue), TEST(prompts_of_smollm2))
