/* mini: the sets are what docs/MINI.md says, the same everywhere, and labels follow from the texts by its rules, which
 * are checked here from the words alone. */
#include "tests/pgtest.h"

#include "core/sha256.h"
#include "core/text.h"
#include "datasets/mini.h"

static const struct task *const mini[] = {&mini_cola, &mini_mrpc, &mini_rte, &mini_sst2, &mini_stsb};
enum { TASKS = 5 };

static void load(const struct task *task, enum set_kind kind, int max, struct arena *arena, struct rows *rows)
{
    for (const struct task_set *s = task->set; s->name; s++)
        if (s->kind == kind) ck_ok(task->load(task, s, NULL, max, arena, rows));
}

START_TEST(sizes_and_proportions)
{
    static const int size[] = {[SET_TRAIN] = 1600, [SET_DEV] = 500, [SET_TEST] = 500};
    const struct task *task = mini[_i];
    ck_assert_ptr_eq(task_find(task->name), task);
    struct arena *arena = arena_new("test");
    struct rows rows;
    for (int kind = SET_TRAIN; kind <= SET_TEST; kind++) {
        load(task, (enum set_kind)kind, 0, arena, &rows);
        ck_assert_int_eq(rows.n, size[kind]);
        ck_assert_int_eq(rows.b != NULL, task->pair);
        int ones = 0;
        for (int i = 0; i < rows.n; i++) {
            ones += rows.label[i] == 1;
            if (task->labels > 1)
                ck_assert(rows.label[i] == 0 || rows.label[i] == 1);
            else
                ck_assert(rows.label[i] >= 0 && rows.label[i] <= 5);
        }
        int want = task == &mini_mrpc ? 2 * rows.n / 3 : rows.n / 2;
        if (task->labels > 1) ck_assert_int_le(abs(ones - want), 2); /* a group may be cut by the end of the set */
    }
    arena_free(arena);
}
END_TEST

START_TEST(prefix_and_repetition)
{
    struct arena *arena = arena_new("test");
    struct rows all, again, few;
    load(mini[_i], SET_TRAIN, 0, arena, &all);
    load(mini[_i], SET_TRAIN, 0, arena, &again);
    load(mini[_i], SET_TRAIN, 10, arena, &few);
    ck_assert_int_eq(few.n, 10);
    for (int i = 0; i < all.n; i++) {
        ck_assert_str_eq(all.a[i], again.a[i]);
        ck_assert_float_eq(all.label[i], again.label[i]);
        if (i < 10) ck_assert_str_eq(all.a[i], few.a[i]);
        if (all.b) ck_assert_str_eq(all.b[i], again.b[i]);
    }
    arena_free(arena);
}
END_TEST

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

START_TEST(no_row_twice)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    const char *text[2600] = {0};
    int n = 0;
    for (int kind = SET_TRAIN; kind <= SET_TEST; kind++) {
        load(mini[_i], (enum set_kind)kind, 0, arena, &rows);
        for (int i = 0; i < rows.n; i++) text[n++] = arena_printf(arena, "%s\t%s", rows.a[i], rows.b ? rows.b[i] : "");
    }
    qsort(text, (size_t)n, sizeof *text, by_text);
    for (int i = 1; i < n; i++) ck_assert_str_ne(text[i - 1], text[i]);
    arena_free(arena);
}
END_TEST

/* ---- words ----------------------------------------------------------------------------------------------------- */

static char vocabulary[8192];
static const char *token[1024];
static int tokens, used[1024];

static void read_vocabulary(void)
{
    ck_assert_uint_lt(strlen(mini_vocab_text), sizeof vocabulary);
    strcpy(vocabulary, mini_vocab_text);
    for (char *p = strtok(vocabulary, "\n"); p; p = strtok(NULL, "\n")) token[tokens++] = p;
}

