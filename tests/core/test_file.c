/* Files and SHA-256: maps, whole reads, atomic writes, appends, folders, names. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/sha256.h"

static struct arena *arena;
static char dir[4096];

static const char *in_dir(const char *name)
{
    static char path[5000];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void begin(void)
{
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(maps_a_file)
{
    struct file_map m;
    begin();
    put(in_dir("a"), "hello");
    ck_ok(file_map(in_dir("a"), &m));
    ck_assert_uint_eq(m.size, 5);
    ck_assert_mem_eq(m.data, "hello", 5);
    ck_assert_int_gt(m.mtime_ns, 0);
    ck_assert_int_gt(m.ctime_ns, 0);
    file_unmap(&m);
    ck_assert_ptr_null(m.data);
    file_unmap(&m); /* twice is fine */
    put(in_dir("empty"), "");
    ck_ok(file_map(in_dir("empty"), &m));
    ck_assert_uint_eq(m.size, 0);
    ck_assert_ptr_nonnull(m.data);
    file_unmap(&m);
    ck_fails(file_map(in_dir("none"), &m), ST_INPUT, "none: cannot open it: No such file");
    ck_fails(file_map(dir, &m), ST_INPUT, "this is a folder");
    ck_fails(file_map("/dev/null", &m), ST_INPUT, "/dev/null: expected a regular file");
    arena_free(arena);
}
END_TEST

START_TEST(reads_a_whole_file)
{
    char *text;
    size_t n = 99;
    begin();
    put(in_dir("a"), "hello");
    ck_ok(file_read(in_dir("a"), 5, arena, &text, &n));
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(text, "hello");
    ck_ok(file_read(in_dir("a"), 5, arena, &text, NULL));
    ck_fails(file_read(in_dir("a"), 4, arena, &text, &n), ST_INPUT, "a: 5 bytes, expected at most 4");
    ck_fails(file_read(in_dir("b"), 4, arena, &text, &n), ST_INPUT, "b: cannot open it");
    arena_fail_after(1);
    ck_assert_int_eq(file_read(in_dir("a"), 5, arena, &text, &n), ST_MEMORY);
    arena_free(arena);
}
END_TEST

START_TEST(writes_atomically)
{
    char *text, **names;
    int count;
    size_t n;
    begin();
    ck_ok(file_write_atomic(in_dir("a"), "one", 3));
    ck_ok(file_write_atomic(in_dir("a"), "longer", 6));
    ck_ok(file_read(in_dir("a"), 100, arena, &text, &n));
    ck_assert_str_eq(text, "longer");
    ck_ok(file_write_atomic(in_dir("zero"), "", 0));
    ck_ok(file_list(dir, NULL, arena, &names, &count));
    ck_assert_int_eq(count, 2); /* no temporary file is left */
    ck_fails(file_write_atomic(in_dir("no/such"), "x", 1), ST_IO, "no/such: cannot create a file beside it");
    /* A target that cannot be replaced keeps its content and leaves no temporary file. */
    ck_ok(file_make_dirs(in_dir("folder/inner")));
    ck_fails(file_write_atomic(in_dir("folder"), "x", 1), ST_IO, "folder: cannot rename");
    ck_assert(file_is_dir(in_dir("folder/inner")));
    ck_ok(file_list(dir, ".tmp", arena, &names, &count));
    ck_assert_int_eq(count, 0);
    arena_free(arena);
}
END_TEST

START_TEST(commits_a_file_written_elsewhere)
{
    char temp[5000], other[5000], path[5000], small[8];
    begin();
    snprintf(path, sizeof path, "%s/r.h5", dir);
    ck_ok(file_temp_name(path, temp, sizeof temp));
    ck_ok(file_temp_name(path, other, sizeof other));
    ck_assert_str_ne(temp, other);
    ck_assert_int_eq(strncmp(temp, path, strlen(path)), 0);
    ck_fails(file_temp_name(path, small, sizeof small), ST_IO, "too long");
    put(temp, "data");
    ck_ok(file_commit(temp, path));
    ck_assert(file_exists(path) && !file_exists(temp));
    ck_fails(file_commit(temp, path), ST_IO, "cannot open it");
    arena_free(arena);
}
END_TEST

