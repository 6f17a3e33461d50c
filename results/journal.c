/* The journal of a runs folder: what was started and how it ended, one JSON line an event. Lines are written with one
 * write(2) to a file opened for appending, so several processes may share a journal. */
#include "results/record.h"

#include <string.h>
#include <time.h>
#include <utf8proc.h>
#include "core/file.h"
#include "core/text.h"

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
    return text_put(t, "}\n");
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
