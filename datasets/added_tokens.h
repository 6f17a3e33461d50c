/* Added tokens: texts such as "[MASK]" or "<|im_end|>" that are found in a text before anything else happens to it,
 * each giving its one id. Hugging Face's rules: the leftmost, and there the longest; first those that are looked for in
 * the text as written, then, in the sections between them, those that are looked for in the normalised text. */
#ifndef PG_DATASETS_ADDED_TOKENS_H
#define PG_DATASETS_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/sha256.h"
#include "core/status.h"
#include "core/text.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_folder.h"
#include "datasets/vocab.h"

struct added_token {
    const char *text;
    uint32_t n;
    int32_t id;
    bool special;        /* belongs to the model's frame ("[CLS]"), is no text */
    bool normalized;     /* look for it in the normalised text */
    bool lstrip, rstrip; /* swallows white space before, after it */
    bool single_word;    /* only where no word character touches it */
};

struct added_node;
struct added_trie { /* first byte -> node; the nodes are linked lists of siblings */
    int32_t first[256];
    struct added_node *node;
    int nodes;
};

struct added_tokens {
    struct added_token *token;
    int count, room;
    struct added_trie raw, normal;
};

/* All added tokens of a folder: from tokenizer.json, else tokenizer_config.json, else added_tokens.json and
 * special_tokens.json; with room for `more` that the caller adds. */
status added_tokens_read(const struct tokenizer_folder *, int more, struct added_tokens *);
/* Without a folder: an empty list with room for n. */
status added_tokens_make(struct arena *, int n, struct added_tokens *);
/* Adds the special token of this text unless it is there already; text NULL, "" or id < 0: nothing. lstrip: it swallows
 * white space before it. */
status added_tokens_special(struct added_tokens *, const char *text, int32_t id, bool lstrip);
int32_t added_tokens_find(const struct added_tokens *, const char *text); /* id, or -1 */
int added_tokens_size(const struct added_tokens *);                       /* largest id + 1 */
void added_tokens_hash(const struct added_tokens *, struct sha256 *);

/* Normalises a section of text, as the tokenizer does, appending to *out. */
typedef status normalise_fn(void *ctx, const char *text, size_t n, struct text *out);
/* Appends the ids of a section of text. */
typedef status section_fn(void *ctx, const char *text, size_t n, struct ids *out);

/* When no token is added any more: builds what the search needs. normalise NULL: the tokenizer does not normalise. */
status added_tokens_seal(struct added_tokens *, struct arena *, normalise_fn *, void *ctx);

/* Cuts text (valid UTF-8) at the tokens of one kind, appending their ids; section() gets what lies between. */
status added_tokens_cut(const struct added_tokens *, const struct added_trie *, const char *text, size_t n,
                        section_fn *section, void *ctx, struct ids *out);

#endif
