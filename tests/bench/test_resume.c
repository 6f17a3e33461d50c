/* A run that is stopped or killed and gone on with leaves the record of an undisturbed one. Every method of the table
 * is stopped behind each of its steps; no list is kept here. */
#include "tests/pgtest.h"

#include <signal.h>
#include <sys/wait.h>
#include "bench/experiment.h"
#include "bench/stop.h"
#include "bench/trainer.h"
#include "core/file.h"
#include "core/text.h"
#include "methods/method.h"
#include "tests/tiny_cell.h"
#include "tests/tiny_lm.h"
#include "tests/tokens_golden.h"

static struct arena *arena;
static char folder[4300];
static struct experiment e;

static void begin(const char *text)
{
    arena = arena_new("test");
    notice_quiet(1);
    stop_ask(0);
    snprintf(folder, sizeof folder, "%s", fresh_folder());
    write_text(folder, "t.csv", "q,a\none,two\ntwo,three\nthree,four\nfour,five\nfive,six\nsix,seven and more\n");
    write_text(folder, "d.csv", "q,a\none,two\nsix,seven\none,two too\n");
    write_text(folder, "e.ini", text);
    const char *path = arena_printf(arena, "%s/e.ini", folder);
    status st = experiment_read(path, arena, &e);
    ck_assert_msg(st == ST_OK, "%s", status_message());
}

static const char *place(const char *name)
{
    return arena_printf(arena, "%s/%s", folder, name);
}

/* ---- one run of a cell ---- */

struct visit { /* stops behind step `stop`, or kills the process there; -1: neither */
    long stop, kill, seen;
};

static void on_progress(void *ctx, const char *phase, long done, long total, double loss)
{
    struct visit *v = ctx;
    (void)total;
    (void)loss;
    if (strcmp(phase, "train") != 0) return;
    if (!v->seen) v->seen = done;
    if (done == v->kill) raise(SIGKILL);
    if (done == v->stop) stop_ask(SIGTERM);
}

static status go(const struct cell *cell, const char *runs, struct visit *v, const char **record_file)
{
    int skipped;
    const struct run_paths paths = {.runs_dir = runs, .cache_dir = place("cache")};
    v->seen = 0;
    status st = cell_run(cell, &paths, on_progress, v, arena, &skipped, record_file);
    stop_ask(0);
    return st;
}

static const char *hash_of(const char *record_file)
{
    struct record r;
    char *hex = arena_alloc(arena, SHA256_HEX);
    ck_ok(record_read(record_file, arena, &r));
    ck_assert_str_eq(record_get_string(&r, "run/status", ""), "ok");
    record_hash(&r, hex);
    return hex;
}

static const char *undisturbed(const struct cell *cell)
{
    const char *file;
    ck_ok(go(cell, place("whole"), &(struct visit){.stop = -1, .kill = -1}, &file));
    return hash_of(file);
}

/* What lies beside a record. */
static int leftovers(const char *runs)
{
    char **name;
    int files, n = 0;
    ck_ok(file_list(runs, NULL, arena, &name, &files));
    for (int i = 0; i < files; i++) n += strstr(name[i], ".h5") != name[i] + strlen(name[i]) - 3;
    return n;
}

/* Stopped behind every one of its steps; each time it must go on there and not begin anew. */
static void stop_at_every_step(const struct cell *cell)
{
    const char *want = undisturbed(cell), *runs = place("parts"), *file;
    const long steps = cell->train.steps;
    for (long step = 1; step < steps; step++) {
        struct visit v = {.stop = step, .kill = -1};
        status st = go(cell, runs, &v, &file);
        ck_assert_msg(st == ST_INTERRUPTED, "%s: step %ld: %s", cell->label, step, status_message());
        ck_assert_msg(strstr(status_message(), arena_printf(arena, "after step %ld of %ld; run it again", step, steps)),
                      "%s: %s", cell->label, status_message());
        ck_assert_msg(v.seen == step, "%s: began with step %ld, expected %ld", cell->label, v.seen, step);
    }
    struct visit last = {.stop = -1, .kill = -1};
    ck_ok(go(cell, runs, &last, &file));
    ck_assert_int_eq(last.seen, steps);
    ck_assert_msg(strcmp(hash_of(file), want) == 0, "%s: another record after its stops", cell->label);
    ck_assert_int_eq(leftovers(runs), 0);
}

