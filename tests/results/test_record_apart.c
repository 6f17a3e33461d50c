/* The helper process that opens records (results/record_apart.c): it comes back, and every process has its own. Files
 * that make HDF5 crash are among the findings in tests/fuzz. */
#include "tests/pgtest.h"

#include <signal.h>
#include <sys/wait.h>
#include "core/fault.h"
#include "core/file.h"
#include "core/system.h"
#include "tests/sample_record.h"

static struct arena *arena;

static const char *a_record(void)
{
    const struct sample s = {.score = {0.1, 0.5, 0.2}};
    arena = arena_new("test");
    const char *path = path_join(arena, temp_dir(), "a.h5");
    sample_write(&s, path);
    return path;
}

static status read_one(const char *path)
{
    struct record r;
    return record_read(path, arena, &r);
}

/* The only child of this process; 0: the system does not tell. */
static pid_t only_child(void)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (!fgets(text, sizeof text, f)) text[0] = 0;
    fclose(f);
    return (pid_t)atol(text);
}

static void replaced_after(const char *test, int signal)
{
    const char *path = a_record();
    ck_ok(read_one(path));
    pid_t helper = only_child();
    if (helper == 0) {
        printf("SKIP %s: /proc does not tell children here\n", test);
        return;
    }
    ck_assert_int_eq(kill(helper, signal), 0);
    ck_ok(read_one(path));
    ck_assert_int_ne(only_child(), helper);
    ck_assert_int_ne(only_child(), 0);
    arena_free(arena);
}

START_TEST(a_killed_helper_is_replaced)
{
    replaced_after("a_killed_helper_is_replaced", SIGKILL);
}
END_TEST

/* It takes no processor time and would never answer: waits for SILENT_SECONDS. */
START_TEST(a_silent_helper_is_replaced)
{
    replaced_after("a_silent_helper_is_replaced", SIGSTOP);
}
END_TEST

START_TEST(a_forked_process_has_its_own)
{
    const char *path = a_record();
    int how;
    ck_ok(read_one(path));
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int k = 0; k < 20; k++)
                if (read_one(path) != ST_OK) _exit(1);
            _exit(0);
        }
        ck_assert_int_gt(pid, 0);
    }
    for (int k = 0; k < 20; k++) ck_ok(read_one(path)); /* at the same time */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(wait(&how), 0);
        ck_assert_int_eq(how, 0);
    }
    arena_free(arena);
}
END_TEST

/* Damage is found without it: its file does not fit its seal. */
START_TEST(damage_never_gets_there)
{
    const char *path = a_record();
    char *bytes;
    size_t n;
    ck_ok(file_read(path, 1 << 20, arena, &bytes, &n));
    bytes[600] ^= 1;
    ck_ok(file_write_atomic(path, bytes, n));
    ck_fails(read_one(path), ST_INPUT, "a.h5: damaged: its bytes do not match");
    ck_assert_int_eq(only_child(), 0);
    arena_free(arena);
}
END_TEST

/* An error of the system is never the file's fault. */
START_TEST(talking_to_it_may_fail)
{
    const char *path = a_record();
    int sends = 0, receipts = 0;
    for (enum sys_fault how = SYS_EIO; how <= SYS_SHORT; how++)
        for (long n = 1;; n++) {
            sys_fail_after(n, how);
            status st = read_one(path);
            char met[256];
            snprintf(met, sizeof met, "%s", fault_noted());
            sys_fail_after(0, how);
            if (!*met) break;
            int talk = strncmp(met, "send ", 5) == 0 || strncmp(met, "recv ", 5) == 0;
            sends += met[0] == 's' && talk;
            receipts += met[0] == 'r' && talk;
            ck_assert_msg(st == ST_OK || (st == ST_IO && how == SYS_EIO && !talk), "fault %d, %s: %s", (int)how, met,
                          status_message());
        }
    ck_assert_int_ge(sends, 6);
    ck_assert_int_ge(receipts, 6);
    arena_free(arena);
}
END_TEST

START_TEST(it_may_lack_memory)
{
    const char *path = a_record();
    arena_limit(arena_total_held() + 1000); /* of the helper, too */
    ck_fails(read_one(path), ST_MEMORY, "a.h5: out of memory in the process that opens it");
    arena_limit(0);
    ck_ok(read_one(path));
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(a_killed_helper_is_replaced), TEST(a_silent_helper_is_replaced), TEST(a_forked_process_has_its_own),
         TEST(damage_never_gets_there), TEST(talking_to_it_may_fail), TEST(it_may_lack_memory))
