/* A run that is stopped or killed and goes on leaves the record of an undisturbed one, byte for byte once /environment
 * is the same: every method, on an encoder and a decoder, stores by turns, at any step. */
#include "tests/pgtest.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "bench/checkpoint_file.h"
#include "bench/disk_room.h"
#include "bench/stop.h"
#include "bench/trainer.h"
#include "core/file.h"
#include "core/rng.h"
#include "core/system.h"
#include "tests/tiny_cell.h"
#include "tests/tiny_lm.h"
#include "tests/tokens_golden.h"

static struct arena *arena;
static char folder[4300];
static struct experiment e;
static struct cell cell; /* what is run */

/* ---- cells ---- */

enum { STEPS = 6 };

#define SAYINGS \
    "[task sayings]\nstyle = completion\nformat = csv\ntrain = t.csv\ndev = d.csv\nprompt = {q}\ncompletion = {a}\n"
#define VOTES "[task votes]\nformat = csv\ntrain = v.csv\ndev = v.csv\ntext_a = q\nlabel = a\nlabel_names = no, yes\n"

/* A network and a set of each kind that there is to train on; most tests take the first two. */
enum kind { ENCODER, DECODER, KINDS };
static const struct {
    int decoder;
    const char *task, *sections;
} data[] = {[ENCODER] = {0, "mini_sst2", ""},
            [DECODER] = {1, "sayings", SAYINGS},
            {0, "mini_rte", ""},
            {0, "mini_stsb", ""},
            {0, "votes", VOTES},
            {1, "sayings", SAYINGS "generate = 3\n"},
            {1, "sayings", SAYINGS "benchmark = m\n[task m]\nformat = mmlu\nsubjects = anatomy\nshots = 1\n"},
            {1, "prose", "[task prose]\nstyle = text\ntrain = t.csv\ndev = d.csv\n"}};
enum { DATA = sizeof data / sizeof data[0] };

static const char train[] = "[train]\nlr = 0.01\nsteps = 6\nbatch = 4\nmicro_batch = 3\nthreads = 1\neval_steps = 2\n"
                            "eval_batch = 1\nmax_train = 10\nmax_dev = 5\nmax_len = 40\ncheckpoint_minutes = 0\n";

static void begin(void)
{
    arena = arena_new("test");
    notice_quiet(1);
    snprintf(folder, sizeof folder, "%s", fresh_folder());
    write_text(folder, "t.csv", "q,a\none,two\ntwo,three\nthree,four\nfour,five\nfive,six\nsix,seven and more\n");
    write_text(folder, "d.csv", "q,a\none,two\nsix,seven\none,two too\n");
    write_text(folder, "v.csv", "q,a\na good one,yes\na bad one,no\nnot so good,no\nfine,yes\nvery fine,yes\n");
}

/* row: further settings of the method's row. */
static void make_cell(enum kind kind, const char *method, const char *row)
{
    const char *model = data[kind].decoder ? tiny_lm_model() : tiny_model(),
               *path = arena_printf(arena, "%s/e.ini", folder);
    const char *text = arena_printf(
        arena, "[experiment]\nmodel = %s\ndata = %s\ntasks = %s\nmethods = %s\nseeds = 1\n%s%s[row %s]\n%s", model,
        tiny_mmlu(), data[kind].task, method, data[kind].sections, train, method, row);
    write_text(folder, "e.ini", text);
    status st = experiment_read(path, arena, &e);
    ck_assert_msg(st == ST_OK, "%s", status_message());
    cell = e.cell[0];
}

/* ---- runs ---- */

struct plan_of_stops {
    const char *phase; /* "train" or "eval": what is disturbed */
    int at;            /* the step; 0: never */
    int kills;         /* by SIGKILL instead of a request */
    int first;         /* out: the first step that was trained; 0: none */
};

static void disturb(void *ctx, const char *phase, long done, long total, double loss)
{
    struct plan_of_stops *p = ctx;
    (void)total, (void)loss;
    if (!p->first && strcmp(phase, "train") == 0) p->first = (int)done;
    if (strcmp(phase, p->phase) != 0 || done != p->at) return;
    if (p->kills) raise(SIGKILL);
    stop_ask(SIGTERM);
}

