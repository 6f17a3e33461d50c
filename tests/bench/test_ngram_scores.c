/* BLEU and NIST against values worked out by hand. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/ngram_scores.h"
#include "datasets/lm.h"

static struct arena *kept; /* lives as long as the test's process */

static struct ngram_scores *scores(void)
{
    struct ngram_scores *s;
    if (!kept) kept = arena_new("test");
    ck_ok(ngram_scores_new(kept, &s));
    return s;
}

START_TEST(words)
{
    static const char *const want[][2] = {{"The Eagle, a pub.", "the eagle , a pub ."},
                                          {"It costs 20,000.50 pounds", "it costs 20,000.50 pounds"},
                                          {"5-star \"x\" don't (really)", "5 - star \" x \" don't ( really )"},
                                          {"a family-friendly 1.5. ok", "a family-friendly 1.5 . ok"},
                                          {"&lt;b&gt; &amp; Caf\xc3\x89", "< b > & caf\xc3\xa9"},
                                          {"end-\nline\nnext \xc2\xa3"
                                           "30",
                                           "endline next \xc2\xa3"
                                           "30"},
                                          {"  a\xc2\xa0 b\t ", "a b"},
                                          {"", ""}};
    struct text out = {0};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        ck_ok(ngram_words(want[i][0], &out));
        ck_assert_str_eq(out.s, want[i][1]);
    }
    text_free(&out);
}
END_TEST

START_TEST(equal_texts)
{
    struct ngram_scores *s = scores();
    ck_assert(isnan(ngram_bleu(s)) && isnan(ngram_nist(s)));
    ck_ok(ngram_scores_add(s, "a b c d e", (const char *[]){"A b c d e"}, 1));
    ck_assert_double_eq_tol(ngram_bleu(s), 1, 1e-15);
    /* every word is one of five: log2 5 bits; what follows it is certain: longer n-grams tell nothing */
    ck_assert_double_eq_tol(ngram_nist(s), log2(5), 1e-14);
}
END_TEST

/* Candidate "the the the cat" against "the cat sat down" and "the cat": clipped hits 1 + 1 of 4 words, 1 of 3 pairs
 * ("the cat"), none longer; closest reference has 4 words. */
START_TEST(clipped_hits)
{
    struct ngram_scores *s = scores();
    ck_ok(ngram_scores_add(s, "the the the cat", (const char *[]){"the cat sat down", "the cat"}, 2));
    double want = exp((log(2.0 / 4) + log(1.0 / 3) + log(1e-15 / 2) + log(1e-15 / 1)) / 4);
    ck_assert_double_eq_tol(ngram_bleu(s) / want, 1, 1e-12);
    /* words of all references: 6; "the" and "cat" twice each: log2 3; "the cat" after "the": log2(2/2) = 0.
     * mean reference length 3, the text is longer: no penalty */
    ck_assert_double_eq_tol(ngram_nist(s), 2 * log2(3) / 4, 1e-14);
}
END_TEST

/* Two sentences; brevity from the sums: text 3 + 2 words, closest references 4 + 2. */
START_TEST(brevity)
{
    struct ngram_scores *s = scores();
    ck_ok(ngram_scores_add(s, "a b c", (const char *[]){"a b c d", "a b c d e f"}, 2));
    ck_ok(ngram_scores_add(s, "x y", (const char *[]){"x y"}, 1));
    /* words 5 of 5, pairs 3 of 3, triples 1 of 3 - 2 + 2 - 2 = 1, fours none of -0 + -1: 1e-15 over 1e-9 */
    double want = exp(1 - 6.0 / 5) * exp(log(1e-15 / 1e-9) / 4);
    ck_assert_double_eq_tol(ngram_bleu(s) / want, 1, 1e-12);
    /* 12 words in all references: a b c twice each, x y once. "b" always follows "a". Mean lengths 5 + 2. */
    double bits = (3 * log2(12.0 / 2) + 2 * log2(12.0)) / 5, ratio = 5.0 / 7;
    double beta = log(2) / (log(1.5) * log(1.5));
    ck_assert_double_eq_tol(ngram_nist(s) / (bits * exp(-beta * log(ratio) * log(ratio))), 1, 1e-12);
}
END_TEST

