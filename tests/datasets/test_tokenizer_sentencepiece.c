#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

#include "core/file.h"
#include "core/text.h"
#include "datasets/spm_check.h"

static struct arena *arena;

static void begin(void)
{
    arena = arena_new("test");
}

static struct tokenizer *open_ok(const char *folder)
{
    struct tokenizer *t;
    ck_ok(tokenizer_open(folder, arena, &t));
    return t;
}

/* ---- a model made here, byte by byte as sentencepiece_model.proto says ---- */

static void varint(struct text *t, uint64_t v)
{
    do {
        char c = (char)(v >= 128 ? (v & 127) | 128 : v);
        ck_ok(text_add(t, &c, 1));
        v >>= 7;
    } while (v);
}

static void number(struct text *t, unsigned field, uint64_t v)
{
    varint(t, field << 3);
    varint(t, v);
}

static void bytes(struct text *t, unsigned field, const void *p, size_t n)
{
    varint(t, field << 3 | 2);
    varint(t, n);
    if (n) ck_ok(text_add(t, p, n));
}

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3 };

static void piece(struct text *model, const char *name, float score, unsigned type)
{
    struct text p = {0};
    bytes(&p, 1, name, strlen(name));
    varint(&p, 2 << 3 | 5);
    ck_ok(text_add(&p, (const char *)&score, sizeof score));
    number(&p, 3, type);
    bytes(model, 1, p.s, p.n);
    text_free(&p);
}

#define BLANK "\xE2\x96\x81" /* SentencePiece's mark of a blank */

/* [PAD] 0 [CLS] 1 [SEP] 2 [UNK] 3, _ab 4, _ 5, a 6, b 7, c 8; charsmap: normalisation rules or NULL. */
static void make_model(struct text *m, unsigned type, const char *cls, const void *charsmap, size_t n)
{
    m->n = 0;
    piece(m, "[PAD]", 0, CONTROL);
    piece(m, cls, 0, CONTROL);
    piece(m, "[SEP]", 0, CONTROL);
    piece(m, "[UNK]", 0, UNKNOWN);
    piece(m, BLANK "ab", -1, NORMAL);
    piece(m, BLANK, -2, NORMAL);
    piece(m, "a", -3, NORMAL);
    piece(m, "b", -3, NORMAL);
    piece(m, "c", -3, NORMAL);
    struct text spec = {0};
    number(&spec, 3, type);
    number(&spec, 40, 3); /* unk, bos, eos, pad */
    number(&spec, 41, 1);
    number(&spec, 42, 2);
    number(&spec, 43, 0);
    bytes(&spec, 45, "[UNK]", 5);
    bytes(&spec, 46, cls, strlen(cls));
    bytes(&spec, 47, "[SEP]", 5);
    bytes(&spec, 48, "[PAD]", 5);
    bytes(m, 2, spec.s, spec.n);
    spec.n = 0;
    bytes(&spec, 1, "test", 4);
    if (charsmap) bytes(&spec, 2, charsmap, n);
    bytes(m, 3, spec.s, spec.n);
    text_free(&spec);
}

/* A trie of two rules, C -> c and CC -> ab, as spm_check.c describes it: states 256 (root), 384 ("C"), 258 ("CC"). */
enum { UNITS = 512, MAP = 4 + 4 * UNITS + 5, UNIT_C = 256 ^ 'C', UNIT_CC = 384 ^ 'C' };

static void make_charsmap(unsigned char map[MAP])
{
    uint32_t unit[UNITS] = {0}, size = sizeof unit;
    unit[0] = 256u << 10;
    unit[256] = 1; /* free units have a label that does not fit their place */
    unit[UNIT_C] = 'C' | 1u << 8 | (UNIT_C ^ 384u) << 10;
    unit[384] = 1u << 31 | 0; /* values: places of the texts */
    unit[UNIT_CC] = 'C' | 1u << 8 | (UNIT_CC ^ 258u) << 10;
    unit[258] = 1u << 31 | 2;
    memcpy(map, &size, 4);
    memcpy(map + 4, unit, sizeof unit);
    memcpy(map + 4 + sizeof unit, "c\0ab", 5);
}

static const char *folder_with(const char *file, const void *p, size_t n)
{
    const char *dir = fresh_folder();
    write_bytes(dir, file, p, n);
    return dir;
}

