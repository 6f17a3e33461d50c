/* SentencePiece models: unigram (DeBERTa-v2/v3, spm.model) and BPE (Llama-2, tokenizer.model). The ids are the
 * library's own: it is what those models were trained with. Special tokens written in a text are text to it. */
#include <string.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/sentencepiece_shim.h"
#include "datasets/spm_check.h"
#include "datasets/tokenizer_kinds.h"

/* The library finds some faults of a model only when a text meets them. */
static status sentencepiece_encode(struct tokenizer *t, const char *text, size_t n, struct ids *out)
{
    const int *ids;
    size_t count;
    char why[256];
    FAIL_IF(spm_encode(t->priv, text, n, &ids, &count, why, sizeof why) != 0, ST_INPUT,
            "%s: the SentencePiece model cannot encode a text of %zu bytes: %s", t->path, n, why);
    for (size_t i = 0; i < count; i++) TRY(ids_push(out, ids[i]));
    return ST_OK;
}

static status sentencepiece_decode(struct tokenizer *t, const int32_t *ids, int n, struct text *out)
{
    const char *text;
    size_t size;
    char why[256];
    struct ids pieces = {0};
    status st = ST_OK;
    for (int i = 0; i < n && st == ST_OK; i++)
        if (ids[i] < spm_size(t->priv)) st = ids_push(&pieces, ids[i]); /* added tokens are the frame's */
    if (st == ST_OK && spm_decode(t->priv, pieces.id, (size_t)pieces.n, &text, &size, why, sizeof why) != 0)
        st = fail(ST_INPUT, "%s: the SentencePiece model cannot decode %d tokens: %s", t->path, n, why);
    if (st == ST_OK) st = text_add(out, text, size);
    ids_free(&pieces);
    return st;
}

static void sentencepiece_close(struct tokenizer *t)
{
    spm_close(t->priv);
    t->priv = NULL;
}

static const struct tokenizer_ops sentencepiece_ops = {"sentencepiece", sentencepiece_encode, sentencepiece_decode,
                                                       sentencepiece_close};

static status load(const char *path, struct tokenizer *t, struct sha256 *sha)
{
    struct file_map map;
    char why[256];
    int type;
    TRY(file_map(path, &map));
    status st = spm_check(map.data, map.size, path, t->arena, &type);
    if (st == ST_OK) {
        sha256_add(sha, map.data, map.size);
        t->name = type == SPM_UNIGRAM ? "unigram" : type == SPM_BPE ? "sentencepiece-bpe" : "sentencepiece";
        t->path = path;
        t->priv = spm_open(map.data, map.size, why, sizeof why);
        if (t->priv)
            t->ops = &sentencepiece_ops;
        else
            st = fail(ST_INPUT, "%s: the SentencePiece model is damaged: %s", path, why);
    }
    file_unmap(&map);
    return st;
}

static int32_t find_piece(void *spm, const char *text)
{
    return spm_find(spm, text);
}

status sentencepiece_open(const struct tokenizer_folder *f, const char *model, struct tokenizer *t, struct sha256 *sha)
{
    static const char *const deberta[SPECIALS] = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"};
    const char *names[SPECIALS] = {NULL};
    bool encoder = strcmp(model, "spm.model") == 0;
    if (encoder) memcpy(names, deberta, sizeof names);
    char *path = folder_path(f, model);
    if (!path) return ST_MEMORY;
    FAIL_IF(json_truth(f->settings, "do_lower_case") == 1 || json_truth(f->settings, "split_by_punct") == 1,
            ST_UNSUPPORTED, "%s/tokenizer_config.json: do_lower_case and split_by_punct are supported as false only",
            f->dir);
    TRY(load(path, t, sha));
    struct added_tokens added;
    TRY(added_tokens_read(f, SPECIALS, &added));
    TRY(specials_resolve(f, names, find_piece, t->priv, &added, t));
    if (t->unk < 0) t->unk = spm_unk(t->priv);
    if (t->bos < 0 && !encoder) t->bos = spm_bos(t->priv);
    if (t->eos < 0 && !encoder) t->eos = spm_eos(t->priv);
    FAIL_IF(encoder && t->cls < 0, ST_INPUT, "%s: the model lacks the special token '%s'", path, names[SPECIAL_CLS]);
    FAIL_IF(encoder && t->sep < 0, ST_INPUT, "%s: the model lacks the special token '%s'", path, names[SPECIAL_SEP]);
    int pieces = spm_size(t->priv), more = added_tokens_size(&added);
    t->vocab = pieces > more ? pieces : more;
    t->type_ids = encoder;
    return ST_OK;
}
