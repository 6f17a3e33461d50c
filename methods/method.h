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
    METHOD_WHOLE_TABLE = 1u << 4,   /* statistics over whole tensors: rows that nothing reads are computed too */
    METHOD_HIDDEN = 1u << 5,        /* teaching copy: listed apart */
    METHOD_OBSERVES = 1u << 6,      /* one PASS_OBSERVE forward over the first batch, before step 0: ranges from data */
    METHOD_OWNS_WEIGHTS = 1u << 7   /* attach() puts an own tile source in the place of site->w and sets own_weight:
                                        stores other than f32 are refused */
};

/* Flags of methods that go with plain weights (store f32) only. */
enum { METHOD_PLAIN_STORE = METHOD_TRAINS_BASE | METHOD_OWNS_WEIGHTS };

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
    bool *chosen;               /* [sites] those that the method's `sites` option names; none without such an option */
    uint64_t step, total_steps; /* optimiser steps: the current one from 0, and the run's */
};

/* One evaluated form of one run: DyLoRA's rank b. */
struct variant {
    char name[32]; /* "rank=4"; "" when there is only one */
    double key;    /* the number behind the name */
};

/* What report() fills for one site and variant: zero-initialised, bits preset to 32. */
struct site_report {
    int rank, rank_max;                /* 0: no low-rank part */
    double trained, deployed;          /* adapter parameters trained now; surviving in what is deployed */
    double bits_w, bits_x;             /* operands of the base product, as they multiply; dfp knows better */
    double bits_stored;                /* of a base weight in memory, where the method keeps it itself; 0: elsewhere */
    double bits_a, bits_b, bits_e;     /* adapter weights */
    double bits_qa, bits_qe, bits_out; /* adapter activations, site output; without an E set bits_qe = bits_qa */
    double adapter_macs_per_token;
};

/* What can be told of a run before it begins: a line for `check`, "" for none. */
struct forecast {
    char text[256];
    bool warns; /* it cannot do what the method is for */
};

struct method {
    const char *name, *summary;
    const char *source;      /* paper and METHODS-like reference: "Hu et al. 2022, arXiv 2106.09685" */
    const char *unavailable; /* NULL, or why it cannot run in this build: still listed */
    unsigned abi, flags;
    const struct method *preset_of; /* a preset of another method ... */
    const char *preset;             /* ... with these options: "store=nf4 rank=64" */
    const struct option
        *options; /* ends with OPT_END; an option named "sites" (string) chooses sites; NULL: no options */
    size_t option_size, run_size, site_size;

    /* ---- hooks; all may be NULL. In order of life: */

    /* Once, before any site: check options against each other, thaw base tensors, make shared matrices. */
    status (*setup)(struct mrun *);
    /* Each chosen site: register tensors. site->adapter, site->run and site->ops are set already. w [out, in]: only
     * with METHOD_NEEDS_WEIGHT, valid during the call. Stores are built after all sites are attached: a method that
     * puts its own source around a stored weight (B-LoRA's quantiser) does so in its first prepare, keeping the old
     * site->w inside; one that keeps a weight itself (LQ-LoRA) replaces site->w here: METHOD_OWNS_WEIGHTS. */
    status (*attach)(struct mrun *, struct site *, const real *w);
    /* Before the first micro-batch of each optimiser step: draw a rank. */
    status (*step_begin)(struct mrun *);
    /* Each attached site before its first use in a pass: what all uses share (gates, norms). Memory from pass->tape. */
    status (*prepare)(struct mrun *, struct site *, struct pass *);
    /* Each use of an attached site (site.h). Both or none. */
    struct site_ops site_ops;
    /* After the gradients of a step are complete, before clipping: adds its gradients and tells its value. */
    status (*penalty)(struct mrun *, double *value);
    /* After the optimiser: weights are new, the clipped gradients still there. */
    status (*step_end)(struct mrun *);

    /* The forms that are evaluated apart: fills at most max, returns how many there are. NULL: one, unnamed. */
    int (*variants)(const struct mrun *, struct variant *, int max);
    /* Sizes, ranks and bits of an attached site. The sites' `trained` add up to the registry's P_ADAPTER. Required with
     * site_ops. */
    void (*report)(const struct mrun *, const struct site *, int variant, struct site_report *);
    /* With METHOD_MERGEABLE: w [out, in] and b [out] (zeros for a layer without bias) from base to merged. */
    status (*effective)(const struct mrun *, const struct site *, int variant, real *w, real *b);
    /* Adapters of other programs: the parameter that one tensor of a foreign file is meant for, by its name without the
     * wrapping of the peft library, and whether it must be transposed; NULL when unknown. */
    struct param *(*foreign)(struct mrun *, const char *name, bool *transpose);
    /* After all sites are attached; share(ctx, step): the schedule's rate at a step over the run's peak rate. */
    void (*forecast)(const struct mrun *, double (*share)(const void *ctx, uint64_t step), const void *ctx,
                     struct forecast *);
};

/* NULL-terminated, sorted by name, generated by the Makefile from the files in methods/. */
extern const struct method *const method_table[];
const struct method *method_find(const char *name); /* NULL: none */

/* The life of a run, for bench and tests (bench/method_run.c): */
status method_start(struct mrun *);                  /* checks ABI and hooks; setup, choose sites, attach */
status method_prepare(struct mrun *, struct pass *); /* prepare for every attached site */

#endif
