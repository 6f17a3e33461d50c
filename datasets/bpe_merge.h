/* Byte-pair merging: neighbouring symbols are joined, the pair of the lowest rank first, the leftmost of equals first,
 * until no pair has a rule. Takes time n log n in the length of the piece. */
#ifndef PG_DATASETS_BPE_MERGE_H
#define PG_DATASETS_BPE_MERGE_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/status.h"
#include "datasets/tokenizer.h"

struct bpe_rule {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX: free slot */
    int32_t rank, joined;
};
struct bpe_merges {
    struct bpe_rule *slot; /* open addressing, a power of two of them */
    uint32_t mask;
};

/* Room for `expected` rules. */
status bpe_merges_make(struct arena *, size_t expected, struct bpe_merges *);
/* left + right -> joined with this rank; a pair given twice keeps the last rule, as in a dict. Ids are >= 0. */
void bpe_merges_add(struct bpe_merges *, int32_t left, int32_t right, int32_t rank, int32_t joined);

/* Scratch of the merging; zero-initialise, end with bpe_work_free. */
struct bpe_symbol {
    int32_t id, before, after; /* neighbours, -1: none; id -1: joined to its left neighbour */
};
struct bpe_work {
    struct bpe_symbol *symbol;
    uint64_t *heap; /* rank << 32 | position of the left symbol */
    size_t room;    /* symbols; the heap has three times that */
    int symbols;
    size_t waiting;
};
void bpe_work_free(struct bpe_work *);

/* Starts a piece of at most n symbols; then bpe_symbol_add for each; then bpe_merge appends the result. */
status bpe_begin(struct bpe_work *, size_t n);
void bpe_symbol_add(struct bpe_work *, int32_t id);
status bpe_merge(const struct bpe_merges *, struct bpe_work *, struct ids *out);

#endif
