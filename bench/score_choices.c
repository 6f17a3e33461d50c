/* Lettered answers by the next token's scores. Prompts of a subject begin alike (header and shots), so the key and
 * value rows of that beginning are computed once and read by all of them.
 *
 * Which prompts share what is read off their tokens, not off their texts: among the prompts of a subject that are still
 * to be asked, the length that neighbours have in common is taken at its median; the prompts that begin with those
 * tokens are a family, and the rest is looked at again. So prompts that were cut, or got fewer shots, find their own
 * family. */
#include <stdlib.h>
#include <string.h>
#include "bench/scoring.h"
#include "bench/stop.h"
#include "core/ops.h"
#include "datasets/mmlu.h"
#include "models/language.h"

enum { WIDTH = MMLU_CHOICES + 1, WORTH_SHARING = 16 };

struct choices {
    const struct scoring *s;
    const struct mmlu *mmlu;
    int32_t letter[MMLU_CHOICES];
    float *values; /* [n, WIDTH] */
    struct kv *prefix;
    int shared; /* tokens in it; 0: none */
    int *index; /* of the pass at hand */
    int n, tokens, done, left;
};

static int length_of(const struct choices *c, int i)
{
    const struct tokens *t = c->s->tokens;
    return (int)(t->offset[i + 1] - t->offset[i]);
}

static const int32_t *ids_of(const struct choices *c, int i)
{
    return c->s->tokens->ids + c->s->tokens->offset[i];
}

/* ---- passes ---- */

