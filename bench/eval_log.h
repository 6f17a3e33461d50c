/* What an evaluation has measured so far, kept on disk while it goes on: a killed evaluation goes on where it stopped.
 * A line a sequence, appended and synced after every pass:
 *
 *     STEP SET VARIANT INDEX WORD... CHECK        all but INDEX and STEP hexadecimal or names; "-": unnamed variant
 *
 * A line without its check (the last one after a kill, or a damaged one) is passed over. The file belongs to a run's
 * id, which holds all that decides the bits, so what it says is what would be measured again. It is removed when the
 * run's record is written. */
#ifndef PG_BENCH_EVAL_LOG_H
#define PG_BENCH_EVAL_LOG_H

#include <stdint.h>
#include "core/arena.h"
#include "core/status.h"

#define EVAL_LOG_ENDING ".partial" /* of its file, behind the run's id */

struct eval_log;
enum { EVAL_LOG_WORDS = 4096 }; /* most of one line */

/* Reads what the file has; it need not exist. */
status eval_log_open(const char *path, struct arena *, struct eval_log **);
void eval_log_close(struct eval_log *); /* NULL is fine; keeps the file */
void eval_log_remove(struct eval_log *);

/* The words of a sequence as an earlier process measured them, NULL: none. log NULL: none. */
const uint32_t *eval_log_find(const struct eval_log *log, long step, const char *set, const char *variant, int index,
                              int *words);
/* Notes a sequence; on disk after the next flush. log NULL: nothing. */
status eval_log_put(struct eval_log *log, long step, const char *set, const char *variant, int index,
                    const uint32_t *word, int words);
status eval_log_flush(struct eval_log *log);

#endif
