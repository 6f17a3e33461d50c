/* Tokenizers (see tokenizer.h): which kind a folder holds, its special tokens, and the frame of a model input. The
 * kinds themselves are in tokenizer_wordpiece.c, tokenizer_bpe.c and tokenizer_sentencepiece.c. */
#include "datasets/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include "core/heap.h"
#include "datasets/mini.h"
#include "datasets/tokenizer_kinds.h"

/* ---- lists of ids ---- */

status ids_push(struct ids *list, int32_t id)
{
    if (list->n == list->cap) {
        FAIL_IF(list->cap > INT32_MAX / 2, ST_MEMORY, "a list of more than %d ids", INT32_MAX / 2);
        int cap = list->cap ? 2 * list->cap : 64;
        int32_t *grown = heap_resize(list->id, (size_t)cap * sizeof *grown);
        FAIL_IF(!grown, ST_MEMORY, "out of memory for a list of %d ids", cap);
        list->id = grown;
        list->cap = cap;
    }
    list->id[list->n++] = id;
    return ST_OK;
}

void ids_free(struct ids *list)
{
    heap_free(list->id);
    *list = (struct ids){0};
}

/* ---- special tokens ---- */

static int *special_slot(struct tokenizer *t, int which)
{
    int *slot[SPECIALS] = {&t->cls, &t->sep, &t->pad, &t->unk, &t->mask, &t->bos, &t->eos};
    return slot[which];
}

status specials_resolve(const struct tokenizer_folder *f, const char *names[SPECIALS], special_find *find, void *ctx,
                        struct added_tokens *added, struct tokenizer *t)
{
    static const char *const key[SPECIALS] = {"cls_token",  "sep_token", "pad_token", "unk_token",
                                              "mask_token", "bos_token", "eos_token"};
    for (int i = 0; i < SPECIALS; i++) {
        const char *text = f ? folder_special(f, key[i]) : NULL;
        if (text && (names[i] = arena_strdup(t->arena, text)) == NULL) return ST_MEMORY;
        if (!names[i]) continue;
        int32_t id = find(ctx, names[i]);
        if (id < 0) id = added_tokens_find(added, names[i]);
        TRY(added_tokens_special(added, names[i], id, false));
        *special_slot(t, i) = id;
    }
    return ST_OK;
}

/* ---- opening ---- */

static status open_kind(const struct tokenizer_folder *f, struct tokenizer *t, struct sha256 *sha)
{
    enum { SPM, TOKENIZER, LINES, VOCAB, ENCODER, FILES };
    static const char *const file[FILES] = {"spm.model", "tokenizer.model", "vocab.txt", "vocab.json", "encoder.json"};
    bool has[FILES];
    for (int i = 0; i < FILES; i++) TRY(folder_has(f, file[i], &has[i]));
    if (has[SPM] || has[TOKENIZER]) return sentencepiece_open(f, file[has[SPM] ? SPM : TOKENIZER], t, sha);
    const char *type = json_text(json_object_get(f->tokenizer, "model"), "type");
    if (has[LINES] || (type && strcmp(type, "WordPiece") == 0)) return wordpiece_open(f, t, sha);
    if (f->tokenizer || has[VOCAB] || has[ENCODER]) return bpe_open(f, t, sha);
    return fail(
        ST_INPUT,
        "%s: no tokenizer found; expected spm.model, tokenizer.model, vocab.txt, tokenizer.json, vocab.json with "
        "merges.txt, or encoder.json with vocab.bpe",
        f->dir);
}

static status open_named(const char *folder, struct tokenizer *t, struct sha256 *sha)
{
    if (strcmp(folder, "mini") == 0)
        return wordpiece_from_text(mini_vocab_text, strlen(mini_vocab_text), "mini's word list", t, sha);
    struct tokenizer_folder f;
    TRY(tokenizer_folder_open(folder, t->arena, &f));
    status st = open_kind(&f, t, sha);
    tokenizer_folder_close(&f);
    return st;
}

