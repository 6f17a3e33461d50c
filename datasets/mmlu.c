/* Reading MMLU's files and asking its questions; see mmlu.h. */
#include "datasets/mmlu.h"

#include <ctype.h>
#include <string.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/tabfile.h"

static const char letters[] = "ABCD";
enum { FIELDS = 1 + MMLU_CHOICES + 1 }; /* question, choices, letter */

const struct mmlu *mmlu_of(const struct task *task)
{
    return task->load == mmlu_load ? task->priv : NULL;
}

/* ---- one record of a file ---- */

static status check_record(const struct tabfile *t)
{
    FAIL_IF(t->fields != FIELDS, ST_INPUT,
            "%s:%ld: column %d: the record has %d fields, expected %d: question, four choices, letter", t->path,
            t->line, t->fields < FIELDS ? t->fields + 1 : FIELDS + 1, t->fields, FIELDS);
    for (int i = 0; i < FIELDS; i++) {
        struct span f = t->field[i];
        FAIL_IF(f.n == 0, ST_INPUT, "%s:%ld: column %d: empty, expected text", t->path, t->line, i + 1);
        FAIL_IF(memchr(f.s, 0, f.n) || memchr(f.s, MMLU_MARK, f.n), ST_INPUT,
                "%s:%ld: column %d: holds a control character, expected UTF-8 text", t->path, t->line, i + 1);
    }
    struct span answer = t->field[FIELDS - 1];
    FAIL_IF(answer.n != 1 || !memchr(letters, answer.s[0], MMLU_CHOICES), ST_INPUT,
            "%s:%ld: column %d: '%.*s', expected one of: A, B, C, D", t->path, t->line, FIELDS,
            (int)(answer.n < 60 ? answer.n : 60), answer.s);
    return ST_OK;
}

static struct span trimmed(struct span s)
{
    while (s.n && isspace((unsigned char)s.s[s.n - 1])) s.n--;
    while (s.n && isspace((unsigned char)s.s[0])) s = (struct span){s.s + 1, s.n - 1};
    return s;
}

/* "question\nA. ...\nD. ...\nAnswer:" */
static status put_question(const struct mmlu *m, const struct tabfile *t, struct text *out)
{
    struct span question = m->protocol == MMLU_LM_EVAL ? trimmed(t->field[0]) : t->field[0];
    TRY(text_add(out, question.s, question.n));
    for (int c = 0; c < MMLU_CHOICES; c++) {
        TRY(text_printf(out, "\n%c. ", letters[c]));
        TRY(text_add(out, t->field[1 + c].s, t->field[1 + c].n));
    }
    return text_put(out, "\nAnswer:");
}

/* ---- one file ---- */

/* Calls fn for the first max records of a file (0: all). */
typedef status record_fn(void *ctx, const struct tabfile *);
static status each_record(const char *path, int max, struct arena *arena, record_fn *fn, void *ctx)
{
    struct tabfile t;
    FAIL_IF(!file_exists(path), ST_INPUT, "%s is missing: MMLU has a file for each of its %d subjects", path,
            MMLU_SUBJECTS);
    status st = tabfile_open(&t, TAB_CSV, path, false, arena);
    int n = 0;
    for (bool more = true; st == ST_OK && more && (max <= 0 || n < max);) {
        st = tabfile_next(&t, &more);
        if (st != ST_OK || !more) break;
        st = check_record(&t);
        if (st == ST_OK) st = fn(ctx, &t);
        n++;
    }
    if (st == ST_OK && n == 0) st = fail(ST_INPUT, "%s: the file holds no questions", path);
    tabfile_close(&t);
    return st;
}

struct loading {
    const struct mmlu *m;
    const char *folder, *set; /* "<root>/mmlu/test", "test" */
    int subject, max;
    const char *before; /* of the subject at hand */
    struct text text;
    struct rows *rows;
    int cap;
    struct arena *arena;
};

static status add_shot(void *ctx, const struct tabfile *t)
{
    struct loading *l = ctx;
    TRY(put_question(l->m, t, &l->text));
    return text_printf(&l->text, " %c\n\n%c", t->field[FIELDS - 1].s[0], MMLU_MARK);
}