/* Longest match first, as WordPiece does. */
static void use_word(const char *word, size_t n)
{
    for (size_t at = 0; at < n;) {
        int best = -1;
        size_t longest = 0;
        for (int i = 5; i < tokens; i++) {
            const char *t = token[i];
            if ((strncmp(t, "##", 2) == 0) != (at > 0)) continue;
            if (at) t += 2;
            size_t len = strlen(t);
            if (len <= longest || len > n - at || strncmp(t, word + at, len) != 0) continue;
            best = i;
            longest = len;
        }
        if (best < 0) {
            ck_abort_msg("no token for '%.*s'", (int)n, word);
            return;
        }
        used[best]++;
        at += longest;
    }
}

static void use_text(const char *s)
{
    while (*s) {
        size_t n = strcspn(s, " ,.");
        if (n) use_word(s, n);
        s += n;
        if (*s == ',' || *s == '.') use_word(s, 1);
        if (*s) s++;
    }
}

START_TEST(every_word_has_a_token)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    read_vocabulary();
    ck_assert_int_ge(tokens, 300);
    ck_assert_int_le(tokens, 450);
    ck_assert_str_eq(token[0], "[PAD]");
    ck_assert_str_eq(token[4], "[MASK]");
    for (int i = 0; i < tokens; i++)
        for (int j = 0; j < i; j++) ck_assert_str_ne(token[i], token[j]);
    struct rng rng = {.seed = 3};
    for (uint64_t i = 0; i < 20000; i++) {
        struct line a, b;
        mini_corpus_text(&rng, i, &a, &b);
        ck_assert_int_lt(a.n, MINI_LINE - 40); /* nothing is near being cut */
        use_text(a.s);
        if (b.n) use_text(b.s);
    }
    for (int i = 5; i < tokens; i++) ck_assert_msg(used[i] > 0, "token '%s' is never used", token[i]);
    for (int k = 0; k < TASKS; k++) {
        load(mini[k], SET_TRAIN, 0, arena, &rows);
        for (int i = 0; i < rows.n; i++) {
            use_text(rows.a[i]);
            if (rows.b) use_text(rows.b[i]);
        }
    }
    arena_free(arena);
}
END_TEST

START_TEST(corpus_is_pure)
{
    struct rng rng = {.seed = 5}, other = {.seed = 6};
    struct line a, b, c, d;
    int differ = 0;
    for (uint64_t i = 0; i < 50; i++) {
        mini_corpus_text(&rng, i, &a, &b);
        mini_corpus_text(&rng, i, &c, &d);
        ck_assert_str_eq(a.s, c.s);
        ck_assert_str_eq(b.s, d.s);
        mini_corpus_text(&other, i, &c, &d);
        differ += strcmp(a.s, c.s) != 0;
    }
    ck_assert_int_gt(differ, 40);
}
END_TEST

/* ---- meaning from words ---------------------------------------------------------------------------------------- */

/* The word without its ending. */
static void stem(const char *word, size_t n, char *out)
{
    static const char *const irregular[][2] = {
        {"men", "man"}, {"women", "woman"}, {"people", "person"}, {"children", "child"}, {"an", "a"}};
    snprintf(out, 32, "%.*s", (int)n, word);
    for (size_t i = 0; i < sizeof irregular / sizeof irregular[0]; i++)
        if (strcmp(out, irregular[i][0]) == 0) strcpy(out, irregular[i][1]);
}

static int same_stem(const char *word, const char *base)
{
    size_t n = strlen(base);
    return strncmp(word, base, n) == 0 &&
           (!word[n] || strcmp(word + n, "s") == 0 || strcmp(word + n, "ed") == 0 || strcmp(word + n, "d") == 0);
}

#define FIND(list, count, base) \
    for (int i_ = 0; i_ < (count); i_++) \
        for (int k_ = 0; k_ < 2 && (list)[i_].word[k_]; k_++) \
            if (same_stem(word, (list)[i_].word[k_])) return (base) + i_;

