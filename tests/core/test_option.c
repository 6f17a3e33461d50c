#include "tests/pgtest.h"
#include <math.h>
#include "core/option.h"
#include "core/text.h"

struct sample {
    int rank, dry, mode;
    double rate;
    const char *sites;
    long long seed;
};
static const struct option table[] = {
    {"rank", OPT_INT, offsetof(struct sample, rank), 1, 4096, "8", NULL, "rank of the update", 0},
    {"rate", OPT_REAL, offsetof(struct sample, rate), 0, INFINITY, "1e-3", NULL, "learning rate", 0},
    {"mode", OPT_ENUM, offsetof(struct sample, mode), 0, 0, "torch", "torch|hf44", "form", 0},
    {"sites", OPT_STRING, offsetof(struct sample, sites), 0, 0, "all", NULL, "where", 0},
    {"seed", OPT_LONG, offsetof(struct sample, seed), 0, 0, "1", NULL, "seed", 0},
    {"dry-run", OPT_FLAG, offsetof(struct sample, dry), 0, 0, "no", NULL, "only show", OPTION_NO_ID},
    OPT_END};

static struct arena *arena;
static struct sample fresh(void)
{
    struct sample s = {0};
    arena = arena_new("test");
    ck_ok(option_defaults(table, &s, arena));
    return s;
}

START_TEST(defaults_and_values)
{
    struct sample s = fresh();
    ck_assert_int_eq(s.rank, 8);
    ck_assert_double_eq(s.rate, 1e-3);
    ck_assert_str_eq(s.sites, "all");
    ck_ok(option_set(table, &s, "rank", "64", "a.ini:3", arena));
    ck_ok(option_set(table, &s, "mode", "hf44", "a.ini:4", arena));
    ck_ok(option_set(table, &s, "seed", "-9007199254740993", "a.ini:4", arena));
    ck_ok(option_set(table, &s, "dry-run", "YES", "a.ini:5", arena));
    ck_assert_int_eq(s.rank, 64);
    ck_assert_int_eq(s.mode, 1);
    ck_assert_int_eq(s.dry, 1);
    ck_assert(s.seed == -9007199254740993LL);
    arena_free(arena);
}
END_TEST

START_TEST(refusals_name_place_and_range)
{
    struct sample s = fresh();
    ck_fails(option_set(table, &s, "rank", "0", "a.ini:3", arena), ST_USAGE,
             "a.ini:3: option rank is '0', expected an integer of 1 to 4096");
    ck_fails(option_set(table, &s, "rank", "8x", "a.ini:3", arena), ST_USAGE, "'8x'");
    ck_fails(option_set(table, &s, "rank", "", "a.ini:3", arena), ST_USAGE, "''");
    ck_fails(option_set(table, &s, "rate", "nan", "a.ini:3", arena), ST_USAGE, "a number of at least 0");
    ck_fails(option_set(table, &s, "rate", "-1e-3", "a.ini:3", arena), ST_USAGE, "a number of at least 0");
    ck_fails(option_set(table, &s, "mode", "tor", "a.ini:3", arena), ST_USAGE, "one of torch, hf44");
    ck_fails(option_set(table, &s, "rnak", "8", "a.ini:3", arena), ST_USAGE, "did you mean 'rank'?");
    ck_fails(option_set(table, &s, "zzzzzz", "8", "a.ini:3", arena), ST_USAGE, "unknown option 'zzzzzz'");
    ck_assert_int_eq(s.rank, 8);
    arena_free(arena);
}
END_TEST

START_TEST(canonical_text)
{
    struct sample s = fresh();
    struct text t = {0};
    s.rate = 0.1;
    ck_ok(option_canonical(table, &s, "m", &t));
    ck_assert_str_eq(t.s, "m.rank=8\nm.rate=0.1\nm.mode=torch\nm.sites=all\nm.seed=1\n");
    text_free(&t);
    arena_free(arena);
}
END_TEST

START_TEST(numbers_read_back)
{
    const double v[] = {0.1, 1e-300, 5e-324, 1.0 / 3, 123456789.125, -0.0, 2e-5};
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
        char buf[40];
        double back;
        text_from_double(v[i], buf, sizeof buf);
        ck_assert(text_to_double(buf, &back));
        ck_assert(memcmp(&back, &v[i], sizeof back) == 0);
    }
    double d;
    long long l;
    ck_assert(!text_to_double("1,5", &d) && !text_to_double(" 1", &d) && !text_to_double("1 ", &d));
    ck_assert(!text_to_longlong("99999999999999999999", &l) && !text_to_longlong("1.0", &l));
}
END_TEST

START_TEST(split_and_nearest)
{
    char **w;
    int n;
    const char *names[] = {"lora", "adalora", "bitfit", "full_ft"};
    arena = arena_new("test");
    ck_ok(text_split(" a, b ,,c d ,", ',', arena, &w, &n));
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(w[2], "c d");
    ck_assert_str_eq(text_nearest("lroa", names, 4), "lora");
    ck_assert_str_eq(text_nearest("fullft", names, 4), "full_ft");
    ck_assert_ptr_null(text_nearest("prefix", names, 4));
    arena_free(arena);
}
END_TEST

/* An option that came later must not rename the runs that were recorded before it. */
START_TEST(young_options)
{
    static const struct option later[] = {
        {"rank", OPT_INT, offsetof(struct sample, rank), 1, 4096, "8", NULL, "rank of the update", OPTION_YOUNG},
        {"sites", OPT_STRING, offsetof(struct sample, sites), 0, 0, "all", NULL, "where", OPTION_YOUNG},
        OPT_END};
    struct sample s = fresh();
    struct text t = {0};
    ck_ok(option_canonical(later, &s, "m", &t));
    ck_assert_uint_eq(t.n, 0);
    s.rank = 9;
    ck_ok(option_canonical(later, &s, "m", &t));
    ck_assert_str_eq(t.s, "m.rank=9\n");
    text_free(&t);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(young_options), TEST(defaults_and_values), TEST(refusals_name_place_and_range), TEST(canonical_text),
         TEST(numbers_read_back), TEST(split_and_nearest))