static status grow(struct loading *l)
{
    struct rows *r = l->rows, old = *r;
    l->cap = l->cap ? 2 * l->cap : 1024;
    NEW(r->a, l->arena, l->cap);
    NEW(r->b, l->arena, l->cap);
    NEW(r->label, l->arena, l->cap);
    NEW(r->group, l->arena, l->cap);
    if (!old.n) return ST_OK;
    memcpy(r->a, old.a, sizeof *r->a * (size_t)old.n);
    memcpy(r->b, old.b, sizeof *r->b * (size_t)old.n);
    memcpy(r->label, old.label, sizeof *r->label * (size_t)old.n);
    memcpy(r->group, old.group, sizeof *r->group * (size_t)old.n);
    return ST_OK;
}

static status add_question(void *ctx, const struct tabfile *t)
{
    struct loading *l = ctx;
    struct rows *r = l->rows;
    if (r->n == l->cap) TRY(grow(l));
    l->text.n = 0;
    TRY(put_question(l->m, t, &l->text));
    if (!(r->a[r->n] = arena_strdup(l->arena, l->text.s))) return ST_MEMORY;
    r->b[r->n] = l->before;
    r->label[r->n] = (float)(strchr(letters, t->field[FIELDS - 1].s[0]) - letters);
    r->group[r->n] = l->subject;
    r->n++;
    return ST_OK;
}

/* ---- a set ---- */

/* Header and shots of a subject. The original prints the words of the subject's name each with a space before it. */
static status make_before(struct loading *l, const char *name)
{
    l->text.n = 0;
    TRY(text_printf(&l->text, "The following are multiple choice questions (with answers) about%s",
                    l->m->protocol == MMLU_LM_EVAL ? "" : " "));
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "_");
        TRY(text_printf(&l->text, " %.*s", (int)n, p));
        p += n + (p[n] == '_');
    }
    TRY(text_printf(&l->text, ".\n\n%c", MMLU_MARK));
    if (l->m->shots > 0) {
        char *path = arena_printf(l->arena, "%s/../dev/%s_dev.csv", l->folder, name);
        if (!path) return ST_MEMORY;
        TRY(each_record(path, l->m->shots, l->arena, add_shot, l));
    }
    return (l->before = arena_strdup(l->arena, l->text.s)) ? ST_OK : ST_MEMORY;
}

static status load_subjects(struct loading *l)
{
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        const char *name = mmlu_subject_table[i].name;
        if (l->m->left_out[i]) continue;
        l->subject = i;
        TRY(make_before(l, name));
        char *path = arena_printf(l->arena, "%s/%s_%s.csv", l->folder, name, l->set);
        if (!path) return ST_MEMORY;
        TRY(each_record(path, l->max, l->arena, add_question, l));
    }
    return ST_OK;
}

status mmlu_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
                 struct arena *arena, struct rows *rows)
{
    struct loading l = {.m = task->priv, .set = set->name, .max = max_examples, .rows = rows, .arena = arena};
    *rows = (struct rows){0};
    TRY(task_set_path(task, set, data_root, arena, &l.folder));
    FAIL_IF(!file_exists(l.folder), ST_INPUT, "%s is missing: it is the %s set of task %s", l.folder, set->name,
            task->name);
    status st = load_subjects(&l);
    text_free(&l.text);
    return st;
}

/* ---- asking ---- */

status mmlu_prompt(const char *before, const char *question, int shots, struct text *out)
{
    out->n = 0;
    for (int part = 0; *before && part <= shots; part++) { /* part 0 is the header */
        size_t n = strcspn(before, (char[]){MMLU_MARK, 0});
        TRY(text_add(out, before, n));
        before += n + (before[n] == MMLU_MARK);
    }
    return text_put(out, question);
}

static int shots_in(const char *before)
{
    int marks = 0;
    for (; *before; before++) marks += *before == MMLU_MARK;
    return marks - 1;
}

