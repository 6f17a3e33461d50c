/* CSV by RFC 4180. A quoted field may hold commas, line ends (kept as they are) and doubled quotes, which stand for
 * one. A quote inside an unquoted field is a character, as common readers take it. */
#include "datasets/tabfile.h"

#include <string.h>

/* raw without the second quote of each pair. */
static status undouble(struct tabfile *t, struct span raw, struct span *field)
{
    char *out = arena_alloc(t->scratch, raw.n + 1);
    if (!out) return ST_MEMORY;
    *field = (struct span){out, 0};
    for (size_t i = 0; i < raw.n; i++) {
        out[field->n++] = raw.s[i];
        if (raw.s[i] == '"') i++;
    }
    return ST_OK;
}

/* A quoted field from the quote at t->at on. Leaves t->at behind the closing quote. */
static status quoted_field(struct tabfile *t, struct span *field)
{
    long opened = t->next_line;
    const char *begin = t->at + 1, *p = begin;
    bool doubled = false;
    for (; p < t->end; p++) {
        if (*p == '\n') t->next_line++;
        if (*p != '"') continue;
        if (p + 1 == t->end || p[1] != '"') break;
        doubled = true;
        p++;
    }
    FAIL_IF(p == t->end, ST_INPUT, "%s:%ld: column %d: a quoted field is never closed, expected '\"'", t->path, opened,
            t->fields + 1);
    *field = (struct span){begin, (size_t)(p - begin)};
    t->at = ++p;
    bool line_end = p == t->end || *p == '\n' || (*p == '\r' && (p + 1 == t->end || p[1] == '\n'));
    FAIL_IF(!line_end && *p != ',', ST_INPUT,
            "%s:%ld: column %d: text after a closing quote, expected a comma or the end of the line", t->path,
            t->next_line, t->fields + 1);
    return doubled ? undouble(t, *field, field) : ST_OK;
}

static struct span plain_field(struct tabfile *t)
{
    const char *begin = t->at, *p = begin;
    while (p < t->end && *p != ',' && *p != '\n') p++;
    t->at = p;
    bool carriage = p > begin && p[-1] == '\r' && (p == t->end || *p == '\n');
    return (struct span){begin, (size_t)(p - begin) - carriage};
}

status tab_parse_csv(struct tabfile *t)
{
    for (;;) {
        struct span field;
        if (t->at < t->end && *t->at == '"')
            TRY(quoted_field(t, &field));
        else
            field = plain_field(t);
        TRY(tab_field(t, field.s, field.n));
        if (t->at == t->end || *t->at != ',') break;
        t->at++;
    }
    if (t->at < t->end && *t->at == '\r') t->at++;
    if (t->at < t->end && *t->at == '\n') t->at++;
    t->next_line++;
    return ST_OK;
}
