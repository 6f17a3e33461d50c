/* Calling another program and waiting for it. */
#ifndef PG_BENCH_SPAWN_H
#define PG_BENCH_SPAWN_H

#include <stddef.h>
#include "core/status.h"

enum { SPAWN_NO_PROGRAM = 127 }; /* exit code when there is no such program */

/* Runs word[0] (looked for in $PATH; the last word is NULL) in a folder (NULL: this one) without input or output.
 * words: what it says on standard error, as one line, the first room - 1 bytes of it. code: how it ended, -1 by a
 * signal. ST_IO: the system refused to start a process. */
status spawn_program(const char *folder, char *const *word, char *words, size_t room, int *code);

#endif
