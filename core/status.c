#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };

static _Thread_local char message[MESSAGE_BYTES];
static int quiet_notices;

/* Parts of files stand in messages, and files hold anything: a line stays a line, and no terminal is told to do
 * things. */
static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F) *s = *s == '\n' || *s == '\t' ? ' ' : '?';
}

status fail(status st, const char *fmt, ...)
{
    va_list ap;
    char fresh[MESSAGE_BYTES]; /* the arguments may point into the current message */
    va_start(ap, fmt);
    vsnprintf(fresh, sizeof fresh, fmt, ap);
    va_end(ap);
    one_line(fresh);
    memcpy(message, fresh, sizeof message);
    return st;
}

status fail_in(status st, const char *fmt, ...)
{
    va_list ap;
    char place[MESSAGE_BYTES / 2], old[MESSAGE_BYTES];
    va_start(ap, fmt);
    vsnprintf(place, sizeof place, fmt, ap);
    va_end(ap);
    one_line(place);
    memcpy(old, message, sizeof old);
    /* A message too long for the buffer is cut at its end; the place stays. */
    snprintf(message, sizeof message, "%s: %.*s", place, (int)(sizeof message - strlen(place) - 3), old);
    return st;
}

const char *status_message(void)
{
    return message;
}

const char *status_name(status st)
{
    static const char *const names[] = {"ok",        "failed cells", "usage",       "bad input",   "i/o error",
                                        "no memory", "diverged",     "interrupted", "unsupported", "internal error"};
    return (unsigned)st < sizeof names / sizeof names[0] ? names[st] : "unknown";
}

void notice(const char *fmt, ...)
{
    va_list ap;
    char text[MESSAGE_BYTES], line[MESSAGE_BYTES + 32];
    if (quiet_notices) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    one_line(text);
    /* One write a line: cells of a grid share stderr. */
    snprintf(line, sizeof line, "peftgrid: notice: %s\n", text);
    fputs(line, stderr);
}

int notice_quiet(int quiet)
{
    int before = quiet_notices;
    quiet_notices = quiet;
    return before;
}
