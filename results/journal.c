/* The journal of a runs folder: what was started and how it ended, one JSON line an event. Lines are written with one
 * write(2) to a file opened for appending, so several processes may share a journal. A line ends in a check of all that
 * stands before it; lines of earlier versions have none. */
#include "results/record.h"

#include <jansson.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>
#include "core/file.h"
#include "core/text.h"

/* The end of a line, between and behind the digits of its check. */
#define CHECK_BEGIN ",\"check\":\""
#define CHECK_END "\"}"
enum { CHECK_DIGITS = 16, CHECK_BYTES = sizeof CHECK_BEGIN - 1 + CHECK_DIGITS + sizeof CHECK_END - 1 };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A JSON string. Bytes that are not UTF-8 become the replacement character, so that a line is always valid JSON. */
static status put_string(struct text *t, const char *s)
{
    TRY(text_put(t, "\""));
    for (size_t left = strlen(s); left;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)left, &code);
        if (n <= 0) {
            n = 1;
            TRY(text_put(t, "\\ufffd"));
        } else if (code == '"' || code == '\\') {
            TRY(text_printf(t, "\\%c", (char)code));
        } else if (code < 0x20) {
            TRY(text_printf(t, "\\u%04x", (unsigned)code));
        } else {
            TRY(text_add(t, s, (size_t)n));
        }
        s += n;
        left -= (size_t)n;
    }
    return text_put(t, "\"");
}

static status put_field(struct text *t, const char *key, const char *value)
{
    if (!value) return ST_OK;
    TRY(text_printf(t, "%s\"%s\":", t->n > 1 ? "," : "", key));
    return put_string(t, value);
}

static status line_make(struct text *t, const char *const field[][2], size_t fields)
{
    TRY(text_put(t, "{"));
    for (size_t i = 0; i < fields; i++) TRY(put_field(t, field[i][0], field[i][1]));
    char hex[SHA256_HEX];
    sha256_of(t->s, t->n, hex);
    return text_printf(t, CHECK_BEGIN "%.*s" CHECK_END "\n", CHECK_DIGITS, hex);
}

status journal_add(const char *path, const char *event, const char *id, const char *cell, const char *file,
                   const char *sha256, const char *message)
{
    char now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    FAIL_IF(!gmtime_r(&seconds, &utc) || !strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc), ST_IO,
            "%s: the system's time cannot be told", path);
    const char *const field[][2] = {{"time", now},  {"event", event},   {"id", id},          {"cell", cell},
                                    {"file", file}, {"sha256", sha256}, {"message", message}};
    struct text t = {0};
    status st = line_make(&t, field, sizeof field / sizeof field[0]);
    if (st == ST_OK) st = file_append_line(path, t.s);
    text_free(&t);
    return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Whether the line ends as one with a check does; *holds: whether it is the right one. */
static int has_check(const char *line, size_t n, int *holds)
{
    char hex[SHA256_HEX];
    if (n <= CHECK_BYTES) return 0;
    const char *begin = line + n - CHECK_BYTES, *digits = begin + sizeof CHECK_BEGIN - 1;
    if (memcmp(begin, CHECK_BEGIN, sizeof CHECK_BEGIN - 1) != 0) return 0;
    if (memcmp(digits + CHECK_DIGITS, CHECK_END, sizeof CHECK_END - 1) != 0) return 0;
    sha256_of(line, (size_t)(begin - line), hex);
    *holds = memcmp(hex, digits, CHECK_DIGITS) == 0;
    return 1;
}

/* The fields of a line; what is no text or has a name that no line has is a fault. */
static status take_fields(const json_t *object, struct arena *arena, struct journal_line *l)
{
    const struct {
        const char *key, **value;
    } field[] = {{"time", &l->time}, {"event", &l->event},   {"id", &l->id},           {"cell", &l->cell},
                 {"file", &l->file}, {"sha256", &l->sha256}, {"message", &l->message}, {"check", &l->check}};
    enum { FIELDS = sizeof field / sizeof field[0] };
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        int i = 0;
        while (i < FIELDS && strcmp(field[i].key, key) != 0) i++;
        if (i == FIELDS || !json_is_string(value)) {
            l->fault = "damaged: it has a field that no line of a journal has";
            return ST_OK;
        }
        if (!(*field[i].value = arena_strdup(arena, json_string_value(value)))) return ST_MEMORY;
    }
    if (!l->time || !l->event || !l->cell) l->fault = "damaged: it lacks time, event or cell";
    return ST_OK;
}

static status read_line(const char *line, size_t n, struct arena *arena, struct journal_line *l)
{
    static const char *const unchecked_events[] = {"started", "finished", "failed", "diverged"};
    int holds = 0, known = 0, checked = has_check(line, n, &holds);
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object) || (checked && !holds))
        l->fault = checked ? "damaged: its bytes do not match its check" : "damaged: it is not a JSON object";
    status st = l->fault ? ST_OK : take_fields(object, arena, l);
    json_decref(object);
    if (st != ST_OK || l->fault || checked) return st;
    for (size_t i = 0; i < sizeof unchecked_events / sizeof *unchecked_events; i++)
        known |= strcmp(l->event, unchecked_events[i]) == 0;
    if (l->check || !known) l->fault = "damaged: its check or its event is not readable";
    return ST_OK;
}

status journal_read(const char *path, struct arena *arena, struct journal_line **lines, int *count)
{
    enum { LARGEST = 1 << 30 };
    char *text;
    size_t size, n = 0;
    TRY(file_read(path, LARGEST, arena, &text, &size));
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    ZNEW(*lines, arena, n + 1);
    *count = 0;
    for (const char *line = text, *end = text + size; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        struct journal_line *l = &(*lines)[(*count)++];
        l->number = *count;
        TRY(read_line(line, (size_t)((stop ? stop : end) - line), arena, l));
        if (!stop && !l->fault) l->fault = "damaged: it does not end in a newline";
        line = stop ? stop + 1 : end;
    }
    return ST_OK;
}
