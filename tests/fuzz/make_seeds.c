/* Seeds that are no text: writes them into tests/fuzz/corpus (run it from the root of the tree; make_seeds.sh does). */
#include "tests/pgtest.h"

#include <sys/stat.h>
#include "bench/checkpoint_file.h"
#include "bench/optimizer.h"
#include "bench/session.h"
#include "core/cache.h"
#include "core/file.h"
#include "core/text.h"
#include "datasets/bpe_model.h"
#include "datasets/token_file.h"
#include "datasets/unicode.h"
#include "models/stored_file.h"
#include "results/record_image.h"
#include "results/record_pack.h"
#include "tests/fuzz/kept_sample.h"
#include "tests/model_fixture.h"
#include "tests/sample_record.h"
#include "tests/tiny_cell.h"
#include "tests/tiny_training.h"
#include "tests/torch_fixture.h"

static struct arena *arena;

/* corpus/<name>, with the bytes head first. */
static void put(const char *name, const char *head, const void *p, size_t n)
{
    const char *path = path_join(arena, "tests/fuzz/corpus", name);
    size_t before = strlen(head);
    char *whole = arena_alloc(arena, before + n + 1), *folder = arena_strdup(arena, path);
    *strrchr(folder, '/') = 0;
    ck_ok(file_make_dirs(folder));
    memcpy(whole, head, before);
    memcpy(whole + before, p, n);
    ck_ok(file_write_atomic(path, whole, before + n));
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static void put_file(const char *name, const char *head, const char *from, size_t skip)
{
    char *bytes;
    size_t n;
    ck_ok(file_read(from, 1 << 20, arena, &bytes, &n));
    put(name, head, bytes + skip, n - skip);
}

static void torch_seeds(void)
{
    struct bytes b = {.n = 0};
    put("torch/good-zip-protocol-2", "Z", torch_pickled[1].p, torch_pickled[1].n);
    put("torch/good-zip-protocol-4", "Z", torch_pickled[3].p, torch_pickled[3].n);
    put("torch/good-legacy-protocol-1", "L", torch_pickled[0].p, torch_pickled[0].n);
    torch_zip_model(&b, torch_pickled[1].p, torch_pickled[1].n, (struct zip_twist){.zip64 = true});
    put("torch/good-zip64", "", b.p, b.n);
    b.n = 0;
    torch_legacy_model(&b, torch_pickled[1].p, torch_pickled[1].n);
    put("torch/good-legacy", "", b.p, b.n);
}

/* ---- SentencePiece: protocol buffers as in tests/datasets/test_tokenizer_sentencepiece.c ---- */

static void varint(struct text *t, uint64_t v)
{
    do {
        char c = (char)(v >= 128 ? (v & 127) | 128 : v);
        ck_ok(text_add(t, &c, 1));
        v >>= 7;
    } while (v);
}

static void bytes_field(struct text *t, unsigned field, const void *p, size_t n)
{
    varint(t, field << 3 | 2);
    varint(t, n);
    if (n) ck_ok(text_add(t, p, n));
}

static void number_field(struct text *t, unsigned field, uint64_t v)
{
    varint(t, field << 3);
    varint(t, v);
}

static void piece(struct text *model, const char *name, float score, unsigned type)
{
    struct text p = {0};
    bytes_field(&p, 1, name, strlen(name));
    varint(&p, 2 << 3 | 5);
    ck_ok(text_add(&p, (const char *)&score, sizeof score));
    number_field(&p, 3, type);
    bytes_field(model, 1, p.s, p.n);
    text_free(&p);
}

/* The trie of one rule, C -> c: states 256 (root) and 384. */
static void charsmap(struct text *t)
{
    enum { UNITS = 512, UNIT_C = 256 ^ 'C' };
    uint32_t unit[UNITS] = {0}, size = sizeof unit;
    unit[0] = 256u << 10;
    unit[256] = 1;
    unit[UNIT_C] = 'C' | 1u << 8 | (UNIT_C ^ 384u) << 10;
    unit[384] = 1u << 31;
    ck_ok(text_add(t, (const char *)&size, 4));
    ck_ok(text_add(t, (const char *)unit, sizeof unit));
    ck_ok(text_add(t, "c", 2));
}

static void sentencepiece_seed(const char *name, unsigned type, const char *const *specials)
{
    static const char *const words[] = {"\xE2\x96\x81"
                                        "ab",
                                        "\xE2\x96\x81",
                                        "a",
                                        "b",
                                        "c",
                                        "ab"};
    struct text m = {0}, spec = {0}, map = {0};
    for (int i = 0; i < 4; i++) piece(&m, specials[i], 0, i == 3 ? 2 : 3);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) piece(&m, words[i], -1 - (float)i, 1);
    number_field(&spec, 3, type);
    static const unsigned ids[] = {3, 1, 2, 0}, names[] = {3, 1, 2, 0};
    for (unsigned i = 0; i < 4; i++) number_field(&spec, 40 + i, ids[i]);
    for (unsigned i = 0; i < 4; i++) bytes_field(&spec, 45 + i, specials[names[i]], strlen(specials[names[i]]));
    bytes_field(&m, 2, spec.s, spec.n);
    spec.n = 0;
    charsmap(&map);
    bytes_field(&spec, 1, "test", 4);
    bytes_field(&spec, 2, map.s, map.n);
    bytes_field(&m, 3, spec.s, spec.n);
    put(name, type == 2 ? "T" : "", m.s, m.n);
    text_free(&m);
    text_free(&spec);
    text_free(&map);
}

