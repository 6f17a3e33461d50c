/* Sizes, ranks and bits of a run from the one report hook: parameter counts, traces over time. */
#ifndef PG_BENCH_ACCOUNTING_H
#define PG_BENCH_ACCOUNTING_H

#include "bench/bops.h"
#include "bench/session.h"
#include "results/record.h"

/* The report of one site and variant; sites without a method and methods without the hook report 32 bits and nothing
 * else. Linear layers that compute in integers report the bits of those, whatever the method. */
struct site_report site_report_of(const struct session *, const struct site *, int variant);

/* Sums over the attached sites; without the report hook, what the registry holds as adapter tensors. */
double adapter_trained(const struct session *);
double adapter_deployed(const struct session *, int variant);

/* ---- forms for bit operations (bench/bops.h) ---- */

struct session_variant {
    const struct session *session;
    int variant;
};
/* What the session's method and arithmetic make of its sites now. Points at *v. */
struct bops_form bops_of_session(const struct session_variant *v);
/* The same as a list, to be counted on another model; lives in the arena. */
status session_forms(const struct session *, int variant, struct arena *, struct site_forms *);

/* ---- traces ---- */

struct trace {
    struct arena *arena;
    int times, cap, sites, variants;
    const struct site **site; /* attached ones, and all linear ones in integers */
    int64_t *step;
    struct site_report *report; /* [cap, variants, sites] */
    double peak;                /* largest number of trained adapter parameters so far */
};
status trace_init(struct trace *, struct arena *, const struct session *, int cap);
void trace_add(struct trace *, const struct session *, long done);
/* trace/ and parameters/; nothing below trace/ when the method reports no sites. scratch must not be the record's
 * arena. */
status trace_record(const struct trace *, const struct session *, struct arena *scratch, struct record *);
#endif