/* Whether the prompt begins with the tokenizer's begin token. */
static bool begins(const struct mmlu *m, const struct tokenizer *t)
{
    if (t->bos < 0 || m->bos == MMLU_BOS_NO) return false;
    return m->bos == MMLU_BOS_YES || m->protocol == MMLU_QLORA || strcmp(t->name, "sentencepiece-bpe") == 0;
}

struct asking {
    const struct mmlu *m;
    struct tokenizer *t;
    int max_len;
    struct text prompt;
    struct ids ids;
};

static status encode(struct asking *a, const char *before, const char *question, int shots)
{
    a->ids.n = 0;
    if (begins(a->m, a->t)) TRY(ids_push(&a->ids, a->t->bos));
    TRY(mmlu_prompt(before, question, shots, &a->prompt));
    return a->t->ops->encode(a->t, a->prompt.s, a->prompt.n, &a->ids);
}

/* Keeps the last max_len tokens, and the begin token where there is one. */
static void cut_start(struct asking *a)
{
    int keep = begins(a->m, a->t), over = a->ids.n - a->max_len;
    memmove(a->ids.id + keep, a->ids.id + keep + over, sizeof *a->ids.id * (size_t)(a->max_len - keep));
    a->ids.n = a->max_len;
}

static status ask(struct asking *a, const struct rows *rows, int i, struct token_sink *sink)
{
    const char *before = rows->b[i], *question = rows->a[i];
    int shots = shots_in(before);
    TRY(encode(a, before, question, shots));
    bool cut = a->ids.n > a->max_len;
    while (a->m->protocol == MMLU_HENDRYCKS && a->ids.n > a->max_len && shots > 0)
        TRY(encode(a, before, question, --shots));
    if (a->m->protocol == MMLU_QLORA && cut) a->ids.n = a->max_len;
    if (a->ids.n > a->max_len) cut_start(a);
    return token_sink_add(sink, &a->ids, NULL, rows->label[i], cut);
}

status mmlu_tokenise(const struct task *task, struct tokenizer *t, const struct rows *rows, int max_len,
                     struct token_sink *sink)
{
    struct asking a = {.m = task->priv, .t = t, .max_len = max_len};
    status st = ST_OK;
    FAIL_IF(max_len < 2, ST_USAGE, "a maximum length of %d tokens leaves no room for a question", max_len);
    for (int i = 0; i < rows->n && st == ST_OK; i++) st = ask(&a, rows, i, sink);
    text_free(&a.prompt);
    ids_free(&a.ids);
    return st;
}

/* The token that follows "Answer:" in "Answer: A", or the first of "A". */
static status letter_token(const struct mmlu *m, struct tokenizer *t, char letter, struct ids *plain, struct ids *with,
                           int32_t *id)
{
    const char text[] = {'A', 'n', 's', 'w', 'e', 'r', ':', ' ', letter};
    plain->n = with->n = 0;
    if (m->protocol == MMLU_QLORA) {
        TRY(t->ops->encode(t, &letter, 1, with));
        FAIL_IF(with->n < 1, ST_UNSUPPORTED, "the tokenizer has no token for the letter %c", letter);
        *id = with->id[0];
        return ST_OK;
    }
    TRY(t->ops->encode(t, text, sizeof text - 2, plain));
    TRY(t->ops->encode(t, text, sizeof text, with));
    bool one = with->n == plain->n + 1 && memcmp(with->id, plain->id, sizeof *plain->id * (size_t)plain->n) == 0;
    FAIL_IF(!one, ST_UNSUPPORTED, "the answer ' %c' is not one token of this tokenizer, so MMLU cannot be scored",
            letter);
    *id = with->id[plain->n];
    return ST_OK;
}

status mmlu_letters(const struct mmlu *m, struct tokenizer *t, int32_t id[MMLU_CHOICES])
{
    struct ids plain = {0}, with = {0};
    status st = ST_OK;
    for (int i = 0; i < MMLU_CHOICES && st == ST_OK; i++) st = letter_token(m, t, letters[i], &plain, &with, &id[i]);
    ids_free(&plain);
    ids_free(&with);
    return st;
}
