/* Metrics of METHODS 5.1: accuracy, f1 (class 1), matthews, pearson, spearman (average ranks for ties), mse; f1
 * averaged over classes for tasks with more than two; accuracy by subject (METHODS 6); perplexity, and BLEU and NIST of
 * written texts (ngram_scores.h). All in double, in one fixed order. */
#ifndef PG_BENCH_METRICS_H
#define PG_BENCH_METRICS_H

#include "core/arena.h"

enum metric_use { METRIC_CLASSES, METRIC_VALUES, METRIC_CHOICE, METRIC_LANGUAGE, METRIC_TEXT };

/* Memory to measure in. A metric takes none of its own, so that none can fail to be had half-way. */
struct ranked {
    double value;
    int at;
};
struct metric_room {
    double *value;         /* [4 n] */
    struct ranked *sorted; /* [n] */
};
status metric_room(int n, struct arena *, struct metric_room *); /* for n examples */

struct metric {
    const char *name, *summary;
    enum metric_use use; /* CHOICE: classes with subjects. LANGUAGE: pred and label are loss and number of targets */
    int higher_is_better;
    /* pred, label: [n]. NAN when undefined (constant input to a correlation, n = 0, a class that is no whole number
     * from 0 on): printed as "undefined", never as a number. */
    double (*value)(const float *pred, const float *label, int n, struct metric_room *);
    /* METRIC_CHOICE: group[n] is the subject, from 0. METRIC_TEXT has neither: it is measured where texts are written.
     */
    double (*grouped)(const float *pred, const float *label, const int *group, int n);
};
extern const struct metric metric_table[];          /* ends with name NULL */
const struct metric *metric_find(const char *name); /* NULL: unknown */

/* Accuracy over subjects, as MMLU reports it (METHODS 6): macro = mean of the subjects' accuracies, micro = all
 * questions together. NAN where no subject or a subject without questions makes it undefined. */
void accuracy_by_subject(const long *correct, const long *total, int subjects, double *macro, double *micro);

#endif
