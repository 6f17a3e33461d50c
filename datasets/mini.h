/* mini: generated tasks and text in a small language of its own, so that everything works without a download. The rules
 * and what they are for: docs/MINI.md. */
#ifndef PG_DATASETS_MINI_H
#define PG_DATASETS_MINI_H

#include "datasets/dataset.h"
#include "datasets/mini_grammar.h"

extern const struct task mini_cola, mini_mrpc, mini_rte, mini_sst2, mini_stsb;

/* The language's WordPiece list, one token a line, as vocab.txt: [PAD] [UNK] [CLS] [SEP] [MASK] come first. */
extern const char mini_vocab_text[];

/* Text number `index` of the endless unlabelled corpus: a sentence, or a pair (b->n > 0). Pure in (rng->seed, index).
 */
void mini_corpus_text(const struct rng *, uint64_t index, struct line *a, struct line *b);

/* The five tasks' rows; target: the wanted label (classes), ignored by stsb. False: this draw gives no such row. */
typedef bool mini_row_fn(struct draw *, int target, struct line *a, struct line *b, float *label);
mini_row_fn mini_cola_row, mini_mrpc_row, mini_rte_row, mini_sst2_row, mini_stsb_row;

#endif
