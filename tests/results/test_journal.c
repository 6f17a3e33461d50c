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

START_TEST(unwritable_journal)
{
    ck_fails(journal_add("/nonexistent/journal.jsonl", "started", "a", "b", NULL, NULL, NULL), ST_IO,
             "/nonexistent/journal.jsonl");
}
END_TEST

PG_TESTS(TEST(events_are_json_lines), TEST(invalid_utf8_is_replaced), TEST(writers_do_not_mix),
         TEST(unwritable_journal))
