#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

static struct arena *arena;

static struct tokenizer *open_ok(const char *folder)
{
    if (!arena) arena = arena_new("test");
    struct tokenizer *t;
    ck_ok(tokenizer_open(folder, arena, &t));
    return t;
}

#define WORDS \
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"                       /* 0 .. 4 */ \
    "un\n##aff\n##able\nhello\n,\n!\n"                           /* 5 .. 10 */ \
    "e\ne\xCC\x81\n\xC3\xA9\n"                                   /* 11 e, 12 e + acute, 13 e-acute */ \
    "\xE4\xBD\xA0\n\xE5\xA5\xBD\nHello\n"                        /* 14, 15 two ideographs, 16 Hello */ \
    "\xCF\x83\n\xCF\x82\n##\xCF\x83\n##\xCF\x82\ni\ni\xCC\x87\n" /* 17 sigma, 18 final, 19, 20 inside, 21 i, 22 i + \
                                                                    dot */

static const char *folder_with(const char *vocab, const char *settings)
{
    const char *dir = fresh_folder();
    write_text(dir, "vocab.txt", vocab);
    if (settings) write_text(dir, "tokenizer_config.json", settings);
    return dir;
}

static const char *encode(struct tokenizer *t, const char *text)
{
    return encoded(t, text, strlen(text));
}

START_TEST(pieces_and_words)
{
    struct tokenizer *t = open_ok(folder_with(WORDS, NULL));
    ck_assert_str_eq(t->name, "wordpiece");
    ck_assert_int_eq(t->vocab, 23);
    ck_assert_int_eq(t->cls, 2);
    ck_assert_int_eq(t->sep, 3);
    ck_assert_int_eq(t->pad, 0);
    ck_assert_int_eq(t->unk, 1);
    ck_assert_int_eq(t->mask, 4);
    ck_assert_int_eq(t->bos, -1);
    ck_assert_str_eq(encode(t, "Unaffable, HELLO!"), "5 6 7 9 8 10");
    ck_assert_str_eq(encode(t, "unaffablex un able"), "1 5 1"); /* a word is all pieces or [UNK] */
    ck_assert_str_eq(encode(t, "\t hello\r\nhello\xC2\xA0hello "), "8 8 8");
    ck_assert_str_eq(encode(t, ""), "");
    ck_assert_str_eq(encode(t, "\xE2\x80\x8B\xC2\xAD"), ""); /* format characters vanish */
    ck_assert_str_eq(encoded(t, "he\0llo\x01 un\xFFhello", 15), "8 1");
    ck_assert_str_eq(encode(t, "\xC3\xA9 e\xCC\x81 \xC3\x89"), "11 11 11");      /* accents go */
    ck_assert_str_eq(encode(t, "un\xE4\xBD\xA0\xE5\xA5\xBDhello"), "5 14 15 8"); /* ideographs stand alone */
    ck_assert_str_eq(encode(t, "\xCE\xA3\xCE\xA3 \xCE\xA3"), "17 20 17");        /* final sigma only after a letter */
    ck_assert_str_eq(encode(t, "\xC4\xB0"), "21");
    tokenizer_close(t);
}
END_TEST

