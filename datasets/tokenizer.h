/* Tokenizers: text to ids exactly as the model was trained. SentencePiece unigram (DeBERTa-v2/v3), WordPiece (BERT),
 * byte-level BPE (RoBERTa, GPT-2); found by what lies in the model folder. */
#ifndef PG_DATASETS_TOKENIZER_H
#define PG_DATASETS_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/status.h"

struct ids { /* a growing list; zero-initialise, end with ids_free */
    int32_t *id;
    int n, cap;
};
status ids_push(struct ids *, int32_t);
void ids_free(struct ids *);

struct tokenizer;
struct tokenizer_ops { /* one file a kind: tokenizer_wordpiece.c, tokenizer_bpe.c, tokenizer_unigram.c(+ shim) */
    const char *name;
    /* Appends the ids of text (UTF-8, n bytes; invalid bytes are handled, never an error) without special tokens. */
    status (*encode)(struct tokenizer *, const char *text, size_t n, struct ids *out);
    void (*close)(struct tokenizer *);
};

struct tokenizer {
    const struct tokenizer_ops *ops;
    void *priv;
    struct arena *arena;
    int vocab; /* ids are 0 .. vocab-1 */
    int cls, sep, pad, unk, mask; /* -1: none. RoBERTa: cls = <s>, sep = </s> */
    bool double_sep;  /* RoBERTa pairs: <s> A </s></s> B </s> */
    bool type_ids;    /* second segment has type 1 (BERT); else all 0 (RoBERTa) */
    char hash[65];    /* of the files it was made from */
    const char *name; /* "wordpiece", "bpe", "unigram" */
};

/* From a model folder ("mini": the embedded word list). Decides by files: spm.model -> unigram; vocab.txt -> WordPiece;
 * vocab.json + merges.txt or encoder.json + vocab.bpe or tokenizer.json with type BPE -> byte-level BPE. lower-casing etc. from
 * tokenizer_config.json / tokenizer.json, with the family's defaults from config.json. */
status tokenizer_open(const char *folder, struct arena *, struct tokenizer **);
void tokenizer_close(struct tokenizer *);

/* One model input with special tokens: [CLS] A [SEP] or [CLS] A [SEP] B [SEP]. At most max_len ids: longest-first
 * truncation, tokens dropped one at a time from the end of the longer text (HF; at equal lengths the second loses). b NULL: single. types gets one entry an id. */
status tokenizer_build(struct tokenizer *, const char *a, const char *b, int max_len, struct ids *out, struct ids *types);

#endif
