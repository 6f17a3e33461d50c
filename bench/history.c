#include "bench/history.h"

#include <string.h>
#include "bench/evaluate.h"
#include "bench/subjects.h"

static struct track *track_of(const struct history *h, int variant, int dev)
{
    return &h->track[variant * h->data->devs + dev];
}

static size_t outputs_of(const struct cell_set *set)
{
    return (size_t)set->tokens.n * (size_t)score_outputs(set->task);
}

size_t history_outputs(const struct history *h, int dev)
{
    return outputs_of(&h->data->dev[dev]);
}

static status track_init(struct history *h, struct track *t, const struct cell_set *set)
{
    size_t rows = (size_t)h->cap * (size_t)h->metrics, outputs = outputs_of(set);
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
    *h = (struct history){.arena = arena, .task = task, .data = data, .metrics = task_metric_count(task), .cap = cap};
    h->variants = session_variants(s, h->variant);
    NEW(h->step, arena, cap);
    NEW(h->epoch, arena, cap);
    ZNEW(h->track, arena, h->variants * data->devs);
    for (int v = 0; v < h->variants; v++)
        for (int d = 0; d < data->devs; d++) TRY(track_init(h, track_of(h, v, d), &data->dev[d]));
    return ST_OK;
}

/* ---- evaluating ---- */

static struct scoring scoring_of(struct history *h, struct session *s, int eval_batch, int variant, int dev)
{
    const struct cell_set *set = &h->data->dev[dev];
    return (struct scoring){.session = s,
                            .tokenizer = h->data->tokenizer,
                            .task = set->task,
                            .tokens = &set->tokens,
                            .set_name = set->name,
                            .variant_name = h->variant[variant].name,
                            .variant = variant,
                            .eval_batch = eval_batch,
                            .step = (long)h->step[h->count],
                            .log = h->log,
                            .progress = h->progress,
                            .ctx = h->ctx};
}

/* Every metric of the whole set and of its halves, as rows of the track. */
static status measure_track(struct history *h, struct track *track, const struct cell_set *set, const float *pred)
{
    double whole[TASK_METRICS], first[TASK_METRICS], second[TASK_METRICS];
    const struct tokens *t = &set->tokens;
    const struct predicted p = {
        .kind = set->task->kind, .pred = pred, .label = t->label, .group = t->rows.group, .half = set->half, .n = t->n};
    TRY(task_metrics(h->task, &p, -1, h->arena, whole));
    TRY(task_metrics(h->task, &p, 0, h->arena, first));
    TRY(task_metrics(h->task, &p, 1, h->arena, second));
    size_t row = (size_t)h->count * (size_t)h->metrics, bytes = sizeof(double) * (size_t)h->metrics;
    memcpy(track->metric + row, whole, bytes);
    memcpy(track->first + row, first, bytes);
    memcpy(track->second + row, second, bytes);
    return ST_OK;
}

static status evaluate_track(struct history *h, struct session *s, int eval_batch, int variant, int dev)
{
    const struct cell_set *set = &h->data->dev[dev];
    struct track *track = track_of(h, variant, dev);
    struct scoring job = scoring_of(h, s, eval_batch, variant, dev);
    float *outputs, *pred;
    struct arena_mark mark = arena_mark(h->arena);
    TRY(score_set(&job, h->arena, &outputs, &track->loss[h->count]));
    NEW(pred, h->arena, set->tokens.n);
    score_predictions(set->task, outputs, set->tokens.n, pred);
    TRY(measure_track(h, track, set, pred));
    memcpy(track->last, outputs, sizeof *outputs * outputs_of(set));
    arena_reset(h->arena, mark);
    return ST_OK;
}

/* At the last evaluation: continues the prompts of the sets that have them. */
static status write_texts(struct history *h, struct session *s, int eval_batch, int variant, int dev)
{
    const struct cell_set *set = &h->data->dev[dev];
    struct track *track = track_of(h, variant, dev);
    if (!set->task->generation) return ST_OK;
    struct scoring job = scoring_of(h, s, eval_batch, variant, dev);
    TRY(score_texts(&job, h->arena, &track->written));
    for (int k = 0; k < h->metrics; k++) {
        double *at = &track->metric[(size_t)h->count * (size_t)h->metrics + (size_t)k];
        if (strcmp(h->task->metric[k], "bleu") == 0) *at = track->written.bleu;
        if (strcmp(h->task->metric[k], "nist") == 0) *at = track->written.nist;
    }
    return ST_OK;
}