START_TEST(options)
{
    struct tokenizer *t = open_ok(folder_with(WORDS, "{\"do_lower_case\": false}"));
    ck_assert_str_eq(encode(t, "Hello HELLO hello e\xCC\x81 \xC3\xA9"), "16 1 8 12 13");
    tokenizer_close(t);
    t = open_ok(folder_with(WORDS, "{\"do_lower_case\": true, \"strip_accents\": false}"));
    ck_assert_str_eq(encode(t, "Hello \xC3\x89 e\xCC\x81 \xC4\xB0"), "8 13 12 22");
    tokenizer_close(t);
    t = open_ok(folder_with(WORDS, "{\"tokenize_chinese_chars\": false}"));
    ck_assert_str_eq(encode(t, "\xE4\xBD\xA0\xE5\xA5\xBD \xE4\xBD\xA0"), "1 14");
    tokenizer_close(t);
    const char *dir = folder_with(WORDS, NULL);
    write_text(dir, "tokenizer.json",
               "{\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false, \"strip_accents\": "
               "true}, \"model\": {\"max_input_chars_per_word\": 5}}");
    t = open_ok(dir);
    ck_assert_str_eq(encode(t, "Hello \xC3\xA9 unaffable"), "16 11 1");
    tokenizer_close(t);
    t = open_ok(folder_with("a\n<u>\n<c>\n<s>\n", "{\"unk_token\": \"<u>\", \"cls_token\": {\"content\": \"<c>\"}, "
                                                  "\"sep_token\": \"<s>\"}"));
    ck_assert_int_eq(t->pad, -1);
    ck_assert_str_eq(built(t, "a b", NULL, 10), "2 0 1 3|0 0 0 0");
    tokenizer_close(t);
}
END_TEST

START_TEST(special_tokens_in_text)
{
    struct tokenizer *t = open_ok(folder_with(WORDS, NULL));
    ck_assert_str_eq(encode(t, "hello[MASK]un [SEP]"), "8 4 5 3");
    ck_assert_str_eq(encode(t, "[mask]"), "1 1 1"); /* only as written */
    tokenizer_close(t);
    const char *dir = folder_with(WORDS, NULL);
    write_text(dir, "added_tokens.json", "{\"New York\": 30, \"[X]\": 31}");
    t = open_ok(dir);
    ck_assert_int_eq(t->vocab, 32);
    ck_assert_str_eq(encode(t, "hello new york[x] NEW  YORK"), "8 30 31 1 1"); /* looked for in the normalised text */
    tokenizer_close(t);
    dir = folder_with(WORDS, NULL);
    write_text(dir, "tokenizer.json",
               "{\"added_tokens\": [{\"id\": 40, \"content\": \"<l>\", \"lstrip\": true, \"normalized\": false},"
               "{\"id\": 41, \"content\": \"<l>x\", \"rstrip\": true, \"normalized\": false},"
               "{\"id\": 42, \"content\": \"word\", \"single_word\": true, \"normalized\": false}]}");
    t = open_ok(dir);
    ck_assert_str_eq(encode(t, "hello  <l> hello <l>x \t un"), "8 40 8 41 5"); /* the longest wins */
    ck_assert_str_eq(encode(t, "word sword word, words word"), "42 1 42 9 1 42");
    tokenizer_close(t);
}
END_TEST

START_TEST(inputs_and_truncation)
{
    struct tokenizer *t = open_ok(folder_with("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n", NULL));
    ck_assert_str_eq(built(t, "a b", NULL, 10), "2 5 6 3|0 0 0 0");
    ck_assert_str_eq(built(t, "a b", "c", 10), "2 5 6 3 7 3|0 0 0 0 1 1");
    ck_assert_str_eq(built(t, "", "", 10), "2 3 3|0 0 1");
    ck_assert_str_eq(built(t, "a b c", NULL, 4), "2 5 6 3|0 0 0 0");
    /* The longer text loses; at equal lengths the second. */
    ck_assert_str_eq(built(t, "a b c d", "e f", 8), "2 5 6 7 3 9 10 3|0 0 0 0 0 1 1 1");
    ck_assert_str_eq(built(t, "a b c d", "e f", 6), "2 5 6 3 9 3|0 0 0 0 1 1");
    ck_assert_str_eq(built(t, "a", "b c d", 6), "2 5 3 6 7 3|0 0 0 1 1 1");
    ck_assert_str_eq(built(t, "a b", "c d", 4), "2 5 3 3|0 0 0 1");
    ck_assert_str_eq(built(t, "a b", "c d", 3), "2 3 3|0 0 1");
    struct ids out = {0}, types = {0};
    int dropped = -1;
    ck_ok(tokenizer_build_counted(t, "a b c d", "e f", 8, &out, &types, &dropped));
    ck_assert_int_eq(dropped, 1);
    ck_ok(tokenizer_build_counted(t, "a", "b", 5, &out, NULL, &dropped)); /* types not wanted; exactly full */
    ck_assert_int_eq(dropped, 0);
    ck_assert_int_eq(out.n, 5);
    ck_fails(tokenizer_build(t, "a", "b", 2, &out, &types), ST_USAGE, "3 special tokens");
    ck_fails(tokenizer_build(t, "a", NULL, -1, &out, &types), ST_USAGE, "no room");
    ids_free(&out);
    ids_free(&types);
    tokenizer_close(t);
}
END_TEST

