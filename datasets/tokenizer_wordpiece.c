/* WordPiece (BERT): text is cleaned, lower-cased, stripped of accents, cut into words at white space and punctuation;
 * each word becomes the longest vocabulary entries from left to right ("##" marks those inside a word), or [UNK] as a
 * whole. Follows Hugging Face's BertNormalizer, BertPreTokenizer and WordPiece.
 *
 * One difference among the references: a capital sigma that ends a word is lowered to the final sigma, as Python's
 * str.lower (with which BERT was trained) and JavaScript do; the Rust tokenizer does not know it. */
#include <string.h>
#include "core/file.h"
#include "datasets/tokenizer_kinds.h"
#include "datasets/unicode.h"

enum { MAX_WORD_CHARS = 100, MARK = 2 }; /* MARK: bytes of "##" */

struct wordpiece {
    struct vocab vocab;
    struct added_tokens added;
    int32_t unk;
    bool clean, cjk, lower, strip;
    int max_chars;
    struct text repaired, normal, a, b, word;
};

/* ---- normalisation ---- */

/* Drops NUL, U+FFFD and control characters, turns every white space into a blank; sets ideographs off by blanks. */
static status clean(const struct wordpiece *w, const char *s, size_t n, struct text *out)
{
    for (size_t i = 0; i < n;) {
        int32_t cp;
        int len = utf8_next(s + i, &cp);
        bool kept_control = cp == '\t' || cp == '\n' || cp == '\r';
        if (w->cjk && unicode_is_cjk(cp)) {
            TRY(text_add(out, " ", 1));
            TRY(text_add(out, s + i, (size_t)len));
            TRY(text_add(out, " ", 1));
        } else if (!w->clean) {
            TRY(text_add(out, s + i, (size_t)len));
        } else if (cp == 0 || cp == 0xFFFD || (!kept_control && unicode_is_control(cp))) {
            /* dropped */
        } else if (unicode_is_white(cp)) {
            TRY(text_add(out, " ", 1));
        } else {
            TRY(text_add(out, s + i, (size_t)len));
        }
        i += (size_t)len;
    }
    return ST_OK;
}

static status strip_accents(struct wordpiece *w, const char *s, size_t n, struct text *out)
{
    if (n == 0) return ST_OK;
    w->b.n = 0;
    TRY(unicode_normalise(UNICODE_NFD, s, n, &w->b));
    for (size_t i = 0; i < w->b.n;) {
        int32_t cp;
        int len = utf8_next(w->b.s + i, &cp);
        if (!unicode_is_nonspacing(cp)) TRY(text_add(out, w->b.s + i, (size_t)len));
        i += (size_t)len;
    }
    return ST_OK;
}

static status normalise(void *ctx, const char *s, size_t n, struct text *out)
{
    struct wordpiece *w = ctx;
    w->a.n = w->word.n = 0;
    TRY(clean(w, s, n, &w->a));
    if (w->a.n == 0) return ST_OK;
    if (!w->lower) return w->strip ? strip_accents(w, w->a.s, w->a.n, out) : text_add(out, w->a.s, w->a.n);
    if (!w->strip) return unicode_lower(w->a.s, w->a.n, out);
    TRY(unicode_lower(w->a.s, w->a.n, &w->word));
    return strip_accents(w, w->word.s, w->word.n, out);
}

/* ---- words to pieces ---- */

/* The longest piece at word[at..n), or -1. buf holds the word with MARK bytes of room before it; the bytes before `at`
 * are used up, so "##" may be written over them. */
static int32_t longest_piece(const struct wordpiece *w, char *buf, size_t at, size_t n, size_t *end)
{
    char *key = buf + MARK + at;
    if (at > 0) memcpy(key -= MARK, "##", MARK);
    size_t extra = at > 0 ? MARK : 0, e = n;
    if (e - at + extra > w->vocab.longest)
        e = at + w->vocab.longest - (w->vocab.longest < extra ? w->vocab.longest : extra);
    for (; e > at; e--) {
        if (e < n && ((unsigned char)buf[MARK + e] & 0xC0) == 0x80) continue; /* not between characters */
        int32_t id = vocab_find(&w->vocab, key, e - at + extra);
        if (id >= 0) {
            *end = e;
            return id;
        }
    }
    return -1;
}

