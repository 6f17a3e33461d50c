/* Text helpers: a growing string, exact number parsing, word lists, the nearest known name for a misspelt one. */
#ifndef PG_CORE_TEXT_H
#define PG_CORE_TEXT_H

#include <stddef.h>
#include "core/arena.h"
#include "core/status.h"

/* A growing, always NUL-terminated string. Zero-initialise; it lives on the heap: end with text_free. */
struct text {
    char *s; /* NULL while empty */
    size_t n, cap;
};
status text_add(struct text *, const char *bytes, size_t n);
status text_put(struct text *, const char *s);
status text_printf(struct text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *);

/* Whole-string numbers: 1 on success, 0 when s is not entirely such a number (leading/trailing blanks not allowed). The
 * decimal point is '.', whatever the locale. */
int text_to_double(const char *s, double *);
int text_to_longlong(const char *s, long long *);

/* Shortest decimal text that reads back as the same double. */
void text_from_double(double, char *buf, size_t n);

/* Splits s at sep into words with blanks trimmed; empty words are dropped. words: array in the arena. */
status text_split(const char *s, char sep, struct arena *, char ***words, int *count);

/* The name of names[0..count-1] nearest to s by edit distance, or NULL when none is near enough to suggest. */
const char *text_nearest(const char *s, const char *const *names, int count);

/* Shell-style pattern with * and ? against the whole of s. */
int text_match(const char *pattern, const char *s);

/* FNV-1a, 64 and 32 bits; for keys inside the program, not for files. */
unsigned long long text_hash64(const char *s);
unsigned text_hash32(const char *s);

#endif