START_TEST(appends_whole_lines)
{
    char *text;
    begin();
    ck_ok(file_append_line(in_dir("log"), "one"));
    ck_ok(file_append_line(in_dir("log"), "two\n"));
    ck_ok(file_append_line(in_dir("log"), ""));
    ck_ok(file_read(in_dir("log"), 100, arena, &text, NULL));
    ck_assert_str_eq(text, "one\ntwo\n\n");
    ck_fails(file_append_line(dir, "x"), ST_IO, "cannot open it for appending");
    arena_free(arena);
}
END_TEST

START_TEST(full_disk_is_an_error)
{
    if (access("/dev/full", W_OK) != 0) {
        printf("SKIP full_disk_is_an_error: /dev/full is not here\n");
        return;
    }
    ck_fails(file_append_line("/dev/full", "x"), ST_IO, "cannot append to it");
}
END_TEST

START_TEST(makes_and_lists_folders)
{
    char **names;
    int count;
    begin();
    ck_ok(file_make_dirs(in_dir("x/y/z")));
    ck_ok(file_make_dirs(in_dir("x/y/z/")));
    put(in_dir("x/b.json"), "");
    put(in_dir("x/a.json"), "");
    put(in_dir("x/json"), "");
    ck_ok(file_list(in_dir("x"), ".json", arena, &names, &count));
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(names[0], "a.json");
    ck_assert_str_eq(names[1], "b.json");
    ck_ok(file_list(in_dir("x"), NULL, arena, &names, &count));
    ck_assert_int_eq(count, 4);
    ck_fails(file_make_dirs(in_dir("x/json/deep")), ST_IO, "json");
    ck_fails(file_make_dirs(in_dir("x/json")), ST_IO, "expected a folder");
    ck_fails(file_list(in_dir("none"), NULL, arena, &names, &count), ST_INPUT, "none: cannot open the folder");
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "x/y/%03d", 99 - i);
        put(in_dir(name), "");
    }
    ck_ok(file_list(in_dir("x/y"), NULL, arena, &names, &count));
    ck_assert_int_eq(count, 101);
    ck_assert_str_eq(names[0], "000");
    ck_assert_str_eq(names[99], "099");
    arena_free(arena);
}
END_TEST

START_TEST(joins_names)
{
    arena = arena_new("test");
    ck_assert_str_eq(path_join(arena, "a", "b"), "a/b");
    ck_assert_str_eq(path_join(arena, "a/", "b"), "a/b");
    ck_assert_str_eq(path_join(arena, "a//", "/b"), "a/b");
    ck_assert_str_eq(path_join(arena, "/", "b"), "/b");
    ck_assert_str_eq(path_join(arena, "", "b"), "b");
    arena_free(arena);
}
END_TEST

START_TEST(hashes_known_texts)
{
    /* FIPS 180-4 examples. */
    char hex[SHA256_HEX];
    begin();
    sha256_of("abc", 3, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of("", 0, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct sha256 s;
    sha256_begin(&s);
    for (int i = 0; i < 1000; i++)
        sha256_add(&s,
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                   "aaaaaaaaaaaaaaaaaaaaaa",
                   100);
    sha256_end(&s, hex);
    char *text = arena_alloc(arena, 100001), again[SHA256_HEX];
    memset(text, 'a', 100000);
    text[100000] = '\0';
    put(in_dir("a"), text);
    ck_ok(sha256_file(in_dir("a"), again));
    ck_assert_str_eq(hex, again);
    ck_fails(sha256_file(in_dir("none"), again), ST_INPUT, "none");
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(maps_a_file), TEST(reads_a_whole_file), TEST(writes_atomically), TEST(commits_a_file_written_elsewhere),
         TEST(appends_whole_lines), TEST(full_disk_is_an_error), TEST(makes_and_lists_folders), TEST(joins_names),
         TEST(hashes_known_texts))
