/* Kept results: they come back, under their own key only; damage of any byte is noticed and made good; no folder, no
 * files. Decompositions come back bit for bit. */
#include "tests/pgtest.h"

#include "core/cache.h"
#include "core/lq_kept.h"
#include "core/rng.h"

static struct arena *arena;
static char folder[4096];

static void begin(void)
{
    arena = arena_new("test");
    ck_assert_ptr_nonnull(arena);
    snprintf(folder, sizeof folder, "%s/deep/cache", temp_dir());
    cache_set_folder(folder);
}

static int files(char ***names)
{
    int n = 0;
    if (file_is_dir(folder)) ck_ok(file_list(folder, NULL, arena, names, &n));
    return n;
}

static const char *only_file(void)
{
    char **names;
    ck_assert_int_eq(files(&names), 1);
    return path_join(arena, folder, names[0]);
}

static void key_of(const char *text, char key[SHA256_HEX])
{
    sha256_of(text, strlen(text), key);
}

static const char *got(const char *kind, const char *text)
{
    char key[SHA256_HEX];
    const void *bytes;
    size_t size;
    key_of(text, key);
    ck_ok(cache_get(kind, key, arena, &bytes, &size));
    ck_assert(bytes || size == 0);
    return bytes ? arena_printf(arena, "%.*s", (int)size, (const char *)bytes) : NULL;
}

static void put(const char *kind, const char *text)
{
    char key[SHA256_HEX];
    const struct file_part part[] = {{"some ", 5}, {"bytes", 5}};
    key_of(text, key);
    cache_put(kind, key, part, 2);
}

START_TEST(what_was_put_comes_back)
{
    begin();
    ck_assert_ptr_null(got("a", "x"));
    put("a", "x");
    ck_assert_str_eq(got("a", "x"), "some bytes");
    ck_assert_ptr_null(got("b", "x"));
    ck_assert_ptr_null(got("a", "y"));
    cache_set_folder(NULL);
    ck_assert_ptr_null(got("a", "x"));
    put("a", "y");
    cache_set_folder(folder);
    ck_assert_ptr_null(got("a", "y"));
    only_file();
}
END_TEST

START_TEST(damage_is_noticed)
{
    char *text;
    size_t size;
    begin();
    notice_quiet(1);
    put("a", "x");
    const char *path = only_file();
    ck_ok(file_read(path, 10000, arena, &text, &size));
    for (size_t i = 0; i < size; i++) {
        text[i] ^= 4;
        ck_ok(file_write_atomic(path, text, size));
        ck_assert_msg(got("a", "x") == NULL, "byte %zu is changed and taken", i);
        text[i] ^= 4;
    }
    for (size_t n = 0; n < size; n += 13) {
        ck_ok(file_write_atomic(path, text, n));
        ck_assert_msg(got("a", "x") == NULL, "%zu of %zu bytes are taken", n, size);
    }
    put("a", "x");
    ck_assert_str_eq(got("a", "x"), "some bytes");
    ck_ok(file_rename(path, arena_printf(arena, "%s/a-%064d", folder, 0))); /* another's file */
    char zeros[SHA256_HEX];
    snprintf(zeros, sizeof zeros, "%064d", 0);
    const void *bytes;
    ck_ok(cache_get("a", zeros, arena, &bytes, &size));
    ck_assert_ptr_null(bytes);
}
END_TEST

/* A folder that cannot be: a notice, no failure. */
START_TEST(what_cannot_be_kept_is_not)
{
    begin();
    notice_quiet(1);
    cache_set_folder("/dev/null/cache");
    put("a", "x");
    ck_assert_ptr_null(got("a", "x"));
}
END_TEST

/* ---- decompositions ---- */

enum { OUT = 60, IN = 44, SMALL = 40, RANK = 5, LEAST = 2000 };
static const struct lq_form form = {{3, 8, LQ_BF16, 64, 64}, RANK, 4, NULL, LQ_LAST};

