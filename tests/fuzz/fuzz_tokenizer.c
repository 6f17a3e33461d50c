/* A tokenizer's folder: every file of every kind as a part, and the text to cut as the part "text". */
#include "tests/fuzz/fuzzing.h"

#include "core/text.h"
#include "datasets/tokenizer.h"

static const char *const files[] = {"vocab.txt",
                                    "vocab.json",
                                    "merges.txt",
                                    "encoder.json",
                                    "vocab.bpe",
                                    "tokenizer.json",
                                    "tokenizer_config.json",
                                    "special_tokens_map.json",
                                    "special_tokens.json",
                                    "added_tokens.json",
                                    "config.json",
                                    NULL};

static status use(struct tokenizer *t, const char *text, size_t n, struct ids *ids, struct text *back)
{
    TRY(t->ops->encode(t, text, n, ids));
    for (int i = 0; i < ids->n; i++) fuzz_expect(ids->id[i] >= 0 && ids->id[i] < t->vocab, "an id out of range");
    if (t->ops->decode) TRY(tokenizer_decode(t, ids->id, ids->n, back));
    TRY(tokenizer_build(t, text, "a b", 16, ids, NULL));
    fuzz_expect(ids->n <= 16, "an input longer than asked for");
    return ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct tokenizer *t;
    struct ids ids = {0};
    struct text back = {0};
    size_t size;
    const char *text = fuzz_part(p, n, "text", a, &size);
    fuzz_parts(p, n, files, a);
    TRY(tokenizer_open(fuzz_folder(), a, &t));
    status st = use(t, text, size, &ids, &back);
    fuzz_expect(st == ST_OK, "a tokenizer that opens should take any text");
    ids_free(&ids);
    text_free(&back);
    tokenizer_close(t);
    return ST_OK;
}

const struct fuzz fuzz_tokenizer = {"tokenizer", "the files of a WordPiece or byte-level BPE tokenizer", run};
