/* Any bytes as text, through a small tokenizer of every kind. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include "core/file.h"
#include "core/text.h"
#include "datasets/tokenizer.h"
#include "datasets/unicode.h"

/* Seeds of the other two harnesses, each a good tokenizer. */
static const char *const seed[] = {"tokenizer/good-wordpiece.txt", "tokenizer/good-gpt2.txt",
                                   "tokenizer/good-qwen2.txt",     "tokenizer/good-roberta.txt",
                                   "sentencepiece/good-unigram",   "sentencepiece/good-bpe"};
enum { SEEDS = sizeof seed / sizeof seed[0], KINDS = SEEDS + 1, GPT2 = 1 };
static const char *const files[] = {
    "vocab.txt",   "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "config.json", NULL};
static struct tokenizer *kind[KINDS];

/* Where the seeds lie: as seen from the root of the tree. */
static void open_seed(int k, struct arena *a)
{
    char *bytes;
    size_t n;
    ck_ok(file_read(arena_printf(a, "tests/fuzz/corpus/%s", seed[k]), 1 << 20, a, &bytes, &n));
    const unsigned char *p = (const unsigned char *)bytes;
    if (strncmp(seed[k], "tokenizer/", 10) == 0)
        fuzz_parts(p, n, files, a);
    else if (*p == 'T')
        fuzz_file("tokenizer.model", p + 1, n - 1, a);
    else
        fuzz_file("spm.model", p, n, a);
    ck_ok(tokenizer_open(fuzz_folder(), a, &kind[k]));
    fuzz_remove();
}

static void open_all(void)
{
    static struct arena *arena;
    if (arena) return;
    arena = arena_new("tokenizers");
    for (int k = 0; k < SEEDS; k++) open_seed(k, arena);
    ck_ok(tokenizer_open("mini", arena, &kind[SEEDS]));
}

/* The text as it is, and as the second text of a pair that is cut. */
static status use(struct tokenizer *t, const char *text, size_t n, struct ids *ids, struct ids *types)
{
    TRY(t->ops->encode(t, text, n, ids));
    for (int i = 0; i < ids->n; i++) fuzz_expect(ids->id[i] >= 0 && ids->id[i] < t->vocab, "an id out of range");
    TRY(tokenizer_build(t, "a b", text, 16, ids, types));
    fuzz_expect(ids->n <= 16 && types->n == ids->n, "an input longer than asked for");
    return ST_OK;
}

/* Byte-level BPE without a normal form loses nothing. */
static status there_and_back(struct tokenizer *t, const char *text, size_t n, struct ids *ids, struct text *back)
{
    ids->n = 0;
    TRY(t->ops->encode(t, text, n, ids));
    TRY(tokenizer_decode(t, ids->id, ids->n, back));
    fuzz_expect(!utf8_valid(text, n) || memmem(text, n, "<|", 2) ||
                    (back->n == n && (n == 0 || memcmp(back->s, text, n) == 0)),
                "a text that does not come back from its tokens");
    return ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct ids ids = {0}, types = {0};
    struct text back = {0};
    char *text = arena_alloc(a, n + 1);
    if (!text) return ST_MEMORY;
    if (n) memcpy(text, p, n);
    text[n] = 0;
    open_all();
    status st = ST_OK;
    for (int k = 0; k < KINDS && st == ST_OK; k++) {
        ids.n = 0;
        st = use(kind[k], text, n, &ids, &types);
    }
    if (st == ST_OK) st = there_and_back(kind[GPT2], text, n, &ids, &back);
    fuzz_expect(st == ST_OK, "a tokenizer should take any text");
    ids_free(&ids);
    ids_free(&types);
    text_free(&back);
    return ST_OK;
}

const struct fuzz fuzz_text = {"text", "any bytes as text, through every kind of tokenizer", run};
