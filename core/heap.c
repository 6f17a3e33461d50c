#include "core/heap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "core/fault.h"

static atomic_long live;

static int refused(size_t bytes)
{
    if (fault_age(FAULT_MEMORY) != 1) return 0;
    fault_note("%zu bytes", bytes);
    return 1;
}

void *heap_resize(void *p, size_t bytes)
{
    void *q = refused(bytes) ? NULL : realloc(p, bytes ? bytes : 1);
    if (q && !p) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return q;
}

void *heap_alloc(size_t bytes)
{
    return heap_resize(NULL, bytes);
}

void *heap_zalloc(size_t bytes)
{
    void *p = heap_alloc(bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void heap_free(void *p)
{
    if (p) atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(p);
}

long heap_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}