/* One number a concept; 0 for words that carry no meaning of their own. Time phrases count by their last word. */
static int concept(const char *word)
{
    static const char *const small[] = {"not", "week", "night", "yesterday", "now", "currently", "daily"};
    for (int i = 0; i < 7; i++)
        if (strcmp(word, small[i]) == 0) return i >= 4 ? (i == 6 ? 8 : 5) : 1 + i;
    if (strcmp(word, "day") == 0) return 8;
    FIND(mini_noun, mini_nouns, 100)
    FIND(mini_verb, mini_verbs, 200)
    FIND(mini_adjective, mini_adjectives, 300)
    FIND(mini_place, mini_places, 400)
    FIND(mini_near, mini_nears, 500)
    FIND(mini_manner, mini_manners, 600)
    return 0;
}

enum { CONCEPTS = 700 };

static void count_concepts(const char *s, int count[CONCEPTS])
{
    memset(count, 0, sizeof(int) * CONCEPTS);
    while (*s) {
        char word[32];
        size_t n = strcspn(s, " ,.");
        stem(s, n, word);
        if (n) count[concept(word)]++;
        s += n;
        if (*s) s++;
    }
    count[0] = 0;
}

START_TEST(paraphrases_keep_every_concept)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    int a[CONCEPTS], b[CONCEPTS], swapped = 0, different = 0;
    load(&mini_mrpc, SET_TRAIN, 0, arena, &rows);
    for (int i = 0; i < rows.n; i++) {
        count_concepts(rows.a[i], a);
        count_concepts(rows.b[i], b);
        bool same = memcmp(a, b, sizeof a) == 0;
        if (rows.label[i] == 1) ck_assert_msg(same, "%s | %s", rows.a[i], rows.b[i]);
        if (rows.label[i] == 0) (*(same ? &swapped : &different))++;
        ck_assert_str_ne(rows.a[i], rows.b[i]);
    }
    ck_assert_int_gt(different, 10 * swapped); /* the rest have their roles swapped */
    ck_assert_int_gt(swapped, 3);
    arena_free(arena);
}
END_TEST

START_TEST(entailed_sentences_add_nothing)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    int a[CONCEPTS], b[CONCEPTS];
    load(&mini_rte, SET_TRAIN, 0, arena, &rows);
    int adds = 0, negatives = 0;
    for (int i = 0; i < rows.n; i++) {
        count_concepts(rows.a[i], a);
        count_concepts(rows.b[i], b);
        int more = 0;
        for (int k = 1; k < CONCEPTS; k++) {
            bool general = k >= 100 && k < 100 + mini_nouns && mini_noun[k - 100].general;
            if (!general && b[k] > a[k]) more++;
        }
        if (rows.label[i] == 0) {
            ck_assert_msg(more == 0, "%s | %s", rows.a[i], rows.b[i]);
            ck_assert(b[1] || !strstr(rows.b[i], " not "));
        } else {
            negatives++;
            adds += more > 0;
        }
    }
    ck_assert_int_gt(adds * 10, negatives * 8); /* the rest: roles swapped, negation removed */
    arena_free(arena);
}
END_TEST

START_TEST(similarity_of_equal_concepts)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    int a[CONCEPTS], b[CONCEPTS], equal = 0;
    load(&mini_stsb, SET_TRAIN, 0, arena, &rows);
    for (int i = 0; i < rows.n; i++) {
        count_concepts(rows.a[i], a);
        count_concepts(rows.b[i], b);
        int common = 0;
        for (int k = 1; k < CONCEPTS; k++) common += a[k] < b[k] ? a[k] : b[k];
        bool same = memcmp(a, b, sizeof a) == 0;
        equal += same;
        ck_assert_msg(same == (rows.label[i] == 5), "%g %s | %s", (double)rows.label[i], rows.a[i], rows.b[i]);
        /* Six concepts (subject, its adjective, verb, object, preposition, place) for five points. */
        ck_assert_msg(common >= (int)rows.label[i] - 3, "%g %s | %s", (double)rows.label[i], rows.a[i], rows.b[i]);
    }
    ck_assert_int_gt(equal, 50);
    arena_free(arena);
}
END_TEST

