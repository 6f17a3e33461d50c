/* From prompts and completions to token sequences; see lm.h. */
#include <string.h>
#include "core/text.h"
#include "datasets/lm.h"

struct lm_making {
    const struct lm *lm;
    struct tokenizer *t;
    int max_len;
    struct ids ids, types;           /* the sequence at hand, or the block */
    struct ids part;                 /* the tokens of a piece of text */
    struct ids next_ids, next_types; /* pack: an example before it goes into blocks */
    struct text text;
    struct token_sink *sink;
    int left_out;
};

static bool begins(const struct lm *lm, const struct tokenizer *t)
{
    return t->bos >= 0 && lm->bos != LM_BOS_NO;
}

static status put(struct ids *ids, struct ids *types, int32_t id, int type)
{
    TRY(ids_push(ids, id));
    return ids_push(types, type);
}

/* Appends the tokens of a piece of text. */
static status put_text(struct lm_making *m, const char *s, size_t n, int type)
{
    m->part.n = 0;
    TRY(m->t->ops->encode(m->t, s, n, &m->part));
    for (int i = 0; i < m->part.n; i++) TRY(put(&m->next_ids, &m->next_types, m->part.id[i], type));
    return ST_OK;
}

/* Guanaco text in which only what the assistant says is learnt: from behind each "### Assistant:" up to the next
 * "### Human:". */
static status put_turns(struct lm_making *m, const char *p)
{
    static const char human[] = "### Human:", assistant[] = "### Assistant:";
    for (int type = 0; *p; type = !type) {
        const char *next = strstr(p, type ? human : assistant), *end = next ? next : p + strlen(p);
        if (next && !type) end += sizeof assistant - 1;
        TRY(put_text(m, p, (size_t)(end - p), type));
        p = end;
    }
    return ST_OK;
}

static status put_completion(struct lm_making *m, const char *prompt, const char *completion)
{
    const struct lm *lm = m->lm;
    if (lm->style == LM_GUANACO && lm->turns == LM_TURNS_ASSISTANT) return put_turns(m, completion);
    m->text.n = 0;
    if (*prompt && lm->separator) TRY(text_put(&m->text, lm->separator));
    TRY(text_put(&m->text, completion));
    return put_text(m, m->text.s, m->text.n, 1);
}

static bool limit(struct ids *ids, struct ids *types, int from, int most)
{
    if (most <= 0 || ids->n - from <= most) return false;
    ids->n = types->n = from + most;
    return true;
}

/* One example as next_ids and next_types; blocks have a begin token of their own. */
static status make_example(struct lm_making *m, const char *prompt, const char *completion, bool *cut)
{
    const struct lm *lm = m->lm;
    struct ids *ids = &m->next_ids, *types = &m->next_types;
    ids->n = types->n = 0;
    if (begins(lm, m->t) && lm->style != LM_TEXT) TRY(put(ids, types, m->t->bos, 0));
    if (*prompt) TRY(put_text(m, prompt, strlen(prompt), 0));
    *cut = limit(ids, types, 0, lm->max_prompt);
    int from = ids->n;
    TRY(put_completion(m, prompt, completion));
    if (!lm->no_end && lm->style != LM_TEXT && m->t->eos >= 0) TRY(put(ids, types, m->t->eos, 1));
    if (limit(ids, types, from, lm->max_completion)) *cut = true;
    return ST_OK;
}

/* The first token of a sequence is never predicted. */
static int targets(const struct ids *types)
{
    int n = 0;
    for (int i = 1; i < types->n; i++) n += types->id[i];
    return n;
}

static status end_sequence(struct lm_making *m, const struct ids *ids, const struct ids *types, bool cut)
{
    int n = targets(types);
    if (n == 0) {
        m->left_out++;
        return ST_OK;
    }
    return token_sink_add(m->sink, ids, types, (float)n, cut);
}

static status begin_block(struct lm_making *m)
{
    m->ids.n = m->types.n = 0;
    return m->lm->style == LM_TEXT && begins(m->lm, m->t) ? put(&m->ids, &m->types, m->t->bos, 0) : ST_OK;
}

static status pack_example(struct lm_making *m)
{
    for (int i = 0; i < m->next_ids.n; i++) {
        if (m->ids.n == m->max_len) {
            TRY(end_sequence(m, &m->ids, &m->types, false));
            TRY(begin_block(m));
        }
        TRY(put(&m->ids, &m->types, m->next_ids.id[i], m->next_types.id[i]));
    }
    return ST_OK;
}

static status add_row(struct lm_making *m, const char *prompt, const char *completion)
{
    bool cut, pack = m->lm->pack || m->lm->style == LM_TEXT;
    TRY(make_example(m, prompt, completion, &cut));
    if (pack) return pack_example(m);
    if (limit(&m->next_ids, &m->next_types, 0, m->max_len)) cut = true;
    return end_sequence(m, &m->next_ids, &m->next_types, cut);
}

static status add_rows(struct lm_making *m, const struct rows *rows)
{
    bool pack = m->lm->pack || m->lm->style == LM_TEXT;
    if (pack) TRY(begin_block(m));
    for (int i = 0; i < rows->n; i++) {
        status st = add_row(m, rows->a[i], rows->b[i]);
        if (st != ST_OK) return fail_in(st, "row %d", i + 1);
    }
    return pack && targets(&m->types) ? end_sequence(m, &m->ids, &m->types, false) : ST_OK;
}

status lm_tokenise(const struct task *task, struct tokenizer *t, const struct rows *rows, int max_len,
                   struct token_sink *sink)
{
    struct lm_making m = {.lm = task->priv, .t = t, .max_len = max_len, .sink = sink};
    FAIL_IF(max_len < 2, ST_USAGE, "a maximum length of %d tokens leaves no room for a target", max_len);
    FAIL_IF(m.lm->bos == LM_BOS_YES && t->bos < 0, ST_USAGE, "bos = yes, but the tokenizer has no begin token");
    status st = text_put(&m.text, "");
    if (st == ST_OK) st = add_rows(&m, rows);
    if (st == ST_OK && m.left_out)
        notice("task %s: %d examples without a target token within max_len = %d are left out", task->name, m.left_out,
               max_len);
    ids_free(&m.ids);
    ids_free(&m.types);
    ids_free(&m.part);
    ids_free(&m.next_ids);
    ids_free(&m.next_types);
    text_free(&m.text);
    return st;
}

status lm_prompt_ids(const struct task *task, struct tokenizer *t, const char *prompt, int max_len, struct ids *out)
{
    const struct lm *lm = task->priv;
    out->n = 0;
    if (begins(lm, t)) TRY(ids_push(out, t->bos));
    int begin = out->n;
    TRY(t->ops->encode(t, prompt, strlen(prompt), out));
    if (lm->max_prompt > 0 && out->n > lm->max_prompt) out->n = lm->max_prompt;
    int over = out->n - max_len;
    if (over <= 0) return ST_OK;
    memmove(out->id + begin, out->id + begin + over, sizeof *out->id * (size_t)(out->n - begin - over));
    out->n = max_len;
    return ST_OK;
}
