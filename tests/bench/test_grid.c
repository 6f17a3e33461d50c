/* The driver with cells that do anything but train: fail, crash, vanish, hang. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "bench/claim.h"
#include "bench/grid.h"
#include "bench/stop.h"
#include "core/cut_file.h"
#include "core/file.h"
#include "core/sha256.h"

static struct arena *arena;
static struct experiment e;
static struct grid_outcome out;
static char folder[256];

/* cells: one a word, the word is the row and says what the cell does. */
static void make_experiment(const char *const *what, int n)
{
    static struct cell cell[64];
    snprintf(folder, sizeof folder, "%s", temp_dir());
    arena_free(arena);
    arena = arena_new("test");
    for (int i = 0; i < n; i++)
        cell[i] = (struct cell){.row = what[i],
                                .task = (const struct task *)(uintptr_t)64, /* only compared */
                                .seed = i,
                                .label = arena_printf(arena, "%s/t/%d", what[i], i),
                                .canon = arena_printf(arena, "%s %d\n", what[i], i)};
    e = (struct experiment){
        .name = "x", .path = "x.ini", .runs_dir = arena_printf(arena, "%s/runs", folder), .cell = cell, .cells = n};
}

static status act(const struct cell *c, void *ctx, progress_fn *progress, void *pctx, struct arena *a,
                  struct cell_result *result)
{
    (void)ctx;
    char *path = arena_printf(a, "%s/%lld.h5", e.runs_dir, c->seed);
    result->record = path;
    if (strcmp(c->row, "skip") == 0) {
        result->skipped = 1;
        return ST_OK;
    }
    progress(pctx, "train", 1, 2, 0.5);
    progress(pctx, "train", 2, 2, 0.25);
    if (strcmp(c->row, "fail") == 0) return fail(ST_INPUT, "file.tsv:3: no label");
    if (strcmp(c->row, "diverge") == 0) return fail(ST_DIVERGED, "the loss is nan at step 7");
    if (strcmp(c->row, "vanish") == 0) _exit(0);
    if (strcmp(c->row, "killed") == 0) raise(SIGKILL);
    for (; strcmp(c->row, "hang") == 0; usleep(20000)) TRY(stop_check());
    while (strcmp(c->row, "deaf") == 0) pause();
    if (strcmp(c->row, "cut") == 0) {
        struct file_map m;
        char *cut = arena_printf(a, "%s/cut", folder);
        cut_file_watch();
        TRY(file_write_atomic(cut, "text", 4));
        TRY(file_map(cut, &m));
        if (truncate(cut, 0) != 0) return fail(ST_INTERNAL, "it cannot be cut");
        for (size_t i = 0; i < m.size; i++) fprintf(stderr, "read '%c'\n", m.data[i]);
    }
    if (strcmp(c->row, "crash") == 0) {
        fprintf(stderr, "about to crash\n");
        raise(SIGABRT);
    }
    if (strcmp(c->row, "talk") == 0)
        for (int i = 0; i < 20000; i++) fprintf(stderr, "line %d of many, more than a pipe holds\n", i);
    FILE *f = fopen(path, "w");
    fprintf(f, "%d", c->train.threads);
    fclose(f);
    return ST_OK;
}

static status drive(struct grid_options o)
{
    int *index, n;
    if (o.jobs == 0) o.jobs = 1;
    o.progress = PROGRESS_NONE;
    TRY(grid_select(&e, &o, arena, &index, &n));
    return grid_run(&e, &o, index, n, act, NULL, arena, &out);
}

static char *read_journal(void)
{
    char *text;
    ck_ok(file_read(arena_printf(arena, "%s/journal.jsonl", e.runs_dir), 1 << 20, arena, &text, NULL));
    return text;
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text++) n++;
    return n;
}

static void no_claims_left(void)
{
    char **name;
    int n;
    ck_ok(file_list(e.runs_dir, ".claim", arena, &name, &n));
    ck_assert_int_eq(n, 0);
}

START_TEST(a_cut_file_ends_its_cell)
{
    static const char *const what[] = {"cut", "ok"};
    make_experiment(what, 2);
    ck_ok(drive((struct grid_options){.jobs = 1}));
    ck_assert_int_eq(out.done, 1);
    ck_assert_int_eq(out.failed, 1);
    ck_assert_str_eq(out.failure[0].cause, "failed");
    ck_assert_ptr_nonnull(strstr(out.failure[0].message, "/cut: it was cut while it was in use, or its disk failed"));
}
END_TEST

