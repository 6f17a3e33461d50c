/* Decompositions that are kept in the cache (core/cache.h), since those of a large model take minutes. The key is a
 * hash of the weight's bytes, the weights of its elements, the form and LQ_VERSION. Results are those of
 * lq_decompose(), bit for bit. */
#ifndef PG_CORE_LQ_KEPT_H
#define PG_CORE_LQ_KEPT_H

#include "core/lq_decompose.h"

/* Raise it when any decomposition gives other bits than before. */
enum { LQ_VERSION = 1 };

/* As lq_decompose(). Nothing is kept of a matrix of fewer than `least` elements, which may be decomposed sooner than a
 * file is written. */
status lq_decompose_kept(const real *w, int out, int in, const struct lq_form *, size_t least, struct arena *keep,
                         struct lq_parts *);
/* error [count]: of decompositions in this form, but with each of these configurations. */
status lq_errors_kept(const real *w, int out, int in, const struct lq_form *, const struct lq_config *, int count,
                      size_t least, double *error);

#endif
