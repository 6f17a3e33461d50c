/* JSON lines: one object a line. The record's fields are the values of the keys that tabfile_column was asked for; a
 * key that the object lacks, or null, gives a span without text. */
#include "datasets/tabfile.h"

#include <jansson.h>
#include <string.h>
#include "core/text.h"

/* The value as text that lives as long as the record. */
static status value_text(struct tabfile *t, const char *key, const json_t *value, struct span *field)
{
    char buf[64];
    const char *s = buf;
    size_t n = (size_t)-1;
    switch (json_typeof(value)) {
    case JSON_STRING:
        s = json_string_value(value);
        n = json_string_length(value);
        break;
    case JSON_INTEGER: snprintf(buf, sizeof buf, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: text_from_double(json_real_value(value), buf, sizeof buf); break;
    case JSON_TRUE: s = "true"; break;
    case JSON_FALSE: s = "false"; break;
    default:
        return fail(ST_INPUT, "%s:%ld: key '%s' holds an object or a list, expected text or a number", t->path, t->line,
                    key);
    }
    if (n == (size_t)-1) n = strlen(s);
    char *copy = arena_alloc(t->scratch, n + 1);
    if (!copy) return ST_MEMORY;
    memcpy(copy, s, n);
    *field = (struct span){copy, n};
    return ST_OK;
}

static status fill(struct tabfile *t, const json_t *object)
{
    for (int i = 0; i < t->names; i++) {
        const json_t *value = json_object_get(object, t->name[i].s);
        struct span field = {0};
        if (value && !json_is_null(value)) TRY(value_text(t, t->name[i].s, value, &field));
        TRY(tab_field(t, field.s, field.n));
    }
    return ST_OK;
}

status tab_parse_jsonl(struct tabfile *t)
{
    struct span line = tab_line(t);
    json_error_t e;
    json_t *object = json_loadb(line.s, line.n, JSON_REJECT_DUPLICATES, &e);
    if (!object) return fail(ST_INPUT, "%s:%ld: column %d: not a JSON object: %s", t->path, t->line, e.column, e.text);
    status st = json_is_object(object) ? fill(t, object)
                                       : fail(ST_INPUT, "%s:%ld: expected a JSON object {...}", t->path, t->line);
    json_decref(object);
    return st;
}