/* ---- byte-level BPE ---- */

static void byte_vocabulary(struct text *t)
{
    static const char *const more[] = {"he",   "ll",    "llo",   "hello",  "\xC4\xA0hello", "<s>",
                                       "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>"};
    ck_ok(text_put(t, "{"));
    for (int b = 0; b < 256; b++) {
        int32_t cp = bpe_byte_char((unsigned char)b);
        ck_ok(text_put(t, cp == '"' || cp == '\\' ? "\"\\" : "\""));
        ck_ok(utf8_put(t, cp));
        ck_ok(text_printf(t, "\":%d,", b));
    }
    for (int i = 0; i < 11; i++) ck_ok(text_printf(t, "%s\"%s\":%d", i ? "," : "", more[i], 256 + i));
    ck_ok(text_put(t, "}\n"));
}

static void bpe_seeds(void)
{
    static const char merges[] = "==== merges.txt\n#version: 0.2\nh e\nl l\nll o\nhe llo\n\xC4\xA0 hello\n";
    static const struct {
        const char *name, *config;
    } seed[] = {{"tokenizer/good-gpt2.txt", "{\"model_type\": \"gpt2\", \"eos_token_id\": 266}"},
                {"tokenizer/good-qwen2.txt", "{\"model_type\": \"qwen2\", \"eos_token_id\": 266}"},
                {"tokenizer/good-roberta.txt", "{\"model_type\": \"roberta\"}"}};
    for (int i = 0; i < 3; i++) {
        struct text t = {0};
        ck_ok(text_put(&t, "==== vocab.json\n"));
        byte_vocabulary(&t);
        ck_ok(text_printf(&t, "%s==== config.json\n%s\n==== text\nhello  hello 12's\n", merges, seed[i].config));
        put(seed[i].name, "", t.s, t.n);
        text_free(&t);
    }
}

/* ---- what the program writes itself ---- */

static void token_seed(void)
{
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const struct token_parts parts = {.rows = 2,
                                      .offset = (const uint64_t[]){0, 3, 5},
                                      .ids = (const int32_t[]){1, 50, 2, 1, 99},
                                      .types = (const uint8_t[]){0, 0, 1, 0, 0},
                                      .label = (const float[]){0, 1},
                                      .longest = 3,
                                      .vocab = 100,
                                      .key = key,
                                      .data_hash = key};
    const void *image;
    size_t n;
    ck_ok(token_image(&parts, arena, &image, &n));
    put("token_cache/good-labelled", "", image, n);
}

