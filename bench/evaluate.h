/* From logits to scores: predictions, the task's metrics, the main score. */
#ifndef PG_BENCH_EVALUATE_H
#define PG_BENCH_EVALUATE_H

#include "core/arena.h"
#include "datasets/dataset.h"

int task_metric_count(const struct task *);
/* 1: a larger main score is better, -1: a smaller one is. */
int task_direction(const struct task *);

/* pred[n] as metrics take them: the class with the largest logit (the first of equals), or the value of a regression.
 */
void predictions_of(const float *logits, int n, int labels, float *pred);

/* Predictions of a set with what they are compared with. */
struct predicted {
    enum task_kind kind; /* of the set */
    const float *pred, *label;
    const int *group;          /* TASK_CHOICE: subjects */
    const unsigned char *half; /* NULL: whole sets only */
    int n;
};

/* All metrics of the task over the rows with half[i] == which; which -1: over all rows. NAN: undefined, or not of such
 * a set (perplexity of lettered answers, accuracy of a language model's text). */
status task_metrics(const struct task *, const struct predicted *, int which, struct arena *scratch,
                    double metric[TASK_METRICS]);

/* The task's main score: its first metric, or the mean of all. NAN when one that counts is undefined. */
double main_score(const struct task *, const double metric[TASK_METRICS]);

/* Whether score `a` beats `b` in the given direction; an undefined score beats nothing and is beaten by any number. */
int score_beats(int direction, double a, double b);

#endif