START_TEST(cells_known_to_be_done_start_no_process)
{
    static const char *const what[] = {"fail", "ok", "crash"};
    static const unsigned char done[] = {1, 0, 1};
    make_experiment(what, 3);
    ck_ok(drive((struct grid_options){.done = done}));
    ck_assert_int_eq(out.cells, 3);
    ck_assert_int_eq(out.done, 1);
    ck_assert_int_eq(out.skipped, 2);
    ck_assert_int_eq(out.failed, 0);
    ck_assert_int_eq(count_of(read_journal(), "\n"), 2); /* started, finished */
    no_claims_left();
}
END_TEST

START_TEST(one_bad_cell_does_not_stop_the_rest)
{
    static const char *const what[] = {"ok",     "fail", "crash",  "ok",   "diverge",
                                       "vanish", "skip", "killed", "talk", "ok"};
    for (int jobs = 1; jobs <= 4; jobs += 3) {
        make_experiment(what, 10);
        ck_ok(drive((struct grid_options){.jobs = jobs}));
        ck_assert_int_eq(out.cells, 10);
        ck_assert_int_eq(out.done, 4);
        ck_assert_int_eq(out.skipped, 1);
        ck_assert_int_eq(out.failed, 5);
        ck_assert_int_eq(out.left, 0);
        ck_assert_int_eq(out.signal, 0);
        for (int i = 0; i < out.failed; i++) {
            const struct grid_failure *f = &out.failure[i];
            const char *want =
                strncmp(f->label, "fail", 4) == 0      ? "file.tsv:3: no label"
                : strncmp(f->label, "crash", 5) == 0   ? "signal 6 (Aborted); its last words: about to crash"
                : strncmp(f->label, "diverge", 7) == 0 ? "the loss is nan at step 7"
                : strncmp(f->label, "killed", 6) == 0  ? "signal 9 (Killed); perhaps the machine ran out of memory"
                                                       : "ended without a verdict (exit code 0)";
            ck_assert_msg(strstr(f->message, want) != NULL, "%s: %s", f->label, f->message);
            ck_assert_str_eq(f->cause, strncmp(f->label, "diverge", 7) == 0 ? "diverged" : "failed");
        }
        const char *journal = read_journal();
        ck_assert_int_eq(count_of(journal, "\"event\":\"started\""), 9);
        ck_assert_int_eq(count_of(journal, "\"event\":\"finished\""), 4);
        ck_assert_int_eq(count_of(journal, "\"event\":\"failed\""), 4);
        ck_assert_int_eq(count_of(journal, "\"event\":\"diverged\""), 1);
        ck_assert_int_eq(count_of(journal, "\"id\":\"3\""), 1);
        no_claims_left();
    }
}
END_TEST

START_TEST(threads_are_shared_among_jobs)
{
    static const char *const what[] = {"ok"};
    char *text;
    make_experiment(what, 1);
    e.cell[0].train.threads = 3;
    ck_ok(drive((struct grid_options){.jobs = 2}));
    ck_ok(file_read(arena_printf(arena, "%s/0.h5", e.runs_dir), 100, arena, &text, NULL));
    ck_assert_str_eq(text, "3"); /* the experiment's own number */
    ck_ok(drive((struct grid_options){.jobs = 2, .threads = 5}));
    ck_ok(file_read(arena_printf(arena, "%s/0.h5", e.runs_dir), 100, arena, &text, NULL));
    ck_assert_str_eq(text, "5");
    e.cell[0].train.threads = 0;
    ck_ok(drive((struct grid_options){.jobs = 200}));
    ck_ok(file_read(arena_printf(arena, "%s/0.h5", e.runs_dir), 100, arena, &text, NULL));
    ck_assert_str_eq(text, "1");
}
END_TEST

START_TEST(shards_part_the_grid)
{
    static const char *what[12];
    int seen[12] = {0}, *index, n, most = 0, least = 99;
    for (int i = 0; i < 12; i++) what[i] = i % 4 == 0 ? "none" : i % 4 == 1 ? "lora" : i % 4 == 2 ? "bitfit" : "full";
    make_experiment(what, 12);
    for (int s = 1; s <= 4; s++) {
        const struct grid_options o = {.jobs = 1, .shard = s, .shards = 4};
        ck_ok(grid_select(&e, &o, arena, &index, &n));
        most = n > most ? n : most;
        least = n < least ? n : least;
        int none = 0;
        for (int i = 0; i < n; i++) {
            seen[index[i]]++;
            none += index[i] % 4 == 0;
        }
        ck_assert_int_lt(none, 2); /* no shard gets all of one row */
    }
    for (int i = 0; i < 12; i++) ck_assert_int_eq(seen[i], 1);
    ck_assert_int_eq(most, 3);
    ck_assert_int_eq(least, 3);
}
END_TEST

