/* Folders of a fault test: copied, removed, and described, so that what a failed command left can be compared with what
 * an undisturbed one leaves. */
#ifndef PG_TESTS_FAULT_STATE_H
#define PG_TESTS_FAULT_STATE_H

#include "core/arena.h"

void folder_remove(const char *path); /* with all that is in it; fine when there is none */
void folder_copy(const char *from, const char *to);

struct file_state {
    const char *name; /* below the folder */
    char digest[80];  /* of a record its content hash, "failed" of a failed one; else SHA-256 of the bytes */
};
struct folder_state {
    struct file_state *file; /* sorted by name */
    int files;
};
enum {
    STATE_BYTES = 1, /* records too are told by their bytes, which hold times */
    STATE_KILLED = 2 /* temporary files do not count: whoever is killed leaves them */
};
struct folder_state folder_state(const char *path, unsigned flags, struct arena *);
const struct file_state *state_find(const struct folder_state *, const char *name); /* NULL: no such file */

/* What a command must never leave: a temporary file, a record that cannot be read, a file unlike the reference's. A
 * failed record, a cell's claim and a list of measurements (.partial) may lie there, for the next run takes them up. ""
 * when all is well; static buffer. */
const char *state_fault(const struct folder_state *, const struct folder_state *reference);
/* How two differ in any way; journals, claims and lists of measurements aside. "" when they do not; static buffer. */
const char *state_difference(const struct folder_state *, const struct folder_state *reference);

#endif
