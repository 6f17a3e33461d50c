#include "bench/evaluate.h"

#include <math.h>
#include "bench/metrics.h"

int task_metric_count(const struct task *task)
{
    int n = 0;
    while (n < TASK_METRICS && task->metric[n]) n++;
    return n;
}

int task_direction(const struct task *task)
{
    const struct metric *m = metric_find(task->metric[0]);
    return !m || m->higher_is_better ? 1 : -1;
}

void predictions_of(const float *logits, int n, int labels, float *pred)
{
    for (int i = 0; i < n; i++) {
        const float *row = logits + (size_t)i * (size_t)labels;
        int best = 0;
        for (int c = 1; c < labels; c++)
            if (row[c] > row[best]) best = c;
        pred[i] = labels == 1 ? row[0] : (float)best;
    }
}

static status measure(const struct task *task, const float *pred, const float *label, int n,
                      double metric[TASK_METRICS])
{
    for (int k = 0; k < TASK_METRICS; k++) metric[k] = NAN;
    for (int k = 0; k < task_metric_count(task); k++) {
        const struct metric *m = metric_find(task->metric[k]);
        FAIL_IF(!m, ST_INTERNAL, "task %s names the unknown metric '%s'", task->name, task->metric[k]);
        if (n > 0) metric[k] = m->value(pred, label, n);
    }
    return ST_OK;
}

status task_metrics(const struct task *task, const float *pred, const float *label, int n, const unsigned char *half,
                    int which, struct arena *scratch, double metric[TASK_METRICS])
{
    float *p, *l;
    int kept = 0;
    if (!half) return measure(task, pred, label, n, metric);
    struct arena_mark mark = arena_mark(scratch);
    NEW(p, scratch, n);
    NEW(l, scratch, n);
    for (int i = 0; i < n; i++) {
        if (half[i] != which) continue;
        p[kept] = pred[i];
        l[kept++] = label[i];
    }
    status st = measure(task, p, l, kept, metric);
    arena_reset(scratch, mark);
    return st;
}

double main_score(const struct task *task, const double metric[TASK_METRICS])
{
    double sum = 0;
    int n = task_metric_count(task);
    if (!task->main_is_mean) return metric[0];
    for (int k = 0; k < n; k++) sum += metric[k];
    return sum / n;
}

int score_beats(int direction, double a, double b)
{
    if (isnan(a)) return 0;
    return isnan(b) || direction * a > direction * b;
}
