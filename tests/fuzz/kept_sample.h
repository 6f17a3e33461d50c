/* The matrix whose decomposition the harness of kept ones and the writer of its seeds keep. */
#ifndef PG_TESTS_KEPT_SAMPLE_H
#define PG_TESTS_KEPT_SAMPLE_H

#include "core/lq_kept.h"

enum { KEPT_OUT = 9, KEPT_IN = 7, KEPT_SIZE = KEPT_OUT * KEPT_IN };
static const struct lq_form kept_form = {{3, 4, LQ_BF16, 8, 4}, 2, 3, NULL, LQ_LAST};

static inline status kept_decompose(struct arena *a, struct lq_parts *p)
{
    real w[KEPT_SIZE];
    for (int i = 0; i < KEPT_SIZE; i++) w[i] = (real)(i * 37 % 23 - 11);
    return lq_decompose_kept(w, KEPT_OUT, KEPT_IN, &kept_form, 0, a, p);
}

#endif
