/* Metrics of METHODS 5.1: accuracy, f1 (class 1), matthews, pearson, spearman (average ranks for ties), mse. */
#ifndef PG_BENCH_METRICS_H
#define PG_BENCH_METRICS_H

#include "core/status.h"

struct metric {
    const char *name, *summary;
    int regression; /* takes real values instead of classes */
    int higher_is_better;
    /* pred, label: [n]. NAN when undefined (constant input to a correlation): printed as "undefined", never as a number. */
    double (*value)(const float *pred, const float *label, int n);
};
extern const struct metric metric_table[]; /* ends with name NULL */
const struct metric *metric_find(const char *name);

#endif