static const char *runs(const char *name)
{
    return arena_printf(arena, "%s/%s", folder, name);
}

static status run(const char *name, struct plan_of_stops *p, const char **path)
{
    int skipped;
    const struct run_paths paths = {.runs_dir = runs(name)};
    status st = cell_run(&cell, &paths, p ? disturb : NULL, p, arena, &skipped, path);
    stop_ask(0);
    ck_assert_int_eq(skipped, 0);
    return st;
}

static void run_whole(struct record *r)
{
    const char *path;
    status st = run("whole", NULL, &path);
    ck_assert_msg(st == ST_OK, "%s: %s", cell.label, status_message());
    ck_ok(record_read(path, arena, r));
}

static const char *beside(const char *record, const char *suffix)
{
    return arena_printf(arena, "%.*s%s", (int)strlen(record) - 3, record, suffix);
}

/* Runs until the next disturbance; the checkpoint's path. */
static const char *run_until(const char *phase, int at, struct plan_of_stops *p)
{
    const char *path, *want = arena_printf(arena, "stopped by signal 15 after step %d of %d; run it again", at, STEPS);
    *p = (struct plan_of_stops){.phase = phase, .at = at};
    status st = run("parts", p, &path);
    ck_assert_msg(st == ST_INTERRUPTED && strstr(status_message(), want), "%s: %s", cell.label, status_message());
    const char *kept = beside(path, ".ckpt");
    ck_assert(file_exists(kept) && !file_exists(path));
    return kept;
}

