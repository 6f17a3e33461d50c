/* A look at the bytes of a SentencePiece model before the library gets them. The library checks its protocol buffer,
 * but walks the trie of normalisation rules in it without any bounds; this file walks it first. */
#ifndef PG_DATASETS_SPM_CHECK_H
#define PG_DATASETS_SPM_CHECK_H

#include <stddef.h>
#include "core/arena.h"
#include "core/status.h"

/* TrainerSpec.ModelType of sentencepiece_model.proto. */
enum spm_type { SPM_UNIGRAM = 1, SPM_BPE = 2, SPM_WORD = 3, SPM_CHAR = 4 };

/* Checks n bytes of a model file; where: its name in messages. Scratch comes from the arena and goes back. */
status spm_check(const void *model, size_t n, const char *where, struct arena *, int *type);

#endif