static real *weight(int n)
{
    const struct rng rng = {.seed = 4};
    real *w = arena_alloc(arena, sizeof *w * (size_t)n);
    rng_fill_normal(&rng, "w", w, (size_t)n, 0, 1);
    return w;
}

static void same(const struct lq_parts *a, const struct lq_parts *b)
{
    ck_assert(a->rank == b->rank && a->iterations == b->iterations && a->error == b->error);
    ck_assert_mem_eq(a->errors, b->errors, sizeof(double) * (size_t)a->iterations);
    ck_assert_mem_eq(a->l1, b->l1, sizeof(real) * OUT * RANK);
    ck_assert_mem_eq(a->l2, b->l2, sizeof(real) * IN * RANK);
    real *x = arena_alloc(arena, sizeof *x * OUT * IN), *y = arena_alloc(arena, sizeof *y * OUT * IN);
    lq_values(&a->q, 0, OUT * IN, x);
    lq_values(&b->q, 0, OUT * IN, y);
    ck_assert_mem_eq(x, y, sizeof *x * OUT * IN);
}

START_TEST(decompositions_come_back)
{
    struct lq_parts direct, first, again;
    char *text, **names;
    size_t size;
    begin();
    notice_quiet(1);
    real *w = weight(OUT * IN);
    ck_ok(lq_decompose(w, OUT, IN, &form, arena, &direct));
    ck_ok(lq_decompose_kept(w, OUT, IN, &form, LEAST, arena, &first));
    same(&direct, &first);
    const char *path = only_file();
    ck_ok(lq_decompose_kept(w, OUT, IN, &form, LEAST, arena, &again));
    same(&direct, &again);

    /* It is the file that is read: an error put there with a right checksum comes back. */
    ck_ok(file_read(path, 1 << 24, arena, &text, &size));
    double other = 77;
    const struct file_part part[] = {{&other, sizeof other}, {text + 256 + 8, size - 256 - 8}},
                           cut = {text + 256, size - 256 - 1};
    const char *key = strrchr(path, '-') + 1;
    cache_put("lq", key, part, 2);
    ck_ok(lq_decompose_kept(w, OUT, IN, &form, LEAST, arena, &again));
    ck_assert(again.error == 77);
    /* One of another length is not. */
    cache_put("lq", key, &cut, 1);
    ck_ok(lq_decompose_kept(w, OUT, IN, &form, LEAST, arena, &again));
    same(&direct, &again);

    struct lq_form longer = form;
    longer.iterations = 5;
    ck_ok(lq_decompose_kept(w, OUT, IN, &longer, LEAST, arena, &again));
    w[100] += 1;
    ck_ok(lq_decompose_kept(w, OUT, IN, &form, LEAST, arena, &again));
    ck_ok(lq_decompose_kept(w, SMALL, SMALL, &form, LEAST, arena, &again)); /* sooner made than kept */
    ck_assert_int_eq(files(&names), 3);
}
END_TEST

START_TEST(errors_come_back)
{
    const struct lq_config config[] = {{2, 3, LQ_BF16, 64, 64}, {3, 8, LQ_BF16, 64, 64}};
    double first[2], again[2];
    struct lq_parts direct;
    begin();
    real *w = weight(OUT * IN);
    ck_ok(lq_decompose(w, OUT, IN, &form, arena, &direct));
    ck_ok(lq_errors_kept(w, OUT, IN, &form, config, 2, LEAST, first));
    ck_assert(first[1] == direct.error && first[0] > first[1]);
    only_file();
    ck_ok(lq_errors_kept(w, OUT, IN, &form, config, 2, LEAST, again));
    ck_assert_mem_eq(first, again, sizeof first);
    only_file();
}
END_TEST

PG_TESTS(TEST(what_was_put_comes_back), TEST(damage_is_noticed), TEST(what_cannot_be_kept_is_not),
         TEST(decompositions_come_back), TEST(errors_come_back))
