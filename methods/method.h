/* A method: what trains. One file a method in methods/, one `const struct method method_<file>` in it; the Makefile's
 * table finds it. A method knows sites, parameters and core, never a model, a task or a file. docs/ADD_A_METHOD.md
 * walks through skeleton.c. Hooks run on one thread; parallelism lives in core. */
#ifndef PG_METHODS_METHOD_H
#define PG_METHODS_METHOD_H

#include "core/option.h"
#include "core/param.h"
#include "models/site.h"

enum { METHOD_ABI = 1 };

/* Capabilities: the harness asks for these, never for a method by name. */
enum method_flags {
    METHOD_MERGEABLE = 1u << 0,     /* effective() gives a weight that equals the unmerged forward */
    METHOD_IDENTITY_INIT = 1u << 1, /* at step 0 the model computes what the base computes */
    METHOD_NEEDS_WEIGHT = 1u << 2,  /* attach() gets the dense weight */
    METHOD_TRAINS_BASE = 1u << 3,   /* thaws base weights: stores other than f32 are refused */
    METHOD_WHOLE_TABLE = 1u << 4,   /* needs all rows of relative tables (per-tensor statistics) */
    METHOD_HIDDEN = 1u << 5,        /* teaching copy: listed apart */
    METHOD_OBSERVES = 1u << 6 /* one PASS_OBSERVE forward over the first batch before step 0: takes ranges from data */
};

/* One run of one method on one model. Everything a hook may read. */
struct mrun {
    const struct method *method;
    const void *options; /* method->option_size bytes, filled from the table */
    void *state;         /* method->run_size bytes, zeroed, life of the run */
    struct registry *reg;
    struct arena *arena; /* life of the run */
    const struct rng *rng;
    struct site **site; /* the model's sites */
    int sites;
    bool *chosen; /* [sites] sites the options name; set by the harness when the method has a `sites` option */
    uint64_t step, total_steps; /* optimiser steps: the current one from 0, and the run's */
};

struct variant {   /* one evaluated form of one run: DyLoRA's rank b */
    char name[32]; /* "rank=4"; "" when there is only one */
    double key;    /* the number behind the name */
};

struct site_report {          /* what report() fills for one site and variant; zero-initialised, bits preset to 32 */
    int rank, rank_max;       /* 0: no low-rank part */
    double trained, deployed; /* adapter parameters trained now; surviving in what is deployed */
    double bits_w, bits_x;    /* operands of the base product */
    double bits_a, bits_b, bits_e;     /* adapter weights */
    double bits_qa, bits_qe, bits_out; /* adapter activations, site output */
    double adapter_macs_per_token;
};

struct method {
    const char *name, *summary;
    const char *source;      /* paper and METHODS-like reference: "Hu et al. 2022, arXiv 2106.09685" */
    const char *unavailable; /* NULL, or why it cannot run in this build: still listed */
    unsigned abi, flags;
    const struct method *preset_of; /* a preset of another method ... */
    const char *preset;             /* ... with these options: "store=nf4 rank=64" */
    const struct option *options;   /* ends with OPT_END; an option named "sites" (string) chooses sites; NULL: none */
    size_t option_size, run_size, site_size;
    /* All hooks may be NULL. In order of life: */
    status (*setup)(struct mrun *); /* once: check options, thaw base tensors, shared matrices */
    status (*attach)(struct mrun *, struct site *, const real *w); /* each chosen site: register tensors, set site->ops;
                                                                w [out, in] only with METHOD_NEEDS_WEIGHT, else NULL */
    status (*step_begin)(struct mrun *);                           /* before each optimiser step: draw a rank */
    status (*prepare)(struct mrun *, struct site *,
                      struct pass *);                /* before a site's first use in a pass: gates, norms */
    struct site_ops site_ops;                        /* set as site->ops by the harness for each attached site */
    status (*penalty)(struct mrun *, double *value); /* after accumulation, before clipping: adds its gradients */
    status (*step_end)(struct mrun *);               /* weights are new; clipped gradients still there */
    int (*variants)(const struct mrun *, struct variant *, int max); /* NULL: one, unnamed */
    void (*report)(const struct mrun *, const struct site *, int variant, struct site_report *);
    /* w [out, in], b [out]: in: the base weight and bias (zeros for a layer without one); out: the merged ones. */
    status (*effective)(const struct mrun *, const struct site *, int variant, real *w, real *b);
    /* Adapters of other programs: offers one tensor of a foreign adapter file by its normalised name; NULL when
     * unknown. Returns the parameter and whether the tensor must be transposed. */
    struct param *(*foreign)(struct mrun *, const char *name, bool *transpose);
};

extern const struct method
    *const method_table[]; /* NULL-terminated, sorted by name, generated from the files in methods */
const struct method *method_find(const char *name);

/* The life of a run, for bench and tests (bench/method_run.c): */
status method_start(struct mrun *);                  /* checks ABI and hooks; setup, choose sites, attach */
status method_prepare(struct mrun *, struct pass *); /* prepare for every attached site */

#endif
