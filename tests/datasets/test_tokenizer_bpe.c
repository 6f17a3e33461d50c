#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

#include <limits.h>
#include "core/text.h"
#include "datasets/bpe_merge.h"
#include "datasets/bpe_model.h"

static struct arena *arena;

static struct tokenizer *open_ok(const char *folder)
{
    if (!arena) arena = arena_new("test");
    struct tokenizer *t;
    ck_ok(tokenizer_open(folder, arena, &t));
    return t;
}

static status open_bad(const char *folder)
{
    struct tokenizer *t;
    if (!arena) arena = arena_new("test");
    status st = tokenizer_open(folder, arena, &t);
    tokenizer_close(t);
    return st;
}

static const char *encode(struct tokenizer *t, const char *text)
{
    return encoded(t, text, strlen(text));
}

/* ---- a small byte-level vocabulary: ids 0..255 are the bytes, then the given tokens ---- */

/* The byte alphabet as its definition has it: a byte that prints in Latin-1 stands for itself; the others, in order,
 * get the characters from U+0100 on. */
static void byte_text(int byte, struct text *out)
{
    int cp = 256;
    for (int b = 0; b <= byte; b++) {
        int prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
        if (b == byte && prints) cp = byte;
        if (b < byte && !prints) cp++;
    }
    char one = (char)cp, c[2] = {(char)(0xC0 | cp >> 6), (char)(0x80 | (cp & 63))};
    if (cp == '"' || cp == '\\')
        ck_ok(text_printf(out, "\\%c", cp));
    else
        ck_ok(text_add(out, cp < 128 ? &one : c, cp < 128 ? 1 : 2));
}

/* more: "tok\", \"tok2" without outer quotes, separated by blanks: each gets the next id from 256 on. */
static char *vocab_json(const char *more)
{
    static struct text out;
    out.n = 0;
    ck_ok(text_put(&out, "{"));
    for (int b = 0; b < 256; b++) {
        ck_ok(text_put(&out, "\""));
        byte_text(b, &out);
        ck_ok(text_printf(&out, "\": %d,\n", b));
    }
    char *words = strdup(more), *at = words;
    int id = 256;
    for (char *w = strsep(&at, " "); w; w = strsep(&at, " "), id++)
        ck_ok(text_printf(&out, "%s\"%s\": %d", id > 256 ? "," : "", w, id));
    ck_ok(text_put(&out, "}"));
    free(words);
    return out.s;
}

#define G "\xC4\xA0" /* the blank in the byte alphabet */
#define WORDS "he ll llo hello " G "hello " G "he 12 <s> </s> <pad> <unk> <mask> zz"
/*             256 257 258 259   260       261    262 263 264  265   266   267    268 */
#define MERGES "#version: 0.2\nh e\nl l\nll o\nhe llo\n" G " hello\n" G " he\n1 2\n"

static const char *folder_with(const char *config, const char *settings)
{
    const char *dir = fresh_folder();
    write_text(dir, "vocab.json", vocab_json(WORDS));
    write_text(dir, "merges.txt", MERGES);
    if (config) write_text(dir, "config.json", config);
    if (settings) write_text(dir, "tokenizer_config.json", settings);
    return dir;
}

/* The same model in tokenizer.json, with these other members. */
static const char *folder_json_with(const char *members, const char *model)
{
    const char *dir = fresh_folder();
    struct text t = {0};
    ck_ok(text_printf(
        &t,
        "{%s, \"model\": {%s \"type\": \"BPE\", \"vocab\": %s, \"merges\": [\"h e\", \"l l\", [\"ll\", \"o\"], \"he "
        "llo\", \"" G " hello\", \"" G " he\", \"1 2\"]}}",
        members, model, vocab_json(WORDS)));
    write_text(dir, "tokenizer.json", t.s);
    text_free(&t);
    return dir;
}

START_TEST(byte_alphabet)
{
    struct text want = {0}, got = {0};
    for (int b = 0; b < 256; b++) {
        int32_t cp = bpe_byte_char((unsigned char)b);
        char one = (char)cp, c[2] = {(char)(0xC0 | cp >> 6), (char)(0x80 | (cp & 63))};
        if (cp == '"' || cp == '\\') ck_ok(text_put(&got, "\\"));
        ck_ok(text_add(&got, cp < 128 ? &one : c, cp < 128 ? 1 : 2));
        byte_text(b, &want);
    }
    ck_assert_str_eq(got.s, want.s);
    text_free(&want);
    text_free(&got);
}
END_TEST

