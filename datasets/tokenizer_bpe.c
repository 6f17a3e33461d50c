/* Byte-level BPE (GPT-2, RoBERTa, Phi-2, Qwen2, SmolLM): text is cut into pieces by the family's pattern; the bytes of
 * a piece are merged by rank. Every text has ids, and every vocabulary that holds all bytes loses nothing. */
#include <string.h>
#include "datasets/bpe_model.h"
#include "datasets/bpe_settings.h"
#include "datasets/tokenizer_kinds.h"
#include "datasets/unicode.h"

struct token_text {
    const char *text; /* NULL: no such token, or one of the frame */
    uint32_t n;
    bool plain; /* written as it is, not in the byte alphabet */
};

struct bpe {
    struct bpe_model model;
    struct bpe_settings set;
    struct added_tokens added;
    struct bpe_work work;
    int32_t unk;
    struct token_text *by_id; /* [vocab], made when the first tokens are decoded */
    struct text repaired, normal, blank, whole;
};

/* ---- encoding ---- */

/* The piece in the byte alphabet, as the vocabulary writes it. */
static status find_whole(struct bpe *b, const char *s, size_t n, int32_t *id)
{
    b->whole.n = 0;
    for (size_t i = 0; i < n; i++) TRY(utf8_put(&b->whole, bpe_byte_char((unsigned char)s[i])));
    *id = vocab_find(&b->model.vocab, b->whole.s, b->whole.n);
    return ST_OK;
}

static status encode_piece(void *ctx, const char *s, size_t n, struct ids *out)
{
    struct bpe *b = ctx;
    if (b->set.ignore_merges) {
        int32_t id;
        TRY(find_whole(b, s, n, &id));
        if (id >= 0) return ids_push(out, id);
    }
    TRY(bpe_begin(&b->work, n));
    for (size_t i = 0; i < n; i++) {
        int32_t id = b->model.byte_id[(unsigned char)s[i]];
        if (id < 0) id = b->unk;
        if (id >= 0) bpe_symbol_add(&b->work, id);
    }
    return bpe_merge(&b->model.merges, &b->work, out);
}

static status encode_text(void *ctx, const char *s, size_t n, struct ids *out)
{
    struct bpe *b = ctx;
    if (b->set.prefix_blank && s[0] != ' ') {
        b->blank.n = 0;
        TRY(text_add(&b->blank, " ", 1));
        TRY(text_add(&b->blank, s, n));
        s = b->blank.s;
        n = b->blank.n;
    }
    return bpe_split_run(&b->set.split, s, n, encode_piece, b, out);
}

static status normalise(void *ctx, const char *s, size_t n, struct text *out)
{
    const struct bpe *b = ctx;
    return unicode_normalise(b->set.form, s, n, out);
}

static status encode_section(void *ctx, const char *s, size_t n, struct ids *out)
{
    struct bpe *b = ctx;
    if (b->set.normalises) {
        b->normal.n = 0;
        TRY(normalise(b, s, n, &b->normal));
        s = b->normal.s;
        n = b->normal.n;
    }
    return added_tokens_cut(&b->added, &b->added.normal, s, n, encode_text, b, out);
}

static status bpe_encode(struct tokenizer *t, const char *text, size_t n, struct ids *out)
{
    struct bpe *b = t->priv;
    TRY(utf8_whole(&text, &n, &b->repaired));
    return added_tokens_cut(&b->added, &b->added.raw, text, n, encode_section, b, out);
}

/* ---- decoding ---- */

static status list_by_id(struct tokenizer *t)
{
    struct bpe *b = t->priv;
    const struct vocab *v = &b->model.vocab;
    struct token_text *list;
    ZNEW(list, t->arena, t->vocab);
    for (uint32_t i = 0; i <= v->mask; i++)
        if (v->slot[i].text) list[v->slot[i].id] = (struct token_text){v->slot[i].text, v->slot[i].n, false};
    for (int i = 0; i < b->added.count; i++) {
        const struct added_token *a = &b->added.token[i];
        if (a->id < 0 || a->id >= t->vocab) continue;
        struct token_text verbatim = {a->text, a->n, true}, nothing = {0};
        list[a->id] = a->special ? nothing : verbatim;
    }
    b->by_id = list;
    return ST_OK;
}

/* Each character of a token stands for a byte; one that stands for none is itself. */
static status put_bytes(const char *s, uint32_t n, struct text *out)
{
    for (uint32_t at = 0; at < n;) {
        int32_t cp = -1;
        int size = utf8_decode(s + at, n - at, &cp), byte = 0;
        if (size < 1) size = 1;
        while (byte < 256 && bpe_byte_char((unsigned char)byte) != cp) byte++;
        char c = (char)byte;
        TRY(byte < 256 ? text_add(out, &c, 1) : text_add(out, s + at, (size_t)size));
        at += (uint32_t)size;
    }
    return ST_OK;
}

