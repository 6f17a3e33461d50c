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

static bool applies(const struct metric *m, enum task_kind kind)
{
    switch (m->use) {
    case METRIC_CLASSES: return kind != TASK_LM;
    case METRIC_VALUES: return kind == TASK_CLASSES;
    case METRIC_CHOICE: return kind == TASK_CHOICE;
    case METRIC_LANGUAGE: return kind == TASK_LM;
    case METRIC_TEXT: break; /* measured where texts are written */
    }
    return false;
}

static status measure(const struct task *task, const struct predicted *p, struct arena *scratch,
                      double metric[TASK_METRICS])
{
    struct metric_room room;
    TRY(metric_room(p->n, scratch, &room));
    for (int k = 0; k < TASK_METRICS; k++) metric[k] = NAN;
    for (int k = 0; k < task_metric_count(task); k++) {
        const struct metric *m = metric_find(task->metric[k]);
        FAIL_IF(!m, ST_INTERNAL, "task %s names the unknown metric '%s'", task->name, task->metric[k]);
        if (p->n <= 0 || !applies(m, p->kind)) continue;
        metric[k] =
            m->grouped ? m->grouped(p->pred, p->label, p->group, p->n) : m->value(p->pred, p->label, p->n, &room);
    }
    return ST_OK;
}

status task_metrics(const struct task *task, const struct predicted *all, int which, struct arena *scratch,
                    double metric[TASK_METRICS])
{
    float *pred, *label;
    int *group, kept = 0;
    struct arena_mark mark = arena_mark(scratch);
    if (which < 0) {
        status st = measure(task, all, scratch, metric);
        arena_reset(scratch, mark);
        return st;
    }
    NEW(pred, scratch, all->n + 1);
    NEW(label, scratch, all->n + 1);
    NEW(group, scratch, all->n + 1);
    for (int i = 0; i < all->n; i++) {
        if (all->half[i] != which) continue;
        pred[kept] = all->pred[i];
        group[kept] = all->group ? all->group[i] : 0;
        label[kept++] = all->label[i];
    }
    const struct predicted part = {.kind = all->kind, .pred = pred, .label = label, .group = group, .n = kept};
    status st = measure(task, &part, scratch, metric);
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