START_TEST(unigram_model)
{
    begin();
    struct text m = {0};
    make_model(&m, SPM_UNIGRAM, "[CLS]", NULL, 0);
    const char *dir = folder_with("spm.model", m.s, m.n);
    write_text(dir, "added_tokens.json", "{\"[MASK]\": 12}");
    struct tokenizer *t = open_ok(dir);
    ck_assert_str_eq(t->name, "unigram");
    ck_assert_int_eq(t->vocab, 13);
    ck_assert_int_eq(t->pad, 0);
    ck_assert_int_eq(t->cls, 1);
    ck_assert_int_eq(t->sep, 2);
    ck_assert_int_eq(t->unk, 3);
    ck_assert_int_eq(t->mask, 12);
    ck_assert_int_eq(t->bos, -1);
    ck_assert_str_eq(built(t, "ab c", "b", 20), "1 4 5 8 2 5 7 2|0 0 0 0 0 1 1 1");
    ck_assert_str_eq(encoded(t, "[CLS]", 5), "5 3"); /* special tokens in text are text */
    survives_hostile_text(t, 1 << 13);               /* the library joins unknown pieces in quadratic time */
    tokenizer_close(t);
    text_free(&m);
}
END_TEST

START_TEST(decoder_model)
{
    begin();
    struct text m = {0};
    make_model(&m, SPM_BPE, "<s>", NULL, 0);
    struct tokenizer *t = open_ok(folder_with("tokenizer.model", m.s, m.n));
    ck_assert_str_eq(t->name, "sentencepiece-bpe");
    ck_assert_int_eq(t->cls, -1);
    ck_assert_int_eq(t->bos, 1);
    ck_assert_int_eq(t->eos, 2);
    ck_assert_int_eq(t->unk, 3);
    ck_assert_int_eq(t->vocab, 9);
    ck_assert_str_eq(built(t, "c", NULL, 20), "5 8|0 0");
    tokenizer_close(t);
    text_free(&m);
}
END_TEST

START_TEST(broken_models)
{
    begin();
    struct tokenizer *t;
    struct text m = {0};
    ck_fails(tokenizer_open(folder_with("spm.model", "", 0), arena, &t), ST_INPUT, "spm.model: the file is empty");
    ck_fails(tokenizer_open(folder_with("spm.model", "not a model", 11), arena, &t), ST_INPUT,
             "spm.model: no SentencePiece model");
    make_model(&m, SPM_UNIGRAM, "[C]", NULL, 0);
    ck_fails(tokenizer_open(folder_with("spm.model", m.s, m.n), arena, &t), ST_INPUT,
             "spm.model: the model lacks the special token '[CLS]'");
    make_model(&m, SPM_UNIGRAM, "[CLS]", NULL, 0);
    for (size_t cut = 1; cut < m.n; cut++) /* a model cut short: refused, or whole pieces are missing at its end */
        if (tokenizer_open(folder_with("spm.model", m.s, cut), arena, &t) == ST_OK)
            tokenizer_close(t);
        else
            ck_assert_ptr_nonnull(strstr(status_message(), "spm.model: "));
    piece(&m, "c", -3, NORMAL);
    ck_fails(tokenizer_open(folder_with("spm.model", m.s, m.n), arena, &t), ST_INPUT,
             "spm.model: the SentencePiece model is damaged");
    text_free(&m);
}
END_TEST

START_TEST(rules_are_followed)
{
    begin();
    unsigned char map[MAP];
    make_charsmap(map);
    struct text m = {0};
    make_model(&m, SPM_UNIGRAM, "[CLS]", map, sizeof map);
    struct tokenizer *t = open_ok(folder_with("spm.model", m.s, m.n));
    ck_assert_str_eq(encoded(t, "C CC CCC", 8), "5 8 4 4 8"); /* the library reads this trie as we do */
    tokenizer_close(t);
    text_free(&m);
}
END_TEST

static status check_map(const unsigned char *map, size_t n)
{
    struct text m = {0};
    int type;
    make_model(&m, SPM_UNIGRAM, "[CLS]", map, n);
    status st = spm_check(m.s, m.n, "m", arena, &type);
    text_free(&m);
    return st;
}

static void set_unit(unsigned char *map, uint32_t at, uint32_t unit)
{
    memcpy(map + 4 + 4 * at, &unit, 4);
}

START_TEST(broken_tries)
{
    begin();
    unsigned char map[MAP];
    const char *trie = "m: the trie of normalisation rules is damaged",
               *table = "m: the table of normalisation rules is damaged";
    make_charsmap(map);
    ck_ok(check_map(map, sizeof map));
    set_unit(map, 0, 512u << 10);
    ck_fails(check_map(map, sizeof map), ST_INPUT, trie); /* the root leads outside */
    make_charsmap(map);
    set_unit(map, UNIT_C, 'C' | 0x3FFu << 9);
    ck_fails(check_map(map, sizeof map), ST_INPUT, trie); /* far outside */
    make_charsmap(map);
    set_unit(map, UNIT_CC, 'C' | (UNIT_CC ^ 256u) << 10);
    ck_fails(check_map(map, sizeof map), ST_INPUT, trie); /* in a circle */
    make_charsmap(map);
    set_unit(map, 258, 1u << 31 | 5);
    ck_fails(check_map(map, sizeof map), ST_INPUT, trie); /* no text there */
    make_charsmap(map);
    ck_fails(check_map(map, 3), ST_INPUT, table);
    ck_fails(check_map(map, 1000), ST_INPUT, table);
    map[0] = 2;
    ck_fails(check_map(map, sizeof map), ST_INPUT, table);
}
END_TEST