static void kill_at(const char *phase, int at)
{
    struct plan_of_stops p = {.phase = phase, .at = at, .kills = 1};
    const char *path;
    int how;
    pid_t pid = fork();
    if (pid == 0) _exit((int)run("parts", &p, &path));
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

/* The file of a record whose environment is another's. */
static char *bytes_with(const struct record *r, const struct record *environment, size_t *size)
{
    struct record mixed = *r;
    char *bytes, *path = arena_printf(arena, "%s/mixed.h5", folder);
    mixed.item = arena_alloc(arena, sizeof *mixed.item * (size_t)r->count);
    for (int i = 0; i < r->count; i++) {
        bool env = strncmp(r->item[i].path, "environment/", 12) == 0;
        const struct record_item *it = env ? record_get(environment, r->item[i].path) : &r->item[i];
        ck_assert_ptr_nonnull(it);
        mixed.item[i] = *it;
    }
    ck_ok(record_write(&mixed, path));
    ck_ok(file_read(path, 1 << 26, arena, &bytes, size));
    return bytes;
}

/* Runs to the end: the record equals the undisturbed one, and nothing else is left. */
static void finish(const struct record *whole, struct plan_of_stops *p)
{
    struct record r;
    char hash[2][SHA256_HEX];
    const char *path;
    size_t size[2];
    *p = (struct plan_of_stops){.phase = "none"};
    status st = run("parts", p, &path);
    ck_assert_msg(st == ST_OK, "%s: %s", cell.label, status_message());
    ck_ok(record_read(path, arena, &r));
    record_hash(whole, hash[0]);
    record_hash(&r, hash[1]);
    ck_assert_msg(strcmp(hash[0], hash[1]) == 0, "%s: the results differ", cell.label);
    ck_assert_int_eq(r.count, whole->count);
    char *a = bytes_with(whole, whole, &size[0]), *b = bytes_with(&r, whole, &size[1]);
    ck_assert_uint_eq(size[0], size[1]);
    ck_assert_mem_eq(a, b, size[0]);
    char **left;
    int n;
    ck_ok(file_list(runs("parts"), NULL, arena, &left, &n));
    ck_assert_int_eq(n, 1);
    remove(path);
}

static const char *rest_of(const struct method *m, const struct store *s)
{
    const char *rate = m->flags & METHOD_TRAINS_BASE ? "lr = 1e-3\n" : "";
    return arena_printf(arena, "store = %s\n%s", m->flags & METHOD_PLAIN_STORE ? "f32" : s->name, rate);
}

static const struct store *store_by_turns(int turn)
{
    int stores = 0;
    while (store_table[stores]) stores++;
    return store_table[turn % stores];
}

/* ---- tests ---- */

/* Twice at steps that a generator chooses, the second time with what the first left. */
START_TEST(every_method_goes_on_from_any_step)
{
    const struct rng rng = {.seed = 77};
    int methods = 0;
    for (int m = 0; method_table[m]; m++) {
        const struct method *method = method_table[m];
        struct record whole;
        struct plan_of_stops p;
        if (method->unavailable || method->preset_of) continue;
        begin();
        make_cell((enum kind)_i, method->name, rest_of(method, store_by_turns(m + _i)));
        run_whole(&whole);
        int first = 1 + rng_below(&rng, RNG_DATA, (uint64_t)m, 0, (uint32_t)_i, 0, STEPS - 1);
        int second = first + 1 + rng_below(&rng, RNG_DATA, (uint64_t)m, 1, (uint32_t)_i, 0, STEPS - first);
        run_until("train", first, &p);
        run_until("train", second, &p);
        ck_assert_int_eq(p.first, first + 1);
        finish(&whole, &p);
        ck_assert_int_eq(p.first, second == STEPS ? 0 : second + 1);
        arena_free(arena);
        methods++;
    }
    ck_assert_int_ge(methods, 10);
}
END_TEST

/* Every method in every precision (dfp by turns of the data) on every kind of data: killed at a step that a generator
 * chooses or in the evaluation that follows the last one. */
START_TEST(every_method_goes_on_in_every_precision_on_all_data)
{
    const struct rng rng = {.seed = 78};
    int runs_made = 0;
    for (int m = 0; method_table[m]; m++)
        for (int a = 0; arith_table[a]; a++) {
            const struct method *method = method_table[m];
            struct record whole;
            struct plan_of_stops p;
            if (method->unavailable || method->preset_of) continue;
            if (arith_table[a] == &arith_dfp && m % DATA != _i) continue;
            begin();
            make_cell((enum kind)_i, method->name,
                      arena_printf(arena, "precision = %s\n%s", arith_table[a]->name,
                                   rest_of(method, store_by_turns(m + _i))));
            run_whole(&whole);
            cell.train.checkpoint_steps = 2;
            int at = 1 + rng_below(&rng, RNG_DATA, (uint64_t)m, (uint32_t)a, (uint32_t)_i, 0, STEPS);
            kill_at(at == STEPS ? "eval" : "train", at);
            finish(&whole, &p);
            if (at == STEPS) ck_assert_int_eq(p.first, 0);
            if (at < STEPS) ck_assert(p.first >= at - 1 && p.first <= at + 1);
            arena_free(arena);
            runs_made++;
        }
    ck_assert_int_ge(runs_made, 20);
}
END_TEST

static const struct {
    const char *method, *row;
} busy[] = {{"dylora", "rank = 4\n"},
            {"adalora", "rank = 4\ntarget_rank = 2\nt_f = 2\n"},
            {"blora", "form = qra\n"},
            {"full_ft", "lr = 1e-3\n"}};
enum { BUSY = sizeof busy / sizeof busy[0] };

/* Stopped after each step and in each evaluation, all of it one run after the other. */
START_TEST(goes_on_from_every_step)
{
    struct record whole;
    struct plan_of_stops p;
    begin();
    make_cell((enum kind)(_i % KINDS), busy[_i / KINDS].method, busy[_i / KINDS].row);
    run_whole(&whole);
    for (int step = 1; step <= STEPS; step++) {
        run_until("train", step, &p);
        ck_assert_int_eq(p.first, step);
        if (step % 2 == 0) run_until("eval", step, &p);
    }
    finish(&whole, &p);
    arena_free(arena);
}
END_TEST

START_TEST(goes_on_after_kills)
{
    struct record whole;
    struct plan_of_stops p;
    begin();
    make_cell((enum kind)_i, "adalora", busy[1].row);
    run_whole(&whole);
    cell.train.checkpoint_steps = 1;
    for (int at = 2; at <= STEPS; at += 2) kill_at("train", at);
    kill_at("eval", STEPS);
    finish(&whole, &p);
    ck_assert_int_eq(p.first, 0); /* all steps were kept */
    arena_free(arena);
}
END_TEST

START_TEST(leftovers_of_a_recorded_run_go)
{
    struct record whole;
    const char *path, *left;
    int skipped;
    begin();
    make_cell(DECODER, "lora", "rank = 2\n");
    run_whole(&whole);
    const struct run_paths paths = {.runs_dir = runs("whole")};
    ck_ok(cell_run(&cell, &paths, NULL, NULL, arena, &skipped, &path));
    const char *const suffix[] = {".ckpt", ".ckpt.1", ".ckpt.0123456789abcdef.tmp", ".partial"};
    for (int i = 0; i < 4; i++) {
        left = beside(path, suffix[i]);
        ck_ok(file_write_atomic(left, "x", 1));
        ck_ok(cell_run(&cell, &paths, NULL, NULL, arena, &skipped, &path));
        ck_assert_int_eq(skipped, 1);
        ck_assert(!file_exists(left) && file_exists(path));
    }
    arena_free(arena);
}
END_TEST

/* A language model's evaluation is long: it has a checkpoint in front of it even when none is due. */
START_TEST(a_kill_in_a_long_evaluation_repeats_no_step)
{
    struct record whole;
    struct plan_of_stops p;
    begin();
    make_cell(DECODER, "lora", "");
    run_whole(&whole);
    kill_at("eval", 4);
    finish(&whole, &p);
    ck_assert_int_eq(p.first, 5);
    arena_free(arena);
}
END_TEST

/* ---- damage ---- */

static char *good[2]; /* the checkpoint and the one before */
static size_t size[2];
static const char *file[2];

static void make_two(struct record *whole)
{
    struct plan_of_stops p;
    char **name;
    int n;
    begin();
    make_cell(ENCODER, "lora", "rank = 2\n");
    run_whole(whole);
    cell.train.checkpoint_steps = 2;
    run_until("train", 5, &p);
    for (int i = 0; i < 2; i++) {
        ck_ok(file_list(runs("parts"), i ? ".ckpt.1" : ".ckpt", arena, &name, &n));
        ck_assert_int_eq(n, 1);
        file[i] = arena_printf(arena, "%s/%s", runs("parts"), name[0]);
        ck_ok(file_read(file[i], 1 << 26, arena, &good[i], &size[i]));
    }
}

static void put_back(int i)
{
    ck_ok(file_write_atomic(file[i], good[i], size[i]));
}

static void flip(int i, size_t at, int bit)
{
    char *bytes = arena_alloc(arena, size[i]);
    memcpy(bytes, good[i], size[i]);
    bytes[at] = (char)(bytes[at] ^ (1 << bit));
    ck_ok(file_write_atomic(file[i], bytes, size[i]));
}

START_TEST(damaged_checkpoints_fall_back)
{
    struct record whole;
    struct plan_of_stops p;
    make_two(&whole);
    const size_t places[] = {0, 30, 200, CHECKPOINT_HEAD - 2, CHECKPOINT_HEAD + 9, size[0] / 2, size[0] - 1};
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        flip(0, places[k], 3);
        put_back(1);
        finish(&whole, &p);
        ck_assert_int_eq(p.first, 5); /* from the one of step 4 */
    }
    const size_t ends[] = {0, 1, CHECKPOINT_HEAD - 1, CHECKPOINT_HEAD, size[0] - 1};
    for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
        ck_ok(file_write_atomic(file[0], good[0], ends[k]));
        put_back(1);
        finish(&whole, &p);
        ck_assert_int_eq(p.first, 5);
    }
    put_back(1); /* a kill between the two renames */
    finish(&whole, &p);
    ck_assert_int_eq(p.first, 5);
    flip(0, size[0] / 3, 1);
    flip(1, size[1] / 3, 1);
    finish(&whole, &p);
    ck_assert_int_eq(p.first, 1);
    arena_free(arena);
}
END_TEST

