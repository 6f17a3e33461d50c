/* From tokens back to text. */
#include "tests/pgtest.h"

#include "core/file.h"
#include "core/text.h"
#include "datasets/tokenizer.h"
#include "datasets/unicode.h"
#include "tests/tiny_lm.h"

static struct arena *arena;

static char *back(struct tokenizer *t, const char *text, size_t n)
{
    struct ids ids = {0};
    struct text out = {0};
    ck_ok(t->ops->encode(t, text, n, &ids));
    ck_ok(text_put(&out, ""));
    ck_ok(tokenizer_decode(t, ids.id, ids.n, &out));
    char *copy = arena_strdup(arena, out.s);
    text_free(&out);
    ids_free(&ids);
    return copy;
}

/* Lines of the reference texts that come back as they were. */
static void lines_come_back(const char *folder, int at_least)
{
    struct tokenizer *t;
    char *text;
    size_t size;
    int same = 0;
    arena = arena_new("test");
    ck_ok(tokenizer_open(shared_path(folder), arena, &t));
    ck_ok(file_read(shared_path("golden/tokenizers/texts.txt"), 1 << 24, arena, &text, &size));
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) break;
        *end = 0;
        if (!utf8_valid(line, strlen(line)) || strstr(line, "<|")) continue; /* special tokens have no text */
        same += strcmp(back(t, line, strlen(line)), line) == 0;
    }
    ck_assert_int_ge(same, at_least);
    tokenizer_close(t);
    arena_free(arena);
}

START_TEST(byte_level)
{
    NEED_SHARED("golden/tokenizers/texts.txt");
    lines_come_back("tokenizers/gpt2", 700);
    lines_come_back("tokenizers/phi-2", 700);
}
END_TEST

START_TEST(sentencepiece)
{
    NEED_SHARED("tokenizers/llama2/tokenizer.model");
    struct tokenizer *t;
    arena = arena_new("test");
    ck_ok(tokenizer_open(shared_path("tokenizers/llama2"), arena, &t));
    ck_assert_str_eq(back(t,
                          "The Eagle, a pub.\nnext \xc2\xa3"
                          "30",
                          27),
                     "The Eagle, a pub.\nnext \xc2\xa3"
                     "30");
    struct text out = {0};
    int32_t ids[] = {1, 450, 2};
    ck_ok(tokenizer_decode(t, ids, 3, &out));
    ck_assert_str_eq(out.s, "The"); /* begin and end have no text */
    text_free(&out);
    tokenizer_close(t);
    arena_free(arena);
}
END_TEST

START_TEST(faults)
{
    struct tokenizer *t;
    struct text out = {0};
    arena = arena_new("test");
    ck_ok(tokenizer_open(tiny_lm_tokenizer(), arena, &t));
    ck_assert_str_eq(back(t, "she <|endoftext|>A\"\\", 20), "she A\"\\");
    ck_fails(tokenizer_decode(t, (int32_t[]){5, TINY_LM_VOCAB}, 2, &out), ST_INPUT, "token 1 is 262");
    ck_fails(tokenizer_decode(t, (int32_t[]){-1}, 1, &out), ST_INPUT, "token 0 is -1");
    tokenizer_close(t);
    ck_ok(tokenizer_open("mini", arena, &t));
    ck_fails(tokenizer_decode(t, (int32_t[]){5}, 1, &out), ST_UNSUPPORTED, "wordpiece");
    tokenizer_close(t);
    text_free(&out);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(byte_level), TEST(sentencepiece), TEST(faults))
