/* BLEU and NIST of written texts against several references each, as the E2E challenge's script measures them (its
 * pymteval module, after mteval-v13a): texts are split at punctuation and lower-cased, then
 *
 *   BLEU  n-grams up to 4; hits clipped by the reference that has most; brevity by the closest reference (the shorter
 * of two); a precision of zero becomes 1e-15, so that the score is always defined NIST  n-grams up to 5; a hit counts
 * its information, log2 of how often the n-gram's beginning is followed by its last word in all references; length
 * against the mean reference (Doddington 2002, beta from a ratio of 2/3)
 */
#ifndef PG_BENCH_NGRAM_SCORES_H
#define PG_BENCH_NGRAM_SCORES_H

#include "core/arena.h"
#include "core/status.h"
#include "core/text.h"

struct ngram_scores;
status ngram_scores_new(struct arena *, struct ngram_scores **);
/* One text (UTF-8) and its references, at least one. */
status ngram_scores_add(struct ngram_scores *, const char *text, const char *const *references, int count);
double ngram_bleu(const struct ngram_scores *); /* NAN before the first text */
double ngram_nist(const struct ngram_scores *);

/* The words of a text as the scores see them, one space between them (tests). Replaces *out. */
status ngram_words(const char *text, struct text *out);

#endif
