/* A command line in a process of its own, with one allocation or system call made to fail. */
#ifndef PG_TESTS_FAULT_CHILD_H
#define PG_TESTS_FAULT_CHILD_H

#include "core/arena.h"
#include "core/fault.h"
#include "core/system.h"

/* What is to fail; n = 0: nothing. */
struct fault {
    enum fault_group group;
    long n;
    enum sys_fault how; /* FAULT_SYSTEM */
    size_t memory;      /* > 0: the most address space the process may have, bytes */
    const char *out;    /* where standard output goes; NULL: to be read */
};

struct child_run {
    int code, signal;      /* exit code; signal > 0: what it died of */
    const char *out, *err; /* what it printed */
    const char *struck;    /* what failed; "": n is past the end */
    const char *leak;      /* memory or files not given back; "": none */
    long events;           /* allocations or calls of the group in all its processes */
};

/* Runs `peftgrid WORDS` in `folder`; words end with NULL. Texts are in the arena. Call fault_share() first. */
void child_run(char *const *word, const char *folder, struct fault, struct arena *, struct child_run *);

#endif