/* The tokens from .. to of prompts (to 0: their end) as a batch; the last one of each is asked for. */
static status make_batch(struct choices *c, const int *index, int n, int from, int to, struct batch *b)
{
    struct arena *tape = c->s->session->tape;
    int *offset, tokens = 0;
    int32_t *ids, *label;
    uint32_t *row_key, *slot;
    for (int i = 0; i < n; i++) tokens += (to ? to : length_of(c, index[i])) - from;
    NEW(offset, tape, n + 1);
    NEW(ids, tape, tokens + 1);
    NEW(label, tape, tokens + 1);
    NEW(row_key, tape, tokens + 1);
    NEW(slot, tape, n);
    offset[0] = 0;
    for (int i = 0, at = 0; i < n; i++) {
        int end = to ? to : length_of(c, index[i]);
        slot[i] = (uint32_t)i;
        for (int k = from; k < end; k++, at++) {
            ids[at] = ids_of(c, index[i])[k];
            row_key[at] = slot[i] << 16 | (uint32_t)k;
            label[at] = k + 1 == end ? 0 : -1;
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
                        .step_examples = n};
    return ST_OK;
}

static status measure(struct choices *c)
{
    const struct scoring *s = c->s;
    struct session *session = s->session;
    struct batch batch;
    struct mat out;
    struct kv **prefix;
    double *log_sum;
    TRY(make_batch(c, c->index, c->n, c->shared, 0, &batch));
    NEW(prefix, session->tape, c->n);
    for (int i = 0; i < c->n; i++) prefix[i] = c->prefix;
    if (c->shared) batch.prefix = prefix;
    struct pass pass = session_pass(session, &batch, s->variant);
    TRY(session_forward(session, &pass, NULL));
    TRY(mat_new(session->tape, c->n, MMLU_CHOICES, &out));
    NEW(log_sum, session->tape, c->n);
    TRY(lm_logits(session->model, &pass, c->letter, MMLU_CHOICES, &out, log_sum));
    for (int i = 0; i < c->n; i++) {
        float *value = c->values + (size_t)c->index[i] * WIDTH;
        int right = (int)s->tokens->label[c->index[i]];
        for (int k = 0; k < MMLU_CHOICES; k++) {
            double logit = (double)mat_row(&out, i)[k];
            value[k] = (float)(c->mmlu->protocol == MMLU_QLORA ? logit : logit - log_sum[i]);
            if (k == right) value[MMLU_CHOICES] = (float)(log_sum[i] - logit);
        }
        TRY(score_note(s, c->index[i], value, WIDTH));
    }
    return eval_log_flush(s->log);
}

typedef status pass_fn(struct choices *);
static status in_pass(struct choices *c, pass_fn *fn)
{
    struct session *session = c->s->session;
    struct arena_mark tape = arena_mark(session->tape), scratch = arena_mark(session->scratch);
    status st = fn(c);
    arena_reset(session->tape, tape);
    arena_reset(session->scratch, scratch);
    return st;
}

static status ask_pass(struct choices *c)
{
    if (c->n == 0) return ST_OK;
    TRY(in_pass(c, measure));
    c->done += c->n;
    c->n = c->tokens = 0;
    if (c->s->progress) c->s->progress(c->s->ctx, c->done, c->left);
    return stop_check();
}

/* ---- families ---- */

static int common(const struct choices *c, int a, int b)
{
    int n = 0, la = length_of(c, a), lb = length_of(c, b), most = la < lb ? la : lb;
    while (n < most && ids_of(c, a)[n] == ids_of(c, b)[n]) n++;
    return n;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The beginning that most of the list shares: its length, at most all but the last token of anyone, and whose it is. */
static status find_beginning(const struct choices *c, const int *list, int n, struct arena *arena, int *whose,
                             int *length)
{
    int *both, *sorted;
    *length = 0;
    if (n < 2 || c->s->apart) return ST_OK;
    NEW(both, arena, n);
    NEW(sorted, arena, n);
    for (int i = 0; i + 1 < n; i++) sorted[i] = both[i] = common(c, list[i], list[i + 1]);
    qsort(sorted, (size_t)(n - 1), sizeof *sorted, by_number);
    *length = sorted[(n - 2) / 2];
    for (int i = n - 2; i >= 0; i--)
        if (both[i] == *length) *whose = list[i];
    return ST_OK;
}

static status fill_prefix(struct choices *c)
{
    struct session *session = c->s->session;
    struct batch batch;
    TRY(make_batch(c, c->index, 1, 0, c->shared, &batch));
    batch.append = &c->prefix;
    struct pass pass = session_pass(session, &batch, c->s->variant);
    return session_forward(session, &pass, NULL);
}

/* Asks the prompts of one family. */
static status ask_family(struct choices *c, const int *list, int n, int whose, int shared)
{
    struct arena *arena = arena_new("kept rows");
    if (!arena) return ST_MEMORY;
    status st = ST_OK;
    c->shared = shared;
    if (shared) {
        st = kv_new(c->s->session->model, shared, arena, &c->prefix);
        c->index[0] = whose;
        if (st == ST_OK) st = in_pass(c, fill_prefix);
    }
    for (int i = 0; i < n && st == ST_OK; i++) {
        int more = length_of(c, list[i]) - shared;
        if (c->n == c->s->eval_batch || (c->n && c->tokens + more > SCORE_TOKENS)) st = ask_pass(c);
        c->index[c->n++] = list[i];
        c->tokens += more;
    }
    if (st == ST_OK) st = ask_pass(c);
    arena_free(arena);
    return st;
}

/* The prompts list[0..n) of one subject, family by family; the list is used up. */
static status ask_subject(struct choices *c, int *list, int n, struct arena *arena)
{
    int *family;
    NEW(family, arena, n + 1);
    while (n > 0) {
        int whose = list[0], shared, members = 0, rest = 0;
        TRY(find_beginning(c, list, n, arena, &whose, &shared));
        if (shared < WORTH_SHARING) return ask_family(c, list, n, whose, 0);
        int least = shared;
        for (int i = 0; i < n; i++) {
            bool member = common(c, list[i], whose) >= shared;
            if (member && length_of(c, list[i]) - 1 < least) least = length_of(c, list[i]) - 1;
            if (member)
                family[members++] = list[i];
            else
                list[rest++] = list[i];
        }
        TRY(ask_family(c, family, members, whose, least));
        n = rest;
    }
    return ST_OK;
}

static status ask_all(struct choices *c, struct arena *arena)
{
    const struct tokens *t = c->s->tokens;
    bool *known;
    int *list;
    FAIL_IF(!t->rows.group, ST_INTERNAL, "questions without subjects");
    NEW(c->index, arena, c->s->eval_batch);
    NEW(list, arena, t->n + 1);
    TRY(score_recall(c->s, WIDTH, arena, c->values, &known, &c->left));
    for (int first = 0, last; first < t->n; first = last) {
        int n = 0;
        for (last = first; last < t->n && t->rows.group[last] == t->rows.group[first]; last++)
            if (!known[last]) list[n++] = last;
        struct arena_mark mark = arena_mark(arena);
        status st = ask_subject(c, list, n, arena);
        arena_reset(arena, mark);
        if (st == ST_INTERRUPTED) return st;
        if (st != ST_OK) return fail_in(st, "%s", mmlu_subject_table[t->rows.group[first]].name);
    }
    return ST_OK;
}

status score_choices(const struct scoring *s, float *values)
{
    struct choices c = {.s = s, .mmlu = mmlu_of(s->task), .values = values};
    FAIL_IF(s->session->model->spec.head != HEAD_LM, ST_INTERNAL, "questions need a language model");
    TRY(mmlu_letters(c.mmlu, s->tokenizer, c.letter));
    struct arena *arena = arena_new("questions");
    if (!arena) return ST_MEMORY;
    status st = ask_all(&c, arena);
    arena_free(arena);
    return st;
}
