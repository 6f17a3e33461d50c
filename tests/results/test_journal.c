#include "tests/pgtest.h"

#include <jansson.h>
#include <sys/wait.h>
#include "core/arena.h"
#include "core/file.h"
#include "results/record.h"

static const char *field(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}

/* The journal's n-th line as JSON. */
static json_t *line_of(const char *path, int n)
{
    char buf[4096];
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i <= n; i++) ck_assert_ptr_nonnull(fgets(buf, sizeof buf, f));
    fclose(f);
    json_error_t error;
    json_t *j = json_loads(buf, 0, &error);
    ck_assert_msg(j != NULL, "%s: %s", error.text, buf);
    return j;
}

START_TEST(events_are_json_lines)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    ck_ok(journal_add(path, "started", "ab12", "lora/rte/1", NULL, NULL, NULL));
    ck_ok(journal_add(path, "failed", "ab12", "lora/rte/1", NULL, NULL, "row 3: \"x\"\tis \\ bad\né"));
    ck_ok(journal_add(path, "finished", "cd", "lora/rte/2", "runs/cd.h5", "00ff", NULL));
    json_t *j = line_of(path, 0);
    ck_assert_str_eq(field(j, "event"), "started");
    ck_assert_str_eq(field(j, "id"), "ab12");
    ck_assert_str_eq(field(j, "cell"), "lora/rte/1");
    ck_assert_ptr_null(json_object_get(j, "file"));
    ck_assert_uint_eq(strlen(field(j, "time")), strlen("2025-01-02T03:04:05Z"));
    json_decref(j);
    j = line_of(path, 1);
    ck_assert_str_eq(field(j, "message"), "row 3: \"x\"\tis \\ bad\né");
    json_decref(j);
    j = line_of(path, 2);
    ck_assert_str_eq(field(j, "sha256"), "00ff");
    ck_assert_str_eq(field(j, "file"), "runs/cd.h5");
    json_decref(j);
}
END_TEST

/* Bytes that are no UTF-8 must not make a line that readers refuse. */
START_TEST(invalid_utf8_is_replaced)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    ck_ok(journal_add(path, "failed", "x", "y", NULL, NULL, "a\xff\xc3(\xe2\x82"));
    json_t *j = line_of(path, 0);
    ck_assert_str_eq(field(j, "message"), "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(j);
}
END_TEST

/* Several writers at once: every line whole. */
START_TEST(writers_do_not_mix)
{
    enum { WRITERS = 4, LINES = 25 };
    char path[4200], cell[32];
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    for (int w = 0; w < WRITERS; w++) {
        if (fork() != 0) continue;
        snprintf(cell, sizeof cell, "writer%d", w);
        for (int i = 0; i < LINES; i++)
            if (journal_add(path, "started", "id", cell, NULL, NULL, NULL) != ST_OK) _exit(1);
        _exit(0);
    }
    for (int w = 0, rc; w < WRITERS; w++) ck_assert(wait(&rc) > 0 && rc == 0);
    for (int i = 0; i < WRITERS * LINES; i++) json_decref(line_of(path, i));
}
END_TEST

static void three_lines(const char *path)
{
    remove(path);
    ck_ok(journal_add(path, "started", "ab12", "lora/rte/1", NULL, NULL, NULL));
    ck_ok(journal_add(path, "finished", "ab12", "lora/rte/1", "ab12.h5", "00ff", NULL));
    ck_ok(journal_add(path, "failed", NULL, "none/rte/1", NULL, NULL, "caf\xc3\xa9 \"closed\""));
}

static int faults_of(const char *path)
{
    struct arena *a = arena_new("test");
    struct journal_line *line;
    int n, faults = 0;
    ck_ok(journal_read(path, a, &line, &n));
    for (int i = 0; i < n; i++) faults += line[i].fault != NULL;
    arena_free(a);
    return faults;
}

START_TEST(lines_are_read_back)
{
    struct arena *a = arena_new("test");
    struct journal_line *line;
    char path[4200];
    int n;
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    three_lines(path);
    ck_ok(journal_read(path, a, &line, &n));
    ck_assert_int_eq(n, 3);
    for (int i = 0; i < n; i++) ck_assert(!line[i].fault && line[i].check && line[i].number == i + 1);
    ck_assert_str_eq(line[1].event, "finished");
    ck_assert_str_eq(line[1].file, "ab12.h5");
    ck_assert_str_eq(line[1].sha256, "00ff");
    ck_assert_ptr_null(line[2].id);
    ck_assert_str_eq(line[2].message, "caf\xc3\xa9 \"closed\"");
    ck_assert_int_eq(faults_of(path), 0);
    arena_free(a);
}
END_TEST

/* Every byte, changed in one of the ways that are most like sound lines: a bit, the case, to a newline, to nothing. */
START_TEST(no_change_goes_unnoticed)
{
    struct arena *a = arena_new("test");
    char path[4200], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    three_lines(path);
    ck_ok(file_read(path, 1 << 20, a, &text, &size));
    for (size_t i = 0; i < size; i++) {
        const char old = text[i], other[] = {old ^ 1, old ^ 0x20, '\n', ' ', 0, old ^ 0x7f};
        for (size_t k = i % 2; k < sizeof other; k += 2) {
            if (other[k] == old) continue;
            text[i] = other[k];
            FILE *f = fopen(path, "r+b"); /* in place: anything else costs a flush each time */
            ck_assert(f && fwrite(text, 1, size, f) == size && fclose(f) == 0);
            ck_assert_msg(faults_of(path) > 0, "byte %zu changed to %02x is not noticed", i, (unsigned)other[k]);
        }
        text[i] = old;
    }
    arena_free(a);
}
END_TEST

/* Lines of the versions that made no check, and what can be seen in them nevertheless. */
START_TEST(lines_without_check)
{
    struct arena *a = arena_new("test");
    struct journal_line *line;
    char path[4200];
    int n;
    static const char text[] =
        "{\"time\":\"t\",\"event\":\"finished\",\"id\":\"ab\",\"cell\":\"c\",\"file\":\"ab.h5\",\"sha256\":\"00\"}\n"
        "{\"time\":\"t\",\"event\":\"finishad\",\"cell\":\"c\"}\n"
        "{\"time\":\"t\",\"evens\":\"finished\",\"cell\":\"c\"}\n"
        "{\"time\":\"t\",\"event\":\"started\"}\n"
        "{\"time\":\"t\",\"event\":\"started\",\"cell\":\"c\"";
    snprintf(path, sizeof path, "%s/journal.jsonl", temp_dir());
    ck_ok(file_write_atomic(path, text, sizeof text - 1));
    ck_ok(journal_read(path, a, &line, &n));
    ck_assert_int_eq(n, 5);
    ck_assert(!line[0].fault && !line[0].check);
    for (int i = 1; i < n; i++) ck_assert_ptr_nonnull(line[i].fault);
    arena_free(a);
}
END_TEST

START_TEST(unwritable_journal)
{
    ck_fails(journal_add("/nonexistent/journal.jsonl", "started", "a", "b", NULL, NULL, NULL), ST_IO,
             "/nonexistent/journal.jsonl");
}
END_TEST

PG_TESTS(TEST(events_are_json_lines), TEST(invalid_utf8_is_replaced), TEST(writers_do_not_mix),
         TEST(lines_are_read_back), TEST(no_change_goes_unnoticed), TEST(lines_without_check), TEST(unwritable_journal))
