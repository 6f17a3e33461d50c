#include "bench/ngram_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "datasets/unicode.h"

enum { BLEU_MOST = 4, NIST_MOST = 5, FIRST_SLOTS = 1 << 12 };
static const char between = 0x1f; /* joins the words of an n-gram */

/* An n-gram of the references. `sentence` and `reference` tell whether the counts below them are of the one at hand. */
struct ngram {
    const char *key;
    size_t size;
    unsigned long long hash;
    struct ngram *beginning; /* without its last word; NULL for single words */
    double count, hits;      /* in all references; clipped, in all texts */
    long sentence, reference;
    int most, now, text; /* in the reference of this sentence that has most; in this reference; in the text so far */
};

struct words {
    const char **word;
    size_t *size;
    int n, cap;
};

struct ngram_scores {
    struct arena *arena;
    struct ngram **slot; /* open addressing, a power of two */
    size_t slots, used;
    long sentences, references;
    double bleu_hits[BLEU_MOST], length[NIST_MOST]; /* n-grams of the texts that hit; that there are */
    double closest, mean, words;                    /* lengths of references: closest, mean; words in all of them */
    struct text text, key;
};

status ngram_scores_new(struct arena *arena, struct ngram_scores **out)
{
    ZNEW(*out, arena, 1);
    (*out)->arena = arena;
    (*out)->slots = FIRST_SLOTS;
    ZNEW((*out)->slot, arena, FIRST_SLOTS);
    return ST_OK;
}

