#include "core/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct faults {
    atomic_long events[FAULT_GROUPS], at[FAULT_GROUPS]; /* at: the number of the event that fails; 0: none */
    char note[256];
};

static struct faults own, *faults = &own;

void fault_arm(enum fault_group g, long n)
{
    faults->note[0] = 0;
    atomic_store(&faults->at[g], n > 0 ? atomic_load(&faults->events[g]) + n : 0);
}

long fault_age(enum fault_group g)
{
    long number = atomic_fetch_add_explicit(&faults->events[g], 1, memory_order_relaxed) + 1;
    long at = atomic_load_explicit(&faults->at[g], memory_order_relaxed);
    return at && number >= at ? number - at + 1 : 0;
}

long fault_events(enum fault_group g)
{
    return atomic_load(&faults->events[g]);
}

void fault_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(faults->note, sizeof faults->note, fmt, ap);
    va_end(ap);
}

const char *fault_noted(void)
{
    return faults->note;
}

status fault_share(void)
{
    if (faults != &own) return ST_OK;
    void *p = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FAIL_IF(p == MAP_FAILED, ST_MEMORY, "out of memory: %zu bytes that processes share: %s", sizeof *faults,
            strerror(errno));
    faults = p;
    return ST_OK;
}

void fault_leave(void)
{
    for (int g = 0; faults == &own && g < FAULT_GROUPS; g++) fault_arm((enum fault_group)g, 0);
}
