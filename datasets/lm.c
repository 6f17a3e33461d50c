/* Reading rows of language-model tasks; see lm.h. */
#include "datasets/lm.h"

#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/text.h"

static const size_t text_max = (size_t)1 << 30;

/* The Alpaca frame as QLoRA writes it (a space at the end, which the original lacks). */
static const char alpaca_with_input[] =
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\\n\\n### Instruction:\\n{instruction}\\n\\n### Input:\\n{input}"
    "\\n\\n### Response: ";
static const char alpaca_plain[] = "Below is an instruction that describes a task. Write a response that appropriately "
                                   "completes the request.\\n\\n### "
                                   "Instruction:\\n{instruction}\\n\\n### Response: ";

struct lm_loading {
    const struct lm *lm;
    struct tabfile *t;
    struct rows *rows;
    struct arena *arena;
    struct text text;
    int cap;
};

/* ---- templates ---- */

/* The field of the current record; a jsonl column that first appears in this record's template is known from the next
 * record on, so columns are asked for before the first record (see find_columns). */
static status put_field(struct lm_loading *l, const char *name, size_t n, bool optional)
{
    const struct tabfile *t = l->t;
    char column[256];
    int at;
    FAIL_IF(n >= sizeof column, ST_USAGE, "%s: a column name of %zu characters", t->path, n);
    memcpy(column, name, n);
    column[n] = 0;
    TRY(tabfile_column(l->t, column, &at));
    struct span f = at < t->fields ? t->field[at] : (struct span){0};
    FAIL_IF(!f.s && !optional, ST_INPUT, "%s:%ld: column %d (%s): missing, expected text", t->path, t->line, at + 1,
            column);
    FAIL_IF(f.s && memchr(f.s, 0, f.n), ST_INPUT, "%s:%ld: column %d (%s): holds a NUL byte, expected UTF-8 text",
            t->path, t->line, at + 1, column);
    return f.s ? text_add(&l->text, f.s, f.n) : ST_OK;
}

/* Calls for each piece of a template: a name in braces, or text. */
static status put_template(struct lm_loading *l, const char *p)
{
    while (*p) {
        size_t n = strcspn(p, "{\\");
        TRY(text_add(&l->text, p, n));
        p += n;
        if (*p == '{') {
            const char *end = strchr(p, '}');
            FAIL_IF(!end, ST_USAGE, "the template '%s' has a { without }", p);
            TRY(put_field(l, p + 1, (size_t)(end - p - 1), false));
            p = end + 1;
        } else if (*p) {
            TRY(text_add(&l->text, p[1] == 'n' ? "\n" : p[1] == 't' ? "\t" : p + 1, p[1] ? 1 : 0));
            p += p[1] ? 2 : 1;
        }
    }
    return ST_OK;
}

static status find_template_columns(struct tabfile *t, const char *p)
{
    char column[256];
    int at;
    while ((p = strchr(p, '{')) != NULL) {
        size_t n = strcspn(p + 1, "}");
        FAIL_IF(p[1 + n] != '}' || n >= sizeof column, ST_USAGE, "the template '%s' has a { without }", p);
        memcpy(column, p + 1, n);
        column[n] = 0;
        TRY(tabfile_column(t, column, &at));
        p += n + 2;
    }
    return ST_OK;
}

/* Names misspelt fail here, before the first record; jsonl learns which keys to take. */
static status find_columns(const struct lm *lm, struct tabfile *t)
{
    switch (lm->style) {
    case LM_COMPLETION: TRY(find_template_columns(t, lm->prompt)); return find_template_columns(t, lm->completion);
    case LM_ALPACA: TRY(find_template_columns(t, alpaca_with_input)); return find_template_columns(t, "{output}");
    case LM_GUANACO: return find_template_columns(t, "{text}");
    case LM_TEXT: break;
    }
    return ST_OK;
}

/* ---- records ---- */

static status keep(struct lm_loading *l, const char **out)
{
    *out = arena_strdup(l->arena, l->text.s ? l->text.s : "");
    l->text.n = 0;
    if (l->text.s) l->text.s[0] = 0;
    return *out ? ST_OK : ST_MEMORY;
}

static status put_prompt(struct lm_loading *l)
{
    if (l->lm->style == LM_COMPLETION) return put_template(l, l->lm->prompt);
    if (l->lm->style != LM_ALPACA) return ST_OK;
    TRY(put_field(l, "input", 5, true));
    bool input = l->text.n > 0;
    l->text.n = 0;
    return put_template(l, input ? alpaca_with_input : alpaca_plain);
}

static const char *completion_of(const struct lm *lm)
{
    return lm->style == LM_COMPLETION ? lm->completion : lm->style == LM_ALPACA ? "{output}" : "{text}";
}