static status encode_word(struct wordpiece *w, const char *s, size_t n, int chars, struct ids *out)
{
    if (chars > w->max_chars) return ids_push(out, w->unk);
    w->word.n = 0;
    TRY(text_add(&w->word, "##", MARK));
    TRY(text_add(&w->word, s, n));
    int before = out->n;
    for (size_t at = 0; at < n;) {
        int32_t id = longest_piece(w, w->word.s, at, n, &at);
        if (id < 0) {
            out->n = before;
            return ids_push(out, w->unk);
        }
        TRY(ids_push(out, id));
    }
    return ST_OK;
}

/* Cuts normalised text into words: white space separates, each punctuation character is a word. */
static status encode_words(void *ctx, const char *s, size_t n, struct ids *out)
{
    struct wordpiece *w = ctx;
    size_t start = 0;
    int chars = 0;
    for (size_t i = 0; i < n;) {
        int32_t cp;
        size_t len = (size_t)utf8_next(s + i, &cp);
        bool white = unicode_is_white(cp), punct = !white && unicode_is_punct(cp);
        if (white || punct) {
            if (i > start) TRY(encode_word(w, s + start, i - start, chars, out));
            if (punct) TRY(encode_word(w, s + i, len, 1, out));
            start = i + len;
            chars = 0;
        } else {
            chars++;
        }
        i += len;
    }
    return n > start ? encode_word(w, s + start, n - start, chars, out) : ST_OK;
}

static status encode_section(void *ctx, const char *s, size_t n, struct ids *out)
{
    struct wordpiece *w = ctx;
    w->normal.n = 0;
    TRY(normalise(w, s, n, &w->normal));
    return added_tokens_cut(&w->added, &w->added.normal, w->normal.s, w->normal.n, encode_words, w, out);
}

static status wordpiece_encode(struct tokenizer *t, const char *text, size_t n, struct ids *out)
{
    struct wordpiece *w = t->priv;
    TRY(utf8_whole(&text, &n, &w->repaired));
    return added_tokens_cut(&w->added, &w->added.raw, text, n, encode_section, w, out);
}

static void wordpiece_close(struct tokenizer *t)
{
    struct wordpiece *w = t->priv;
    struct text *all[] = {&w->repaired, &w->normal, &w->a, &w->b, &w->word};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) text_free(all[i]);
}

static const struct tokenizer_ops wordpiece_ops = {"wordpiece", wordpiece_encode, NULL, wordpiece_close};

/* ---- opening ---- */

/* One token a line; ids are line numbers from 0. A text repeated keeps the last line, as a Python dict does. */
static status read_vocab(struct wordpiece *w, const char *text, size_t n, const char *where, struct arena *arena)
{
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
    status st = vocab_make(arena, lines, &w->vocab);
    if (st != ST_OK) return fail_in(st, "%s", where);
    int32_t id = 0;
    for (size_t i = 0; i < n; id++) {
        const char *end = memchr(text + i, '\n', n - i);
        size_t len = end ? (size_t)(end - text) - i : n - i, next = i + len + 1;
        if (len > 0 && text[i + len - 1] == '\r') len--;
        st = vocab_add(&w->vocab, text + i, len, id);
        if (st != ST_OK) return fail_in(st, "%s:%d", where, (int)id + 1);
        i = next;
    }
    FAIL_IF(w->vocab.count == 0, ST_INPUT, "%s: the vocabulary is empty; expected one token a line", where);
    return ST_OK;
}

static int32_t find_special(void *ctx, const char *text)
{
    return vocab_find_text(ctx, text);
}

static int32_t first_truth(int a, int b, int otherwise)
{
    return a >= 0 ? a : b >= 0 ? b : otherwise;
}

/* tokenizer.json may describe another kind of WordPiece than BERT's: better no ids than wrong ones. */
static status check_kind(const struct tokenizer_folder *f)
{
    const json_t *model = json_object_get(f->tokenizer, "model");
    const char *prefix = json_text(model, "continuing_subword_prefix");
    const char *part[][2] = {
        {"normalizer", json_text(json_object_get(f->tokenizer, "normalizer"), "type")},
        {"pre_tokenizer", json_text(json_object_get(f->tokenizer, "pre_tokenizer"), "type")},
    };
    static const char *const known[] = {"BertNormalizer", "BertPreTokenizer"};
    for (int i = 0; i < 2; i++)
        FAIL_IF(part[i][1] && strcmp(part[i][1], known[i]) != 0, ST_UNSUPPORTED,
                "%s/tokenizer.json: the %s is '%s'; WordPiece is supported with %s only", f->dir, part[i][0],
                part[i][1], known[i]);
    FAIL_IF(prefix && strcmp(prefix, "##") != 0, ST_UNSUPPORTED,
            "%s/tokenizer.json: pieces inside a word are marked '%s'; only '##' is supported", f->dir, prefix);
    return ST_OK;
}

