/* MMLU by subject: accuracies with standard errors, categories, and the averages of the three protocols. */
#ifndef PG_BENCH_SUBJECTS_H
#define PG_BENCH_SUBJECTS_H

#include "datasets/mmlu.h"
#include "results/record.h"

struct subject_scores {
    int questions[MMLU_SUBJECTS], right[MMLU_SUBJECTS]; /* 0 questions: the subject was not asked */
    double accuracy[MMLU_SUBJECTS], error[MMLU_SUBJECTS];
    /* Over all questions of the category. NAN: none. */
    double category[MMLU_CATEGORIES], category_error[MMLU_CATEGORIES];
    double macro, macro_error; /* mean of the subjects' accuracies (QLoRA) */
    double micro, micro_error; /* all questions alike (Hendrycks et al., lm-eval) */
};

/* Standard errors as lm-evaluation-harness has them: of a subject sqrt(p (1 - p) / (n - 1)) (NAN for one question); of
 * a mean of subjects sqrt(sum of squares) / subjects; of questions of several subjects together from the pooled
 * variance, sqrt(sum (n - 1) n e^2 / (sum n - subjects) / sum n). protocol: who counts which subject in which category.
 */
void subjects_score(enum mmlu_protocol, const float *choice, const float *label, const int *subject, int n,
                    struct subject_scores *);

/* "subjects/" of a record: names, questions and, for a set and variant, the scores at every evaluation. Only the last
 * and the best evaluation have their single answers, so accuracies by subject are kept for those two. */
struct history;
status subjects_record(const struct history *, int dev, int variant, struct record *);

/* The same as text: a line a subject, the categories, the averages. */
status subjects_print(FILE *, const struct record *, const char *set, const char *variant);

#endif
