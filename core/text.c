#include "core/text.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/heap.h"

static status text_room(struct text *t, size_t more)
{
    size_t need = t->n + more + 1;
    if (need <= t->cap) return ST_OK;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < need) cap *= 2;
    char *s = heap_resize(t->s, cap);
    FAIL_IF(!s, ST_MEMORY, "out of memory: %zu bytes for a text", cap);
    t->s = s;
    t->cap = cap;
    return ST_OK;
}

status text_add(struct text *t, const char *bytes, size_t n)
{
    TRY(text_room(t, n));
    memcpy(t->s + t->n, bytes, n);
    t->n += n;
    t->s[t->n] = 0;
    return ST_OK;
}

status text_put(struct text *t, const char *s)
{
    return text_add(t, s, strlen(s));
}

status text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    status st = n < 0 ? fail(ST_INTERNAL, "a text format failed") : text_room(t, (size_t)n);
    if (st == ST_OK) {
        vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
    return st;
}

void text_free(struct text *t)
{
    heap_free(t->s);
    *t = (struct text){0};
}

/* The C locale's number syntax, whatever setlocale() was told. */
static locale_t c_locale(void)
{
    static locale_t made;
    if (!made) made = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return made;
}

int text_to_double(const char *s, double *out)
{
    char *end;
    if (!*s || isspace((unsigned char)*s)) return 0;
    double v = strtod_l(s, &end, c_locale());
    if (*end) return 0;
    *out = v;
    return 1;
}

int text_to_longlong(const char *s, long long *out)
{
    char *end;
    if (!*s || isspace((unsigned char)*s)) return 0;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (*end || errno == ERANGE) return 0;
    *out = v;
    return 1;
}

void text_from_double(double v, char *buf, size_t n)
{
    locale_t old = uselocale(c_locale());
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(buf, n, "%.*g", digits, v);
        if (isnan(v) || strtod(buf, NULL) == v) break;
    }
    /* 100 rather than 1e+02: digits before the point cost nothing. */
    int whole = isfinite(v) && fabs(v) >= 1 && fabs(v) < 1e15 ? (int)log10(fabs(v)) + 1 : 0;
    snprintf(buf, n, "%.*g", digits > whole ? digits : whole, v);
    uselocale(old);
}

status text_split(const char *s, char sep, struct arena *arena, char ***words, int *count)
{
    int pieces = 1, n = 0;
    for (const char *p = s; *p; p++) pieces += *p == sep;
    NEW(*words, arena, pieces);
    char *copy = arena_strdup(arena, s);
    if (!copy) return ST_MEMORY;
    for (char *p = copy, *next; p; p = next) {
        next = strchr(p, sep);
        if (next) *next++ = 0;
        while (isspace((unsigned char)*p)) p++;
        char *end = p + strlen(p);
        while (end > p && isspace((unsigned char)end[-1])) *--end = 0;
        if (*p) (*words)[n++] = p;
    }
    *count = n;
    return ST_OK;
}

/* Optimal string alignment distance (insert, delete, replace, swap of neighbours), letters compared without case. */
static int edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    int d[3][LONGEST + 1];
    int na = (int)strlen(a), nb = (int)strlen(b);
    if (na > LONGEST || nb > LONGEST) return LONGEST;
    for (int j = 0; j <= nb; j++) d[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            int best = up[j - 1] + (ca != cb);
            if (up[j] + 1 < best) best = up[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && cb == tolower((unsigned char)a[i - 2]) &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return d[na % 3][nb];
}

const char *text_nearest(const char *s, const char *const *names, int count)
{
    const char *best = NULL;
    int best_distance = 1 + (int)strlen(s) / 3; /* one slip in short names, more in long ones */
    for (int i = 0; i < count; i++) {
        int d = edit_distance(s, names[i]);
        if (d <= best_distance && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

int text_match(const char *pattern, const char *s)
{
    return fnmatch(pattern, s, 0) == 0;
}

unsigned long long text_hash64(const char *s)
{
    unsigned long long h = 14695981039346656037ull;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211ull;
    return h;
}

unsigned text_hash32(const char *s)
{
    unsigned h = 2166136261u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}
