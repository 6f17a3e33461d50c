/* Sizes, ranks and bits of a run from the one report hook: parameter counts, traces over time, bit operations. */
#ifndef PG_BENCH_ACCOUNTING_H
#define PG_BENCH_ACCOUNTING_H

#include "bench/session.h"
#include "results/record.h"

/* The report of one site and variant; sites without a method and methods without the hook report 32 bits and nothing
 * else. */
struct site_report site_report_of(const struct session *, const struct site *, int variant);

/* Sums over the attached sites; without the report hook, what the registry holds as adapter tensors. */
double adapter_trained(const struct session *);
double adapter_deployed(const struct session *, int variant);

/* ---- bit operations (METHODS 4.3): MACs x bits x bits of one sequence ---- */

struct bops {
    double encoder, attention; /* all blocks; of it: q, k, v projections with their adapters, scores, context */
};
/* length: sequence length; table_rows: rows of the relative table, 0 for models without one. plain: the unquantised
 * network without adapters. */
struct bops bops_count(const struct session *, int variant, double length, double table_rows, bool plain);
/* Rows of the model's relative table; 0: it has none. */
int model_table_rows(const struct model *);

/* ---- traces ---- */

struct trace {
    struct arena *arena;
    int times, cap, sites, variants;
    const struct site **site; /* attached ones */
    int64_t *step;
    struct site_report *report; /* [cap, variants, sites] */
    double peak;                /* largest number of trained adapter parameters so far */
};
status trace_init(struct trace *, struct arena *, const struct session *, int cap);
void trace_add(struct trace *, const struct session *, long done);
/* trace/ and parameters/; nothing below trace/ when the method reports no sites. scratch must not be the record's
 * arena. */
status trace_record(const struct trace *, const struct session *, struct arena *scratch, struct record *);
/* bops/ */
status bops_record(const struct session *, int max_len, double mean_len, struct record *);

#endif