/* What falls back must not throw away the good one when it writes the next. */
START_TEST(a_damaged_checkpoint_does_not_push_out_the_good_one)
{
    struct record whole;
    struct plan_of_stops p;
    make_two(&whole);
    flip(0, size[0] / 2, 3);
    run_until("train", 5, &p);
    char *now;
    size_t n;
    ck_ok(file_read(file[1], 1 << 26, arena, &now, &n));
    ck_assert_uint_eq(n, size[1]);
    ck_assert_mem_eq(now, good[1], n);
    finish(&whole, &p);
    arena_free(arena);
}
END_TEST

START_TEST(foreign_checkpoints_are_not_used)
{
    struct record whole;
    struct plan_of_stops p;
    struct checkpoint_file f;
    make_two(&whole);
    char *of_lora = good[0];
    size_t n = size[0];
    ck_fails(checkpoint_file_open(file[0], "0123", &f), ST_INPUT, "it is the checkpoint of another run");
    cell.seed = 2;
    cell.canon = arena_printf(arena, "%sseed=2\n", cell.canon);
    const char *path;
    remove(file[0]);
    remove(file[1]);
    run_whole(&whole);
    run_until("train", 1, &p);
    char **name;
    int count;
    ck_ok(file_list(runs("parts"), ".ckpt", arena, &name, &count));
    path = arena_printf(arena, "%s/%s", runs("parts"), name[0]);
    ck_ok(file_write_atomic(path, of_lora, n));
    finish(&whole, &p);
    ck_assert_int_eq(p.first, 1);
    arena_free(arena);
}
END_TEST

