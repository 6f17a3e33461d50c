/* What figures need of a record beyond the facts of tables: curves, ranks, bits. */
#ifndef PG_BENCH_RUN_DETAIL_H
#define PG_BENCH_RUN_DETAIL_H

#include "results/record.h"

struct run;
enum { DETAIL_OPERANDS = 8 };
enum operand { OP_W, OP_X, OP_A, OP_B, OP_E, OP_QA, OP_QE, OP_OUT };

struct variant_detail { /* of one variant of a run; in the order of run->variant */
    int evaluations;
    double *epoch, *step;    /* [evaluations] when they were */
    double *score;           /* [evaluations] the main score or the asked metric, mean over the sets that have it */
    double *rank, *rank_max; /* [sites] at the end; NULL: not traced */
    double *bits;            /* [sites, DETAIL_OPERANDS] at the end; NULL: not traced */
};
struct run_detail {
    double train_examples; /* NAN: not recorded */
    const char **site;     /* [sites] names of what was traced */
    int sites;
    struct variant_detail *variant; /* [run->variants] */
};

/* Fills run->detail of a run that run_take has filled. */
status run_detail_take(const struct record *, const char *metric, struct arena *, struct run *);

/* "encoder.layer.3.attention.self.query_proj" -> layer 3 and "query"; layer -1: the name has no number (a head). Lives
 * until the next call. */
const char *site_projection(const char *site, int *layer);

#endif