static int value_of(const char *word, const struct valued *list, int n)
{
    for (int i = 0; i < n; i++)
        if (same_stem(word, list[i].word)) return list[i].value;
    return 0;
}

static double degree_of(const char *word)
{
    static const char *const degree[] = {"very", "really", "extremely", "slightly", "somewhat", "fairly"};
    for (int i = 0; i < 6; i++)
        if (strcmp(word, degree[i]) == 0) return i < 3 ? 2 : 0.5;
    return 1;
}

/* The review's value, read from the text. */
static double read_review(const char *s)
{
    double total = 0, factor = 1, weight = 1;
    for (; *s; s += *s != 0) {
        size_t n = strcspn(s, " ,.");
        char word[32];
        snprintf(word, sizeof word, "%.*s", (int)n, s);
        s += n;
        if (!n) continue;
        if (strcmp(word, "but") == 0) weight = 2;
        if (strcmp(word, "and") == 0) weight = 1;
        if (strcmp(word, "not") == 0) factor *= -0.5;
        factor *= degree_of(word);
        int value = value_of(word, mini_opinion, mini_opinions);
        if (!value) value = value_of(word, mini_feeling, mini_feelings);
        total += weight * factor * value;
        if (value) factor = 1;
    }
    return total;
}

START_TEST(sentiment_follows_the_rule)
{
    struct arena *arena = arena_new("test");
    struct rows rows;
    load(&mini_sst2, SET_TRAIN, 0, arena, &rows);
    for (int i = 0; i < rows.n; i++) {
        double value = read_review(rows.a[i]);
        ck_assert_msg(value != 0 && (value > 0) == (rows.label[i] == 1), "%g %s", value, rows.a[i]);
    }
    arena_free(arena);
}
END_TEST

START_TEST(faults_show)
{
    /* The same clause, sound and with each fault it can have: never the same words. */
    static const struct recipe recipe = {.object = 65,
                                         .adjective = 35,
                                         .attractor = 25,
                                         .reflexive = 15,
                                         .place = 30,
                                         .manner = 20,
                                         .time = 25,
                                         .negation = 20,
                                         .passive = 25,
                                         .general = 8,
                                         .all_determiners = true};
    struct rng rng = {.seed = 9};
    int seen[FAULTS] = {0};
    for (uint64_t i = 0; i < 3000; i++) {
        struct draw d = {.rng = &rng, .index = i};
        struct clause c;
        struct line sound = {.n = 0};
        clause_draw(&d, &recipe, &c);
        clause_say(&c, SOUND, &d, &sound);
        for (int f = 1; f < FAULTS; f++) {
            if (!clause_can(&c, (enum fault)f)) continue;
            struct line bad = {.n = 0};
            clause_say(&c, (enum fault)f, &d, &bad);
            ck_assert_msg(strcmp(bad.s, sound.s) != 0, "fault %d: %s", f, bad.s);
            seen[f]++;
        }
    }
    for (int f = 1; f < FAULTS; f++) ck_assert_int_gt(seen[f], 100);
}
END_TEST

PG_TESTS(LOOP_TEST(sizes_and_proportions, 0, TASKS), LOOP_TEST(prefix_and_repetition, 0, TASKS),
         LOOP_TEST(no_row_twice, 0, TASKS), TEST(every_word_has_a_token), TEST(corpus_is_pure),
         TEST(paraphrases_keep_every_concept), TEST(entailed_sentences_add_nothing), TEST(similarity_of_equal_concepts),
         TEST(sentiment_follows_the_rule), TEST(faults_show))
