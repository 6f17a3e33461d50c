/* Unicode for tokenizers (see unicode.h). UTF-8 is decoded here, because the repair of broken text must be exactly
 * Python's; categories, case and normal forms are utf8proc's. */
#include "datasets/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

/* ---- UTF-8 ---- */

static int is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

int utf8_decode(const char *s, size_t n, int32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    int len = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (len == 0) return -1;
    /* The second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF. */
    unsigned lo = p[0] == 0xE0   ? 0xA0
                  : p[0] == 0xF0 ? 0x90
                                 : 0x80,
             hi = p[0] == 0xED   ? 0x9F
                  : p[0] == 0xF4 ? 0x8F
                                 : 0xBF;
    if (n < 2 || p[1] < lo || p[1] > hi) return -1;
    int32_t v = p[0] & (0xFF >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n || !is_tail(p[i])) return -i;
        v = v << 6 | (p[i] & 0x3F);
    }
    *cp = v;
    return len;
}

int utf8_next(const char *s, int32_t *cp)
{
    return utf8_decode(s, 4, cp);
}

status utf8_put(struct text *out, int32_t cp)
{
    utf8proc_uint8_t buf[4];
    return text_add(out, (const char *)buf, (size_t)utf8proc_encode_char(cp, buf));
}

int utf8_valid(const char *s, size_t n)
{
    int32_t cp;
    for (size_t i = 0; i < n;) {
        int len = utf8_decode(s + i, n - i, &cp);
        if (len < 0) return 0;
        i += (size_t)len;
    }
    return 1;
}

status utf8_repair(const char *s, size_t n, struct text *out)
{
    int32_t cp;
    for (size_t i = 0; i < n;) {
        int len = utf8_decode(s + i, n - i, &cp);
        if (len > 0)
            TRY(text_add(out, s + i, (size_t)len));
        else
            TRY(text_put(out, "\xEF\xBF\xBD"));
        i += (size_t)abs(len);
    }
    return ST_OK;
}

status utf8_whole(const char **s, size_t *n, struct text *repaired)
{
    if (utf8_valid(*s, *n)) return ST_OK;
    repaired->n = 0;
    TRY(utf8_repair(*s, *n, repaired));
    *s = repaired->s;
    *n = repaired->n;
    return ST_OK;
}

/* ---- classes ---- */

int unicode_is_white(int32_t cp)
{
    if (cp < 0x80) return cp == ' ' || (cp >= '\t' && cp <= '\r');
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

int unicode_is_control(int32_t cp)
{
    if (cp < 0x80) return cp < 0x20 || cp == 0x7F;
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO ||
           c == UTF8PROC_CATEGORY_CS;
}

int unicode_is_punct(int32_t cp)
{
    if (cp < 0x80)
        return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) || (cp >= 123 && cp <= 126);
    utf8proc_category_t c = utf8proc_category(cp);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

int unicode_is_symbol(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);
    return c >= UTF8PROC_CATEGORY_SM && c <= UTF8PROC_CATEGORY_SO;
}

int unicode_is_nonspacing(int32_t cp)
{
    return cp >= 0x300 && utf8proc_category(cp) == UTF8PROC_CATEGORY_MN;
}

int unicode_is_cjk(int32_t cp)
{
    static const int32_t block[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                                       {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    if (cp < block[0][0]) return 0;
    for (size_t i = 0; i < sizeof block / sizeof block[0]; i++)
        if (cp >= block[i][0] && cp <= block[i][1]) return 1;
    return 0;
}

/* ---- lower case ---- */

static int is_cased(int32_t cp)
{
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Property Case_Ignorable: marks, formats, modifiers, and the characters that may stand within a word. */
static int is_case_ignorable(int32_t cp)
{
    static const int32_t within[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                     0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof within / sizeof within[0]; i++)
        if (cp == within[i]) return 1;
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return 1;
    default: return 0;
    }
}

/* Final_Sigma of SpecialCasing.txt for the sigma at s[at]: a cased letter before it, none after it, ignorables aside.
 * The walks stop after `reach` characters, so that a text of ignorables only stays linear; no word is that long. */
static int sigma_is_final(const char *s, size_t n, size_t at)
{
    enum { reach = 64 };
    int32_t cp = 0;
    int before = 0;
    size_t i = at;
    for (int steps = 0; i > 0 && steps < reach; steps++) {
        do i--;
        while (i > 0 && is_tail((unsigned char)s[i]));
        utf8_next(s + i, &cp);
        if (is_case_ignorable(cp)) continue;
        before = is_cased(cp);
        break;
    }
    if (!before) return 0;
    i = at + 2;
    for (int steps = 0; i < n && steps < reach; steps++) {
        i += (size_t)utf8_next(s + i, &cp);
        if (!is_case_ignorable(cp)) return !is_cased(cp);
    }
    return 1;
}

status unicode_lower(const char *s, size_t n, struct text *out)
{
    enum { CAPITAL_SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, I_WITH_DOT = 0x130, DOT_ABOVE = 0x307 };
    for (size_t i = 0; i < n;) {
        int32_t cp;
        int len = utf8_next(s + i, &cp);
        if (cp < 0x80) {
            char c = (char)(cp >= 'A' && cp <= 'Z' ? cp + 32 : cp);
            TRY(text_add(out, &c, 1));
        } else if (cp == I_WITH_DOT) { /* the only unconditional mapping to more than one character */
            TRY(utf8_put(out, 'i'));
            TRY(utf8_put(out, DOT_ABOVE));
        } else if (cp == CAPITAL_SIGMA && sigma_is_final(s, n, i)) {
            TRY(utf8_put(out, FINAL_SIGMA));
        } else {
            TRY(utf8_put(out, utf8proc_tolower(cp)));
        }
        i += (size_t)len;
    }
    return ST_OK;
}

/* ---- normal forms ---- */

status unicode_normalise(enum unicode_form form, const char *s, size_t n, struct text *out)
{
    size_t ascii = 0;
    while (ascii < n && (unsigned char)s[ascii] < 0x80) ascii++;
    if (ascii == n) return text_add(out, s, n);
    int options =
        UTF8PROC_STABLE | (form == UNICODE_NFC || form == UNICODE_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    if (form == UNICODE_NFKC || form == UNICODE_NFKD) options |= UTF8PROC_COMPAT;
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t got =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &made, (utf8proc_option_t)options);
    FAIL_IF(got == UTF8PROC_ERROR_NOMEM, ST_MEMORY, "out of memory while normalising a text of %zu bytes", n);
    if (got < 0) return text_add(out, s, n); /* not reached with valid UTF-8; such text has no other normal form */
    status st = text_add(out, (const char *)made, (size_t)got);
    free(made);
    return st;
}
