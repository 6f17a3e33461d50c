/* The layer of system calls and memory, and the switch that makes the n-th of them fail. */
#include "tests/pgtest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include "core/arena.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/heap.h"
#include "core/system.h"

static struct arena *arena;
static char dir[4096], path[4200];

static void begin(void)
{
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
    snprintf(path, sizeof path, "%s/file", dir);
}

static const char *content(void)
{
    char *text;
    ck_ok(file_read(path, 1000, arena, &text, NULL));
    return text;
}

static int files_here(void)
{
    char **name;
    int n;
    ck_ok(file_list(dir, NULL, arena, &name, &n));
    return n;
}

/* What core/file.h does all day. */
static status work(void)
{
    char *text, head[4];
    size_t n;
    struct file_map m;
    TRY(file_write_parts(path, (const struct file_part[]){{"one ", 4}, {"", 0}, {"two\n", 4}}, 3));
    TRY(file_append_line(path, "three"));
    TRY(file_read(path, 1000, arena, &text, &n));
    if (strcmp(text, "one two\nthree\n") != 0) return fail(ST_INTERNAL, "read '%s'", text);
    TRY(file_head(path, head, sizeof head, &n));
    if (n != 4 || memcmp(head, "one ", 4) != 0) return fail(ST_INTERNAL, "a wrong head");
    TRY(file_map(path, &m));
    file_unmap(&m);
    return file_remove(path);
}

START_TEST(interrupted_and_short_calls_are_made_good)
{
    begin();
    for (enum sys_fault how = SYS_EINTR; how <= SYS_SHORT; how++) {
        int struck = 0;
        for (long n = 1;; n++) {
            sys_fail_after(n, how);
            status st = work();
            int met = *fault_noted() != 0;
            sys_fail_after(0, how);
            ck_assert_msg(st == ST_OK, "fault %d, call %ld: %s", (int)how, n, status_message());
            if (!met) break;
            struck++;
        }
        ck_assert_int_ge(struck, how == SYS_SHORT ? 4 : 15);
    }
    arena_free(arena);
}
END_TEST

START_TEST(refused_calls_are_told)
{
    begin();
    int told = 0;
    for (long n = 1;; n++) {
        sys_fail_after(n, SYS_EIO);
        status st = work();
        int met = *fault_noted() != 0;
        sys_fail_after(0, SYS_EIO);
        if (!met) break;
        if (st == ST_OK) continue; /* close() after reading */
        ck_assert_msg(st == ST_IO, "call %ld: %s", n, status_message());
        ck_assert_msg(strstr(status_message(), dir) && strstr(status_message(), "Input/output error"), "%s",
                      status_message());
        told++;
    }
    ck_assert_int_ge(told, 14);
    arena_free(arena);
}
END_TEST

/* Whatever fails: the old content or the new one, and no other file. */
START_TEST(a_write_is_whole_or_not_at_all)
{
    begin();
    for (enum sys_fault how = SYS_EIO; how < SYS_FAULTS; how++)
        for (long n = 1;; n++) {
            ck_ok(file_write_atomic(path, "old", 3));
            sys_fail_after(n, how);
            status st = file_write_atomic(path, "new content", 11);
            int met = *fault_noted() != 0;
            sys_fail_after(0, how);
            const char *now = content();
            ck_assert_msg(strcmp(now, "new content") == 0 || (st == ST_IO && strcmp(now, "old") == 0),
                          "fault %d, call %ld: %s, '%s'", (int)how, n, status_message(), now);
            ck_assert_int_eq(files_here(), 1);
            if (!met) break;
        }
    arena_free(arena);
}
END_TEST

START_TEST(a_full_disk_stays_full)
{
    begin();
    sys_fail_after(3, SYS_FULL);
    status first = file_write_atomic(path, "x", 1), second = file_write_atomic(path, "x", 1);
    sys_fail_after(0, SYS_FULL);
    ck_assert_int_eq(first, ST_IO);
    ck_assert_int_eq(second, ST_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "No space left on device"));
    ck_assert_int_eq(files_here(), 0);
    arena_free(arena);
}
END_TEST

/* An append that met a full disk leaves half a line; the next one is not glued to it. */
START_TEST(a_torn_line_is_ended)
{
    begin();
    ck_ok(file_write_atomic(path, "whole\nto", 8));
    ck_ok(file_append_line(path, "next"));
    ck_ok(file_append_line(path, "last"));
    ck_assert_str_eq(content(), "whole\nto\nnext\nlast\n");
    arena_free(arena);
}
END_TEST

START_TEST(no_answer_is_not_absence)
{
    int there;
    begin();
    ck_ok(file_ask(path, &there));
    ck_assert_int_eq(there, 0);
    ck_ok(file_ask_dir(dir, &there));
    ck_assert_int_eq(there, 1);
    sys_fail_after(1, SYS_EIO);
    ck_fails(file_ask(path, &there), ST_IO, "file: cannot look it up: Input/output error");
    sys_fail_after(1, SYS_EIO);
    ck_fails(file_ask_dir(dir, &there), ST_IO, "cannot look it up");
    sys_fail_after(1, SYS_EIO);
    ck_assert_int_eq(file_exists(path), 1);
    sys_fail_after(0, SYS_EIO);
    ck_assert_int_eq(file_exists(path), 0);
    ck_ok(file_remove(path)); /* fine when there is none */
    arena_free(arena);
}
END_TEST

START_TEST(heap_is_counted)
{
    long before = heap_live();
    char *p = heap_zalloc(10);
    ck_assert_mem_eq(p, "\0\0\0\0\0\0\0\0\0\0", 10);
    memcpy(p, "123456789", 10);
    ck_assert_int_eq(heap_live(), before + 1);
    arena_fail_after(1);
    ck_assert_ptr_null(heap_resize(p, 1000));
    arena_fail_after(2);
    p = heap_resize(p, 100);
    ck_assert_str_eq(p, "123456789");
    ck_assert_ptr_null(heap_alloc(1));
    arena_fail_after(1);
    ck_assert_ptr_null(arena_new("none"));
    arena_fail_after(0);
    ck_assert_int_eq(heap_live(), before + 1);
    heap_free(p);
    heap_free(NULL);
    ck_assert_int_eq(heap_live(), before);
}
END_TEST

START_TEST(a_child_counts_with_its_parent)
{
    int how;
    ck_ok(fault_share());
    arena_fail_after(2);
    pid_t pid = fork();
    if (pid == 0) {
        void *p = heap_alloc(1);
        _exit(p ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ck_assert_ptr_null(heap_alloc(1)); /* the second of both */
    ck_assert_str_eq(fault_noted(), "1 bytes");
    arena_fail_after(0);
    ck_assert_str_eq(fault_noted(), "");
}
END_TEST

PG_TESTS(TEST(interrupted_and_short_calls_are_made_good), TEST(refused_calls_are_told),
         TEST(a_write_is_whole_or_not_at_all), TEST(a_full_disk_stays_full), TEST(a_torn_line_is_ended),
         TEST(no_answer_is_not_absence), TEST(heap_is_counted), TEST(a_child_counts_with_its_parent))