static status add_record(struct lm_loading *l)
{
    struct rows *r = l->rows;
    struct tabfile *t = l->t;
    FAIL_IF(t->names && t->fields != t->names, ST_INPUT, "%s:%ld: column %d: the record has %d fields, expected %d",
            t->path, t->line, t->fields < t->names ? t->fields + 1 : t->names + 1, t->fields, t->names);
    if (r->n == l->cap) {
        struct rows old = *r;
        l->cap = l->cap ? 2 * l->cap : 1024;
        NEW(r->a, l->arena, l->cap);
        NEW(r->b, l->arena, l->cap);
        if (old.n) memcpy(r->a, old.a, sizeof *r->a * (size_t)old.n);
        if (old.n) memcpy(r->b, old.b, sizeof *r->b * (size_t)old.n);
    }
    TRY(put_prompt(l));
    TRY(keep(l, &r->a[r->n]));
    TRY(put_template(l, completion_of(l->lm)));
    FAIL_IF(l->text.n == 0, ST_INPUT, "%s:%ld: the text to be learnt (%s) is empty", t->path, t->line,
            completion_of(l->lm));
    TRY(keep(l, &r->b[r->n]));
    r->n++;
    return ST_OK;
}

static status read_records(struct lm_loading *l, int max)
{
    TRY(find_columns(l->lm, l->t));
    for (bool more = true; max <= 0 || l->rows->n < max;) {
        TRY(tabfile_next(l->t, &more));
        if (!more) break;
        TRY(add_record(l));
    }
    FAIL_IF(l->rows->n == 0, ST_INPUT, "%s: the file holds no rows", l->t->path);
    return ST_OK;
}

static status load_table(const struct lm *lm, const char *path, int max, struct arena *arena, struct rows *rows)
{
    struct tabfile t;
    struct lm_loading l = {.lm = lm, .t = &t, .rows = rows, .arena = arena};
    status st = tabfile_open(&t, lm->format, path, !lm->no_header, arena);
    if (st == ST_OK) st = text_put(&l.text, "");
    if (st == ST_OK) st = read_records(&l, max);
    text_free(&l.text);
    tabfile_close(&t);
    return st;
}

/* The whole file as one row. max counts lines. */
static status load_text(const char *path, int max, struct arena *arena, struct rows *rows)
{
    char *text;
    size_t size;
    TRY(file_read(path, text_max, arena, &text, &size));
    FAIL_IF(size == 0, ST_INPUT, "%s: the file is empty", path);
    FAIL_IF(strlen(text) != size, ST_INPUT, "%s: holds zero bytes: not a text file", path);
    for (char *p = text; max > 0 && p; max--)
        if ((p = strchr(p, '\n')) != NULL && *++p && max == 1) *p = 0;
    NEW(rows->a, arena, 1);
    NEW(rows->b, arena, 1);
    rows->a[0] = "";
    rows->b[0] = text;
    rows->n = 1;
    return ST_OK;
}

status lm_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
               struct arena *arena, struct rows *rows)
{
    const struct lm *lm = task->priv;
    const char *path;
    *rows = (struct rows){0};
    TRY(task_set_path(task, set, data_root, arena, &path));
    FAIL_IF(!file_exists(path), ST_INPUT, "%s is missing: it is the %s set of task %s", path, set->name, task->name);
    if (lm->style == LM_TEXT) return load_text(path, max_examples, arena, rows);
    return load_table(lm, path, max_examples, arena, rows);
}

/* ---- prompts ---- */

struct prompt_row {
    const char *text;
    int row;
};

static int by_prompt(const void *x, const void *y)
{
    const struct prompt_row *a = x, *b = y;
    int order = strcmp(a->text, b->text);
    return order ? order : a->row - b->row;
}

status lm_prompts(const struct rows *rows, struct arena *arena, int **first, int **of, int *prompts)
{
    struct prompt_row *sorted;
    int n = rows->n, count = 0;
    NEW(*first, arena, n + 1);
    NEW(*of, arena, n + 1);
    NEW(sorted, arena, n + 1);
    for (int i = 0; i < n; i++) sorted[i] = (struct prompt_row){rows->a[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_prompt);
    for (int i = 0; i < n; i++) { /* for now: the first row of each row's prompt */
        bool same = i > 0 && strcmp(sorted[i].text, sorted[i - 1].text) == 0;
        (*of)[sorted[i].row] = same ? (*of)[sorted[i - 1].row] : sorted[i].row;
    }
    for (int i = 0; i < n; i++) { /* numbers in order of appearance */
        int head = (*of)[i];
        if (head == i) (*first)[count] = i;
        (*of)[i] = head == i ? count++ : (*of)[head];
    }
    *prompts = count;
    return ST_OK;
}