/* tokenizer_config.json decides before tokenizer.json, as in transformers; BERT's uncased settings stand behind both.
 */
static void read_options(const struct tokenizer_folder *f, struct wordpiece *w)
{
    const json_t *set = f ? f->settings : NULL, *normal = f ? json_object_get(f->tokenizer, "normalizer") : NULL;
    const json_t *most = f ? json_object_get(json_object_get(f->tokenizer, "model"), "max_input_chars_per_word") : NULL;
    w->clean = first_truth(json_truth(normal, "clean_text"), -1, 1);
    w->cjk = first_truth(json_truth(set, "tokenize_chinese_chars"), json_truth(normal, "handle_chinese_chars"), 1);
    w->lower = first_truth(json_truth(set, "do_lower_case"), json_truth(normal, "lowercase"), 1);
    w->strip = first_truth(json_truth(set, "strip_accents"), json_truth(normal, "strip_accents"), w->lower);
    w->max_chars = MAX_WORD_CHARS;
    if (json_is_integer(most) && json_integer_value(most) > 0 && json_integer_value(most) < INT32_MAX)
        w->max_chars = (int)json_integer_value(most);
}

static status finish(const struct tokenizer_folder *f, struct wordpiece *w, const char *where, struct tokenizer *t,
                     struct sha256 *sha)
{
    const char *names[SPECIALS] = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", NULL, NULL};
    if (f)
        TRY(added_tokens_read(f, SPECIALS, &w->added));
    else
        TRY(added_tokens_make(t->arena, SPECIALS, &w->added));
    read_options(f, w);
    TRY(specials_resolve(f, names, find_special, &w->vocab, &w->added, t));
    static const int needed[] = {SPECIAL_UNK, SPECIAL_CLS, SPECIAL_SEP};
    const int found[] = {t->unk, t->cls, t->sep};
    for (int i = 0; i < 3; i++)
        FAIL_IF(found[i] < 0, ST_INPUT, "%s: the vocabulary lacks the special token '%s'", where, names[needed[i]]);
    TRY(added_tokens_seal(&w->added, t->arena, normalise, w));
    w->unk = t->unk;
    int more = added_tokens_size(&w->added);
    t->vocab = w->vocab.size > more ? w->vocab.size : more;
    t->type_ids = true;
    int32_t options[] = {w->clean, w->cjk, w->lower, w->strip, w->max_chars};
    sha256_add(sha, options, sizeof options);
    added_tokens_hash(&w->added, sha);
    return vocab_hash(&w->vocab, t->arena, sha);
}

static status begin(struct tokenizer *t, struct wordpiece **w)
{
    ZNEW(*w, t->arena, 1);
    t->priv = *w;
    t->ops = &wordpiece_ops;
    t->name = "wordpiece";
    return ST_OK;
}

status wordpiece_from_text(const char *text, size_t n, const char *where, struct tokenizer *t, struct sha256 *sha)
{
    struct wordpiece *w;
    TRY(begin(t, &w));
    TRY(read_vocab(w, text, n, where, t->arena));
    return finish(NULL, w, where, t, sha);
}

static status read_vocab_txt(const char *path, struct wordpiece *w, struct arena *arena)
{
    char *text;
    size_t n;
    TRY(file_read(path, 1u << 30, arena, &text, &n));
    return read_vocab(w, text, n, path, arena);
}

status wordpiece_open(const struct tokenizer_folder *f, struct tokenizer *t, struct sha256 *sha)
{
    struct wordpiece *w;
    TRY(begin(t, &w));
    bool lines;
    TRY(folder_has(f, "vocab.txt", &lines));
    char *path = folder_path(f, lines ? "vocab.txt" : "tokenizer.json");
    if (!path) return ST_MEMORY;
    TRY(check_kind(f));
    if (lines)
        TRY(read_vocab_txt(path, w, t->arena));
    else
        TRY(vocab_from_json(json_object_get(json_object_get(f->tokenizer, "model"), "vocab"), path, t->arena,
                            &w->vocab));
    return finish(f, w, path, t, sha);
}