/* A chain of more rules on one path than the library has room for: "a", "aa", "aaa" ... */
START_TEST(deep_tries)
{
    begin();
    enum { CHAIN = 40 };
    for (int chain = 32; chain <= 33; chain++) {
        static unsigned char map[4 + 4 * 256 * (CHAIN + 1) + 2];
        uint32_t size = 4 * 256 * (CHAIN + 1);
        memset(map, 0, sizeof map);
        memcpy(map, &size, 4);
        for (uint32_t i = 0; i < size / 4; i++) set_unit(map, i, i % 256 ? 0 : 1);
        set_unit(map, 0, 256u << 10);
        for (uint32_t k = 1; k <= (uint32_t)chain; k++) { /* state 256 k; its unit of 'a' leads to state 256 (k + 1) */
            uint32_t at = 256 * k ^ 'a', next = 256 * (k + 1);
            set_unit(map, at, 'a' | 1u << 8 | (at ^ next) << 10);
            set_unit(map, next, 1u << 31);
        }
        if (chain == 32)
            ck_ok(check_map(map, sizeof map));
        else
            ck_fails(check_map(map, sizeof map), ST_INPUT, "damaged");
    }
}
END_TEST

START_TEST(damaged_bytes_never_crash)
{
    begin();
    unsigned char map[MAP];
    make_charsmap(map);
    struct text m = {0};
    make_model(&m, SPM_UNIGRAM, "[CLS]", map, sizeof map);
    unsigned long long x = 0x9E3779B97F4A7C15u;
    int refused = 0;
    for (int round = 0; round < 1500; round++) {
        char *bad = malloc(m.n);
        memcpy(bad, m.s, m.n);
        for (int k = 0; k <= round % 4; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bad[x % m.n] = (char)(bad[x % m.n] ^ (1 << (x >> 40) % 8));
        }
        struct tokenizer *t;
        const char *dir = folder_with("spm.model", bad, m.n);
        if (tokenizer_open(dir, arena, &t) == ST_OK) {
            struct ids out = {0};
            (void)t->ops->encode(t, "CCC ab \xFF c", 10, &out);
            ids_free(&out);
            tokenizer_close(t);
        } else {
            ck_assert_ptr_nonnull(strstr(status_message(), "spm.model: "));
            refused++;
        }
        free(bad);
    }
    ck_assert_int_gt(refused, 100);
    text_free(&m);
}
END_TEST

START_TEST(golden_deberta)
{
    NEED_SHARED("golden/tokenizers/deberta-v3.spm.ids");
    NEED_SHARED("tokenizers/deberta-v3/spm.model");
    begin();
    struct tokenizer *t = open_ok(shared_path("tokenizers/deberta-v3"));
    ck_assert_int_eq(t->vocab, 128001);
    ck_assert_int_eq(t->pad, 0);
    ck_assert_int_eq(t->cls, 1);
    ck_assert_int_eq(t->sep, 2);
    ck_assert_int_eq(t->unk, 3);
    ck_assert_int_eq(t->mask, 128000);
    check_golden_ids(t, "deberta-v3.spm.ids");
    survives_hostile_text(t, 1 << 18);
    tokenizer_close(t);
}
END_TEST

START_TEST(golden_llama2)
{
    NEED_SHARED("golden/tokenizers/llama2.spm.ids");
    NEED_SHARED("tokenizers/llama2/tokenizer.model");
    begin();
    struct tokenizer *t = open_ok(shared_path("tokenizers/llama2"));
    ck_assert_str_eq(t->name, "sentencepiece-bpe");
    ck_assert_int_eq(t->vocab, 32000);
    ck_assert_int_eq(t->bos, 1);
    ck_assert_int_eq(t->eos, 2);
    check_golden_ids(t, "llama2.spm.ids");
    tokenizer_close(t);
}
END_TEST

PG_TESTS(TEST(unigram_model), TEST(decoder_model), TEST(broken_models), TEST(rules_are_followed), TEST(broken_tries),
         TEST(deep_tries), TEST(damaged_bytes_never_crash), TEST(golden_deberta), TEST(golden_llama2))