/* ---- words ---- */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Punctuation that always stands alone: {-~ [-` (-+ :-@ / and !-& */
static int stands_alone(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

static status replace_all(struct text *t, const char *what, const char *with, struct arena *arena)
{
    char *old = arena_strdup(arena, t->s);
    if (!old) return ST_MEMORY;
    t->n = 0;
    for (const char *p = old, *next;; p = next + strlen(what)) {
        next = strstr(p, what);
        TRY(text_add(t, p, next ? (size_t)(next - p) : strlen(p)));
        if (!next) return ST_OK;
        TRY(text_put(t, with));
    }
}

/* The script's substitutions, in its order; each goes over the text once, from left to right. */
static status put_alone(const char *s, struct text *out)
{
    TRY(text_put(out, " "));
    for (; *s; s++) TRY(stands_alone(*s) ? text_printf(out, " %c ", *s) : text_add(out, s, 1));
    return text_put(out, " ");
}

static status split_before_mark(const char *s, struct text *out)
{
    for (; *s; s++) {
        if (is_digit(s[0]) || (s[1] != '.' && s[1] != ',')) {
            TRY(text_add(out, s, 1));
            continue;
        }
        TRY(text_printf(out, "%c %c ", s[0], s[1]));
        s++;
    }
    return ST_OK;
}

static status split_after_mark(const char *s, struct text *out)
{
    for (; *s; s++) {
        if ((s[0] != '.' && s[0] != ',') || !s[1] || is_digit(s[1])) {
            TRY(text_add(out, s, 1));
            continue;
        }
        TRY(text_printf(out, " %c %c", s[0], s[1]));
        s++;
    }
    return ST_OK;
}

static status split_dash(const char *s, struct text *out)
{
    for (; *s; s++) {
        TRY(text_add(out, s, 1));
        if (!is_digit(s[0]) || s[1] != '-') continue;
        TRY(text_put(out, " - "));
        s++;
    }
    return ST_OK;
}

static status one_blank(const char *s, struct text *out)
{
    int pending = 0;
    while (*s) {
        int32_t cp;
        int n = utf8_next(s, &cp);
        if (unicode_is_white(cp) || (cp >= 0x1c && cp <= 0x1f)) {
            pending = 1;
        } else {
            if (pending && out->n) TRY(text_put(out, " "));
            pending = 0;
            TRY(text_add(out, s, (size_t)n));
        }
        s += n;
    }
    return ST_OK;
}

static status pass(status (*step)(const char *, struct text *), struct text *t, struct arena *arena)
{
    char *old = arena_strdup(arena, t->s);
    if (!old) return ST_MEMORY;
    t->n = 0;
    TRY(text_put(t, ""));
    return step(old, t);
}

static status split_words(const char *text, struct arena *arena, struct text *out)
{
    static const char *const gone[][2] = {{"<skipped>", ""}, {"-\n", ""},   {"\n", " "},  {"&quot;", "\""},
                                          {"&amp;", "&"},    {"&lt;", "<"}, {"&gt;", ">"}};
    out->n = 0;
    TRY(utf8_repair(text, strlen(text), out));
    TRY(text_put(out, ""));
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) TRY(replace_all(out, gone[i][0], gone[i][1], arena));
    TRY(pass(put_alone, out, arena));
    TRY(pass(split_before_mark, out, arena));
    TRY(pass(split_after_mark, out, arena));
    TRY(pass(split_dash, out, arena));
    TRY(pass(one_blank, out, arena));
    char *old = arena_strdup(arena, out->s);
    if (!old) return ST_MEMORY;
    out->n = 0;
    TRY(text_put(out, ""));
    return unicode_lower(old, strlen(old), out);
}

status ngram_words(const char *text, struct text *out)
{
    struct arena *arena = arena_new("words");
    if (!arena) return ST_MEMORY;
    status st = split_words(text, arena, out);
    arena_free(arena);
    return st;
}

/* An empty text is one empty word, as the script has it. */
static status words_of(struct ngram_scores *s, const char *text, struct words *w)
{
    TRY(split_words(text, s->arena, &s->text));
    char *copy = arena_strdup(s->arena, s->text.s);
    if (!copy) return ST_MEMORY;
    w->n = 1;
    for (const char *p = copy; *p; p++) w->n += *p == ' ';
    NEW(w->word, s->arena, w->n);
    NEW(w->size, s->arena, w->n);
    for (int i = 0; i < w->n; i++) {
        w->word[i] = copy;
        w->size[i] = strcspn(copy, " ");
        copy += w->size[i] + (copy[w->size[i]] == ' ');
    }
    return ST_OK;
}

/* ---- n-grams ---- */

static struct ngram **slot_of(struct ngram **slot, size_t slots, const char *key, size_t size, unsigned long long hash)
{
    for (size_t i = hash & (slots - 1);; i = (i + 1) & (slots - 1)) {
        const struct ngram *g = slot[i];
        if (!g || (g->hash == hash && g->size == size && memcmp(g->key, key, size) == 0)) return &slot[i];
    }
}

static status grow(struct ngram_scores *s)
{
    struct ngram **slot;
    size_t slots = 2 * s->slots;
    ZNEW(slot, s->arena, slots);
    for (size_t i = 0; i < s->slots; i++) {
        struct ngram *g = s->slot[i];
        if (g) *slot_of(slot, slots, g->key, g->size, g->hash) = g;
    }
    s->slot = slot;
    s->slots = slots;
    return ST_OK;
}

/* The n-gram of words from .. from+n-1; *out NULL when it is unknown and add is 0. */
static status find(struct ngram_scores *s, const struct words *w, int from, int n, int add, struct ngram **out)
{
    s->key.n = 0;
    for (int i = 0; i < n; i++) {
        if (i) TRY(text_add(&s->key, &between, 1));
        TRY(text_add(&s->key, w->word[from + i], w->size[from + i]));
    }
    unsigned long long hash = text_hash64(s->key.s);
    struct ngram **at = slot_of(s->slot, s->slots, s->key.s, s->key.n, hash);
    if (!*at && add) {
        ZNEW(*at, s->arena, 1);
        **at = (struct ngram){.key = arena_strdup(s->arena, s->key.s), .size = s->key.n, .hash = hash, .sentence = -1};
        if (!(*at)->key) return ST_MEMORY;
        *out = *at;
        return 2 * ++s->used > s->slots ? grow(s) : ST_OK;
    }
    *out = *at;
    return ST_OK;
}

/* ---- texts ---- */

static status add_reference(struct ngram_scores *s, const struct words *w)
{
    s->references++;
    for (int from = 0; from < w->n; from++) {
        struct ngram *g = NULL;
        for (int n = 1; n <= NIST_MOST && from + n <= w->n; n++) {
            struct ngram *beginning = g;
            TRY(find(s, w, from, n, 1, &g));
            g->beginning = beginning;
            if (g->sentence != s->sentences) g->most = g->text = 0;
            if (g->reference != s->references) g->now = 0;
            g->sentence = s->sentences;
            g->reference = s->references;
            g->count++;
            if (++g->now > g->most) g->most = g->now;
        }
    }
    s->words += w->n;
    return ST_OK;
}

static status add_text(struct ngram_scores *s, const struct words *w)
{
    for (int n = 1; n <= NIST_MOST; n++) {
        s->length[n - 1] += w->n - (n - 1);
        for (int from = 0; from + n <= w->n; from++) {
            struct ngram *g;
            TRY(find(s, w, from, n, 0, &g));
            if (!g || g->sentence != s->sentences || ++g->text > g->most) continue;
            g->hits++;
            if (n <= BLEU_MOST) s->bleu_hits[n - 1]++;
        }
    }
    return ST_OK;
}

static status add_all(struct ngram_scores *s, const char *text, const char *const *references, int count)
{
    struct words w, r;
    double sum = 0;
    int closest = 0;
    TRY(words_of(s, text, &w));
    for (int i = 0; i < count; i++) {
        TRY(words_of(s, references[i], &r));
        TRY(add_reference(s, &r));
        int far = abs(r.n - w.n), best = abs(closest - w.n);
        if (i == 0 || far < best || (far == best && r.n < closest)) closest = r.n;
        sum += r.n;
    }
    s->closest += closest;
    s->mean += sum / count;
    return add_text(s, &w);
}

status ngram_scores_add(struct ngram_scores *s, const char *text, const char *const *references, int count)
{
    FAIL_IF(count < 1, ST_INTERNAL, "a text without references cannot be scored");
    s->sentences++;
    status st = add_all(s, text, references, count);
    text_free(&s->text);
    text_free(&s->key);
    return st;
}

/* ---- scores ---- */

double ngram_bleu(const struct ngram_scores *s)
{
    double sum = 0, length = s->length[0];
    if (s->sentences == 0) return NAN;
    for (int n = 0; n < BLEU_MOST; n++) sum += log(fmax(s->bleu_hits[n], 1e-15) / fmax(s->length[n], 1e-9));
    double brevity = length <= s->closest ? exp(1 - s->closest / (length > 0 ? length : 1e-5)) : 1;
    return brevity * exp(sum / BLEU_MOST);
}

static int words_in(const struct ngram *g)
{
    int n = 1;
    for (size_t i = 0; i < g->size; i++) n += g->key[i] == between;
    return n;
}

double ngram_nist(const struct ngram_scores *s)
{
    double information[NIST_MOST] = {0}, sum = 0, ratio = s->length[0] / s->mean;
    if (s->sentences == 0) return NAN;
    for (size_t i = 0; i < s->slots; i++) {
        const struct ngram *g = s->slot[i];
        if (!g || g->hits == 0) continue;
        double before = g->beginning ? g->beginning->count : s->words;
        information[words_in(g) - 1] += g->hits * log2(before / g->count);
    }
    for (int n = 0; n < NIST_MOST; n++)
        if (s->length[n] > 0) sum += information[n] / s->length[n];
    const double beta = log(2) / (log(1.5) * log(1.5));
    return ratio >= 1 ? sum : ratio > 0 ? sum * exp(-beta * log(ratio) * log(ratio)) : 0;
}
