/* Cutting text into the pieces within which byte-pair merging works: one or more regular expressions, each applied to
 * every piece that the one before it left. The patterns are data (tokenizer.json, or the family's); PCRE2 runs them. */
#ifndef PG_DATASETS_BPE_SPLIT_H
#define PG_DATASETS_BPE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include "core/sha256.h"
#include "core/status.h"
#include "datasets/tokenizer.h"

/* The patterns of the families. */
extern const char bpe_pattern_gpt2[], bpe_pattern_qwen2[];
extern const char bpe_pattern_digit[], bpe_pattern_digits[]; /* one numeric character; a run of them */

enum { BPE_STEPS = 8 };
struct bpe_step {
    void *code, *match;           /* PCRE2's */
    bool keep_matches, keep_gaps; /* which of the two become pieces */
};
struct bpe_split {
    struct bpe_step step[BPE_STEPS];
    int steps;
};

/* Adds a step. The pattern is in Oniguruma's or Rust's dialect, as Hugging Face writes it: \s is Unicode's White_Space.
 * where: what the message of a bad pattern starts with. The pattern goes into the hash. */
status bpe_split_add(struct bpe_split *, const char *pattern, bool keep_matches, bool keep_gaps, const char *where,
                     struct sha256 *);
void bpe_split_free(struct bpe_split *);

typedef status bpe_piece_fn(void *ctx, const char *piece, size_t n, struct ids *out);
/* Calls piece() for each piece of text (valid UTF-8) in order. */
status bpe_split_run(const struct bpe_split *, const char *text, size_t n, bpe_piece_fn *piece, void *ctx,
                     struct ids *out);

#endif