/* ---- every method ---- */

/* Rows of all methods; the quantised stores take turns with f32 where the method permits them. */
static void put_rows(struct text *t)
{
    static const char *const stores[] = {"f32", "nf4", "int8", "bf16"};
    const char *comma = "methods = ";
    for (int i = 0; method_table[i]; i++) {
        if (method_table[i]->flags & METHOD_HIDDEN || method_table[i]->unavailable) continue;
        ck_ok(text_printf(t, "%s%s", comma, method_table[i]->name));
        comma = ", ";
    }
    ck_ok(text_put(t, "\n[train]\nlr = 0.01\nsteps = 5\nbatch = 6\nmicro_batch = 4\neval_steps = 2\nthreads = 1\n"));
    for (int i = 0, turn = 0; method_table[i]; i++) {
        const struct method *m = method_table[i];
        if (m->flags & METHOD_HIDDEN || m->unavailable || m->preset || m->flags & METHOD_TRAINS_BASE) continue;
        ck_ok(text_printf(t, "[row %s]\nstore = %s\n", m->name, stores[turn++ % 4]));
    }
}

/* head: what stands in [experiment]; sections: what follows all rows. */
static void every_method(const char *head, const char *sections)
{
    struct text t = {0};
    ck_ok(text_printf(&t, "[experiment]\nseeds = 1\n%s\n", head));
    put_rows(&t);
    ck_ok(text_put(&t, sections));
    begin(t.s);
    text_free(&t);
    ck_assert_int_ge(e.cells, 12);
    for (int i = 0; i < e.cells; i++) stop_at_every_step(&e.cell[i]);
    arena_free(arena);
}

START_TEST(every_method_on_an_encoder)
{
    char head[4600];
    snprintf(head, sizeof head, "model = %s\ntasks = mini_sst2", tiny_model());
    every_method(head, "");
}
END_TEST

#define SAYINGS \
    "[task sayings]\nstyle = completion\nformat = csv\ntrain = t.csv\ndev = d.csv\nprompt = {q}\ncompletion = {a}\n" \
    "max_len = 40\n"

START_TEST(every_method_on_a_decoder)
{
    char head[4600];
    snprintf(head, sizeof head, "model = %s\ntasks = sayings", tiny_lm_model());
    every_method(head, SAYINGS);
}
END_TEST

/* ---- kills and damage ---- */

#define SHORT \
    "[experiment]\nmodel = mini\ntasks = mini_sst2\nmethods = lora\nseeds = 1\n[train]\nlr = 0.01\nsteps = 9\nbatch " \
    "= 8\n" \
    "eval_steps = 3\nmax_train = 40\nmax_dev = 12\nthreads = 1\ncheckpoint_steps = 2\n"

