/* Greedy continuations of prompts, several at a time, each with key and value rows of its own: a step of sixteen
 * sequences reads the weights once, and that is what a step costs. A prompt's text does not depend on the others. */
#include <math.h>
#include <string.h>
#include "bench/ngram_scores.h"
#include "bench/scoring.h"
#include "bench/stop.h"
#include "core/text.h"
#include "datasets/lm.h"
#include "datasets/unicode.h"
#include "models/language.h"

enum { TOGETHER = 16 };

struct line { /* one prompt that is being continued */
    int prompt;
    struct ids in; /* tokens of the next pass */
    struct ids out;
    struct kv *kv;
    bool over;
};

struct writing {
    const struct scoring *s;
    const struct rows *rows;
    const int *first, *of;
    struct arena *arena; /* texts */
    struct arena *kept;  /* of the lines at hand */
    struct arena_mark empty;
    struct line line[TOGETHER];
    int lines, most, positions;
    struct written *w;
};

/* ---- passes ---- */

static status make_batch(struct writing *w, struct line **active, int n, struct batch *b, struct kv ***kv)
{
    struct arena *tape = w->s->session->tape;
    int *offset, tokens = 0;
    int32_t *ids, *label;
    uint32_t *row_key, *slot;
    for (int i = 0; i < n; i++) tokens += active[i]->in.n;
    NEW(offset, tape, n + 1);
    NEW(ids, tape, tokens);
    NEW(label, tape, tokens);
    NEW(row_key, tape, tokens);
    NEW(slot, tape, n);
    NEW(*kv, tape, n);
    offset[0] = 0;
    for (int i = 0, at = 0; i < n; i++) {
        const struct ids *in = &active[i]->in;
        slot[i] = (uint32_t)i;
        (*kv)[i] = active[i]->kv;
        for (int k = 0; k < in->n; k++, at++) {
            ids[at] = in->id[k];
            row_key[at] = slot[i] << 16 | (uint32_t)(active[i]->kv->rows + k);
            label[at] = k + 1 == in->n ? 0 : -1;
        }
        offset[i + 1] = at;
    }
    *b = (struct batch){.n = n,
                        .tokens = tokens,
                        .offset = offset,
                        .ids = ids,
                        .label = label,
                        .row_key = row_key,
                        .slot = slot,
                        .step_examples = n,
                        .prefix = *kv,
                        .append = *kv};
    return ST_OK;
}

/* One more token for each line that is not over. */
static status next_tokens(struct writing *w, struct line **active, int n)
{
    struct session *session = w->s->session;
    struct batch batch;
    struct kv **kv;
    int32_t *best;
    TRY(make_batch(w, active, n, &batch, &kv));
    struct pass pass = session_pass(session, &batch, w->s->variant);
    TRY(session_forward(session, &pass, NULL));
    NEW(best, session->tape, n);
    TRY(lm_best(session->model, &pass, best));
    for (int i = 0; i < n; i++) {
        struct line *l = active[i];
        if (best[i] == w->s->tokenizer->eos) {
            l->over = true;
            continue;
        }
        TRY(ids_push(&l->out, best[i]));
        l->in.n = 0;
        TRY(ids_push(&l->in, best[i]));
        l->over = l->out.n == w->most || l->kv->rows == l->kv->cap;
    }
    return ST_OK;
}

static status continue_lines(struct writing *w)
{
    struct session *session = w->s->session;
    for (;;) {
        struct line *active[TOGETHER];
        int n = 0;
        for (int i = 0; i < w->lines; i++)
            if (!w->line[i].over) active[n++] = &w->line[i];
        if (n == 0) return ST_OK;
        struct arena_mark tape = arena_mark(session->tape), scratch = arena_mark(session->scratch);
        status st = next_tokens(w, active, n);
        arena_reset(session->tape, tape);
        arena_reset(session->scratch, scratch);
        if (st != ST_OK) return st;
    }
}

/* ---- texts ---- */

/* The text of a line's tokens: valid UTF-8, without the blank that separates it from the prompt. */
static status keep_text(struct writing *w, const struct line *l)
{
    struct text raw = {0}, text = {0};
    status st = text_put(&raw, "");
    if (st == ST_OK) st = tokenizer_decode(w->s->tokenizer, l->out.id, l->out.n, &raw);
    if (st == ST_OK) st = text_put(&text, "");
    if (st == ST_OK) st = utf8_repair(raw.s, strlen(raw.s), &text);
    if (st == ST_OK) {
        const char *from = text.s + strspn(text.s, " \n");
        w->w->text[l->prompt] = arena_strdup(w->arena, from);
        if (!w->w->text[l->prompt]) st = ST_MEMORY;
    }
    text_free(&raw);
    text_free(&text);
    return st;
}

