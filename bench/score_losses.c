/* Losses of language-model sequences, a few at a time. */
#include "bench/scoring.h"
#include "bench/stop.h"
#include "core/ops.h"
#include "models/language.h"

struct losses {
    const struct scoring *s;
    float *values;
    int *index; /* of the pass at hand */
    int n, tokens;
    int done, left;
};

static status measure(struct losses *l)
{
    const struct scoring *s = l->s;
    struct session *session = s->session;
    struct batch batch;
    double loss, *each;
    int at = 0;
    TRY(batch_make(s->tokens, l->index, l->n, 0, 1, BATCH_TOKENS, session->tape, &batch));
    struct pass pass = session_pass(session, &batch, s->variant);
    TRY(session_forward(session, &pass, NULL));
    NEW(each, session->tape, lm_rows(session->model) + 1);
    TRY(lm_loss(session->model, &pass, false, &loss, each));
    for (int i = 0; i < l->n; i++) {
        double sum = 0;
        for (int k = batch.offset[i]; k < batch.offset[i + 1]; k++)
            if (batch.label[k] >= 0) sum += each[at++];
        l->values[l->index[i]] = (float)sum;
        TRY(score_note(s, l->index[i], &l->values[l->index[i]], 1));
    }
    return eval_log_flush(s->log);
}

static status run_pass(struct losses *l)
{
    struct session *session = l->s->session;
    if (l->n == 0) return ST_OK;
    struct arena_mark tape = arena_mark(session->tape), scratch = arena_mark(session->scratch);
    status st = measure(l);
    arena_reset(session->tape, tape);
    arena_reset(session->scratch, scratch);
    l->done += l->n;
    l->n = l->tokens = 0;
    if (st != ST_OK) return st;
    if (l->s->progress) l->s->progress(l->s->ctx, l->done, l->left);
    return stop_check();
}

static status all_losses(struct losses *l, struct arena *arena)
{
    const struct scoring *s = l->s;
    const struct tokens *t = s->tokens;
    bool *known;
    NEW(l->index, arena, s->eval_batch);
    TRY(score_recall(s, 1, arena, l->values, &known, &l->left));
    for (int i = 0; i < t->n; i++) {
        int length = (int)(t->offset[i + 1] - t->offset[i]);
        if (known[i]) continue;
        if (l->n == s->eval_batch || (l->n && l->tokens + length > SCORE_TOKENS)) TRY(run_pass(l));
        l->index[l->n++] = i;
        l->tokens += length;
    }
    return run_pass(l);
}

status score_losses(const struct scoring *s, float *values)
{
    struct losses l = {.s = s, .values = values};
    struct arena *arena = arena_new("losses");
    if (!arena) return ST_MEMORY;
    status st = all_losses(&l, arena);
    arena_free(arena);
    return st;
}
