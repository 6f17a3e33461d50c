/* See rows.h. Texts are copied out of the map into blocks of the caller's arena. */
#include "datasets/rows.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "core/text.h"

enum { BLOCK = 1 << 16 };

struct reading {
    struct tabfile *t;
    const struct task *task;
    const struct columns *columns;
    struct rows *rows;
    struct arena *arena;
    char *free; /* rest of the current block of text */
    size_t left;
    int a, b, label, id; /* places; -1: none */
    int width;
    int skipped;
};

static status keep_text(struct reading *r, struct span text, const char **out)
{
    size_t need = text.n + 1;
    if (need > r->left) {
        r->left = need > BLOCK ? need : BLOCK;
        if (!(r->free = arena_alloc(r->arena, r->left))) return ST_MEMORY;
    }
    memcpy(r->free, text.s, text.n);
    r->free[text.n] = 0;
    *out = r->free;
    r->free += need;
    r->left -= need;
    return ST_OK;
}

/* "file:line: column 3 (sentence)" as the beginning of a message. */
static status bad_field(const struct reading *r, int column, const char *fault)
{
    const struct tabfile *t = r->t;
    if (column < t->names)
        return fail(ST_INPUT, "%s:%ld: column %d (%.*s): %s", t->path, t->line, column + 1, (int)t->name[column].n,
                    t->name[column].s, fault);
    return fail(ST_INPUT, "%s:%ld: column %d: %s", t->path, t->line, column + 1, fault);
}

static status read_text(struct reading *r, int column, bool may_be_empty, const char **out)
{
    struct span text = r->t->field[column];
    if (!text.s) return bad_field(r, column, "missing, expected text");
    if (text.n == 0 && !may_be_empty) return bad_field(r, column, "empty, expected text");
    if (memchr(text.s, 0, text.n)) return bad_field(r, column, "holds a NUL byte, expected UTF-8 text");
    return keep_text(r, text, out);
}

static status bad_label(const struct reading *r, struct span text)
{
    const struct task *task = r->task;
    struct text list = {0};
    status st = text_printf(&list, "'%.*s', expected ", (int)(text.n < 60 ? text.n : 60), text.s);
    if (task->labels == 1) {
        if (st == ST_OK) st = text_put(&list, "a number");
        if (st == ST_OK && task->lo < task->hi) st = text_printf(&list, " from %g to %g", task->lo, task->hi);
    } else {
        for (int i = 0; i < task->labels && st == ST_OK; i++)
            st = text_printf(&list, "%s%s", i ? ", " : "one of: ", task->label_name[i]);
    }
    if (st == ST_OK) st = bad_field(r, r->label, list.s);
    text_free(&list);
    return st;
}

static status read_value(const struct reading *r, struct span text, float *out)
{
    char number[64];
    double value;
    if (text.n >= sizeof number) return bad_label(r, text);
    memcpy(number, text.s, text.n);
    number[text.n] = 0;
    if (memchr(number, 0, text.n) || !text_to_double(number, &value) || !isfinite(value)) return bad_label(r, text);
    if (r->task->lo < r->task->hi && (value < r->task->lo || value > r->task->hi)) return bad_label(r, text);
    *out = (float)value;
    return ST_OK;
}

static status read_label(const struct reading *r, float *out)
{
    struct span text = r->t->field[r->label];
    if (!text.s) return bad_field(r, r->label, "missing, expected a label");
    if (r->task->labels == 1) return read_value(r, text, out);
    for (int i = 0; i < r->task->labels; i++) {
        const char *name = r->task->label_name[i];
        if (strlen(name) != text.n || memcmp(name, text.s, text.n) != 0) continue;
        *out = (float)i;
        return ST_OK;
    }
    return bad_label(r, text);
}

static bool means_no_label(const struct reading *r)
{
    const char *none = r->columns->skip_label;
    if (!none || r->label < 0) return false;
    struct span text = r->t->field[r->label];
    return text.n == strlen(none) && memcmp(text.s, none, text.n) == 0;
}

