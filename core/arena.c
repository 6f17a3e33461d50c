#include "core/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fault.h"
#include "core/heap.h"

enum { ALIGN = 64, SPARSE = 1 << 20 /* bytes; less is not worth a block */ };
static const size_t first_block = 64 * 1024, largest_growth = 64u << 20;

struct block {
    struct block *prev;
    size_t size, used, before; /* before: bytes used in all earlier blocks */
    char *data;                /* aligned */
    void *memory;              /* what the system gave: data lies in it */
};

struct arena {
    const char *name;
    struct block *top;
    size_t peak, next_size;
    size_t first_size;   /* the first block is to hold all that was ever in use at once: a later pass needs no second */
    struct block *spare; /* given back by a reset, the one taken first in front: what comes next takes them again, as
                            pages that go back to the system come anew only by a fault each */
};

static int poison;
static size_t total_held, total_peak, limit;

static void poison_fill(void *p, size_t n)
{
    memset(p, 0xFF, n); /* all ones is a NaN in float and in double */
}

struct arena *arena_new(const char *name)
{
    struct arena *a = heap_zalloc(sizeof *a);
    if (!a) {
        fail(ST_MEMORY, "out of memory while creating the arena '%s'", name);
        return NULL;
    }
    a->name = name;
    a->next_size = first_block;
    return a;
}

static void block_free(struct block *b)
{
    if (!b) return;
    total_held -= b->size;
    free(b->memory);
    free(b);
}

static void block_spare(struct arena *a)
{
    struct block *b = a->top;
    a->top = b->prev;
    b->prev = a->spare;
    a->spare = b;
}

/* The first spare block that is large enough; NULL: none is. */
static struct block *block_again(struct arena *a, size_t need)
{
    struct block **at = &a->spare;
    while (*at && (*at)->size < need) at = &(*at)->prev;
    struct block *b = *at;
    if (b) *at = b->prev;
    return b;
}

static void block_push(struct arena *a, struct block *b, size_t size, char *data, void *memory)
{
    *b = (struct block){a->top, size, 0, arena_used(a), data, memory};
    a->top = b;
}

static void blocks_free(struct block **list)
{
    while (*list) {
        struct block *b = *list;
        *list = b->prev;
        block_free(b);
    }
}

void arena_free(struct arena *a)
{
    if (!a) return;
    blocks_free(&a->top);
    blocks_free(&a->spare);
    heap_free(a);
}

static int over_limit(size_t more)
{
    return limit && total_held + more > limit;
}

static size_t usual_size(const struct arena *a)
{
    size_t beside = a->first_size / 8 / ALIGN * ALIGN; /* of passes that differ a little */
    if (!a->first_size) return a->next_size;
    return !a->top ? a->first_size : beside < a->next_size ? beside : a->next_size;
}

/* zeros: from calloc(), which has them for nothing where the system hands out new pages, but aligns less. */
static int block_new(struct arena *a, size_t size, bool zeros)
{
    struct block *b = malloc(sizeof *b);
    void *memory = zeros ? calloc(1, size + ALIGN) : aligned_alloc(ALIGN, size);
    if (!b || !memory) {
        free(b);
        free(memory);
        return 0;
    }
    block_push(a, b, size, (char *)memory + -(uintptr_t)memory % ALIGN, memory);
    total_held += size;
    if (total_held > total_peak) total_peak = total_held;
    return 1;
}

static int block_add(struct arena *a, size_t need)
{
    struct block *b = block_again(a, need);
    if (b) {
        block_push(a, b, b->size, b->data, b->memory);
        return 1;
    }
    size_t usual = usual_size(a), size = need > usual ? need : usual;
    blocks_free(&a->spare); /* all too small: what is held stays near to what is in use at once */
    if (over_limit(size)) size = need;
    if (over_limit(size)) return 0;
    if (!block_new(a, size, false)) return 0;
    if (a->next_size < largest_growth) a->next_size *= 2;
    return 1;
}

static size_t rounded(size_t bytes)
{
    size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return need == 0 ? ALIGN : need;
}

static int refused(const struct arena *a, size_t bytes)
{
    int refuse = fault_age(FAULT_MEMORY) == 1;
    if (refuse) fault_note("%zu bytes for %s", bytes, a->name);
    return refuse || rounded(bytes) < bytes;
}

static void *out_of_memory(const struct arena *a, size_t bytes)
{
    if (over_limit(rounded(bytes)))
        fail(ST_MEMORY, "out of memory: %zu bytes for %s would be more than the limit of %zu MB", bytes, a->name,
             limit >> 20);
    else
        fail(ST_MEMORY, "out of memory: %zu bytes for %s", bytes, a->name);
    return NULL;
}

static void *take(struct arena *a, size_t need)
{
    void *p = a->top->data + a->top->used;
    a->top->used += need;
    if (arena_used(a) > a->peak) a->peak = arena_used(a);
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    size_t need = rounded(bytes);
    bool room = a->top && a->top->size - a->top->used >= need;
    if (refused(a, bytes) || (!room && !block_add(a, need))) return out_of_memory(a, bytes);
    void *p = take(a, need);
    if (poison) poison_fill(p, need);
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *p = arena_alloc(a, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void *arena_zalloc_sparse(struct arena *a, size_t bytes)
{
    size_t need = rounded(bytes);
    if (bytes < SPARSE) return arena_zalloc(a, bytes);
    if (refused(a, bytes) || over_limit(need) || !block_new(a, need, true)) return out_of_memory(a, bytes);
    return take(a, need);
}

char *arena_strdup(struct arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = arena_alloc(a, n);
    if (p) memcpy(p, s, n);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

struct arena_mark arena_mark(struct arena *a)
{
    int empty = !a->top || (!a->top->prev && a->top->used == 0);
    return (struct arena_mark){empty ? NULL : a->top, empty ? 0 : a->top->used};
}

/* An arena that empties: its first block stays, for the next pass needs the same again, and what a somewhat larger pass
 * took beside it. Much beside it makes room for one block of the size of all, so that passes settle on memory that is
 * mapped once. */
static void empty(struct arena *a)
{
    size_t beside = 0;
    for (struct block *b = a->spare; b; b = b->prev) beside += b->size;
    while (a->top->prev) {
        beside += a->top->size;
        block_spare(a);
    }
    a->top->used = 0;
    if (beside <= a->top->size / 4) return;
    a->first_size = a->peak;
    blocks_free(&a->top);
    blocks_free(&a->spare);
}

void arena_reset(struct arena *a, struct arena_mark m)
{
    if (!a->top) return;
    if (m.block) {
        while (a->top != m.block) block_spare(a);
        a->top->used = m.used;
    } else {
        empty(a);
    }
    if (poison && a->top) poison_fill(a->top->data + a->top->used, a->top->size - a->top->used);
}

size_t arena_used(const struct arena *a)
{
    return a->top ? a->top->before + a->top->used : 0;
}

size_t arena_peak(const struct arena *a)
{
    return a->peak;
}

size_t arena_total_held(void)
{
    return total_held;
}

void arena_limit(size_t bytes)
{
    limit = bytes;
}

size_t arena_total_peak(void)
{
    return total_peak;
}

void arena_fail_after(long n)
{
    fault_arm(FAULT_MEMORY, n);
}

long arena_allocations(void)
{
    return fault_events(FAULT_MEMORY);
}

void arena_poison(int on)
{
    poison = on;
}
