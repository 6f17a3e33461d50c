/* `peftgrid bench --compare-hf`: the batches that were measured, run again by transformers + peft
 * (tools/compare_hf.py).
 */
#ifndef PG_BENCH_BENCH_COMPARE_H
#define PG_BENCH_BENCH_COMPARE_H

#include <jansson.h>
#include "bench/experiment.h"
#include "bench/session.h"

struct compare {
    const char *python, *script;
    const char *folder;   /* for files that come and go */
    const char *versions; /* "torch 2.15.0, transformers 5.24.0, peft 0.21.2" */
    int batches;          /* of each phase that are run again, the first ones timed */
};
/* script NULL: the one beside the program, installed or in the source tree. Asks the Python for its packages.
 * ST_UNSUPPORTED, with a sentence: no such Python, or one of the packages is missing. */
status compare_open(const char *python, const char *script, int batches, const char *folder, struct arena *,
                    struct compare *);

/* Whether the script has a counterpart of the cell's method: lora, full_ft and none with plain weights, not in
 * integers, on classes. */
bool compare_knows(const struct cell *);
/* Appends a batch. */
status compare_note(json_t *batches, const struct batch *);
/* The script's work for a phase, "train" or "evaluate"; takes a reference of batches. */
status compare_work(const struct cell *, const struct session *, const char *phase, json_t *batches, json_t **work);

struct compared {
    double seconds, peak_bytes; /* of all batches */
};
status compare_run(const struct compare *, const json_t *work, struct arena *, struct compared *);

#endif
