/* What the three formats of tabular files share: the map, the line counter, names of columns. */
#include "datasets/tabfile.h"

#include <string.h>
#include "core/text.h"

status tab_field(struct tabfile *t, const char *s, size_t n)
{
    if (t->fields == t->cap) {
        struct span *more;
        int cap = t->cap ? 2 * t->cap : 16;
        NEW(more, t->arena, cap);
        if (t->fields) memcpy(more, t->field, sizeof *more * (size_t)t->fields);
        t->field = more;
        t->cap = cap;
    }
    t->field[t->fields++] = (struct span){s, n};
    return ST_OK;
}

struct span tab_line(struct tabfile *t)
{
    const char *begin = t->at;
    const char *stop = memchr(begin, '\n', (size_t)(t->end - begin));
    t->at = stop ? stop + 1 : t->end;
    if (!stop) stop = t->end;
    if (stop > begin && stop[-1] == '\r') stop--;
    t->next_line++;
    return (struct span){begin, (size_t)(stop - begin)};
}

/* Blank lines up to the end of the file are no records; a blank line before other text is one, for the parser to judge.
 */
static bool only_blank_lines(const struct tabfile *t)
{
    for (const char *p = t->at; p < t->end; p++)
        if (*p != '\n' && *p != '\r') return false;
    return true;
}

status tabfile_next(struct tabfile *t, bool *more)
{
    t->fields = 0;
    arena_reset(t->scratch, t->empty);
    *more = !only_blank_lines(t);
    if (!*more) return ST_OK;
    t->line = t->next_line;
    switch (t->format) {
    case TAB_TSV: return tab_parse_tsv(t);
    case TAB_CSV: return tab_parse_csv(t);
    case TAB_JSONL: return tab_parse_jsonl(t);
    }
    return fail(ST_INTERNAL, "%s: unknown table format", t->path);
}

/* Keeps the current record as the names of the columns: copied, because a record's text lives only until the next. */
static status keep_names(struct tabfile *t)
{
    NEW(t->name, t->arena, t->fields);
    for (int i = 0; i < t->fields; i++) {
        char *copy = arena_alloc(t->arena, t->field[i].n + 1);
        if (!copy) return ST_MEMORY;
        memcpy(copy, t->field[i].s, t->field[i].n);
        t->name[i] = (struct span){copy, t->field[i].n};
    }
    t->names = t->fields;
    return ST_OK;
}

status tabfile_open(struct tabfile *t, enum tab_format format, const char *path, bool header, struct arena *arena)
{
    *t = (struct tabfile){.format = format, .path = path, .arena = arena, .next_line = 1};
    if (!(t->scratch = arena_new("table record"))) return ST_MEMORY;
    t->empty = arena_mark(t->scratch);
    TRY(file_map(path, &t->map));
    t->at = (const char *)t->map.data;
    t->end = t->at + t->map.size;
    if (t->map.size >= 3 && memcmp(t->at, "\xef\xbb\xbf", 3) == 0) t->at += 3;
    if (t->map.size >= 2 && (memcmp(t->at, "\xff\xfe", 2) == 0 || memcmp(t->at, "\xfe\xff", 2) == 0))
        return fail(ST_INPUT, "%s:1: the file is UTF-16, expected UTF-8", path);
    if (!header || format == TAB_JSONL) return ST_OK;
    bool more;
    TRY(tabfile_next(t, &more));
    FAIL_IF(!more, ST_INPUT, "%s:1: the file is empty, expected a line of column names", path);
    return keep_names(t);
}

void tabfile_close(struct tabfile *t)
{
    file_unmap(&t->map);
    arena_free(t->scratch);
    *t = (struct tabfile){0};
}

long tabfile_lines(const struct tabfile *t)
{
    long n = 0;
    for (const char *p = t->at; p < t->end; n++) {
        const char *stop = memchr(p, '\n', (size_t)(t->end - p));
        p = stop ? stop + 1 : t->end;
    }
    return n;
}

static int find_name(const struct tabfile *t, const char *name, size_t n)
{
    for (int i = 0; i < t->names; i++)
        if (t->name[i].n == n && memcmp(t->name[i].s, name, n) == 0) return i;
    return -1;
}

/* The first of the alternatives "a|b|c" that is a column, or -1. */
static int find_any(const struct tabfile *t, const char *name)
{
    int at = -1;
    while (at < 0 && *name) {
        size_t n = strcspn(name, "|");
        at = find_name(t, name, n);
        name += n + (name[n] == '|');
    }
    return at;
}

static status no_such_column(const struct tabfile *t, const char *name)
{
    struct text list = {0};
    status st = ST_OK;
    for (int i = 0; i < t->names && st == ST_OK; i++)
        st = text_printf(&list, "%s%.*s", i ? ", " : "", (int)t->name[i].n, t->name[i].s);
    const char *known = list.s ? list.s : "";
    int commas = t->format == TAB_TSV && t->names == 1 && strchr(known, ',');
    if (st == ST_OK)
        st = fail(ST_INPUT, "%s:1: no column is called '%s'; the columns are: %s%s", t->path, name, known,
                  commas ? " (no tabs, but commas: format = csv reads those)" : "");
    text_free(&list);
    return st;
}

/* jsonl: remembers the key; the parser then puts its value at this place of every record. */
static status add_key(struct tabfile *t, const char *name, int *column)
{
    *column = find_name(t, name, strlen(name));
    if (*column >= 0) return ST_OK;
    struct span *more;
    NEW(more, t->arena, t->names + 1);
    if (t->names) memcpy(more, t->name, sizeof *more * (size_t)t->names);
    char *copy = arena_strdup(t->arena, name);
    if (!copy) return ST_MEMORY;
    more[t->names] = (struct span){copy, strlen(copy)};
    t->name = more;
    *column = t->names++;
    return ST_OK;
}

status tabfile_column(struct tabfile *t, const char *name, int *column)
{
    if (t->format == TAB_JSONL) return add_key(t, name, column);
    if (t->name) {
        *column = find_any(t, name);
        return *column < 0 ? no_such_column(t, name) : ST_OK;
    }
    long long number;
    if (!text_to_longlong(name, &number) || number < 1 || number > 10000)
        return fail(ST_INPUT, "%s: '%s' is no column number (1, 2, ...) and the file has no header of column names",
                    t->path, name);
    *column = (int)number - 1;
    return ST_OK;
}

bool tabfile_has_column(const struct tabfile *t, const char *name)
{
    return t->format == TAB_JSONL || !t->name || find_any(t, name) >= 0;
}
