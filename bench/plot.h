/* What the kinds of figures share: the table they are drawn from and the options of `peftgrid plot`. A kind draws as
 * many figures as the records give; it draws none, and says why, when they lack what it shows. */
#ifndef PG_BENCH_PLOT_H
#define PG_BENCH_PLOT_H

#include "bench/figure.h"
#include "bench/material.h"

/* Shares of run_bops: of the run's own network at the mean real length, as tables show; carried to DeBERTaV3-base at 20
 * tokens; there over the same adapters at 32 bits. */
enum bops_choice { BOPS_REAL, BOPS_PAPER, BOPS_OWN };

struct plot {
    struct arena *arena;
    const struct material *material;
    const struct table *t;
    const char *folder, *formats;
    int *chosen;           /* [t->rows] rows that --only leaves */
    int all_variants;      /* --only was given: then every variant of a row counts, else for curves only the last */
    enum bops_choice bops; /* which bit operations */
    int attention;         /* of the attention only */
    const char *x, *y;     /* of sweeps: an option; score, bops, bits, rank or params */
    int drawn;             /* figures so far */
    const char *lack;      /* gnuplot is missing: the sentence; scripts and data are written all the same */
    const char *why;       /* the last kind drew nothing: a few words, "fewer than two training-set sizes" */
};
typedef status plot_fn(struct plot *);

plot_fn plot_curves; /* score over epochs, a band over the seeds */
plot_fn plot_params; /* score against parameters, Pareto front */
plot_fn plot_bops;   /* score against bit operations, Pareto front */
plot_fn plot_ranks;  /* rank by layer and projection: a figure a row (B-LoRA paper, Figures 2 and 4) */
plot_fn plot_bits;   /* median bits by operand and task: a figure a row (Figure 5) */
plot_fn plot_sizes;  /* bits against the size of the training set */
plot_fn plot_sweep;  /* score, bit operations, bits or rank against an option */

/* The detail of a point's variant; NULL: the run has no result. */
const struct variant_detail *plot_detail(const struct table_point *);
/* Bit operations of a point in %, as chosen; NAN: not known. */
double plot_bops_of(const struct plot *, const struct table_point *);
/* What these are shares of: "LoRA r=16". */
const char *plot_bops_unit(const struct plot *);
/* Some run of a table row; NULL: it has none. */
const struct run *plot_run_of(const struct table *, int row);
/* Mean width over the operands of the adapted layers that are not at 32 bits in all of them; NAN: not traced. */
double plot_mean_bits(const struct table_point *);
/* Writes and draws f, tells the user, counts. */
status plot_finish(struct plot *, struct figure *f);

#endif