/* The current record as the next row, or counted as skipped. */
static status add_row(struct reading *r)
{
    struct rows *rows = r->rows;
    if (r->t->fields != r->width) {
        if (!r->columns->skip_short)
            return fail(ST_INPUT, "%s:%ld: column %d: the line has %d fields, expected %d", r->t->path, r->t->line,
                        r->t->fields < r->width ? r->t->fields + 1 : r->width + 1, r->t->fields, r->width);
        r->skipped++;
        return ST_OK;
    }
    if (means_no_label(r)) {
        r->skipped++;
        return ST_OK;
    }
    bool empty = r->columns->empty_text;
    TRY(read_text(r, r->a, empty, &rows->a[rows->n]));
    if (r->b >= 0) TRY(read_text(r, r->b, empty, &rows->b[rows->n]));
    if (r->label >= 0) TRY(read_label(r, &rows->label[rows->n]));
    if (r->id >= 0) TRY(read_text(r, r->id, false, &rows->row_id[rows->n]));
    rows->n++;
    return ST_OK;
}

static status find_column(struct reading *r, const char *name, int *place)
{
    *place = -1;
    return name ? tabfile_column(r->t, name, place) : ST_OK;
}

/* Reads the first record without taking it. */
static status peek(struct tabfile *t, bool *there)
{
    struct tabfile before = *t;
    status st = tabfile_next(t, there);
    t->at = before.at;
    t->next_line = before.next_line;
    return st;
}

/* The places of the columns, and the number of fields that every record must have. */
static status find_columns(struct reading *r)
{
    const struct columns *c = r->columns;
    bool optional = c->label_optional, there;
    TRY(find_column(r, c->a, &r->a));
    TRY(find_column(r, c->b, &r->b));
    TRY(find_column(r, optional && !tabfile_has_column(r->t, c->label) ? NULL : c->label, &r->label));
    TRY(find_column(r, c->id, &r->id));
    TRY(peek(r->t, &there));
    FAIL_IF(!there, ST_INPUT, "%s: the file holds no rows", r->t->path);
    if (optional && r->label >= 0 && (r->label >= r->t->fields || !r->t->field[r->label].s)) r->label = -1;
    r->width = r->t->names ? r->t->names : c->width ? c->width : r->t->fields;
    const int place[] = {r->a, r->b, r->label, r->id};
    for (int i = 0; i < 4; i++)
        FAIL_IF(place[i] >= r->width, ST_INPUT, "%s:%ld: column %d: the line has %d fields", r->t->path, r->t->line,
                place[i] + 1, r->t->fields);
    return ST_OK;
}

static status make_room(struct reading *r, int max)
{
    long lines = tabfile_lines(r->t);
    FAIL_IF(lines >= INT_MAX, ST_INPUT, "%s: %ld lines, expected fewer than %d", r->t->path, lines, INT_MAX);
    int cap = max > 0 && max < lines ? max : (int)lines;
    *r->rows = (struct rows){0};
    NEW(r->rows->a, r->arena, cap);
    if (r->b >= 0) NEW(r->rows->b, r->arena, cap);
    if (r->label >= 0) NEW(r->rows->label, r->arena, cap);
    if (r->id >= 0) NEW(r->rows->row_id, r->arena, cap);
    return ST_OK;
}

status rows_read(struct tabfile *t, const struct columns *columns, const struct task *task, int max,
                 struct arena *arena, struct rows *rows)
{
    struct reading r = {.t = t, .task = task, .columns = columns, .rows = rows, .arena = arena};
    TRY(find_columns(&r));
    TRY(make_room(&r, max));
    while (max <= 0 || rows->n < max) {
        bool more;
        TRY(tabfile_next(t, &more));
        if (!more) break;
        TRY(add_row(&r));
    }
    FAIL_IF(rows->n == 0, ST_INPUT, "%s: the file holds no rows", t->path);
    if (r.skipped)
        notice("%s: %d rows without label or with missing fields skipped, as the official file is known to hold them",
               t->path, r.skipped);
    return ST_OK;
}
