/* The low-rank update y += s * ((x A') o e)[:, lo..hi) B' shared by lora, dylora, adalora, dora, vera ...; fused
 * kernels belong here. A [r, in], B [out, r], x [T, in], y [T, out]. (METHODS 3.2 to 3.4) */
#ifndef PG_CORE_LOWRANK_H
#define PG_CORE_LOWRANK_H

#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"

struct lowrank {
    const real *a, *b; /* row distances: in, r */
    const real *e;     /* r factors, or NULL for ones */
    int in, out, r;
    int lo, hi;   /* rank rows in use: lo <= i < hi */
    double scale; /* s */
};

/* z [T, r] receives x A' (columns lo..hi), kept by the caller for backward. */
void lowrank_forward(const struct lowrank *, const struct mat *x, struct mat *z, struct mat *y);

/* With dy given: da [r,in] += , db [out,r] += , de [r] += (NULL: not wanted), dx += (NULL: not wanted). z as kept.
 * train_lo: rows below it get no gradient (DyLoRA frozen); normally = lo. scratch: [T, r]. */
void lowrank_backward(const struct lowrank *, const struct mat *x, const struct mat *z, const struct mat *dy, real *da,
                      real *db, real *de, int train_lo, struct mat *scratch, struct mat *dx);

#endif
