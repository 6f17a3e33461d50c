/* Memory by lifetime. All of the program's own memory comes from arenas (process, run, step, block); freeing is one
 * call a lifetime. Memory is 64-byte aligned (one cache line, one AVX-512 register) and NOT zeroed unless asked.
 *
 * Not thread-safe: an arena belongs to one thread. Code inside parallel loops gets its scratch beforehand. */
#ifndef PG_CORE_ARENA_H
#define PG_CORE_ARENA_H

#include <stddef.h>
#include "core/status.h"

struct arena;

/* A position to return to. */
struct arena_mark {
    void *block;
    size_t used;
};

/* New empty arena; name (not copied) appears in messages and statistics. NULL when out of memory (message set). */
struct arena *arena_new(const char *name);
void arena_free(struct arena *); /* NULL is fine */

/* bytes of memory, 64-byte aligned; NULL on failure with the message set (callers return ST_MEMORY). */
void *arena_alloc(struct arena *, size_t bytes);
void *arena_zalloc(struct arena *, size_t bytes); /* the same, zeroed */
/* Zeros whose pages take no memory before they are written: for large tables of which many rows may never be. */
void *arena_zalloc_sparse(struct arena *, size_t bytes);
char *arena_strdup(struct arena *, const char *);
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct arena_mark arena_mark(struct arena *);
void arena_reset(struct arena *, struct arena_mark); /* gives back all that was taken since the mark */

size_t arena_used(const struct arena *);
size_t arena_peak(const struct arena *); /* largest arena_used so far */

/* Sum of the peaks of all live arenas and the bytes now held from the system, for the record's memory figures. */
size_t arena_total_held(void);
size_t arena_total_peak(void);

/* From now on requests fail that would bring what is held above so many bytes; 0: no limit. */
void arena_limit(size_t bytes);

/* Test switches. After arena_fail_after(n), n >= 1, the n-th allocation from now fails (and only that one), those of
 * core/heap.h included; 0 turns it off. arena_poison(1) fills memory with signalling bit patterns (NaN as real) when
 * taken and when reset. */
void arena_fail_after(long n);
long arena_allocations(void); /* calls so far, to know when an n has passed the end */
void arena_poison(int on);

/* p = n objects of *p's type, or return ST_MEMORY from the calling function. */
#define NEW(p, arena, n) \
    do { \
        if (((p) = arena_alloc((arena), sizeof *(p) * (size_t)(n))) == NULL) return ST_MEMORY; \
    } while (0)
#define ZNEW(p, arena, n) \
    do { \
        if (((p) = arena_zalloc((arena), sizeof *(p) * (size_t)(n))) == NULL) return ST_MEMORY; \
    } while (0)

#endif
