/* The fuzzers' seeds and findings, without a fuzzer: every file of corpus/<name>/ and every regressions/<name>-* goes
 * through its harness. Seeds called good-* must be taken, so that they go on reaching what they were made for. */
#include "tests/pgtest.h"

#include "core/file.h"
#include "tests/fuzz/fuzzing.h"

#define SEEDS "tests/fuzz/corpus"
#define FINDINGS "tests/fuzz/regressions"
enum { LARGEST = 1 << 20 };

static void replay(const struct fuzz *f, const char *folder, const char *file)
{
    struct arena *a = arena_new("an input");
    char *bytes;
    size_t n;
    const char *path = path_join(a, folder, file);
    ck_ok(file_read(path, LARGEST, a, &bytes, &n));
    printf("%s: %s\n", f->name, path); /* the last one named is the one that crashed */
    fflush(stdout);
    /* In a block of its own size: a read behind its end is seen. */
    unsigned char *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    status st = fuzz_run(f, exact, n);
    ck_assert_msg(strncmp(file, "good", 4) != 0 || st == ST_OK, "%s is refused: %s", path, status_message());
    free(exact);
    arena_free(a);
}

START_TEST(seeds)
{
    struct arena *a = arena_new("names");
    char **file;
    int n;
    const char *folder = path_join(a, SEEDS, fuzz_table[_i]->name);
    ck_ok(file_list(folder, NULL, a, &file, &n));
    ck_assert_msg(n > 0, "%s holds no seeds", folder);
    for (int i = 0; i < n; i++) replay(fuzz_table[_i], folder, file[i]);
    arena_free(a);
}
END_TEST

START_TEST(findings)
{
    struct arena *a = arena_new("names");
    char **file;
    int n;
    const struct fuzz *f = fuzz_table[_i];
    ck_ok(file_list(FINDINGS, NULL, a, &file, &n));
    for (int i = 0; i < n; i++) {
        size_t length = strlen(f->name);
        if (strncmp(file[i], f->name, length) == 0 && file[i][length] == '-') replay(f, FINDINGS, file[i]);
    }
    arena_free(a);
}
END_TEST

/* A finding whose harness is gone would be replayed by nobody. */
START_TEST(findings_have_a_harness)
{
    struct arena *a = arena_new("names");
    char **file;
    int n;
    ck_assert_ptr_null(fuzz_table[FUZZ_HARNESSES]); /* the Makefile's count */
    ck_ok(file_list(FINDINGS, NULL, a, &file, &n));
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(file[i], "-"), file[i]);
        ck_assert_msg(fuzz_find(name) != NULL, "%s: there is no harness '%s'", file[i], name);
    }
    arena_free(a);
}
END_TEST

PG_TESTS(LOOP_TEST(seeds, 0, FUZZ_HARNESSES), LOOP_TEST(findings, 0, FUZZ_HARNESSES), TEST(findings_have_a_harness))
