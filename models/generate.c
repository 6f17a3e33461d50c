/* Greedy continuation: the prompt once, then a token at a time over kept key and value rows. See language.h. */
#include "models/language.h"

#include <stdbool.h>

struct writer {
    struct model *m;
    const struct lm_generate *g;
    struct pass pass; /* over `batch` */
    struct batch batch;
    struct kv *kv;
};

static bool is_stop(const struct lm_generate *g, int32_t id)
{
    for (int i = 0; i < g->stops; i++)
        if (g->stop[i] == id) return true;
    return false;
}

/* The id that follows ids[0 .. n-1], which go on from the kept rows. */
static status next(struct writer *w, const int32_t *ids, int n, int32_t *id)
{
    struct arena *tape = w->pass.tape;
    int offset[2] = {0, n};
    const uint32_t slot = 0;
    uint32_t *row_key;
    int32_t *label;
    NEW(row_key, tape, n);
    NEW(label, tape, n);
    for (int i = 0; i < n; i++) {
        row_key[i] = (uint32_t)(w->kv->rows + i);
        label[i] = i == n - 1 ? 0 : -1; /* only the last row is read */
    }
    w->batch = (struct batch){.n = 1,
                              .tokens = n,
                              .offset = offset,
                              .ids = ids,
                              .row_key = row_key,
                              .slot = &slot,
                              .label = label,
                              .step_examples = 1,
                              .prefix = &w->kv,
                              .append = &w->kv};
    if (w->g->prepare) TRY(w->g->prepare(w->g->ctx, &w->pass));
    TRY(model_forward(w->m, &w->pass, NULL, NULL));
    return lm_best(w->m, &w->pass, id);
}

static status write_all(struct writer *w, int32_t *out, int *count)
{
    const struct lm_generate *g = w->g;
    const int32_t *ids = g->prompt;
    int n = g->n;
    while (*count < g->most && w->kv->rows + n <= w->m->config.max_positions) {
        struct arena_mark tape = arena_mark(w->pass.tape);
        int32_t id;
        TRY(next(w, ids, n, &id));
        arena_reset(w->pass.tape, tape);
        if (is_stop(g, id)) break;
        out[*count] = id;
        ids = out + *count;
        n = 1;
        ++*count;
    }
    return ST_OK;
}

status lm_generate(struct model *m, const struct pass *pass, const struct lm_generate *g, int32_t *out, int *count)
{
    struct arena_mark mark = arena_mark(pass->tape);
    struct writer w = {.m = m, .g = g, .pass = *pass};
    FAIL_IF(m->spec.head != HEAD_LM, ST_INTERNAL, "the model was not opened as a language model");
    FAIL_IF(g->n < 1, ST_INPUT, "an empty prompt: nothing to go on from");
    w.pass.batch = &w.batch;
    w.pass.keep = w.pass.train = false;
    *count = 0;
    long room = (long)g->n + g->most;
    if (room > m->config.max_positions) room = m->config.max_positions;
    TRY(kv_new(m, room < g->n ? g->n : (int)room, pass->tape, &w.kv));
    status st = write_all(&w, out, count);
    arena_reset(pass->tape, mark);
    return st;
}
