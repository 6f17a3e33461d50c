/* A SentencePiece model, and a text with what its normalisation rules may match. spm.model is an encoder's; behind a
 * first byte 'T' (no model begins so) it is tokenizer.model, a decoder's. A model that opens may still refuse a text.
 */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "core/text.h"
#include "datasets/tokenizer.h"

static const char text[] = "ab CC Cc\xE2\x96\x81 \xEF\xBD\xB1\xCC\x81 [MASK] abcabc";

static status use(struct tokenizer *t, struct ids *ids, struct text *back)
{
    TRY(t->ops->encode(t, text, sizeof text, ids));
    for (int i = 0; i < ids->n; i++) fuzz_expect(ids->id[i] >= 0 && ids->id[i] < t->vocab, "an id out of range");
    if (t->ops->decode) TRY(tokenizer_decode(t, ids->id, ids->n, back));
    return tokenizer_build(t, "a", "b", 8, ids, NULL);
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct tokenizer *t;
    struct ids ids = {0};
    struct text back = {0};
    size_t skip = n > 0 && *p == 'T';
    fuzz_file(skip ? "tokenizer.model" : "spm.model", p + skip, n - skip, a);
    TRY(tokenizer_open(fuzz_folder(), a, &t));
    status st = use(t, &ids, &back);
    ids_free(&ids);
    text_free(&back);
    tokenizer_close(t);
    return st;
}

const struct fuzz fuzz_sentencepiece = {"sentencepiece", "a SentencePiece model", run};