START_TEST(every_flipped_byte_is_found)
{
    struct record whole;
    struct checkpoint_file f;
    const struct rng rng = {.seed = 5};
    char id[SHA256_HEX];
    make_two(&whole);
    snprintf(id, sizeof id, "%.64s", strrchr(file[0], '/') + 1);
    ck_ok(checkpoint_file_open(file[0], id, &f));
    checkpoint_file_close(&f);
    for (int k = 0; k < CHECKPOINT_HEAD + 1000; k++) {
        int at = k < CHECKPOINT_HEAD ? k : rng_below(&rng, RNG_DATA, (uint64_t)k, 0, 0, 0, (int)size[0]);
        flip(0, (size_t)at, k % 8);
        ck_fails(checkpoint_file_open(file[0], id, &f), ST_INPUT, "it");
    }
    for (int k = 0; k < 200; k++) {
        int n = rng_below(&rng, RNG_DATA, (uint64_t)k, 1, 0, 0, (int)size[0]);
        ck_ok(file_write_atomic(file[0], good[0], (size_t)n));
        ck_fails(checkpoint_file_open(file[0], id, &f), ST_INPUT, "it");
    }
    arena_free(arena);
}
END_TEST

/* ---- limits ---- */

/* Each process gets through one step only. */
START_TEST(a_time_limit_keeps_the_state)
{
    struct record whole;
    struct plan_of_stops p = {.phase = "none"};
    const char *path;
    begin();
    make_cell(ENCODER, "lora", "rank = 2\n");
    run_whole(&whole);
    cell.train.time_limit = 1e-9;
    for (int step = 1; step <= STEPS; step++) {
        p.first = 0;
        ck_fails(run("parts", &p, &path), ST_INTERRUPTED,
                 arena_printf(arena, "time_limit = 1e-09 minutes is reached after step %d of 6; run it again", step));
        ck_assert_int_eq(p.first, step);
    }
    finish(&whole, &p);
    arena_free(arena);
}
END_TEST

START_TEST(a_memory_limit_is_told)
{
    struct record r;
    const char *path;
    begin();
    make_cell(ENCODER, "lora", "rank = 1024\n");
    cell.train.memory_limit = 1;
    ck_fails(run("parts", NULL, &path), ST_MEMORY, "would be more than the limit of 1 MB");
    cell.train.memory_limit = 1000;
    ck_ok(run("parts", NULL, &path));
    ck_ok(record_read(path, arena, &r));
    ck_assert_str_eq(record_get_string(&r, "run/status", ""), "ok");
    arena_free(arena);
}
END_TEST

/* ---- the disk ---- */

static double room_for(const int *index, int count, int jobs)
{
    double bytes;
    ck_ok(disk_room_estimate(&e, index, count, jobs, arena, &bytes));
    return bytes;
}

