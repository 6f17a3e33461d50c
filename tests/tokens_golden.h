/* Tokenizers in tests: golden ids, folders written by the test itself, ids as text. */
#ifndef PG_TESTS_TOKENS_GOLDEN_H
#define PG_TESTS_TOKENS_GOLDEN_H

#include <stddef.h>
#include "core/arena.h"
#include "datasets/tokenizer.h"

/* Every line of shared golden/tokenizers/texts.txt gives the ids on the same line of golden/tokenizers/<ids_name>.
 * Fails the running test at the first difference, naming the line. */
void check_golden_ids(struct tokenizer *, const char *ids_name);

/* Writes a file into a folder (text: a C string). */
void write_text(const char *dir, const char *name, const char *text);
void write_bytes(const char *dir, const char *name, const void *bytes, size_t n);
/* A fresh folder below temp_dir(). */
const char *fresh_folder(void);

/* "1 2 3": the ids of n bytes of text without special tokens; static buffer. */
const char *encoded(struct tokenizer *, const char *text, size_t n);
/* "1 2 3|0 0 1": ids and types of a model input; static buffer. */
const char *built(struct tokenizer *, const char *a, const char *b, int max_len);

/* Text that tries everything: random bytes, words of `longest` bytes, lone surrogates ...: encodes without error, all
 * ids in range. */
void survives_hostile_text(struct tokenizer *, size_t longest);

#endif
