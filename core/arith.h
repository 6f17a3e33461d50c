/* Arithmetic of the base network: how linear layers, norms and embeddings compute (f32; bf16; dfp = integer dynamic
 * fixed point). One of three independent axes method x store x arith. */
#ifndef PG_CORE_ARITH_H
#define PG_CORE_ARITH_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/gemm.h"
#include "core/option.h"
#include "core/rng.h"
#include "core/status.h"

/* Which rows of a call an arithmetic may take together where it measures them, in an evaluation. */
enum arith_rows {
    ROWS_ALONE,    /* each comes by itself in some other batch, or before those behind it exist */
    ROWS_TOGETHER, /* all rows are the same in every batch */
    ROWS_BY_EXAMPLE
};

struct arith_call { /* where a call happens, for ariths that round stochastically or keep state per place */
    const struct rng *rng;
    uint64_t step;
    int micro;
    uint32_t who; /* hash of the site's name and use */
    struct arena *scratch;
    const void *options; /* of the arith's table; NULL for ariths without one */
    bool train;          /* no: an evaluation: nothing is drawn, and a row depends on no other but as `rows` says */
    enum arith_rows rows;
    const int *example; /* ROWS_BY_EXAMPLE: example i is rows example[i] .. example[i+1]-1 */
    int examples;
};

struct arith {
    const char *name, *summary;
    const struct products *products; /* what attention and adapters multiply with */
    const struct option *options;
    size_t option_size;
    /* Bits of what its base layers multiply, for the accounting; NULL: 32 and 32. */
    void (*operand_bits)(const void *options, int *weight, int *activation);
    /* Whether an evaluation depends on what is in its batch; NULL: never. */
    bool (*batch_matters)(const void *options);
    int whole_table; /* needs all rows of a relative table in a call, also those no token pair uses (per-tensor scales)
                      */
    /* after: what is done to y and to dx when they are complete (gemm.h); NULL: nothing */
    status (*linear)(const struct arith_call *, const struct mat *x, const struct wsrc *w, const real *bias,
                     const struct gemm_after *after, struct mat *y);
    status (*linear_dx)(const struct arith_call *, const struct mat *dy, const struct wsrc *w,
                        const struct gemm_after *after, struct mat *dx, bool accumulate);
    status (*linear_dw)(const struct arith_call *, const struct mat *x, const struct mat *dy, real *dw,
                        int ld); /* += */
    /* Copies of a frozen weight in the form that linear and (backward) linear_dx read; NULL: none. bytes: what they
     * take.
     */
    status (*pack)(struct wsrc *w, bool backward, struct arena *);
    size_t (*pack_bytes)(const struct wsrc *w, bool backward);
    status (*norm)(const struct arith_call *, const struct mat *x, const real *gamma, const real *beta, double eps,
                   struct mat *y, real *stats);
    status (*norm_backward)(const struct arith_call *, const struct mat *x, const real *stats, const real *gamma,
                            const struct mat *dy, struct mat *dx, real *dgamma, real *dbeta);
    status (*rms_norm)(const struct arith_call *, const struct mat *x, const real *gamma, double eps, struct mat *y,
                       real *rstd);
    status (*rms_norm_backward)(const struct arith_call *, const struct mat *x, const real *rstd, const real *gamma,
                                const struct mat *dy, struct mat *dx, real *dgamma);
    status (*embed)(const struct arith_call *, const struct wsrc *table, const int32_t *id, struct mat *y);
    status (*embed_backward)(const struct arith_call *, const struct mat *dy, const int32_t *id, real *dw, int ld);
};

extern const struct arith arith_f32, arith_bf16, arith_dfp;
extern const struct arith *const arith_table[]; /* all of them; NULL ends it */
/* NULL: there is none of this name. */
const struct arith *arith_find(const char *name);
/* The one whose table has an option of this name; NULL: none. No two have one of the same name. */
const struct arith *arith_with_option(const char *name);

#endif
