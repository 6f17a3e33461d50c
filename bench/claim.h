/* Claims: two drivers that share a runs folder never train the same cell at the same time. A claim is a file made with
 * O_EXCL that names its owner (host, process, when the process began); the owner renews its time while it works. A
 * claim whose owner is dead (same host) or has not renewed it for a while is taken over. Claims save work only: records
 * are written atomically, so even two runs of one cell corrupt nothing. */
#ifndef PG_BENCH_CLAIM_H
#define PG_BENCH_CLAIM_H

#include <limits.h>
#include "core/status.h"

enum { CLAIM_BEAT = 15, CLAIM_STALE = 120 }; /* seconds */

struct claim {
    char path[PATH_MAX]; /* "" : not held */
    double beaten;       /* clock_seconds() of the last renewal */
};

/* <dir>/<key>.claim; *taken = 0 when another driver holds it. */
status claim_take(const char *dir, const char *key, struct claim *, int *taken);
void claim_beat(struct claim *); /* renews when it is time to; call it often */
void claim_drop(struct claim *);
void claim_clear(const char *dir, const char *key); /* takes away a claim whose owner is gone */
/* Whether the owner of the claim file `path` is gone. */
int claim_is_stale(const char *path);

#endif