START_TEST(filters_choose_labels)
{
    static const char *const what[] = {"ok", "okay", "fail"};
    int *index, n;
    make_experiment(what, 3);
    struct grid_options o = {.jobs = 1, .filter = "ok"};
    ck_ok(grid_select(&e, &o, arena, &index, &n));
    ck_assert_int_eq(n, 2);
    o.filter = "ok/*, fail";
    ck_ok(grid_select(&e, &o, arena, &index, &n));
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(index[1], 2);
    o.filter = "nothing";
    ck_fails(grid_select(&e, &o, arena, &index, &n), ST_USAGE,
             "no cell of x.ini matches --filter 'nothing'; labels look like ok/t/0");
}
END_TEST

/* ---- claims ---- */

static char *claim_path(int cell)
{
    char key[SHA256_HEX];
    sha256_of(e.cell[cell].canon, strlen(e.cell[cell].canon), key);
    return arena_printf(arena, "%s/%s.claim", e.runs_dir, key);
}

static void write_claim(int cell, long pid, const char *host)
{
    ck_ok(file_make_dirs(e.runs_dir));
    FILE *f = fopen(claim_path(cell), "w");
    fprintf(f, "%ld %s\n", pid, host);
    fclose(f);
}

static const char *this_host(void)
{
    static char name[128];
    gethostname(name, sizeof name - 1);
    return name;
}

START_TEST(claims_of_the_dead_are_taken_over)
{
    static const char *const what[] = {"ok", "ok"};
    make_experiment(what, 2);
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    waitpid(dead, NULL, 0);
    write_claim(0, (long)dead, this_host());
    write_claim(1, 1, "another-host");
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    ck_assert_int_eq(utimensat(AT_FDCWD, claim_path(1), old, 0), 0);
    ck_ok(drive((struct grid_options){.jobs = 1}));
    ck_assert_int_eq(out.done, 2);
    no_claims_left();
}
END_TEST

/* A driver may be killed between its record and the end of its claim. */
START_TEST(claims_on_recorded_cells_go)
{
    static const char *const what[] = {"ok", "ok"};
    static const unsigned char done[] = {1, 1};
    make_experiment(what, 2);
    write_claim(0, (long)getpid(), arena_printf(arena, "%s 1", this_host()));
    write_claim(1, (long)getpid(), this_host());
    ck_ok(drive((struct grid_options){.jobs = 1, .done = done}));
    ck_assert_int_eq(out.skipped, 2);
    ck_assert(!file_exists(claim_path(0)));
    ck_assert(file_exists(claim_path(1))); /* of the living */
}
END_TEST

/* Numbers of processes are used again: a claim is dead when the process of its number began at another time. And a
 * process that has ended keeps its number until its parent asks. */
START_TEST(claims_tell_processes_of_one_number_apart)
{
    static const char *const what[] = {"ok"};
    struct claim mine;
    int taken;
    make_experiment(what, 1);
    write_claim(0, (long)getpid(), arena_printf(arena, "%s 1", this_host()));
    ck_ok(claim_take(e.runs_dir, "other", &mine, &taken));
    ck_assert_int_eq(taken, 1);
    ck_ok(drive((struct grid_options){.jobs = 1}));
    ck_assert_int_eq(out.done, 1);
    int again;
    struct claim second;
    ck_ok(claim_take(e.runs_dir, "other", &second, &again)); /* this process lives, and is the one that began then */
    ck_assert_int_eq(again, 0);
    claim_drop(&mine);

    pid_t ended = fork();
    if (ended == 0) _exit(0);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT), 0);
    write_claim(0, (long)ended, this_host());
    ck_ok(drive((struct grid_options){.jobs = 1}));
    ck_assert_int_eq(out.done, 1);
    waitpid(ended, NULL, 0);
    no_claims_left();
}
END_TEST

