/* Reading the vocabulary and the merge rules of a byte-level BPE tokenizer: from tokenizer.json, vocab.json +
 * merges.txt, or encoder.json + vocab.bpe. */
#ifndef PG_DATASETS_BPE_MODEL_H
#define PG_DATASETS_BPE_MODEL_H

#include "core/sha256.h"
#include "datasets/bpe_merge.h"
#include "datasets/tokenizer_folder.h"
#include "datasets/vocab.h"

struct bpe_model {
    struct vocab vocab; /* tokens as written in the files: each byte as one character of the byte alphabet */
    struct bpe_merges merges;
    int32_t byte_id[256]; /* id of the token that is this one byte; -1: the vocabulary has none */
    const char *path;     /* of the vocabulary, for messages */
};

status bpe_model_read(const struct tokenizer_folder *, struct bpe_model *, struct sha256 *);

/* The character that stands for a byte in the files: printable Latin-1 for itself, the others from U+0100 on. */
int32_t bpe_byte_char(unsigned char byte);

#endif