START_TEST(gpt2_split_and_merges)
{
    struct tokenizer *t = open_ok(folder_with("{\"model_type\": \"gpt2\", \"eos_token_id\": 264}", NULL));
    ck_assert_str_eq(t->name, "bpe");
    ck_assert_int_eq(t->vocab, 269);
    ck_assert_int_eq(t->cls, -1);
    ck_assert_int_eq(t->sep, -1);
    ck_assert_int_eq(t->eos, 264);
    ck_assert(!t->double_sep && !t->type_ids);
    ck_assert_str_eq(encode(t, "hello hello hehe"), "259 260 261 256");
    ck_assert_str_eq(encode(t, "  hello"), "32 260"); /* the last blank belongs to the word */
    ck_assert_str_eq(encode(t, "he'll 12he"), "256 39 257 32 262 256");
    ck_assert_str_eq(encode(t, "12  "), "262 32 32");
    ck_assert_str_eq(encode(t, "\xE2\x80\xA8\xC3\xA9"), "226 128 168 195 169");
    ck_assert_str_eq(encoded(t, "h\0e", 3), "104 0 101");
    ck_assert_str_eq(encode(t, "h\xFFl"), "104 239 191 189 108"); /* U+FFFD for what is no UTF-8 */
    ck_assert_str_eq(encode(t, ""), "");
    ck_assert_str_eq(built(t, "he", "he", 10), "256 256|0 0"); /* no frame */
    ck_assert_str_eq(built(t, "hello he he", NULL, 2), "259 261|0 0");
    survives_hostile_text(t, 1 << 18);
    tokenizer_close(t);
}
END_TEST

START_TEST(roberta_frame)
{
    static const char *const config[] = {"{\"model_type\": \"roberta\"}", NULL};
    for (int i = 0; i < 2; i++) {
        struct tokenizer *t = open_ok(folder_with(config[i], NULL));
        ck_assert_int_eq(t->cls, 263);
        ck_assert_int_eq(t->sep, 264);
        ck_assert_int_eq(t->pad, 265);
        ck_assert_int_eq(t->unk, 266);
        ck_assert_int_eq(t->mask, 267);
        ck_assert_str_eq(built(t, "he", NULL, 10), "263 256 264|0 0 0");
        ck_assert_str_eq(built(t, "he", "ll", 10), "263 256 264 264 257 264|0 0 0 0 0 0");
        ck_assert_str_eq(built(t, "hello he", "ll", 6), "263 259 264 264 257 264|0 0 0 0 0 0");
        struct ids out = {0};
        ck_fails(tokenizer_build(t, "he", "he", 3, &out, NULL), ST_USAGE, "4 special tokens");
        ids_free(&out);
        ck_assert_str_eq(encode(t, "he <mask> he</s>"), "256 267 261 264"); /* the mask takes the blank before it */
        tokenizer_close(t);
    }
    const char *dir = folder_with("{\"model_type\": \"roberta\"}", NULL);
    write_text(dir, "vocab.json", vocab_json("he"));
    write_text(dir, "merges.txt", "h e\n");
    ck_fails(open_bad(dir), ST_INPUT, "vocab.json: the vocabulary lacks the special token '<s>'");
}
END_TEST

