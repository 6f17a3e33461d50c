#include "bench/batch.h"

#include <stdlib.h>

enum { WINDOW_BATCHES = 50, WHO_EXAMPLES = 0, WHO_BATCHES = 1 };

/* ---- order ---- */

struct sized {
    uint64_t length;
    int place, example;
};

/* Longest first; equal lengths stay in drawn order, so that the result does not depend on the sort. */
static int longer_first(const void *x, const void *y)
{
    const struct sized *a = x, *b = y;
    if (a->length != b->length) return a->length < b->length ? 1 : -1;
    return (a->place > b->place) - (a->place < b->place);
}

static void sort_windows(const struct tokens *t, int window, struct sized *sized, int *order)
{
    for (int i = 0; i < t->n; i++) {
        int e = order[i];
        sized[i] = (struct sized){t->offset[e + 1] - t->offset[e], i, e};
    }
    for (int i = 0; i < t->n; i += window) {
        int n = t->n - i < window ? t->n - i : window;
        qsort(sized + i, (size_t)n, sizeof *sized, longer_first);
    }
}

/* The full batches of all windows in a new random order; the partial one stays last. */
static status group(const struct rng *rng, const struct tokens *t, int epoch, int batch, struct arena *scratch,
                    int *order)
{
    struct sized *sized;
    int *perm, full = t->n / batch;
    int window = batch > t->n / WINDOW_BATCHES ? t->n : batch * WINDOW_BATCHES;
    NEW(sized, scratch, t->n);
    NEW(perm, scratch, full + 1);
    sort_windows(t, window, sized, order);
    rng_permutation(rng, RNG_SHUFFLE, (uint64_t)epoch, WHO_BATCHES, full, perm);
    for (int b = 0; b < full; b++)
        for (int i = 0; i < batch; i++) order[b * batch + i] = sized[perm[b] * batch + i].example;
    for (int i = full * batch; i < t->n; i++) order[i] = sized[i].example;
    return ST_OK;
}

status batch_order(const struct rng *rng, const struct tokens *t, int epoch, int batch, bool group_lengths,
                   struct arena *scratch, int *order)
{
    rng_permutation(rng, RNG_SHUFFLE, (uint64_t)epoch, WHO_EXAMPLES, t->n, order);
    if (!group_lengths) return ST_OK;
    struct arena_mark mark = arena_mark(scratch);
    status st = group(rng, t, epoch, batch, scratch, order);
    arena_reset(scratch, mark);
    return st;
}

/* ---- packing ---- */

enum batch_target task_target(const struct task *task)
{
    if (task->kind == TASK_LM) return BATCH_TOKENS;
    return task->labels == 1 ? BATCH_VALUES : BATCH_CLASSES;
}

int batch_weight(const struct tokens *t, const int *index, int n, enum batch_target target)
{
    long long sum = 0;
    if (target != BATCH_TOKENS) return n;
    for (int i = 0; i < n; i++) sum += (long long)t->label[index[i]];
    return sum < 1 ? 1 : sum < INT32_MAX ? (int)sum : INT32_MAX;
}

struct packing { /* the arrays of a batch while they are written */
    int *offset;
    int32_t *ids, *types, *label;
    uint32_t *row_key, *slot;
    float *target;
    enum batch_target wanted;
};

static status allocate(struct arena *arena, int n, int tokens, struct packing *p)
{
    NEW(p->offset, arena, n + 1);
    NEW(p->ids, arena, tokens);
    NEW(p->types, arena, tokens);
    NEW(p->row_key, arena, tokens);
    NEW(p->slot, arena, n);
    NEW(p->label, arena, p->wanted == BATCH_TOKENS ? tokens : n);
    NEW(p->target, arena, n);
    return ST_OK;
}

static void pack_example(const struct tokens *t, int example, int i, uint32_t slot, struct packing *p)
{
    uint64_t from = t->offset[example];
    int length = (int)(t->offset[example + 1] - from), at = p->offset[i];
    for (int k = 0; k < length; k++) {
        p->ids[at + k] = t->ids[from + (uint64_t)k];
        p->types[at + k] = t->types ? t->types[from + (uint64_t)k] : 0;
        p->row_key[at + k] = slot << 16 | (uint32_t)k;
    }
    p->slot[i] = slot;
    p->offset[i + 1] = at + length;
    for (int k = 0; k < length && p->wanted == BATCH_TOKENS; k++)
        p->label[at + k] = k + 1 < length && p->types[at + k + 1] ? p->ids[at + k + 1] : -1;
    if (!t->label || p->wanted == BATCH_TOKENS) return;
    p->label[i] = (int32_t)t->label[example];
    p->target[i] = t->label[example];
}

status batch_make(const struct tokens *t, const int *index, int n, int slot0, int step_examples,
                  enum batch_target target, struct arena *arena, struct batch *b)
{
    struct packing p = {.wanted = target};
    int tokens = 0;
    FAIL_IF(slot0 + n > BATCH_MAX_EXAMPLES, ST_USAGE, "a batch of %d examples is too large: at most %d", slot0 + n,
            BATCH_MAX_EXAMPLES);
    for (int i = 0; i < n; i++) {
        uint64_t length = t->offset[index[i] + 1] - t->offset[index[i]];
        FAIL_IF(length < 1 || length > BATCH_MAX_LENGTH, ST_INPUT, "example %d has %llu tokens: 1 to %d are possible",
                index[i], (unsigned long long)length, BATCH_MAX_LENGTH);
        tokens += (int)length;
    }
    TRY(allocate(arena, n, tokens, &p));
    p.offset[0] = 0;
    for (int i = 0; i < n; i++) pack_example(t, index[i], i, (uint32_t)(slot0 + i), &p);
    *b = (struct batch){.n = n,
                        .tokens = tokens,
                        .offset = p.offset,
                        .ids = p.ids,
                        .types = target == BATCH_TOKENS ? NULL : p.types,
                        .row_key = p.row_key,
                        .slot = p.slot,
                        .label = t->label && target != BATCH_VALUES ? p.label : NULL,
                        .target = t->label && target == BATCH_VALUES ? p.target : NULL,
                        .step_examples = step_examples};
    return ST_OK;
}