static void record_seeds(void)
{
    struct record r[2];
    const struct record *both[] = {&r[0], &r[1]};
    const char *one = path_join(arena, temp_dir(), "one.h5"), *all = path_join(arena, temp_dir(), "all.h5");
    for (int k = 0; k < 2; k++) {
        struct sample s = {.row = k ? "lora" : "bitfit", .seed = k, .score = {0.1, 0.5, 0.2}};
        if (k) s.variant[0] = "rank=1", s.variant[1] = "rank=2";
        sample_record(&s, arena, &r[k]);
        ck_ok(record_string(&r[k], "run/id", k ? "b" : "a"));
    }
    ck_ok(record_write(&r[0], one));
    ck_ok(record_pack_write(both, 2, all));
    put_file("record/good-whole", "", one, 0);
    put_file("record/good-hdf5", "", one, RECORD_SEAL);
    put_file("merged/good-whole", "", all, 0);
    put_file("merged/good-hdf5", "", all, RECORD_SEAL);
}

static void kept_seeds(void)
{
    enum { HEADER = 256 }; /* of core/cache.c */
    struct lq_parts parts;
    char **names;
    int count;
    const char *folder = path_join(arena, temp_dir(), "kept");
    cache_set_folder(folder);
    ck_ok(kept_decompose(arena, &parts));
    cache_set_folder(NULL);
    ck_ok(file_list(folder, NULL, arena, &names, &count));
    ck_assert_int_eq(count, 1);
    put_file("kept/good-file", "", path_join(arena, folder, names[0]), 0);
    put_file("kept/good-bytes", "", path_join(arena, folder, names[0]), HEADER);
}

static void stored_seed(void)
{
    struct fixture f;
    const char *path = path_join(arena, temp_dir(), "base.safetensors");
    ck_ok(fixture_open(&f, tiny_model(), HEAD_CLASSIFY, 2));
    ck_ok(model_build_stores(f.model, store_find("int8"), NULL));
    ck_ok(store_file_write(f.model, store_find("int8"), NULL, path));
    put_file("stored_file/good-whole", "", path, 0);
    fixture_close(&f);
}

/* As after two steps. */
static void checkpoint_seeds(void)
{
    struct tiny_training *t = tiny_training_open();
    struct run_keeper keeper;
    const char *folder = temp_dir();
    ck_ok(run_keeper_open(&keeper, folder, TINY_TRAINING_ID, "seed", t->training.options, true, arena));
    ck_ok(adamw_init(NULL, &t->session.reg));
    memset(t->training.curves.loss, 0, 2 * sizeof(double));
    memset(t->training.curves.lr, 0, 2 * sizeof(double));
    memset(t->training.curves.grad_norm, 0, 2 * sizeof(double));
    memset(t->training.curves.penalty, 0, 2 * sizeof(double));
    t->training.curves.done = 2;
    trace_add(&t->training.trace, &t->session, 0);
    run_keeper_step(&keeper, &t->training, true);
    ck_assert_int_eq(keeper.step, 2);
    put_file("checkpoint/good-whole", "", keeper.path, 0);
    put_file("checkpoint/good-blocks", "", keeper.path, CHECKPOINT_HEAD);
}

/* As a test, for the fixtures assert. */
START_TEST(make_seeds)
{
    static const char *const bert[] = {"[PAD]", "[CLS]", "[SEP]", "[UNK]"};
    static const char *const llama[] = {"<pad>", "<s>", "</s>", "<unk>"};
    notice_quiet(1);
    arena = arena_new("seeds");
    torch_seeds();
    sentencepiece_seed("sentencepiece/good-unigram", 1, bert);
    sentencepiece_seed("sentencepiece/good-bpe", 2, llama);
    bpe_seeds();
    token_seed();
    record_seeds();
    stored_seed();
    kept_seeds();
    checkpoint_seeds();
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(make_seeds))