START_TEST(settings_of_tokenizer_json)
{
    struct tokenizer *t = open_ok(
        folder_json_with("\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
                         "\"individual_digits\": true}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false}]}",
                         ""));
    ck_assert_str_eq(encode(t, "12 12he"), "49 50 32 49 50 256");
    tokenizer_close(t);
    t = open_ok(
        folder_json_with("\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"ByteLevel\"}", ""));
    ck_assert_str_eq(encode(t, "e\xCC\x81"), "195 169");
    ck_assert_str_eq(encode(t, " 12"), "32 262");
    tokenizer_close(t);
    t = open_ok(folder_json_with("\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true}", ""));
    ck_assert_str_eq(encode(t, "hello"), "260");
    ck_assert_str_eq(encode(t, " hello"), "260");
    tokenizer_close(t);
    t = open_ok(folder_json_with(
        "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
        "{\"Regex\": \"x+\"}, \"behavior\": \"Removed\"}, {\"type\": \"ByteLevel\", \"use_regex\": false}]}",
        ""));
    ck_assert_str_eq(encode(t, "xhexxello hx"), "256 101 258 32 104");
    tokenizer_close(t);
    t = open_ok(folder_json_with(
        "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
        "{\"Regex\": \"[a-z]+|q*\"}, \"behavior\": \"Removed\", \"invert\": true}, {\"type\": "
        "\"ByteLevel\", \"use_regex\": false}]}",
        ""));
    ck_assert_str_eq(encode(t, "he, \xC3\xA9 ll"), "256 257"); /* empty matches do not stop it */
    tokenizer_close(t);
    const char *plain = "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"use_regex\": false}";
    t = open_ok(folder_json_with(plain, "\"ignore_merges\": true,"));
    ck_assert_str_eq(encode(t, "zz"), "268");
    ck_assert_str_eq(encode(t, "zzh"), "122 122 104");
    tokenizer_close(t);
    t = open_ok(
        folder_json_with("\"post_processor\": {\"type\": \"TemplateProcessing\", \"pair\": [{\"SpecialToken\": {}}, "
                         "{\"Sequence\": {}}, {\"SpecialToken\": {}}, {\"Sequence\": {}}, {\"SpecialToken\": {}}]}, "
                         "\"pre_tokenizer\": {\"type\": \"ByteLevel\"}",
                         ""));
    ck_assert_str_eq(built(t, "he", "ll", 10), "263 256 264 257 264|0 0 0 0 0");
    tokenizer_close(t);
}
END_TEST

START_TEST(families_without_tokenizer_json)
{
    struct tokenizer *t = open_ok(folder_with("{\"model_type\": \"llama\"}", NULL));
    ck_assert_str_eq(encode(t, "12"), "49 50");
    tokenizer_close(t);
    t = open_ok(folder_with("{\"model_type\": \"qwen2\"}", NULL));
    ck_assert_str_eq(encode(t, "12 e\xCC\x81"), "49 50 32 195 169");
    tokenizer_close(t);
    t = open_ok(folder_with(NULL, "{\"tokenizer_class\": \"Qwen2Tokenizer\"}"));
    ck_assert_str_eq(encode(t, "12"), "49 50");
    tokenizer_close(t);
    t = open_ok(folder_with(NULL, "{\"add_prefix_space\": true}"));
    ck_assert_str_eq(encode(t, "hello 12"), "260 32 262");
    tokenizer_close(t);
}
END_TEST

START_TEST(one_model_two_forms_one_hash)
{
    struct tokenizer *a = open_ok(folder_with(NULL, NULL));
    const char *dir =
        folder_json_with("\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, "
                         "\"added_tokens\": [{\"id\": 267, \"content\": \"<mask>\", \"special\": true, \"lstrip\": "
                         "true, \"normalized\": false}]",
                         "");
    struct tokenizer *b = open_ok(dir);
    ck_assert_str_eq(a->hash, b->hash);
    struct tokenizer *c = open_ok(folder_with("{\"model_type\": \"llama\"}", NULL));
    ck_assert_str_ne(a->hash, c->hash);
    dir = folder_with(NULL, NULL);
    write_text(dir, "merges.txt", "l l\nh e\nll o\nhe llo\n" G " hello\n" G " he\n1 2\n");
    struct tokenizer *d = open_ok(dir);
    ck_assert_str_ne(a->hash, d->hash);
    tokenizer_close(a);
    tokenizer_close(b);
    tokenizer_close(c);
    tokenizer_close(d);
}
END_TEST

