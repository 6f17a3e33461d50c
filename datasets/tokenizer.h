/* Tokenizers: text to ids exactly as the model was trained. SentencePiece (DeBERTa-v2/v3: unigram; Llama-2: BPE),
 * WordPiece (BERT), byte-level BPE (RoBERTa, GPT-2, Phi-2, Qwen2, SmolLM2); found by what lies in the model folder.
 *
 * A tokenizer keeps scratch memory: one thread uses it at a time. */
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
struct text;
struct tokenizer_ops { /* one file a kind: tokenizer_wordpiece.c, tokenizer_bpe.c, tokenizer_sentencepiece.c (+ shim) */
    const char *name;
    /* Appends the ids of text (n bytes of UTF-8, NULs allowed; invalid bytes are handled, never an error) without the
     * frame of special tokens. Added tokens written literally in the text ("[MASK]") give their ids where the reference
     * does so: WordPiece and byte-level BPE, not SentencePiece. */
    status (*encode)(struct tokenizer *, const char *text, size_t n, struct ids *out);
    /* Appends the text of n ids; special tokens of the frame have none. NULL: the kind cannot be read back. */
    status (*decode)(struct tokenizer *, const int32_t *ids, int n, struct text *out);
    void (*close)(struct tokenizer *); /* gives back what is not in the arena; called once, also after a failed open */
};

struct tokenizer {
    const struct tokenizer_ops *ops;
    void *priv;
    struct arena *arena;
    int vocab;                    /* ids are 0 .. vocab-1 */
    int cls, sep, pad, unk, mask; /* -1: none. RoBERTa: cls = <s>, sep = </s> */
    int bos, eos;                 /* decoders; -1: none. tokenizer_build does not use them */
    bool double_sep;              /* RoBERTa pairs: <s> A </s></s> B </s> */
    bool type_ids;                /* second segment has type 1 (BERT); else all 0 (RoBERTa) */
    char hash[65];                /* SHA-256 of all that decides the ids: vocabulary, merges, options, special tokens */
    const char *path;             /* SentencePiece: its model file, for messages */
    const char *name;             /* "wordpiece", "bpe", "unigram", "sentencepiece-bpe" */
};

/* From a model folder ("mini": the embedded word list). Decides by files: spm.model or tokenizer.model ->
 * SentencePiece; vocab.txt -> WordPiece; tokenizer.json with type BPE, vocab.json + merges.txt, or encoder.json +
 * vocab.bpe -> byte-level BPE. lower-casing etc. from tokenizer_config.json / tokenizer.json, with the family's
 * defaults from config.json. */
status tokenizer_open(const char *folder, struct arena *, struct tokenizer **);
void tokenizer_close(struct tokenizer *); /* NULL is fine; before the arena goes */

/* One model input with special tokens: [CLS] A [SEP] or [CLS] A [SEP] B [SEP] (without the frame where the tokenizer
 * has none: decoders). At most max_len ids: longest-first truncation, tokens dropped one at a time from the end of the
 * longer text (HF; at equal lengths the second loses). b NULL: single. Replaces the content of out and types; types
 * (may be NULL) gets one entry an id. ST_USAGE when max_len leaves no room for the special tokens. */
status tokenizer_build(struct tokenizer *, const char *a, const char *b, int max_len, struct ids *out,
                       struct ids *types);
/* The same; *dropped: how many tokens of the texts the truncation took. */
status tokenizer_build_counted(struct tokenizer *, const char *a, const char *b, int max_len, struct ids *out,
                               struct ids *types, int *dropped);

/* The text of ids, appended; ST_UNSUPPORTED for WordPiece, which loses white space. Ids that are no token fail. */
status tokenizer_decode(struct tokenizer *, const int32_t *ids, int n, struct text *out);

#endif