/* Runs the cell in a process that is killed behind a step. */
static void killed_at(long step)
{
    const char *file;
    pid_t pid = fork();
    if (pid == 0) {
        go(&e.cell[0], place("parts"), &(struct visit){.stop = -1, .kill = step}, &file);
        _exit(0);
    }
    int how;
    waitpid(pid, &how, 0);
    ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static char *checkpoint_name(const char *suffix)
{
    char **name;
    int n;
    ck_ok(file_list(place("parts"), suffix, arena, &name, &n));
    ck_assert_int_eq(n, 1);
    return path_join(arena, place("parts"), name[0]);
}

/* Ends the run; it must begin behind step `after` and give the undisturbed record. */
static void ends_as_undisturbed(long after, const char *want)
{
    const char *file;
    struct visit v = {.stop = -1, .kill = -1};
    ck_ok(go(&e.cell[0], place("parts"), &v, &file));
    ck_assert_int_eq(v.seen, after + 1);
    ck_assert_str_eq(hash_of(file), want);
    ck_assert_int_eq(leftovers(place("parts")), 0);
    ck_ok(file_remove(file));
}

START_TEST(killed_runs_go_on)
{
    begin(SHORT);
    const char *want = undisturbed(&e.cell[0]);
    for (long step = 1; step <= 9; step++) {
        killed_at(step); /* before the checkpoint that is due behind it */
        ends_as_undisturbed((step - 1) / 2 * 2, want);
    }
    killed_at(4);
    killed_at(7);
    killed_at(8);
    ends_as_undisturbed(6, want);
    arena_free(arena);
}
END_TEST

/* Changes a byte of a file, or cuts it off there. */
static void spoil(const char *path, long at, int cut)
{
    char *bytes;
    size_t size;
    ck_ok(file_read(path, 1 << 24, arena, &bytes, &size));
    size_t where = at < 0 ? size - (size_t)-at : (size_t)at;
    bytes[where] = (char)(bytes[where] ^ 1);
    ck_ok(file_write_atomic(path, bytes, cut ? where : size));
}

START_TEST(a_damaged_checkpoint_falls_back)
{
    static const long where[] = {0, 30, 100, 150, 200, 300, 500, 511, 512, 700, 5000, -1};
    begin(SHORT);
    const char *want = undisturbed(&e.cell[0]);
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        killed_at(5); /* .ckpt is of step 4, .ckpt.1 of step 2 */
        spoil(checkpoint_name(".ckpt"), where[i], i % 2 == 0);
        ends_as_undisturbed(2, want);
        killed_at(5);
        spoil(checkpoint_name(".ckpt"), where[i], i % 2 == 1);
        spoil(checkpoint_name(".ckpt.1"), where[i], i % 2 == 0);
        ends_as_undisturbed(0, want);
    }
    arena_free(arena);
}
END_TEST

START_TEST(the_checkpoint_of_another_run_is_not_taken)
{
    begin(SHORT);
    const char *want = undisturbed(&e.cell[0]), *file;
    char *bytes;
    size_t size;
    killed_at(5);
    ck_ok(file_read(checkpoint_name(".ckpt"), 1 << 24, arena, &bytes, &size));
    ends_as_undisturbed(4, want);
    struct cell other = e.cell[0];
    other.train.lr = 0.02;
    other.canon = arena_printf(arena, "%slr=other\n", other.canon);
    struct visit v = {.stop = 3, .kill = -1};
    ck_fails(go(&other, place("parts"), &v, &file), ST_INTERRUPTED, "after step 3 of 9");
    ck_ok(file_write_atomic(checkpoint_name(".ckpt"), bytes, size));
    v.stop = -1;
    ck_ok(go(&other, place("parts"), &v, &file));
    ck_assert_int_eq(v.seen, 3); /* from its own checkpoint of step 2 */
    ck_assert_str_ne(hash_of(file), want);
    arena_free(arena);
}
END_TEST

/* ---- limits ---- */

START_TEST(a_time_limit_keeps_the_state)
{
    const char *file;
    begin(SHORT "time_limit = 1e-9\n");
    const struct cell *cell = &e.cell[0];
    struct visit v = {.stop = -1, .kill = -1};
    ck_fails(go(cell, place("parts"), &v, &file), ST_INTERRUPTED,
             "time_limit = 1e-09 minutes is reached after step 1 of 9");
    ck_fails(go(cell, place("parts"), &v, &file), ST_INTERRUPTED, "time_limit");
    ck_assert_int_eq(v.seen, 0); /* reached while it went on */
    struct cell unlimited = *cell;
    unlimited.train.time_limit = 0;
    ck_ok(go(&unlimited, place("parts"), &v, &file));
    ck_assert_int_eq(v.seen, 2);
    arena_free(arena);
}
END_TEST

START_TEST(a_memory_limit_is_told)
{
    const char *file;
    begin(SHORT "memory_limit = 1\n");
    struct visit v = {.stop = -1, .kill = -1};
    ck_fails(go(&e.cell[0], place("parts"), &v, &file), ST_MEMORY, "would be more than the limit of 1 MB");
    struct cell unlimited = e.cell[0];
    unlimited.train.memory_limit = 0;
    ck_ok(go(&unlimited, place("parts"), &v, &file));
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(every_method_on_an_encoder), TEST(every_method_on_a_decoder), TEST(killed_runs_go_on),
         TEST(a_damaged_checkpoint_falls_back), TEST(the_checkpoint_of_another_run_is_not_taken),
         TEST(a_time_limit_keeps_the_state), TEST(a_memory_limit_is_told))