START_TEST(broken_files)
{
    static const struct {
        const char *file, *text, *message;
    } c[] = {
        {"vocab.json", "{\"a\": 1,\n\"b\" 2}", "vocab.json:2: not valid JSON"},
        {"vocab.json", "", "vocab.json:1"},
        {"vocab.json", "[1]", "vocab.json: the file should hold one JSON object"},
        {"vocab.json", "{}", "vocab.json: the vocabulary is empty"},
        {"vocab.json", "{\"a\": -1}", "vocab.json: the token 'a' has no id within"},
        {"vocab.json", "{\"a\": 4000000000}", "vocab.json: the token 'a' has no id within"},
        {"vocab.json", "{\"a\": \"x\"}", "vocab.json: the token 'a' has no id within"},
        {"vocab.json", "{\"a\": 1}", "merges.txt:2: the merge rule names 'h', which is not in the vocabulary"},
        {"merges.txt", "#version: 0.2\nh e\nl x\n", "merges.txt:3: the merge rule names 'lx', which is not in"},
        {"merges.txt", "h e\nhello\n", "merges.txt:2: expected two pieces"},
        {"merges.txt", "h e \n", "merges.txt:1: expected two pieces"},
        {"merges.txt", " he\n", "merges.txt:1: expected two pieces"},
        {"merges.txt", "\xFF\xFE \xFF\n", "merges.txt:1: the merge rule names"},
        {"tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"vocab\": {}}}",
         "tokenizer.json: a model of type 'Unigram'"},
        {"tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}}}", "tokenizer.json: the model has no list 'merges'"},
        {"tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}, \"merges\": [3]}}",
         "tokenizer.json: merge rule 1: expected two"},
        {"tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}, \"merges\": []}}",
         "tokenizer.json: the pre-tokenizer has no step ByteLevel"},
        {"tokenizer.json", "{\"pre_tokenizer\": {\"type\": \"Metaspace\"}}",
         "tokenizer.json: the pre-tokenizer step 'Metaspace'"},
        {"tokenizer.json",
         "{\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a\"}, \"behavior\": \"Isolated\"}}",
         "tokenizer.json: the split pattern '(a' cannot be used"},
        {"tokenizer.json", "{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"normalizer\": {\"type\": \"Lowercase\"}}",
         "tokenizer.json: the normalizer 'Lowercase'"},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        const char *dir = folder_with(NULL, NULL);
        write_text(dir, c[i].file, c[i].text);
        status st = open_bad(dir);
        ck_assert_msg(st == ST_INPUT || st == ST_UNSUPPORTED, "case %zu: %s", i, status_name(st));
        ck_assert_msg(strstr(status_message(), c[i].message) != NULL, "case %zu: '%s' in: %s", i, c[i].message,
                      status_message());
    }
    const char *dir = fresh_folder();
    write_text(dir, "vocab.json", vocab_json(WORDS));
    ck_fails(open_bad(dir), ST_INPUT, "merges.txt");
}
END_TEST

START_TEST(missing_bytes)
{
    const char *dir = fresh_folder();
    write_text(dir, "vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2, \"?\": 3}");
    write_text(dir, "merges.txt", "a b\n");
    struct tokenizer *t = open_ok(dir);
    ck_assert_str_eq(encode(t, "abc"), "2"); /* no unknown token: nothing to give */
    tokenizer_close(t);
    write_text(dir, "special_tokens_map.json", "{\"unk_token\": {\"content\": \"?\"}}");
    t = open_ok(dir);
    ck_assert_str_eq(encode(t, "abcab"), "2 3 2");
    survives_hostile_text(t, 1 << 16);
    tokenizer_close(t);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const char *dir = folder_json_with("\"pre_tokenizer\": {\"type\": \"ByteLevel\"}", "");
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
    ck_assert_int_gt(failed, 5);
}
END_TEST

/* The textbook's way: find the lowest pair, join it at its leftmost place, start again. */
static int merge_naively(const int32_t rule[][3], int rules, int32_t *id, int n)
{
    for (;;) {
        int best = rules, at = 0;
        for (int i = 0; i + 1 < n; i++)
            for (int r = 0; r < best; r++)
                if (rule[r][0] == id[i] && rule[r][1] == id[i + 1]) best = r, at = i;
        if (best == rules) return n;
        id[at] = rule[best][2];
        memmove(id + at + 1, id + at + 2, sizeof *id * (size_t)(n - at - 2));
        n--;
    }
}

START_TEST(merging_equals_the_naive_way)
{
    enum { RULES = 40, N = 60 };
    unsigned x = 1;
    arena = arena_new("test");
    struct bpe_work w = {0};
    for (int round = 0; round < 400; round++) {
        int32_t rule[RULES][3];
        int rules = 0;
        struct bpe_merges m;
        ck_ok(bpe_merges_make(arena, RULES, &m));
        for (int r = 0; r < RULES;
             r++) { /* 4 letters, then products of rules; also rules that come before their parts */
            int32_t l = (int32_t)((x = x * 1664525u + 1013904223u) >> 16) % (4 + (r > 20 ? 12 : r / 2));
            int32_t k = (int32_t)((x = x * 1664525u + 1013904223u) >> 16) % (4 + (r > 20 ? 12 : r / 2));
            int known = 0;
            for (int i = 0; i < rules; i++) known |= rule[i][0] == l && rule[i][1] == k;
            if (known) continue;
            rule[rules][0] = l, rule[rules][1] = k, rule[rules][2] = 4 + (rules * 7 + round) % 16;
            bpe_merges_add(&m, l, k, rules, rule[rules][2]);
            rules++;
        }
        int32_t id[N];
        int n = 1 + round % N;
        ck_ok(bpe_begin(&w, (size_t)n));
        for (int i = 0; i < n; i++) {
            id[i] = (int32_t)((x = x * 1664525u + 1013904223u) >> 16) % 4;
            bpe_symbol_add(&w, id[i]);
        }
        struct ids out = {0};
        ck_ok(bpe_merge(&m, &w, &out));
        n = merge_naively(rule, rules, id, n);
        ck_assert_int_eq(out.n, n);
        ck_assert_int_eq(memcmp(out.id, id, sizeof *id * (size_t)n), 0);
        ids_free(&out);
    }
    bpe_work_free(&w);
}
END_TEST

