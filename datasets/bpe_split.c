/* Splitting by regular expressions (see bpe_split.h). Steps nest: each piece of one step is the whole text of the next,
 * so that look-ahead sees its end, as in the reference. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "datasets/bpe_split.h"

#include <string.h>
#include "core/text.h"
#include "datasets/unicode.h"

const char bpe_pattern_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const char bpe_pattern_qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
                                 " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char bpe_pattern_digit[] = "\\p{N}";
const char bpe_pattern_digits[] = "\\p{N}+";

/* White_Space spelt out: PCRE2's \s also takes U+180E, which left that property in Unicode 6.3. */
#define WHITE \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* The pattern in PCRE2's dialect: \s and, outside brackets, \S are replaced. */
static status translate(const char *p, struct text *out)
{
    bool brackets = false;
    for (; *p; p++) {
        if (p[0] == '\\' && p[1] == 's') {
            TRY(text_put(out, brackets ? WHITE : "[" WHITE "]"));
            p++;
        } else if (p[0] == '\\' && p[1] == 'S' && !brackets) {
            TRY(text_put(out, "[^" WHITE "]"));
            p++;
        } else if (p[0] == '\\' && p[1]) {
            TRY(text_add(out, p, 2));
            p++;
        } else {
            if (*p == '[') brackets = true;
            if (*p == ']') brackets = false;
            TRY(text_add(out, p, 1));
        }
    }
    return ST_OK;
}

status bpe_split_add(struct bpe_split *s, const char *pattern, bool keep_matches, bool keep_gaps, const char *where,
                     struct sha256 *sha)
{
    FAIL_IF(s->steps == BPE_STEPS, ST_UNSUPPORTED, "%s: more than %d steps of splitting", where, BPE_STEPS);
    struct text translated = {0};
    status st = translate(pattern, &translated);
    if (st != ST_OK) {
        text_free(&translated);
        return st;
    }
    int error;
    PCRE2_SIZE at;
    struct bpe_step step = {.keep_matches = keep_matches, .keep_gaps = keep_gaps};
    step.code = pcre2_compile((PCRE2_SPTR)(translated.s ? translated.s : ""), translated.n, PCRE2_UTF | PCRE2_UCP,
                              &error, &at, NULL);
    text_free(&translated);
    if (!step.code) {
        PCRE2_UCHAR why[200];
        pcre2_get_error_message(error, why, sizeof why);
        return fail(ST_INPUT, "%s: the split pattern '%s' cannot be used: %s", where, pattern, (const char *)why);
    }
    (void)pcre2_jit_compile(step.code, PCRE2_JIT_COMPLETE); /* where there is no JIT, the interpreter gives the same */
    step.match = pcre2_match_data_create_from_pattern(step.code, NULL);
    if (!step.match) {
        pcre2_code_free(step.code);
        return fail(ST_MEMORY, "out of memory for a split pattern");
    }
    s->step[s->steps++] = step;
    char kept[] = {(char)keep_matches, (char)keep_gaps};
    sha256_add(sha, kept, sizeof kept);
    sha256_add(sha, pattern, strlen(pattern) + 1);
    return ST_OK;
}

void bpe_split_free(struct bpe_split *s)
{
    for (int i = 0; i < s->steps; i++) {
        pcre2_match_data_free(s->step[i].match);
        pcre2_code_free(s->step[i].code);
    }
    s->steps = 0;
}

struct run {
    const struct bpe_split *split;
    bpe_piece_fn *piece;
    void *ctx;
    struct ids *out;
};

static status run_step(const struct run *r, int i, const char *text, size_t n);

static status hand_on(const struct run *r, int i, bool keep, const char *text, size_t n)
{
    return keep && n > 0 ? run_step(r, i + 1, text, n) : ST_OK;
}

static status run_step(const struct run *r, int i, const char *text, size_t n)
{
    if (i == r->split->steps) return r->piece(r->ctx, text, n, r->out);
    const struct bpe_step *s = &r->split->step[i];
    size_t done = 0, from = 0;
    while (from < n) {
        int got = pcre2_match(s->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK, s->match, NULL);
        if (got == PCRE2_ERROR_NOMATCH) break;
        if (got < 0) {
            PCRE2_UCHAR why[200];
            pcre2_get_error_message(got, why, sizeof why);
            return fail(ST_UNSUPPORTED, "a split pattern failed on a text of %zu bytes: %s", n, (const char *)why);
        }
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->match);
        size_t start = at[0], end = at[1];
        if (end <= start) { /* an empty match is none; go on behind the next character */
            int32_t cp;
            from = (start > from ? start : from);
            from += from < n ? (size_t)utf8_next(text + from, &cp) : 1;
            continue;
        }
        TRY(hand_on(r, i, s->keep_gaps, text + done, start - done));
        TRY(hand_on(r, i, s->keep_matches, text + start, end - start));
        done = from = end;
    }
    return hand_on(r, i, s->keep_gaps, text + done, n - done);
}

status bpe_split_run(const struct bpe_split *s, const char *text, size_t n, bpe_piece_fn *piece, void *ctx,
                     struct ids *out)
{
    struct run r = {s, piece, ctx, out};
    return n > 0 ? run_step(&r, 0, text, n) : ST_OK;
}