START_TEST(room_is_looked_at_before_a_grid)
{
    const int index[] = {0, 0};
    begin();
    make_cell(ENCODER, "full_ft", "");
    e.runs_dir = runs("made/here");
    double one = room_for(index, 1, 1), two = room_for(index, 2, 2);
    ck_assert_double_eq(two, 2 * one);
    ck_assert_double_lt(room_for(index, 2, 1), two); /* one checkpoint at a time */
    ck_ok(disk_room_check(&e, index, 2, 1, arena));
    ck_assert(file_is_dir(e.runs_dir));
    sys_fail_after(1, SYS_FULL);
    ck_fails(disk_room_check(&e, index, 2, 1, arena), ST_IO,
             "made/here: No space left on device: 0.0 MB are free, records and checkpoints of 2 cells need about 0.");
    sys_fail_after(0, SYS_FULL);
    make_cell(ENCODER, "lora", "");
    ck_assert_double_lt(room_for(index, 1, 1), one);
    arena_free(arena);
}
END_TEST

/* The estimate is a record and three checkpoints, of which each has a head and a few lines beside the tensors. */
START_TEST(room_is_that_of_what_a_method_trains)
{
    static const char *const method[] = {"bitfit", "lora", "none", "adalora", "vera", "full_ft"};
    const int index[] = {0};
    const double record = 64 * 1024, beside_tensors = 24 * 1024;
    for (int m = 0; m < 6; m++)
        for (int k = 0; k < KINDS; k++) {
            struct plan_of_stops p;
            struct stat st;
            begin();
            make_cell((enum kind)k, method[m], "");
            double expected = (room_for(index, 1, 1) - record) / 3;
            ck_assert_int_eq(stat(run_until("train", 2, &p), &st), 0);
            double more = (double)st.st_size - expected;
            ck_assert_msg(more > 0 && more < beside_tensors, "%s: a checkpoint of %.0f bytes, %.0f were expected",
                          cell.label, (double)st.st_size, expected);
            arena_free(arena);
        }
}
END_TEST

static void fill_disk(void *ctx, const char *phase, long done, long total, double loss)
{
    (void)ctx, (void)total, (void)loss;
    if (strcmp(phase, "train") == 0) sys_fail_after(done == 2 || done == 3, SYS_FULL);
}

START_TEST(a_full_disk_does_not_end_a_run)
{
    struct record whole, r;
    char hash[2][SHA256_HEX];
    const char *path;
    int skipped;
    begin();
    make_cell(ENCODER, "lora", "rank = 2\n");
    run_whole(&whole);
    cell.train.checkpoint_steps = 1;
    const struct run_paths paths = {.runs_dir = runs("parts")};
    ck_ok(cell_run(&cell, &paths, fill_disk, NULL, arena, &skipped, &path));
    sys_fail_after(0, SYS_FULL);
    ck_ok(record_read(path, arena, &r));
    record_hash(&whole, hash[0]);
    record_hash(&r, hash[1]);
    ck_assert_str_eq(hash[0], hash[1]);
    arena_free(arena);
}
END_TEST

PG_TESTS(LOOP_TEST(every_method_goes_on_from_any_step, 0, KINDS), LOOP_TEST(goes_on_from_every_step, 0, BUSY *KINDS),
         LOOP_TEST(goes_on_after_kills, 0, KINDS),
         LOOP_TEST(every_method_goes_on_in_every_precision_on_all_data, 0, DATA),
         TEST(a_kill_in_a_long_evaluation_repeats_no_step), TEST(leftovers_of_a_recorded_run_go),
         TEST(damaged_checkpoints_fall_back), TEST(a_damaged_checkpoint_does_not_push_out_the_good_one),
         TEST(foreign_checkpoints_are_not_used), TEST(every_flipped_byte_is_found), TEST(a_time_limit_keeps_the_state),
         TEST(a_memory_limit_is_told), TEST(room_is_looked_at_before_a_grid),
         TEST(room_is_that_of_what_a_method_trains), TEST(a_full_disk_does_not_end_a_run))