START_TEST(claims_of_the_living_are_waited_for)
{
    static const char *const what[] = {"ok", "ok"};
    make_experiment(what, 2);
    write_claim(0, 1, "another-host");
    const char *path = claim_path(0);
    pid_t other = fork();
    if (other == 0) {
        sleep(1);
        _exit(unlink(path));
    }
    ck_ok(drive((struct grid_options){.jobs = 2}));
    int how;
    waitpid(other, &how, 0);
    ck_assert_int_eq(how, 0);
    ck_assert_int_eq(out.done, 2);
    ck_assert(out.seconds > 0.9);
    const char *journal = read_journal();
    ck_assert_ptr_nonnull(strstr(journal, "ok/t/1"));
    ck_assert_ptr_nonnull(strstr(strstr(journal, "ok/t/1"), "ok/t/0")); /* the free cell first */
}
END_TEST

START_TEST(one_claim_at_a_time)
{
    struct claim a, b;
    int taken;
    snprintf(folder, sizeof folder, "%s", temp_dir());
    ck_ok(claim_take(folder, "key", &a, &taken));
    ck_assert_int_eq(taken, 1);
    ck_ok(claim_take(folder, "key", &b, &taken));
    ck_assert_int_eq(taken, 0);
    claim_drop(&b); /* not held: nothing happens */
    ck_ok(claim_take(folder, "key", &b, &taken));
    ck_assert_int_eq(taken, 0);
    claim_drop(&a);
    ck_ok(claim_take(folder, "key", &b, &taken));
    ck_assert_int_eq(taken, 1);
    ck_fails(claim_take("/no/such/folder", "key", &a, &taken), ST_IO, "/no/such/folder/key.claim: cannot create it");
}
END_TEST

/* ---- signals ---- */

START_TEST(a_signal_ends_cells_and_keeps_the_rest)
{
    static const char *const what[] = {"ok", "hang", "hang", "ok"};
    make_experiment(what, 4);
    pid_t driver = fork();
    if (driver == 0) {
        status st = drive((struct grid_options){.jobs = 2});
        _exit(st == ST_OK && out.signal == SIGTERM && out.done == 1 && out.left == 3 && out.failed == 0 ? 0 : 1);
    }
    for (int i = 0; i < 100 && !file_exists(arena_printf(arena, "%s/0.h5", e.runs_dir)); i++) usleep(50000);
    usleep(600000); /* both hang now */
    kill(driver, SIGTERM);
    int how;
    waitpid(driver, &how, 0);
    ck_assert_int_eq(how, 0);
    no_claims_left();
}
END_TEST

/* A cell that does not hear the first signal: the second ends it at once. */
START_TEST(a_second_signal_does_not_wait)
{
    static const char *const what[] = {"deaf", "ok"};
    make_experiment(what, 2);
    pid_t driver = fork();
    if (driver == 0) {
        status st = drive((struct grid_options){.jobs = 1});
        _exit(st == ST_OK && out.signal == SIGINT && out.left == 2 && out.failed == 0 && out.seconds < 60 ? 0 : 1);
    }
    usleep(600000);
    kill(driver, SIGTERM);
    int how;
    usleep(600000);
    ck_assert_int_eq(waitpid(driver, &how, WNOHANG), 0); /* it waits for the cell */
    kill(driver, SIGINT);
    waitpid(driver, &how, 0);
    ck_assert_int_eq(how, 0);
    no_claims_left();
}
END_TEST

START_TEST(a_killed_driver_leaves_no_cell_running)
{
    static const char *const what[] = {"hang"};
    make_experiment(what, 1);
    int p[2];
    char c;
    ck_assert_int_eq(pipe(p), 0);
    pid_t driver = fork();
    if (driver == 0) _exit((int)drive((struct grid_options){.jobs = 1}));
    close(p[1]); /* the driver and its cell hold the only write ends */
    usleep(500000);
    kill(driver, SIGKILL);
    waitpid(driver, NULL, 0);
    alarm(10);
    ck_assert_int_eq((int)read(p[0], &c, 1), 0); /* returns when both are gone */
    alarm(0);
}
END_TEST

PG_TESTS(TEST(a_cut_file_ends_its_cell), TEST(cells_known_to_be_done_start_no_process),
         TEST(one_bad_cell_does_not_stop_the_rest), TEST(threads_are_shared_among_jobs), TEST(shards_part_the_grid),
         TEST(filters_choose_labels), TEST(claims_of_the_dead_are_taken_over),
         TEST(claims_tell_processes_of_one_number_apart), TEST(claims_on_recorded_cells_go),
         TEST(claims_of_the_living_are_waited_for), TEST(one_claim_at_a_time),
         TEST(a_signal_ends_cells_and_keeps_the_rest), TEST(a_second_signal_does_not_wait),
         TEST(a_killed_driver_leaves_no_cell_running))
