/* What tables need of each record, small enough to hold thousands of runs at once. */
#ifndef PG_BENCH_RUN_LIST_H
#define PG_BENCH_RUN_LIST_H

#include "bench/run_detail.h"
#include "bench/train_options.h"
#include "core/arena.h"
#include "core/status.h"
#include "results/record.h"

enum { PROTOCOLS = 3 }; /* best, last, split: enum protocol */
extern const char *const protocol_name[PROTOCOLS];

enum run_state { RUN_OK, RUN_DIVERGED, RUN_FAILED, RUN_MISSING };

/* Bit operations of what a run ended with, as shares; NAN: the record does not tell. */
struct run_bops {
    struct {
        double encoder, attention;
    } base,   /* its ranks and bits on DeBERTaV3-base at 20 tokens and 512 table rows, over LoRA of rank 16 there */
        own,  /* the same over the same adapters at full rank and 32 bits */
        here; /* on its own network at the mean real length, over LoRA of rank 16 */
};

/* One evaluated form of a run ("" = the only one). Arrays go by enum protocol. */
struct run_variant {
    const char *name;
    double score[PROTOCOLS]; /* the asked metric; NAN: undefined */
    int constant[PROTOCOLS]; /* one class (one value) predicted for every example; -1: cannot be told */
    double deployed;         /* adapter parameters in what is deployed */
    /* [examples]: 1 where the prediction is right, for paired tests of single runs; NULL: regression, or predictions of
     * that evaluation are not kept. */
    unsigned char *right[PROTOCOLS];
    int examples; /* of all evaluation sets together */
    struct run_bops bops;
};

struct run {
    const char *file, *row, *task, *model, *canon, *cause, *date, *metric;
    enum run_state state;
    enum protocol protocol; /* the experiment's */
    long long seed;
    int lacks_metric;     /* the record does not hold the asked metric */
    double adapter, head; /* trained parameters: thawed base ones and the adapter's peak; the head's */
    double train_examples, dev_examples;
    double seconds; /* of training and evaluation */
    struct run_variant *variant;
    int variants;
    struct run_detail *detail; /* what figures need beyond that; NULL unless asked for */
};

struct run_list {
    struct run *run;
    int count;
    int unreadable;          /* files that are no valid records */
    const char *first_fault; /* the sentence about the first of them; NULL: none */
};

/* Reads the records of a folder, or of one file (record_source_open). metric: "" for each task's main score.
 * details: fill run->detail too. */
status run_list_read(const char *place, const char *metric, int details, struct arena *, struct run_list *);

/* The facts of one record. file: for messages, not copied. */
status run_take(const struct record *, const char *file, const char *metric, struct arena *, struct run *);

/* The value of an option in a canonical text: "KEY=" itself or behind method., store. or train.; NULL: none. */
const char *canon_value(const char *canon, const char *key, struct arena *);

#endif