START_TEST(hash_tells_what_decides_the_ids)
{
    struct tokenizer *a = open_ok(folder_with(WORDS, NULL));
    struct tokenizer *b = open_ok(folder_with(WORDS, "{\"do_lower_case\": true, \"model_max_length\": 77}"));
    struct tokenizer *c = open_ok(folder_with(WORDS, "{\"do_lower_case\": false}"));
    struct tokenizer *d = open_ok(folder_with(WORDS "new\n", NULL));
    ck_assert_uint_eq(strlen(a->hash), 64);
    ck_assert_str_eq(a->hash, b->hash);
    ck_assert_str_ne(a->hash, c->hash);
    ck_assert_str_ne(a->hash, d->hash);
    tokenizer_close(a);
    tokenizer_close(b);
    tokenizer_close(c);
    tokenizer_close(d);
}
END_TEST

START_TEST(bad_folders)
{
    struct arena *mem = arena_new("bad");
    struct tokenizer *t;
    ck_fails(tokenizer_open("/nonexistent/folder", mem, &t), ST_INPUT, "/nonexistent/folder");
    ck_assert_ptr_null(t);
    ck_fails(tokenizer_open(fresh_folder(), mem, &t), ST_INPUT, "no tokenizer found");
    ck_fails(tokenizer_open(folder_with("", NULL), mem, &t), ST_INPUT, "vocab.txt: the vocabulary is empty");
    ck_fails(tokenizer_open(folder_with("a\nb\n", NULL), mem, &t), ST_INPUT,
             "vocab.txt: the vocabulary lacks the special token '[UNK]'");
    ck_fails(tokenizer_open(folder_with("[UNK]\n[SEP]\n", NULL), mem, &t), ST_INPUT, "'[CLS]'");
    ck_fails(tokenizer_open(folder_with(WORDS, "{\"do_lower_case\":\n tru}"), mem, &t), ST_INPUT,
             "tokenizer_config.json:2: not valid JSON");
    ck_fails(tokenizer_open(folder_with(WORDS, "[]"), mem, &t), ST_INPUT,
             "tokenizer_config.json: the file should hold one JSON object");
    ck_fails(tokenizer_open(folder_with(WORDS, ""), mem, &t), ST_INPUT, "tokenizer_config.json:1");
    ck_fails(tokenizer_open(folder_with(WORDS, "{\"added_tokens_decoder\": {\"-5\": {\"content\": \"x\"}}}"), mem, &t),
             ST_INPUT, "'x' has no id");
    ck_fails(tokenizer_open(folder_with(WORDS, "{\"added_tokens_decoder\": {\"7\": {}}}"), mem, &t), ST_INPUT,
             "no text 'content'");
    const char *dir = folder_with(WORDS, NULL);
    write_text(dir, "added_tokens.json", "{\"x\": 99999999999}");
    ck_fails(tokenizer_open(dir, mem, &t), ST_INPUT, "added_tokens.json: the added token 'x' has no id");
    static const char *const other[][2] = {
        {"{\"normalizer\": {\"type\": \"Lowercase\"}}", "tokenizer.json: the normalizer is 'Lowercase'"},
        {"{\"pre_tokenizer\": {\"type\": \"Whitespace\"}}", "tokenizer.json: the pre_tokenizer is 'Whitespace'"},
        {"{\"model\": {\"continuing_subword_prefix\": \"_\"}}", "are marked '_'"}};
    for (int i = 0; i < 3; i++) {
        write_text(dir, "tokenizer.json", other[i][0]);
        ck_fails(tokenizer_open(dir, mem, &t), ST_UNSUPPORTED, other[i][1]);
    }
    dir = fresh_folder();
    write_text(dir, "tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": \"b\"}}}");
    ck_fails(tokenizer_open(dir, mem, &t), ST_INPUT, "tokenizer.json: the token 'a' has no id");
    arena_free(mem);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const char *dir = folder_with(WORDS, "{\"mask_token\": \"[MASK]\"}");
    int failed = 0;
    for (long n = 1;; n++) {
        struct arena *mem = arena_new("nth");
        struct tokenizer *t = NULL;
        arena_fail_after(n);
        status st = tokenizer_open(dir, mem, &t);
        arena_fail_after(0);
        tokenizer_close(t);
        arena_free(mem);
        if (st == ST_OK) break;
        ck_assert_int_eq(st, ST_MEMORY);
        failed++;
    }
    ck_assert_int_gt(failed, 3);
}
END_TEST