status tokenizer_open(const char *folder, struct arena *arena, struct tokenizer **out)
{
    *out = NULL;
    struct tokenizer *t;
    ZNEW(t, arena, 1);
    t->arena = arena;
    for (int i = 0; i < SPECIALS; i++) *special_slot(t, i) = -1;
    struct sha256 sha;
    sha256_begin(&sha);
    status st = open_named(folder, t, &sha);
    if (st != ST_OK) {
        tokenizer_close(t);
        return st;
    }
    int32_t frame[] = {t->vocab, t->cls, t->sep, t->pad, t->unk, t->mask, t->bos, t->eos, t->double_sep, t->type_ids};
    sha256_add(&sha, t->name, strlen(t->name) + 1);
    sha256_add(&sha, frame, sizeof frame);
    sha256_end(&sha, t->hash);
    *out = t;
    return ST_OK;
}

void tokenizer_close(struct tokenizer *t)
{
    if (t && t->ops) t->ops->close(t);
    if (t) t->ops = NULL;
}

/* ---- model inputs ---- */

static status put(struct ids *out, struct ids *types, const int32_t *id, int n, int type)
{
    for (int i = 0; i < n; i++) {
        TRY(ids_push(out, id[i]));
        if (types) TRY(ids_push(types, type));
    }
    return ST_OK;
}

static status put_special(struct ids *out, struct ids *types, int id, int type)
{
    int32_t one = id;
    return id < 0 ? ST_OK : put(out, types, &one, 1, type);
}

/* Lays out the frame around at most max_len - frame tokens of the two texts. */
static status lay_out(const struct tokenizer *t, const struct ids *a, const struct ids *b, int max_len, struct ids *out,
                      struct ids *types, int *dropped)
{
    int seps = t->sep < 0 ? 0 : !b ? 1 : t->double_sep ? 3 : 2;
    int frame = (t->cls >= 0) + seps, na = a->n, nb = b ? b->n : 0;
    FAIL_IF(max_len < frame || max_len < 1, ST_USAGE,
            "a maximum length of %d tokens leaves no room for the %d special tokens", max_len, frame);
    long long over = (long long)na + nb + frame - max_len;
    *dropped = over > 0 ? (int)over : 0;
    for (; over > 0; over--) {
        if (na > nb)
            na--;
        else
            nb--;
    }
    int second = t->type_ids ? 1 : 0;
    out->n = 0;
    if (types) types->n = 0;
    TRY(put_special(out, types, t->cls, 0));
    TRY(put(out, types, a->id, na, 0));
    TRY(put_special(out, types, t->sep, 0));
    if (!b) return ST_OK;
    if (t->double_sep) TRY(put_special(out, types, t->sep, 0));
    TRY(put(out, types, b->id, nb, second));
    return put_special(out, types, t->sep, second);
}

status tokenizer_build_counted(struct tokenizer *t, const char *a, const char *b, int max_len, struct ids *out,
                               struct ids *types, int *dropped)
{
    struct ids first = {0}, second = {0};
    status st = t->ops->encode(t, a, strlen(a), &first);
    if (st == ST_OK && b) st = t->ops->encode(t, b, strlen(b), &second);
    if (st == ST_OK) st = lay_out(t, &first, b ? &second : NULL, max_len, out, types, dropped);
    ids_free(&first);
    ids_free(&second);
    return st;
}

status tokenizer_build(struct tokenizer *t, const char *a, const char *b, int max_len, struct ids *out,
                       struct ids *types)
{
    int dropped;
    return tokenizer_build_counted(t, a, b, max_len, out, types, &dropped);
}

status tokenizer_decode(struct tokenizer *t, const int32_t *ids, int n, struct text *out)
{
    FAIL_IF(!t->ops->decode, ST_UNSUPPORTED, "texts of a %s tokenizer cannot be read back from their tokens", t->name);
    for (int i = 0; i < n; i++)
        FAIL_IF(ids[i] < 0 || ids[i] >= t->vocab, ST_INPUT, "token %d is %d, expected 0 to %d", i, (int)ids[i],
                t->vocab - 1);
    return t->ops->decode(t, ids, n, out);
}
