/* Faults on purpose, for tests: the n-th allocation, or the n-th system call, from now fails. core/arena.c, core/heap.c
 * and core/system.c ask here before each of theirs.
 *
 * It is a function and no environment variable: nothing outside can make a shipped program fail. Tests run a command in
 * a forked child, which needs no variable to hear of it. */
#ifndef PG_CORE_FAULT_H
#define PG_CORE_FAULT_H

#include "core/status.h"

enum fault_group { FAULT_MEMORY, FAULT_SYSTEM, FAULT_GROUPS };

/* The n-th event of the group from now is to fail, n >= 1; 0: none. */
void fault_arm(enum fault_group, long n);

/* Counts an event: 0 before the n-th, 1 for the n-th, 2, 3 ... for those behind it. */
long fault_age(enum fault_group);
long fault_events(enum fault_group); /* counted so far */

/* A few words about the event that failed, for whoever runs the test; "" when none did. */
void fault_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *fault_noted(void);

/* From now on the counts are common to this process and the children it forks: one event fails, whoever meets it. */
status fault_share(void);
/* In a child that lives on: faults armed for its parent alone are not its. */
void fault_leave(void);

#endif