/* Outputs of the best evaluation are kept. */
static void keep_best(struct history *h)
{
    for (int v = 0; v < h->variants; v++) {
        if (history_best(h, v, -1) != h->count - 1) continue;
        for (int d = 0; d < h->data->devs; d++) {
            struct track *t = track_of(h, v, d);
            memcpy(t->best, t->last, sizeof *t->best * outputs_of(&h->data->dev[d]));
        }
    }
}

status history_evaluate(struct history *h, struct session *s, int eval_batch, long done, double epoch)
{
    FAIL_IF(h->count == h->cap, ST_INTERNAL, "more evaluations than were announced (%d)", h->cap);
    h->step[h->count] = done;
    h->epoch[h->count] = epoch;
    for (int v = 0; v < h->variants; v++)
        for (int d = 0; d < h->data->devs; d++) {
            TRY(evaluate_track(h, s, eval_batch, v, d));
            if (h->count + 1 == h->cap) TRY(write_texts(h, s, eval_batch, v, d));
        }
    h->count++;
    keep_best(h);
    return ST_OK;
}

/* ---- choosing ---- */

double history_score(const struct history *h, int variant, int e, int half)
{
    double sum = 0;
    int sets = 0;
    for (int d = 0; d < h->data->devs; d++) {
        const struct track *t = track_of(h, variant, d);
        if (!h->data->dev[d].scores) continue;
        sets++;
        const double *rows = half < 0 ? t->metric : half == 0 ? t->first : t->second;
        sum += main_score(h->task, rows + (size_t)e * (size_t)h->metrics);
    }
    return sum / sets;
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

static status record_texts(struct record *r, const char *set, const char *variant, const struct written *w)
{
    char path[RECORD_PATH];
    if (w->prompts == 0) return ST_OK;
    TRY(record_path(path, "texts/{}/{}/prompt", set, variant));
    TRY(record_strings(r, path, w->prompt, (size_t)w->prompts));
    TRY(record_path(path, "texts/{}/{}/written", set, variant));
    return record_strings(r, path, w->text, (size_t)w->prompts);
}

static status record_track(const struct history *h, struct record *r, int variant, int dev)
{
    const struct track *t = track_of(h, variant, dev);
    const struct cell_set *of = &h->data->dev[dev];
    const char *set = of->name, *name = h->variant[variant].name;
    size_t e = (size_t)h->count, m = (size_t)h->metrics, n = (size_t)of->tokens.n;
    size_t outputs = (size_t)score_outputs(of->task);
    char path[RECORD_PATH];
    TRY(record_path(path, "eval/{}/{}/steps", set, name));
    TRY(record_ints(r, path, h->step, 1, &e));
    TRY(put_reals(r, "eval/{}/{}/epochs", set, name, h->epoch, 1, e, 0));
    TRY(put_reals(r, "eval/{}/{}/loss", set, name, t->loss, 1, e, 0));
    TRY(put_reals(r, "eval/{}/{}/metrics", set, name, t->metric, 2, e, m));
    TRY(put_reals(r, "eval/{}/{}/first_half", set, name, t->first, 2, e, m));
    TRY(put_reals(r, "eval/{}/{}/second_half", set, name, t->second, 2, e, m));
    TRY(put_logits(r, h->arena, "predictions/{}/{}/last", set, name, t->last, n, outputs));
    TRY(put_logits(r, h->arena, "predictions/{}/{}/best", set, name, t->best, n, outputs));
    if (of->task->kind == TASK_CHOICE) TRY(subjects_record(h, dev, variant, r));
    return record_texts(r, set, name, &t->written);
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
    TRY(record_path(path, "labels/{}", set->name, NULL));
    TRY(record_reals(r, path, label, 1, &n));
    TRY(record_path(path, "halves/{}", set->name, NULL));
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