static status note_line(struct writing *w, const struct line *l)
{
    const struct scoring *s = w->s;
    int n = l->out.n < EVAL_LOG_WORDS ? l->out.n : EVAL_LOG_WORDS;
    TRY(eval_log_put(s->log, s->step, "texts", s->variant_name, l->prompt, (const uint32_t *)l->out.id, n));
    return keep_text(w, l);
}

/* The prompt's tokens and room for what follows; over at once when an earlier process wrote it. */
static status begin_line(struct writing *w, int prompt)
{
    const struct scoring *s = w->s;
    struct line *l = &w->line[w->lines];
    int words;
    l->prompt = prompt;
    l->out.n = 0;
    l->over = false;
    w->lines++;
    const uint32_t *known = eval_log_find(s->log, s->step, "texts", s->variant_name, prompt, &words);
    for (int i = 0; known && i < words; i++) TRY(ids_push(&l->out, (int32_t)known[i]));
    if (known) {
        w->lines--;
        return keep_text(w, l);
    }
    int room = w->positions - w->most > 1 ? w->positions - w->most : 1;
    TRY(lm_prompt_ids(s->task, s->tokenizer, w->rows->a[w->first[prompt]], room, &l->in));
    FAIL_IF(l->in.n < 1, ST_INPUT, "prompt %d is empty: nothing to go on from", prompt + 1);
    int cap = l->in.n + w->most;
    return kv_new(s->session->model, cap < w->positions ? cap : w->positions, w->kept, &l->kv);
}

static status end_lines(struct writing *w)
{
    TRY(continue_lines(w));
    for (int i = 0; i < w->lines; i++) TRY(note_line(w, &w->line[i]));
    TRY(eval_log_flush(w->s->log));
    w->lines = 0;
    arena_reset(w->kept, w->empty);
    return stop_check();
}

static status write_all(struct writing *w)
{
    for (int k = 0; k < w->w->prompts; k++) {
        TRY(begin_line(w, k));
        if (w->lines == TOGETHER) TRY(end_lines(w));
        if (w->s->progress && k % TOGETHER == 0) w->s->progress(w->s->ctx, k, w->w->prompts);
    }
    return end_lines(w);
}

static status measure(struct writing *w)
{
    struct ngram_scores *scores;
    const char **reference;
    NEW(reference, w->kept, w->rows->n + 1);
    TRY(ngram_scores_new(w->kept, &scores));
    for (int k = 0; k < w->w->prompts; k++) {
        int n = 0;
        for (int i = w->first[k]; i < w->rows->n; i++)
            if (w->of[i] == k) reference[n++] = w->rows->b[i];
        TRY(ngram_scores_add(scores, w->w->text[k], reference, n));
    }
    w->w->bleu = ngram_bleu(scores);
    w->w->nist = ngram_nist(scores);
    return ST_OK;
}

static status write_and_measure(struct writing *w)
{
    int *first, *of, prompts, most = w->s->task->generation->max_prompts;
    TRY(lm_prompts(w->rows, w->arena, &first, &of, &prompts));
    w->first = first;
    w->of = of;
    w->w->prompts = most > 0 && most < prompts ? most : prompts;
    NEW(w->w->text, w->arena, w->w->prompts + 1);
    NEW(w->w->prompt, w->arena, w->w->prompts + 1);
    for (int k = 0; k < w->w->prompts; k++) w->w->prompt[k] = w->rows->a[first[k]];
    w->empty = arena_mark(w->kept);
    TRY(write_all(w));
    return measure(w);
}

status score_texts(const struct scoring *s, struct arena *arena, struct written *out)
{
    struct writing *w;
    *out = (struct written){.bleu = NAN, .nist = NAN};
    FAIL_IF(!s->task->generation || !s->tokens->rows.n, ST_INTERNAL, "task %s has no prompts to continue",
            s->task->name);
    ZNEW(w, arena, 1);
    *w = (struct writing){.s = s,
                          .rows = &s->tokens->rows,
                          .arena = arena,
                          .kept = arena_new("kept rows"),
                          .most = s->task->generation->max_new,
                          .positions = s->session->model->config.max_positions,
                          .w = out};
    status st = w->kept ? write_and_measure(w) : ST_MEMORY;
    for (int i = 0; i < TOGETHER; i++) {
        ids_free(&w->line[i].in);
        ids_free(&w->line[i].out);
    }
    arena_free(w->kept);
    return st;
}