static status bpe_decode(struct tokenizer *t, const int32_t *ids, int n, struct text *out)
{
    struct bpe *b = t->priv;
    if (!b->by_id) TRY(list_by_id(t));
    for (int i = 0; i < n; i++) {
        const struct token_text *token = &b->by_id[ids[i]];
        if (!token->text) continue;
        TRY(token->plain ? text_add(out, token->text, token->n) : put_bytes(token->text, token->n, out));
    }
    return ST_OK;
}

static void bpe_close(struct tokenizer *t)
{
    struct bpe *b = t->priv;
    bpe_split_free(&b->set.split);
    bpe_work_free(&b->work);
    text_free(&b->repaired);
    text_free(&b->normal);
    text_free(&b->blank);
    text_free(&b->whole);
}

static const struct tokenizer_ops bpe_ops = {"bpe", bpe_encode, bpe_decode, bpe_close};

/* ---- opening ---- */

static int32_t find_token(void *vocab, const char *text)
{
    return vocab_find_text(vocab, text);
}

/* RoBERTa's special tokens are looked for where the model is one, or where nobody says what it is and they are there.
 */
static bool is_roberta(const struct tokenizer_folder *f, const struct vocab *v)
{
    if (*folder_family(f)) return strstr(folder_family(f), "roberta") != NULL;
    return vocab_find_text(v, "<s>") >= 0 && vocab_find_text(v, "</s>") >= 0 && vocab_find_text(v, "<pad>") >= 0 &&
           vocab_find_text(v, "<mask>") >= 0;
}

/* How many special tokens stand between the two texts of a pair, as tokenizer.json has it; -1: it does not say. */
static int tokens_between(const struct tokenizer_folder *f)
{
    const json_t *post = json_object_get(f->tokenizer, "post_processor"), *v;
    const char *type = json_text(post, "type");
    if (type && strcmp(type, "RobertaProcessing") == 0) return 2;
    if (type && strcmp(type, "BertProcessing") == 0) return 1;
    if (!type || strcmp(type, "TemplateProcessing") != 0) return -1;
    const json_t *pair = json_object_get(post, "pair");
    int between = -1;
    for (size_t i = 0; i < json_array_size(pair); i++) {
        v = json_array_get(pair, i);
        if (json_object_get(v, "Sequence")) {
            if (between >= 0) return between;
            between = 0;
        } else if (between >= 0) {
            between++;
        }
    }
    return -1;
}

/* Special tokens that are not named by text: config.json's numbers. */
static void ids_from_config(const struct tokenizer_folder *f, struct tokenizer *t)
{
    static const char *const key[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
    int *slot[] = {&t->bos, &t->eos, &t->pad};
    for (int i = 0; i < 3; i++) {
        const json_t *v = json_object_get(f->config, key[i]);
        if (*slot[i] < 0 && json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < t->vocab)
            *slot[i] = (int)json_integer_value(v);
    }
}

static status find_specials(const struct tokenizer_folder *f, struct bpe *b, struct tokenizer *t)
{
    static const char *const roberta[SPECIALS] = {"<s>", "</s>", "<pad>", "<unk>", "<mask>", "<s>", "</s>"};
    const char *names[SPECIALS] = {NULL};
    bool framed = is_roberta(f, &b->model.vocab);
    if (framed) memcpy(names, roberta, sizeof names);
    TRY(added_tokens_read(f, SPECIALS + 1, &b->added));
    if (framed) /* transformers makes RoBERTa's mask so where the files do not say otherwise */
        TRY(added_tokens_special(&b->added, "<mask>", vocab_find_text(&b->model.vocab, "<mask>"), true));
    TRY(specials_resolve(f, names, find_token, &b->model.vocab, &b->added, t));
    for (int i = 0; framed && i < 2; i++)
        FAIL_IF((i ? t->sep : t->cls) < 0, ST_INPUT, "%s: the vocabulary lacks the special token '%s'", b->model.path,
                names[i ? SPECIAL_SEP : SPECIAL_CLS]);
    int more = added_tokens_size(&b->added), between = tokens_between(f);
    t->vocab = b->model.vocab.size > more ? b->model.vocab.size : more;
    t->double_sep = t->sep >= 0 && (between >= 0 ? between == 2 : strcmp(names[SPECIAL_SEP], "</s>") == 0);
    ids_from_config(f, t);
    b->unk = t->unk;
    return ST_OK;
}

status bpe_open(const struct tokenizer_folder *f, struct tokenizer *t, struct sha256 *sha)
{
    struct bpe *b;
    ZNEW(b, t->arena, 1);
    t->priv = b;
    t->ops = &bpe_ops;
    t->name = "bpe";
    TRY(bpe_model_read(f, &b->model, sha));
    TRY(bpe_settings_read(f, &b->set, sha));
    TRY(find_specials(f, b, t));
    TRY(added_tokens_seal(&b->added, t->arena, b->set.normalises ? normalise : NULL, b));
    added_tokens_hash(&b->added, sha);
    return vocab_hash(&b->model.vocab, t->arena, sha);
}
