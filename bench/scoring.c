#include "bench/scoring.h"

#include <math.h>
#include <string.h>
#include "bench/evaluate.h"
#include "datasets/mmlu.h"

int score_outputs(const struct task *task)
{
    return task->kind == TASK_CHOICE ? MMLU_CHOICES : task->kind == TASK_LM ? 1 : task->labels;
}

void score_predictions(const struct task *task, const float *outputs, int n, float *pred)
{
    predictions_of(outputs, n, score_outputs(task), pred);
}

/* ---- the log ---- */

status score_recall(const struct scoring *s, int words, struct arena *arena, float *values, bool **done, int *left)
{
    int n = s->tokens->n, known;
    ZNEW(*done, arena, n + 1);
    *left = n;
    for (int i = 0; i < n; i++) {
        const uint32_t *word = eval_log_find(s->log, s->step, s->set_name, s->variant_name, i, &known);
        if (!word || known != words) continue;
        memcpy(values + (size_t)i * (size_t)words, word, sizeof *values * (size_t)words);
        (*done)[i] = true;
        (*left)--;
    }
    return ST_OK;
}

status score_note(const struct scoring *s, int index, const float *values, int words)
{
    uint32_t word[8];
    memcpy(word, values, sizeof *values * (size_t)words);
    return eval_log_put(s->log, s->step, s->set_name, s->variant_name, index, word, words);
}

/* ---- kinds ---- */

static status language(const struct scoring *s, struct arena *arena, float **outputs, double *loss)
{
    double sum = 0, targets = 0;
    NEW(*outputs, arena, s->tokens->n + 1);
    TRY(score_losses(s, *outputs));
    for (int i = 0; i < s->tokens->n; i++) {
        sum += (double)(*outputs)[i];
        targets += (double)s->tokens->label[i];
    }
    if (loss) *loss = targets > 0 ? sum / targets : NAN;
    return ST_OK;
}

static status choice(const struct scoring *s, struct arena *arena, float **outputs, double *loss)
{
    enum { WIDTH = MMLU_CHOICES + 1 };
    int n = s->tokens->n;
    double sum = 0;
    float *values;
    NEW(*outputs, arena, MMLU_CHOICES * n + 1);
    struct arena_mark mark = arena_mark(arena);
    NEW(values, arena, WIDTH * n + 1);
    status st = score_choices(s, values);
    for (int i = 0; i < n && st == ST_OK; i++) {
        memcpy(*outputs + (size_t)i * MMLU_CHOICES, values + (size_t)i * WIDTH, sizeof *values * MMLU_CHOICES);
        sum += (double)values[(size_t)i * WIDTH + MMLU_CHOICES];
    }
    arena_reset(arena, mark);
    if (loss) *loss = n ? sum / n : NAN;
    return st;
}

status score_set(const struct scoring *s, struct arena *arena, float **outputs, double *loss)
{
    switch (s->task->kind) {
    case TASK_CLASSES: return session_predict(s->session, s->tokens, s->eval_batch, s->variant, arena, outputs, loss);
    case TASK_LM: return language(s, arena, outputs, loss);
    case TASK_CHOICE: return choice(s, arena, outputs, loss);
    }
    return fail(ST_INTERNAL, "task %s is of an unknown kind", s->task->name);
}