START_TEST(tokenizer_json_alone)
{
    const char *dir = fresh_folder();
    write_text(dir, "tokenizer.json",
               "{\"model\": {\"type\": \"WordPiece\", \"continuing_subword_prefix\": \"##\", \"vocab\": "
               "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"un\": 3, \"##able\": 4}}}");
    struct tokenizer *t = open_ok(dir);
    struct tokenizer *u = open_ok(folder_with("[UNK]\n[CLS]\n[SEP]\nun\n##able\n", NULL));
    ck_assert_str_eq(built(t, "Unable x", NULL, 10), "1 3 4 0 2|0 0 0 0 0");
    ck_assert_str_eq(t->hash, u->hash);
    tokenizer_close(t);
    tokenizer_close(u);
}
END_TEST

START_TEST(embedded_mini)
{
    struct tokenizer *t = open_ok("mini");
    ck_assert_str_eq(t->name, "wordpiece");
    ck_assert_int_eq(t->pad, 0);
    ck_assert_int_eq(t->unk, 1);
    ck_assert_int_eq(t->cls, 2);
    ck_assert_int_eq(t->sep, 3);
    ck_assert_int_eq(t->mask, 4);
    ck_assert_int_gt(t->vocab, 50);
    ck_assert_str_eq(built(t, ".", "[MASK]", 10), "2 5 3 4 3|0 0 0 1 1");
    tokenizer_close(t);
}
END_TEST

START_TEST(hostile_text)
{
    struct tokenizer *t = open_ok(folder_with(WORDS, NULL));
    survives_hostile_text(t, 1 << 20);
    tokenizer_close(t);
    t = open_ok(folder_with("[UNK]\n[CLS]\n[SEP]\n\n\xFF\xFE\na\0b\n#\n##\n", NULL)); /* odd words in the list */
    survives_hostile_text(t, 1 << 20);
    tokenizer_close(t);
}
END_TEST

START_TEST(golden_bert)
{
    NEED_SHARED("golden/tokenizers/bert-base-uncased.hfjs.ids");
    NEED_SHARED("tokenizers/bert-base-uncased/vocab.txt");
    struct tokenizer *t = open_ok(shared_path("tokenizers/bert-base-uncased"));
    ck_assert_int_eq(t->vocab, 30522);
    check_golden_ids(t, "bert-base-uncased.hfjs.ids");
    survives_hostile_text(t, 1 << 20);
    tokenizer_close(t);
}
END_TEST

PG_TESTS(TEST(pieces_and_words), TEST(options), TEST(special_tokens_in_text), TEST(inputs_and_truncation),
         TEST(hash_tells_what_decides_the_ids), TEST(bad_folders), TEST(every_allocation_may_fail),
         TEST(tokenizer_json_alone), TEST(embedded_mini), TEST(hostile_text), TEST(golden_bert))