/* ---- real vocabularies ---- */

/* A folder that has only these files of a shared one. */
static const char *some_files(const char *folder, const char *const *files)
{
    const char *dir = fresh_folder();
    for (; *files; files++) {
        char rest[1000], whole[PATH_MAX], link[5000];
        snprintf(rest, sizeof rest, "%s/%s", folder, *files);
        ck_assert_ptr_nonnull(realpath(shared_path(rest), whole));
        snprintf(link, sizeof link, "%s/%s", dir, *files);
        ck_assert_int_eq(symlink(whole, link), 0);
    }
    return dir;
}

START_TEST(golden_gpt2)
{
    NEED_SHARED("golden/tokenizers/gpt2.gpt-3-encoder.ids");
    NEED_SHARED("tokenizers/gpt2/vocab.bpe");
    struct tokenizer *t = open_ok(shared_path("tokenizers/gpt2"));
    ck_assert_int_eq(t->vocab, 50257);
    ck_assert_int_eq(t->eos, 50256);
    check_golden_ids(t, "gpt2.gpt-3-encoder.ids");
    survives_hostile_text(t, 1 << 18);
    tokenizer_close(t);
    static const char *const files[] = {"encoder.json", "vocab.bpe", NULL};
    t = open_ok(some_files("tokenizers/gpt2", files));
    ck_assert_int_eq(t->vocab, 50257);
    check_golden_ids(t, "gpt2.gpt-3-encoder.ids");
    tokenizer_close(t);
}
END_TEST

static void two_forms(const char *folder, const char *ids, int vocab)
{
    static const char *const files[] = {"vocab.json", "merges.txt", "config.json", "tokenizer_config.json", NULL};
    static const char *const least[] = {"vocab.json", "merges.txt", "config.json", "added_tokens.json", NULL};
    struct tokenizer *a = open_ok(shared_path(folder)), *b = open_ok(some_files(folder, files));
    struct tokenizer *c = open_ok(some_files(folder, least));
    ck_assert_int_eq(a->vocab, vocab);
    ck_assert_int_eq(b->vocab, vocab);
    check_golden_ids(a, ids);
    check_golden_ids(b, ids);
    check_golden_ids(c, ids);
    ck_assert_str_eq(a->hash, b->hash);
    survives_hostile_text(a, 1 << 18);
    tokenizer_close(a);
    tokenizer_close(b);
    tokenizer_close(c);
}

START_TEST(golden_phi2)
{
    NEED_SHARED("golden/tokenizers/phi-2.hfjs.ids");
    NEED_SHARED("tokenizers/phi-2/vocab.json");
    two_forms("tokenizers/phi-2", "phi-2.hfjs.ids", 50295);
}
END_TEST

START_TEST(golden_qwen2)
{
    NEED_SHARED("golden/tokenizers/qwen2.hfjs.ids");
    NEED_SHARED("tokenizers/qwen2/vocab.json");
    two_forms("tokenizers/qwen2", "qwen2.hfjs.ids", 151646);
}
END_TEST

PG_TESTS(TEST(byte_alphabet), TEST(gpt2_split_and_merges), TEST(roberta_frame), TEST(settings_of_tokenizer_json),
         TEST(families_without_tokenizer_json), TEST(one_model_two_forms_one_hash), TEST(broken_files),
         TEST(missing_bytes), TEST(every_allocation_may_fail), TEST(merging_equals_the_naive_way), TEST(golden_gpt2),
         TEST(golden_phi2), TEST(golden_qwen2))
