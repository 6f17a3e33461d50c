#include "bench/history.h"

#include <string.h>
#include "bench/evaluate.h"

static struct track *track_of(const struct history *h, int variant, int dev)
{
    return &h->track[variant * h->data->devs + dev];
}

static status track_init(struct history *h, struct track *t, int examples)
{
    size_t rows = (size_t)h->cap * (size_t)h->metrics, outputs = (size_t)examples * (size_t)h->labels;
    NEW(t->loss, h->arena, h->cap);
    NEW(t->metric, h->arena, rows);
    NEW(t->first, h->arena, rows);
    NEW(t->second, h->arena, rows);
    NEW(t->last, h->arena, outputs);
    NEW(t->best, h->arena, outputs);
    return ST_OK;
}

status history_init(struct history *h, struct arena *arena, const struct task *task, const struct cell_data *data,
                    const struct session *s, int cap)
{
    *h = (struct history){.arena = arena,
                          .task = task,
                          .data = data,
                          .labels = task->labels,
                          .metrics = task_metric_count(task),
                          .cap = cap};
    h->variants = session_variants(s, h->variant);
    NEW(h->step, arena, cap);
    NEW(h->epoch, arena, cap);
    ZNEW(h->track, arena, h->variants * data->devs);
    for (int v = 0; v < h->variants; v++)
        for (int d = 0; d < data->devs; d++) TRY(track_init(h, track_of(h, v, d), data->dev[d].tokens.n));
    return ST_OK;
}

/* ---- evaluating ---- */

static status evaluate_track(struct history *h, struct session *s, int eval_batch, int variant, int dev)
{
    const struct cell_set *set = &h->data->dev[dev];
    const struct tokens *t = &set->tokens;
    struct track *track = track_of(h, variant, dev);
    double whole[TASK_METRICS], first[TASK_METRICS], second[TASK_METRICS];
    float *logits, *pred;
    struct arena_mark mark = arena_mark(h->arena);
    TRY(session_predict(s, t, eval_batch, variant, h->arena, &logits, &track->loss[h->count]));
    NEW(pred, h->arena, t->n);
    predictions_of(logits, t->n, h->labels, pred);
    TRY(task_metrics(h->task, pred, t->label, t->n, NULL, 0, h->arena, whole));
    TRY(task_metrics(h->task, pred, t->label, t->n, set->half, 0, h->arena, first));
    TRY(task_metrics(h->task, pred, t->label, t->n, set->half, 1, h->arena, second));
    size_t row = (size_t)h->count * (size_t)h->metrics, bytes = sizeof(double) * (size_t)h->metrics;
    memcpy(track->metric + row, whole, bytes);
    memcpy(track->first + row, first, bytes);
    memcpy(track->second + row, second, bytes);
    memcpy(track->last, logits, sizeof *logits * (size_t)t->n * (size_t)h->labels);
    arena_reset(h->arena, mark);
    return ST_OK;
}

status history_evaluate(struct history *h, struct session *s, int eval_batch, long done, double epoch)
{
    FAIL_IF(h->count == h->cap, ST_INTERNAL, "more evaluations than were announced (%d)", h->cap);
    h->step[h->count] = done;
    h->epoch[h->count] = epoch;
    for (int v = 0; v < h->variants; v++)
        for (int d = 0; d < h->data->devs; d++) TRY(evaluate_track(h, s, eval_batch, v, d));
    h->count++;
    for (int v = 0; v < h->variants; v++) {
        if (history_best(h, v, -1) != h->count - 1) continue;
        for (int d = 0; d < h->data->devs; d++) {
            struct track *t = track_of(h, v, d);
            memcpy(t->best, t->last, sizeof *t->best * (size_t)h->data->dev[d].tokens.n * (size_t)h->labels);
        }
    }
    return ST_OK;
}

/* ---- choosing ---- */

double history_score(const struct history *h, int variant, int e, int half)
{
    double sum = 0;
    for (int d = 0; d < h->data->devs; d++) {
        const struct track *t = track_of(h, variant, d);
        const double *rows = half < 0 ? t->metric : half == 0 ? t->first : t->second;
        sum += main_score(h->task, rows + (size_t)e * (size_t)h->metrics);
    }
    return sum / h->data->devs;
}

int history_best(const struct history *h, int variant, int half)
{
    int best = 0, direction = task_direction(h->task);
    for (int e = 1; e < h->count; e++)
        if (score_beats(direction, history_score(h, variant, e, half), history_score(h, variant, best, half))) best = e;
    return best;
}

/* ---- recording ---- */

