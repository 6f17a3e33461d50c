/* DeBERTa's relative positions (METHODS 1.2, 1.3): which row of the table serves the distance i - j, and the
 * content-to-position and position-to-content terms of one sequence and head.
 *
 * A batch uses the rows between the buckets of +-(L-1), L its longest sequence; only these are projected. They are held
 * in falling order (local row u = top - table row), so that for a fixed query u rises with the key: as long as buckets
 * are the distances themselves (|i - j| <= near) a row of scores needs one contiguous slice, no gather. Longer
 * distances go through the index, distance by distance. */
#ifndef PG_MODELS_RELATIVE_H
#define PG_MODELS_RELATIVE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/gemm.h"
#include "core/real.h"
#include "core/status.h"

/* The law of the index, from the configuration. */
struct relative_law {
    int buckets;      /* position_buckets; < 1: distances are not bucketed */
    int max_relative; /* max_relative_positions, resolved */
};
int relative_span(const struct relative_law *);             /* half of the table's rows */
int relative_index(const struct relative_law *, int delta); /* table row of i - j = delta */

/* The rows one batch uses. */
struct relative_rows {
    int rows;
    int near;                /* |delta| <= near: u(delta) = u(0) - delta */
    const int *u;            /* local row of delta, indexed -(longest-1) .. longest-1 */
    const int32_t *id;       /* [rows] table row of each local row */
    const uint32_t *row_key; /* [rows] the same, as the place of a dropout draw */
};
/* whole: all rows of the table, used or not. */
status relative_rows_new(const struct relative_law *, int longest, bool whole, struct arena *, struct relative_rows **);

/* One sequence and head. queries: rows of q (the first ones of the sequence); matrices are slices of head_dim columns.
 */
struct relative_part {
    const struct relative_rows *rel;
    int queries, keys;
    struct mat q, k, rel_k, rel_q; /* rel_k.a or rel_q.a NULL: that term is off */
    real *band;                    /* scratch of relative_band() elements */
    gemm_fn *multiply;             /* on one thread */
};
size_t relative_band(const struct relative_rows *);

/* scores [queries, keys] += q_i . K_r[t(i,j)] + k_j . Q_r[t(i,j)] */
void relative_scores(const struct relative_part *, struct mat *scores);
/* g [queries, keys]: gradient of the unscaled scores. Adds to dq, dk, drel_k, drel_q; a == NULL: not wanted. */
void relative_scores_backward(const struct relative_part *, const struct mat *g, struct mat *dq, struct mat *dk,
                              struct mat *drel_k, struct mat *drel_q);

#endif
