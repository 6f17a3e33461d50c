/* Complete records made up by tests: everything the schema requires, with the few figures a test cares about. */
#ifndef PG_TESTS_SAMPLE_RECORD_H
#define PG_TESTS_SAMPLE_RECORD_H

#include "results/record.h"

enum { SAMPLE_VARIANTS = 4, SAMPLE_METRICS = 3, SAMPLE_EXAMPLES = 10, SAMPLE_EVALUATIONS = 3 };

struct sample {
    const char *row, *task, *method, *model; /* NULL: "lora", "cola", row, "mini" */
    const char *options;                     /* more lines of the canonical text: "method.rank=4\n"; NULL: none */
    const char *canon;                       /* NULL: made from the above */
    const char *status;                      /* NULL: "ok" */
    const char *cause;
    const char *date; /* NULL: a fixed one */
    long long seed;
    const char *variant[SAMPLE_VARIANTS]; /* NULL ends; none: one unnamed */
    const char *metric[SAMPLE_METRICS];   /* NULL ends; none: "accuracy" */
    int main_is_mean;
    const char *protocol; /* NULL: "best" */
    /* Main score at the evaluations; the second is the best. Variant v gets score + v * step. */
    double score[SAMPLE_EVALUATIONS], step;
    int outputs;                     /* 0: 2; 1: regression */
    int constant;                    /* the same prediction for all examples */
    unsigned right;                  /* bit i: example i is predicted rightly; used when not constant */
    int64_t adapter, head, deployed; /* deployed 0: as adapter */
};

void sample_record(const struct sample *, struct arena *, struct record *);
void sample_write(const struct sample *, const char *path);
/* The canonical text of a sample, as an experiment would give it. */
const char *sample_canon(const struct sample *, struct arena *);

#endif
