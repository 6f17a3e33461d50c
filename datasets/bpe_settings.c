/* Settings of byte-level BPE (see bpe_settings.h). What this build does not know is refused by name: a text cut
 * otherwise than in training gives worse scores, not an error. */
#include "datasets/bpe_settings.h"

#include <string.h>
#include "core/text.h"

/* ---- families, for folders without tokenizer.json ---- */

struct family {
    const char *model_type; /* pattern for config.json's model_type */
    const char *tokenizer;  /* pattern for tokenizer_config.json's tokenizer_class */
    const char *first;      /* a step before the pattern, or NULL */
    const char *pattern;
    bool nfc;
};

static const struct family families[] = {
    {"qwen*", "Qwen2*", NULL, bpe_pattern_qwen2, true},
    /* The Llama-shaped models whose files are vocab.json and merges.txt are SmolLM's: single digits before GPT-2's
       split. */
    {"llama", "-", bpe_pattern_digit, bpe_pattern_gpt2, false},
    {"*", "*", NULL, bpe_pattern_gpt2, false},
};

static const struct family *family_of(const struct tokenizer_folder *f)
{
    const char *class = json_text(f->settings, "tokenizer_class");
    for (const struct family *y = families;; y++)
        if (text_match(y->model_type, folder_family(f)) || text_match(y->tokenizer, class ? class : "")) return y;
}

static status from_family(const struct tokenizer_folder *f, struct bpe_settings *s, struct sha256 *sha)
{
    const struct family *y = family_of(f);
    if (y->first) TRY(bpe_split_add(&s->split, y->first, true, true, f->dir, sha));
    s->normalises = y->nfc;
    s->form = UNICODE_NFC;
    return bpe_split_add(&s->split, y->pattern, true, true, f->dir, sha);
}

/* ---- tokenizer.json ---- */

struct reading {
    const char *path;
    struct bpe_settings *s;
    struct sha256 *sha;
    bool byte_level;
};

static status read_normalizer(const struct reading *r, const json_t *v)
{
    static const char *const form[] = {"NFC", "NFD", "NFKC", "NFKD"}; /* in the order of enum unicode_form */
    if (!v || json_is_null(v)) return ST_OK;
    const char *type = json_text(v, "type");
    const json_t *parts = json_object_get(v, "normalizers");
    if (type && strcmp(type, "Sequence") == 0 && json_array_size(parts) <= 1)
        return read_normalizer(r, json_array_get(parts, 0));
    for (int i = 0; type && i < 4; i++) {
        if (strcmp(type, form[i]) != 0) continue;
        r->s->normalises = true;
        r->s->form = (enum unicode_form)i;
        return ST_OK;
    }
    return fail(ST_UNSUPPORTED, "%s: the normalizer '%s' is not among NFC, NFD, NFKC, NFKD", r->path,
                type ? type : "?");
}

/* {"type": "Split", "pattern": {"Regex": ...}, "behavior": ..., "invert": ...} */
static status read_split(const struct reading *r, const json_t *v)
{
    const char *pattern = json_text(json_object_get(v, "pattern"), "Regex"), *behavior = json_text(v, "behavior");
    bool invert = json_truth(v, "invert") == 1;
    FAIL_IF(!pattern, ST_UNSUPPORTED, "%s: a Split step without a pattern 'Regex'", r->path);
    if (behavior && strcmp(behavior, "Isolated") == 0)
        return bpe_split_add(&r->s->split, pattern, true, true, r->path, r->sha);
    if (behavior && strcmp(behavior, "Removed") == 0)
        return bpe_split_add(&r->s->split, pattern, invert, !invert, r->path, r->sha);
    return fail(ST_UNSUPPORTED, "%s: a Split step with behavior '%s'; Isolated and Removed are supported", r->path,
                behavior ? behavior : "?");
}

static status read_byte_level(struct reading *r, const json_t *v)
{
    r->byte_level = true;
    if (json_truth(v, "add_prefix_space") == 1) {
        FAIL_IF(r->s->split.steps > 0, ST_UNSUPPORTED, "%s: add_prefix_space after another splitting step", r->path);
        r->s->prefix_blank = true;
    }
    if (json_truth(v, "use_regex") == 0) return ST_OK;
    return bpe_split_add(&r->s->split, bpe_pattern_gpt2, true, true, r->path, r->sha);
}

static status read_step(struct reading *r, const json_t *v)
{
    const char *type = json_text(v, "type");
    if (!type) type = "?";
    FAIL_IF(r->byte_level, ST_UNSUPPORTED, "%s: the pre-tokenizer step '%s' after ByteLevel", r->path, type);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(r, v);
    if (strcmp(type, "Split") == 0) return read_split(r, v);
    if (strcmp(type, "Digits") == 0) {
        const char *pattern = json_truth(v, "individual_digits") == 1 ? bpe_pattern_digit : bpe_pattern_digits;
        return bpe_split_add(&r->s->split, pattern, true, true, r->path, r->sha);
    }
    return fail(ST_UNSUPPORTED, "%s: the pre-tokenizer step '%s' is not among Split, Digits, ByteLevel", r->path, type);
}

static status from_tokenizer_json(const struct tokenizer_folder *f, struct bpe_settings *s, struct sha256 *sha)
{
    struct reading r = {.path = folder_path(f, "tokenizer.json"), .s = s, .sha = sha};
    if (!r.path) return ST_MEMORY;
    const json_t *pre = json_object_get(f->tokenizer, "pre_tokenizer"), *list = json_object_get(pre, "pretokenizers");
    const char *type = json_text(pre, "type");
    size_t i;
    json_t *v;
    if (type && strcmp(type, "Sequence") == 0) {
        json_array_foreach(list, i, v) TRY(read_step(&r, v));
    } else if (type) {
        TRY(read_step(&r, pre));
    }
    FAIL_IF(!r.byte_level, ST_UNSUPPORTED, "%s: the pre-tokenizer has no step ByteLevel: this is no byte-level BPE",
            r.path);
    s->ignore_merges = json_truth(json_object_get(f->tokenizer, "model"), "ignore_merges") == 1;
    return read_normalizer(&r, json_object_get(f->tokenizer, "normalizer"));
}

status bpe_settings_read(const struct tokenizer_folder *f, struct bpe_settings *s, struct sha256 *sha)
{
    *s = (struct bpe_settings){0};
    TRY(f->tokenizer ? from_tokenizer_json(f, s, sha) : from_family(f, s, sha));
    int prefix = json_truth(f->settings, "add_prefix_space");
    if (prefix >= 0) s->prefix_blank = prefix;
    int32_t all[] = {s->normalises, s->normalises ? (int32_t)s->form : 0, s->prefix_blank, s->ignore_merges};
    sha256_add(sha, all, sizeof all);
    return ST_OK;
}
