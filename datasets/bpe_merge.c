/* A heap holds every pair that has had a rule, as (rank, position). An entry taken from it counts only when the pair
 * now at that position still has that rank; others are left-overs of pairs that were broken up. A piece of n symbols
 * has n-1 pairs at first and each merge makes at most two, so 3n entries are room enough. */
#include "datasets/bpe_merge.h"

#include "core/heap.h"

/* ---- rules ---- */

status bpe_merges_make(struct arena *arena, size_t expected, struct bpe_merges *m)
{
    FAIL_IF(expected > INT32_MAX / 4, ST_INPUT, "%zu merge rules; at most %d are supported", expected, INT32_MAX / 4);
    size_t slots = 16;
    while (slots < 2 * expected) slots *= 2;
    m->mask = (uint32_t)(slots - 1);
    NEW(m->slot, arena, slots);
    for (size_t i = 0; i < slots; i++) m->slot[i].pair = UINT64_MAX;
    return ST_OK;
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static struct bpe_rule *place(const struct bpe_merges *m, uint64_t pair)
{
    uint64_t h = pair * 0x9E3779B97F4A7C15u;
    for (uint32_t i = (uint32_t)(h >> 32);; i++) {
        struct bpe_rule *r = &m->slot[i & m->mask];
        if (r->pair == pair || r->pair == UINT64_MAX) return r;
    }
}

void bpe_merges_add(struct bpe_merges *m, int32_t left, int32_t right, int32_t rank, int32_t joined)
{
    struct bpe_rule *r = place(m, pair_of(left, right));
    *r = (struct bpe_rule){pair_of(left, right), rank, joined};
}

/* The rule for the pair whose left symbol stands at `at`, or NULL. */
static const struct bpe_rule *rule_at(const struct bpe_merges *m, const struct bpe_work *w, int32_t at)
{
    const struct bpe_symbol *s = &w->symbol[at];
    if (s->id < 0 || s->after < 0) return NULL;
    const struct bpe_rule *r = place(m, pair_of(s->id, w->symbol[s->after].id));
    return r->pair == UINT64_MAX ? NULL : r;
}

/* ---- the heap: smallest first ---- */

static void heap_push(struct bpe_work *w, uint64_t v)
{
    size_t i = w->waiting++;
    while (i > 0 && w->heap[(i - 1) / 2] > v) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = v;
}

static uint64_t heap_pop(struct bpe_work *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->waiting];
    size_t i = 0;
    for (size_t child = 1; child < w->waiting; child = 2 * i + 1) {
        if (child + 1 < w->waiting && w->heap[child + 1] < w->heap[child]) child++;
        if (w->heap[child] >= last) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* ---- merging ---- */

void bpe_work_free(struct bpe_work *w)
{
    heap_free(w->symbol);
    heap_free(w->heap);
    *w = (struct bpe_work){0};
}

status bpe_begin(struct bpe_work *w, size_t n)
{
    FAIL_IF(n > INT32_MAX / 2, ST_UNSUPPORTED, "a word of %zu bytes is longer than the tokenizer takes", n);
    w->symbols = 0;
    w->waiting = 0;
    if (n <= w->room) return ST_OK;
    size_t room = n < 256 ? 256 : n;
    bpe_work_free(w);
    w->symbol = heap_alloc(room * sizeof *w->symbol);
    w->heap = heap_alloc(3 * room * sizeof *w->heap);
    if (!w->symbol || !w->heap) {
        bpe_work_free(w);
        return fail(ST_MEMORY, "out of memory for a word of %zu bytes", n);
    }
    w->room = room;
    return ST_OK;
}

void bpe_symbol_add(struct bpe_work *w, int32_t id)
{
    int32_t i = w->symbols++;
    w->symbol[i] = (struct bpe_symbol){id, i - 1, -1};
    if (i > 0) w->symbol[i - 1].after = i;
}

static void offer(const struct bpe_merges *m, struct bpe_work *w, int32_t at)
{
    const struct bpe_rule *r = at < 0 ? NULL : rule_at(m, w, at);
    if (r) heap_push(w, (uint64_t)r->rank << 32 | (uint32_t)at);
}

static void join(struct bpe_work *w, int32_t at, int32_t joined)
{
    struct bpe_symbol *s = &w->symbol[at], *right = &w->symbol[s->after];
    s->id = joined;
    right->id = -1;
    s->after = right->after;
    if (s->after >= 0) w->symbol[s->after].before = at;
}

status bpe_merge(const struct bpe_merges *m, struct bpe_work *w, struct ids *out)
{
    for (int32_t i = 0; i < w->symbols; i++) offer(m, w, i);
    while (w->waiting > 0) {
        uint64_t top = heap_pop(w);
        int32_t at = (int32_t)(uint32_t)top;
        const struct bpe_rule *r = rule_at(m, w, at);
        if (!r || (uint64_t)r->rank != top >> 32) continue;
        join(w, at, r->joined);
        offer(m, w, w->symbol[at].before);
        offer(m, w, at);
    }
    for (int32_t i = w->symbols > 0 ? 0 : -1; i >= 0; i = w->symbol[i].after) TRY(ids_push(out, w->symbol[i].id));
    return ST_OK;
}