/* A pair that is not certain: "a" is followed by "b" once and by "c" twice. */
START_TEST(information_of_pairs)
{
    struct ngram_scores *s = scores();
    ck_ok(ngram_scores_add(s, "a b", (const char *[]){"a b", "a c", "a c"}, 3));
    double single = log2(6.0 / 3) + log2(6.0 / 1), pairs = log2(3.0 / 1);
    ck_assert_double_eq_tol(ngram_nist(s), single / 2 + pairs / 1, 1e-14);
}
END_TEST

START_TEST(closest_reference_is_the_shorter_of_two)
{
    struct ngram_scores *s = scores();
    ck_ok(ngram_scores_add(s, "a b c d", (const char *[]){"a b c d e", "a b c"}, 2));
    ck_assert_double_eq_tol(ngram_bleu(s), 1, 1e-12); /* 4 words against 3: no penalty */
}
END_TEST

START_TEST(odd_texts)
{
    struct ngram_scores *s = scores();
    ck_ok(ngram_scores_add(s, "", (const char *[]){"a b", ""}, 2)); /* one empty word, which the second one has */
    ck_assert(isfinite(ngram_bleu(s)) && isfinite(ngram_nist(s)));
    ck_ok(ngram_scores_add(s, "\xff\xfe broken \xc3", (const char *[]){"broken"}, 1));
    ck_assert(isfinite(ngram_bleu(s)) && isfinite(ngram_nist(s)));
    ck_fails(ngram_scores_add(s, "a", NULL, 0), ST_INTERNAL, "without references");
}
END_TEST

/* More n-grams than the table begins with. */
START_TEST(many)
{
    struct ngram_scores *s = scores();
    char text[8000] = "", *p = text;
    for (int i = 0; i < 1000; i++) p += sprintf(p, "w%d ", i * 7919 % 1000);
    for (int i = 0; i < 4; i++) ck_ok(ngram_scores_add(s, text, (const char *[]){text}, 1));
    ck_assert_double_eq_tol(ngram_bleu(s), 1, 1e-12);
    ck_assert_double_eq_tol(ngram_nist(s), log2(1000), 1e-10);
}
END_TEST

/* The first text of every E2E dev prompt against its others: values of the official script's module (pymteval). */
START_TEST(official_values)
{
    NEED_SHARED("data/e2e");
    struct ngram_scores *s = scores();
    struct arena *arena = arena_new("test");
    struct rows rows;
    int *first, *of, prompts;
    ck_ok(lm_load(&lm_e2e, task_set_find(&lm_e2e, "dev"), shared_path("data"), 0, arena, &rows));
    ck_ok(lm_prompts(&rows, arena, &first, &of, &prompts));
    for (int k = 0; k < prompts; k++) {
        const char *reference[100] = {rows.b[first[k]]}; /* one that stands alone is its own reference */
        int n = 0;
        for (int i = first[k] + 1; i < rows.n; i++)
            if (of[i] == k) reference[n++] = rows.b[i];
        ck_ok(ngram_scores_add(s, rows.b[first[k]], reference, n ? n : 1));
    }
    ck_assert_double_eq_tol(ngram_bleu(s), 0.5995345944253415, 1e-12);
    ck_assert_double_eq_tol(ngram_nist(s), 8.578516297666535, 1e-12);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(official_values), TEST(words), TEST(equal_texts), TEST(clipped_hits), TEST(brevity),
         TEST(information_of_pairs), TEST(closest_reference_is_the_shorter_of_two), TEST(odd_texts), TEST(many))
