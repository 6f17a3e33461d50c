/* Between tokenizer.c and the files of the kinds: how each is opened, and what they share. Not for other rooms. */
#ifndef PG_DATASETS_TOKENIZER_KINDS_H
#define PG_DATASETS_TOKENIZER_KINDS_H

#include "core/sha256.h"
#include "datasets/added_tokens.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_folder.h"

/* Each fills in the tokenizer, whose arena is set and whose ids are -1, and adds to the hash all that decides the ids
 * except what struct tokenizer itself holds. ops is set as soon as there is something to close. */
status wordpiece_open(const struct tokenizer_folder *, struct tokenizer *, struct sha256 *);
/* From the text of a vocab.txt; where: its name in messages. BERT's usual settings. */
status wordpiece_from_text(const char *text, size_t n, const char *where, struct tokenizer *, struct sha256 *);
status bpe_open(const struct tokenizer_folder *, struct tokenizer *, struct sha256 *);
/* model: "spm.model" or "tokenizer.model". */
status sentencepiece_open(const struct tokenizer_folder *, const char *model, struct tokenizer *, struct sha256 *);

enum special { SPECIAL_CLS, SPECIAL_SEP, SPECIAL_PAD, SPECIAL_UNK, SPECIAL_MASK, SPECIAL_BOS, SPECIAL_EOS, SPECIALS };

/* Finds the special tokens: their texts as the folder (may be NULL) names them, else as in names; their ids by find()
 * in the vocabulary, else among the added tokens. Sets cls, sep ... of the tokenizer and writes the texts back to
 * names; adds each to the list of added tokens. */
typedef int32_t special_find(void *ctx, const char *text);
status specials_resolve(const struct tokenizer_folder *, const char *names[SPECIALS], special_find *, void *ctx,
                        struct added_tokens *, struct tokenizer *);

#endif
