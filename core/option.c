#include "core/option.h"

#include <math.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

static void *field(const struct option *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *field_const(const struct option *o, const void *base)
{
    return (const char *)base + o->offset;
}

static int limited(const struct option *o)
{
    return o->lo != 0 || o->hi != 0;
}

const struct option *option_find(const struct option *table, const char *name)
{
    for (const struct option *o = table; o && o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

/* "an integer of 1 to 64", "one of a, b, c": what a message says was expected. */
static void expected(const struct option *o, char *buf, size_t n)
{
    char lo[32], hi[32];
    const char *what = o->type == OPT_REAL ? "a number" : "an integer";
    text_from_double(o->lo, lo, sizeof lo);
    text_from_double(o->hi, hi, sizeof hi);
    switch (o->type) {
    case OPT_ENUM: {
        size_t used = (size_t)snprintf(buf, n, "one of ");
        for (const char *c = o->choices; *c && used + 3 < n; c++) {
            if (*c == '|') {
                buf[used++] = ',';
                buf[used++] = ' ';
            } else {
                buf[used++] = *c;
            }
        }
        buf[used] = 0;
        break;
    }
    case OPT_BOOL:
    case OPT_FLAG: snprintf(buf, n, "yes or no"); break;
    case OPT_STRING: snprintf(buf, n, "text"); break;
    default:
        if (!limited(o))
            snprintf(buf, n, "%s", what);
        else if (isinf(o->hi))
            snprintf(buf, n, "%s of at least %s", what, lo);
        else
            snprintf(buf, n, "%s of %s to %s", what, lo, hi);
    }
}

static int enum_index(const char *choices, const char *value)
{
    size_t n = strlen(value);
    int index = 0;
    for (const char *c = choices; c; index++) {
        const char *end = strchr(c, '|');
        size_t m = end ? (size_t)(end - c) : strlen(c);
        if (m == n && strncmp(c, value, n) == 0) return index;
        c = end ? end + 1 : NULL;
    }
    return -1;
}

static int bool_value(const char *s)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};
    for (int i = 0; i < 4; i++) {
        if (strcasecmp(s, yes[i]) == 0) return 1;
        if (strcasecmp(s, no[i]) == 0) return 0;
    }
    return -1;
}

/* Parses value into *o's field; 0 when it is not of the type or out of range. */
static int assign(const struct option *o, void *at, const char *value, struct arena *arena, status *st)
{
    double d;
    long long l;
    int i;
    switch (o->type) {
    case OPT_INT:
    case OPT_LONG:
        if (!text_to_longlong(value, &l) || (limited(o) && ((double)l < o->lo || (double)l > o->hi))) return 0;
        if (o->type == OPT_LONG) {
            *(long long *)at = l;
        } else {
            if (l < -2147483647LL || l > 2147483647LL) return 0;
            *(int *)at = (int)l;
        }
        return 1;
    case OPT_REAL:
        if (!text_to_double(value, &d) || !isfinite(d) || (limited(o) && (d < o->lo || d > o->hi))) return 0;
        *(double *)at = d;
        return 1;
    case OPT_BOOL:
    case OPT_FLAG:
        if ((i = bool_value(value)) < 0) return 0;
        *(int *)at = i;
        return 1;
    case OPT_ENUM:
        if ((i = enum_index(o->choices, value)) < 0) return 0;
        *(int *)at = i;
        return 1;
    case OPT_STRING: {
        char *copy = arena_strdup(arena, value);
        if (!copy) *st = ST_MEMORY;
        *(const char **)at = copy;
        return 1;
    }
    }
    return 0;
}

status option_defaults(const struct option *table, void *base, struct arena *arena)
{
    for (const struct option *o = table; o && o->name; o++) {
        status st = ST_OK;
        if (!o->def) continue; /* the caller's struct is zeroed */
        FAIL_IF(!assign(o, field(o, base), o->def, arena, &st), ST_INTERNAL,
                "the default '%s' of option %s is not valid", o->def, o->name);
        TRY(st);
    }
    return ST_OK;
}

status option_new(const struct option *table, size_t size, struct arena *arena, void **base)
{
    *base = NULL;
    if (!table) return ST_OK;
    if (!(*base = arena_zalloc(arena, size))) return ST_MEMORY;
    return option_defaults(table, *base, arena);
}

static status unknown(const struct option *table, const char *name, const char *where)
{
    const char *names[128];
    int n = 0;
    for (const struct option *o = table; o && o->name && n < 128; o++)
        if (!(o->flags & OPTION_HIDDEN)) names[n++] = o->name;
    const char *near = text_nearest(name, names, n);
    if (near) return fail(ST_USAGE, "%s: unknown option '%s'; did you mean '%s'?", where, name, near);
    return fail(ST_USAGE, "%s: unknown option '%s'", where, name);
}

status option_set(const struct option *table, void *base, const char *name, const char *value, const char *where,
                  struct arena *arena)
{
    char want[512];
    status st = ST_OK;
    const struct option *o = option_find(table, name);
    if (!o) return unknown(table, name, where);
    if (!assign(o, field(o, base), value, arena, &st)) {
        expected(o, want, sizeof want);
        return fail(ST_USAGE, "%s: option %s is '%s', expected %s", where, name, value, want);
    }
    return st;
}

void option_text(const struct option *o, const void *base, char *buf, size_t n)
{
    const void *at = field_const(o, base);
    switch (o->type) {
    case OPT_INT: snprintf(buf, n, "%d", *(const int *)at); break;
    case OPT_LONG: snprintf(buf, n, "%lld", *(const long long *)at); break;
    case OPT_REAL: text_from_double(*(const double *)at, buf, n); break;
    case OPT_BOOL:
    case OPT_FLAG: snprintf(buf, n, "%s", *(const int *)at ? "yes" : "no"); break;
    case OPT_STRING: snprintf(buf, n, "%s", *(const char *const *)at ? *(const char *const *)at : ""); break;
    case OPT_ENUM: {
        const char *c = o->choices;
        for (int i = *(const int *)at; i > 0 && c; i--) {
            c = strchr(c, '|');
            if (c) c++;
        }
        snprintf(buf, n, "%.*s", c ? (int)strcspn(c, "|") : 0, c ? c : "");
        break;
    }
    }
}

status option_canonical(const struct option *table, const void *base, const char *prefix, struct text *out)
{
    for (const struct option *o = table; o && o->name; o++) {
        char value[4096];
        if (o->flags & OPTION_NO_ID) continue;
        const char *whole = value;
        if (o->type == OPT_STRING) /* of any length: what is hashed must not be cut */
            whole = *(const char *const *)((const char *)base + o->offset);
        else
            option_text(o, base, value, sizeof value);
        if ((o->flags & OPTION_YOUNG) && o->def && whole && strcmp(whole, o->def) == 0) continue;
        TRY(text_printf(out, "%s.%s=%s\n", prefix, o->name, whole ? whole : ""));
    }
    return ST_OK;
}

/* The left column of help: "--rank N", "rank = N". */
static void help_left(const struct option *o, int flag_style, char *buf, size_t n)
{
    const char *word = o->choices                                                         ? o->choices
                       : o->type == OPT_REAL || o->type == OPT_INT || o->type == OPT_LONG ? "N"
                       : o->type == OPT_STRING                                            ? "TEXT"
                                                                                          : "yes|no";
    if (flag_style && o->type == OPT_FLAG)
        snprintf(buf, n, "--%s", o->name);
    else
        snprintf(buf, n, flag_style ? "--%s %s" : "%s = %s", o->name, word);
}

void option_help(FILE *f, const struct option *table, int flag_style)
{
    char left[256], range[512];
    int width = 0;
    for (const struct option *o = table; o && o->name; o++) {
        if (o->flags & OPTION_HIDDEN) continue;
        help_left(o, flag_style, left, sizeof left);
        int n = (int)strlen(left);
        if (n > width && n <= 34) width = n;
    }
    for (const struct option *o = table; o && o->name; o++) {
        if (o->flags & OPTION_HIDDEN) continue;
        help_left(o, flag_style, left, sizeof left);
        if ((int)strlen(left) > width)
            fprintf(f, "  %s\n  %-*s  %s", left, width, "", o->help);
        else
            fprintf(f, "  %-*s  %s", width, left, o->help);
        if (limited(o) && o->type != OPT_ENUM) {
            expected(o, range, sizeof range);
            fprintf(f, "; %s", range);
        }
        if (o->def && *o->def && o->type != OPT_FLAG) fprintf(f, " (default %s)", o->def);
        fputc('\n', f);
    }
}