static status put_reals(struct record *r, const char *pattern, const char *a, const char *b, const double *v, int rank,
                        size_t d0, size_t d1)
{
    char path[RECORD_PATH];
    TRY(record_path(path, pattern, a, b));
    return record_reals(r, path, v, rank, (const size_t[]){d0, d1});
}

static status put_logits(struct record *r, struct arena *arena, const char *pattern, const char *set,
                         const char *variant, const float *logits, size_t n, size_t labels)
{
    double *wide;
    struct arena_mark mark = arena_mark(arena);
    NEW(wide, arena, n * labels);
    for (size_t i = 0; i < n * labels; i++) wide[i] = (double)logits[i];
    status st = put_reals(r, pattern, set, variant, wide, 2, n, labels);
    arena_reset(arena, mark);
    return st;
}

static status record_track(const struct history *h, struct record *r, int variant, int dev)
{
    const struct track *t = track_of(h, variant, dev);
    const char *set = h->data->dev[dev].set->name, *name = h->variant[variant].name;
    size_t e = (size_t)h->count, m = (size_t)h->metrics, n = (size_t)h->data->dev[dev].tokens.n;
    char path[RECORD_PATH];
    TRY(record_path(path, "eval/{}/{}/steps", set, name));
    TRY(record_ints(r, path, h->step, 1, &e));
    TRY(put_reals(r, "eval/{}/{}/epochs", set, name, h->epoch, 1, e, 0));
    TRY(put_reals(r, "eval/{}/{}/loss", set, name, t->loss, 1, e, 0));
    TRY(put_reals(r, "eval/{}/{}/metrics", set, name, t->metric, 2, e, m));
    TRY(put_reals(r, "eval/{}/{}/first_half", set, name, t->first, 2, e, m));
    TRY(put_reals(r, "eval/{}/{}/second_half", set, name, t->second, 2, e, m));
    TRY(put_logits(r, h->arena, "predictions/{}/{}/last", set, name, t->last, n, (size_t)h->labels));
    return put_logits(r, h->arena, "predictions/{}/{}/best", set, name, t->best, n, (size_t)h->labels);
}

static status put_score(struct record *r, const char *pattern, const char *variant, double score)
{
    char path[RECORD_PATH];
    TRY(record_path(path, pattern, variant, NULL));
    return record_real(r, path, score);
}

static status put_step(struct record *r, const char *pattern, const char *variant, int64_t step)
{
    char path[RECORD_PATH];
    TRY(record_path(path, pattern, variant, NULL));
    return record_int(r, path, step);
}

static status record_scores(const struct history *h, struct record *r, int variant)
{
    const char *name = h->variant[variant].name;
    int best = history_best(h, variant, -1), split = history_best(h, variant, 0);
    TRY(put_score(r, "scores/{}/best", name, history_score(h, variant, best, -1)));
    TRY(put_step(r, "scores/{}/best_step", name, h->step[best]));
    TRY(put_score(r, "scores/{}/last", name, history_score(h, variant, h->count - 1, -1)));
    TRY(put_score(r, "scores/{}/split", name, history_score(h, variant, split, 1)));
    return put_step(r, "scores/{}/split_step", name, h->step[split]);
}

static status record_set(const struct history *h, struct record *r, int dev)
{
    const struct cell_set *set = &h->data->dev[dev];
    char path[RECORD_PATH];
    size_t n = (size_t)set->tokens.n;
    double *label;
    int64_t *half;
    struct arena_mark mark = arena_mark(h->arena);
    NEW(label, h->arena, n);
    NEW(half, h->arena, n);
    for (size_t i = 0; i < n; i++) {
        label[i] = (double)set->tokens.label[i];
        half[i] = set->half[i];
    }
    TRY(record_path(path, "labels/{}", set->set->name, NULL));
    TRY(record_reals(r, path, label, 1, &n));
    TRY(record_path(path, "halves/{}", set->set->name, NULL));
    status st = record_ints(r, path, half, 1, &n);
    arena_reset(h->arena, mark);
    return st;
}

status history_record(const struct history *h, struct record *r)
{
    TRY(record_strings(r, "eval/metric_names", h->task->metric, (size_t)h->metrics));
    TRY(record_int(r, "eval/main_is_mean", h->task->main_is_mean));
    for (int d = 0; d < h->data->devs; d++) TRY(record_set(h, r, d));
    if (h->count == 0) return ST_OK;
    for (int v = 0; v < h->variants; v++) {
        for (int d = 0; d < h->data->devs; d++) TRY(record_track(h, r, v, d));
        TRY(record_scores(h, r, v));
    }
    return ST_OK;
}
