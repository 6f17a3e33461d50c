/* What the tokenizers need to know about Unicode: strict UTF-8, character classes, lower-casing, normal forms. The
 * character data are utf8proc's; the definitions follow Python's and Rust's Unicode tables, as the reference
 * tokenizers do. */
#ifndef PG_DATASETS_UNICODE_H
#define PG_DATASETS_UNICODE_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"
#include "core/text.h"

/* Length 1..4 of the strictly valid sequence at s[0..n) (no overlong forms, surrogates, or values past U+10FFFF) and
 * its code point; or, when the sequence is broken, minus the length of its longest valid beginning (at least 1). n
 * >= 1. */
int utf8_decode(const char *s, size_t n, int32_t *cp);
/* The same for text known to be valid; always 1..4. */
int utf8_next(const char *s, int32_t *cp);
status utf8_put(struct text *, int32_t cp);

/* 1 when all n bytes are strictly valid UTF-8. */
int utf8_valid(const char *s, size_t n);
/* Appends s with every broken sequence replaced by U+FFFD (one for each longest valid beginning, as Python does). */
status utf8_repair(const char *s, size_t n, struct text *out);
/* Where s is broken: s and n become those of the repaired text, which takes the place of what is in repaired. */
status utf8_whole(const char **s, size_t *n, struct text *repaired);

int unicode_is_white(int32_t cp);   /* property White_Space */
int unicode_is_control(int32_t cp); /* categories Cc, Cf, Co, Cs */
int unicode_is_punct(int32_t cp); /* categories P*, and all of ASCII that is neither letter, digit, blank nor control */
int unicode_is_symbol(int32_t cp);     /* categories S* */
int unicode_is_nonspacing(int32_t cp); /* category Mn */
int unicode_is_cjk(int32_t cp);        /* BERT's blocks of ideographs, each a word of its own */

/* Appends valid UTF-8 s in lower case: full mappings of SpecialCasing, final sigma included, no language's own rules.
 */
status unicode_lower(const char *s, size_t n, struct text *out);

enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD };
/* Appends valid UTF-8 s in a normal form. */
status unicode_normalise(enum unicode_form, const char *s, size_t n, struct text *out);

#endif
