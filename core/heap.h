/* Memory that an arena cannot hold: what grows in place, what a library wants to give back by itself, scratch without
 * an arena at hand. Like malloc, but counted, and a test can make an allocation fail (core/fault.h, FAULT_MEMORY). The
 * rest of the program's own memory is in arenas. */
#ifndef PG_CORE_HEAP_H
#define PG_CORE_HEAP_H

#include <stddef.h>

/* NULL when there is none; the caller knows the sentence to say. An array: heap_alloc(n * sizeof *p). */
void *heap_alloc(size_t bytes);
void *heap_zalloc(size_t bytes);         /* zeroed */
void *heap_resize(void *, size_t bytes); /* NULL pointer: a new one. After a failure the old one is still there */
void heap_free(void *);                  /* NULL is fine */
long heap_live(void);                    /* pieces not yet given back */

#endif
