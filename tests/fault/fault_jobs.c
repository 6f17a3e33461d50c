#include "tests/fault/fault_jobs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/file.h"
#include "results/record.h"
#include "tests/fault/fault_sweep.h"
#include "tests/pgtest.h"
#include "tests/tiny_cell.h"
#include "tests/tiny_lm.h"

/* A regression with files of its own, an adapter and correlations; a text task with a log of its evaluations. */
static const char experiment_x[] =
    "[experiment]\nmodel = %s\ntasks = marks\nmethods = lora\nseeds = 1, 2\n"
    "[task marks]\nformat = tsv\ntrain = train.tsv\ndev = dev.tsv\ntest = test.tsv\n"
    "text_a = text\nlabel = mark\nregression = yes\nmetric = spearman, pearson\n"
    "[train]\nlr = 1e-2\nsteps = 2\neval_steps = 1\nbatch = 4\nthreads = 1\nmax_len = 16\n"
    "save_adapter = yes\n[row lora]\nrank = 2\n";
static const char experiment_l[] =
    "[experiment]\nmodel = %s\ntasks = sayings\nmethods = lora\nseeds = 1\n"
    "[task sayings]\nstyle = completion\nformat = csv\ntrain = train.csv\ndev = dev.csv\n"
    "prompt = {q}\ncompletion = {a}\nmax_len = 40\n"
    "[train]\nlr = 1e-2\nsteps = 2\nbatch = 2\nthreads = 1\n[row lora]\nrank = 2\n";

static const struct {
    const char *name, *text;
} data[] = {
    {"train.tsv", "text\tmark\na b c\t1\nb c\t2.5\nthe cat\t0\na dog ran\t4\nabc\t3\nx y z\t2\n"},
    {"dev.tsv", "text\tmark\nb a\t1\nc c\t2\nthe dog\t0.5\nz\t3\n"},
    {"test.tsv", "text\nsome words\nmore\n"},
    {"train.csv", "q,a\none,two\ntwo,three\nthree,four\n"},
    {"dev.csv", "q,a\none,two\nsix,seven\n"},
    {"corpus.txt", "the cat sat\na dog ran\nbirds sing at dawn\n"},
};

/* RECORD stands for the record of seed 1. */
#define RECORD "RECORD"
static const struct job jobs[] = {
    {"run", {"run", "x.ini", "--runs", "work/runs", "--cache", "work/cache", "--progress", "none"}, 1, 0},
    {"run-language", {"run", "l.ini", "--runs", "work/runs", "--cache", "work/cache", "--progress", "none"}, 1, 0},
    {"check", {"check", "x.ini", "--fast", "--cache", "work/cache"}, 1, 0},
    {"table", {"table", "x.ini", "--runs", "done", "--format", "csv"}, 0, 0},
    {"inspect", {"inspect", RECORD, "--full"}, 0, 0},
    {"merge-file", {"merge", "work/all.h5", "done/x", "done/l"}, 0, 0},
    {"merge-folder", {"merge", "work/all", "done/x"}, 0, 0},
    {"evaluate", {"evaluate", RECORD, "--experiment", "x.ini", "--threads", "1"}, 0, 0},
    {"predict", {"predict", RECORD, "--experiment", "x.ini", "--threads", "1", "--out", "work/predicted"}, 0, 0},
    {"pretrain",
     {"pretrain", "--config", "bert", "--text", "corpus.txt", "--tokenizer", "bert", "--out", "work/trained", "--steps",
      "1", "--batch", "2", "--threads", "1"},
     0,
     0},
    {"plot", {"plot", "x.ini", "--runs", "done", "--kind", "curves", "--format", "svg", "--out", "work/figures"}, 0, 1},
};
enum { JOBS = sizeof jobs / sizeof *jobs };

static int (*whole_work)(void);
static int verdict = 1;

START_TEST(do_work)
{
    verdict = whole_work();
}
END_TEST

int fault_main(int (*work)(void))
{
    whole_work = work;
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, do_work);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    if (failed) srunner_print(runner, CK_NORMAL);
    srunner_free(runner);
    return failed ? 1 : verdict;
}

static int tell(const char *what)
{
    printf("FAIL the bench of the fault tests: %s\n", what);
    return 0;
}

/* A model's files, old enough for their hash to be remembered. */
static void put_model(const struct bench *b, const char *from, const char *name)
{
    const char *to = path_join(b->arena, b->folder, name);
    char **file;
    int n;
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    folder_copy(from, to);
    if (file_list(to, NULL, b->arena, &file, &n) != ST_OK) return;
    for (int i = 0; i < n; i++) utimensat(AT_FDCWD, path_join(b->arena, to, file[i]), old, 0);
}

static int put_files(const struct bench *b)
{
    put_model(b, tiny_model(), "bert");
    put_model(b, tiny_lm_model(), "llama");
    const char *x = arena_printf(b->arena, experiment_x, "bert"), *l = arena_printf(b->arena, experiment_l, "llama");
    int good = file_write_atomic(path_join(b->arena, b->folder, "x.ini"), x, strlen(x)) == ST_OK &&
               file_write_atomic(path_join(b->arena, b->folder, "l.ini"), l, strlen(l)) == ST_OK;
    for (size_t i = 0; good && i < sizeof data / sizeof *data; i++)
        good = file_write_atomic(path_join(b->arena, b->folder, data[i].name), data[i].text, strlen(data[i].text)) ==
               ST_OK;
    return good || tell(status_message());
}

static int run_whole(const struct bench *b, const struct job *job)
{
    struct child_run r;
    job_run(b, job, (struct fault){.n = 0}, b->arena, &r);
    return (r.code == 0 && !*r.leak) ||
           tell(arena_printf(b->arena, "%s: exit code %d, %s%s", job->name, r.code, r.err, r.leak));
}

/* done/: both experiments; earlier/: of x only seed 1's record and adapter. */
static int put_runs(struct bench *b)
{
    char **name;
    int n;
    if (!run_whole(b, &jobs[0]) || !run_whole(b, &jobs[1])) return 0;
    const char *runs = path_join(b->arena, b->work, "runs"), *x = path_join(b->arena, runs, "x"),
               *early = path_join(b->arena, b->earlier, "runs/x");
    folder_copy(runs, b->done);
    if (file_make_dirs(early) != ST_OK || file_list(x, ".h5", b->arena, &name, &n) != ST_OK)
        return tell(status_message());
    for (int i = 0; i < n; i++) {
        struct record r;
        const char *path = path_join(b->arena, x, name[i]);
        if (record_read(path, b->arena, &r) != ST_OK) return tell(status_message());
        if (record_get_real(&r, "run/seed", 0) != 1) continue;
        const char *stem = arena_printf(b->arena, "%.*s", (int)strcspn(name[i], "."), name[i]);
        b->record = arena_printf(b->arena, "done/x/%s.h5", stem);
        static const char *const ends[] = {"h5", "safetensors"};
        for (int k = 0; k < 2; k++)
            if (link(arena_printf(b->arena, "%s/%s.%s", x, stem, ends[k]),
                     arena_printf(b->arena, "%s/%s.%s", early, stem, ends[k])) != 0)
                return tell("no link can be made");
    }
    return b->record != NULL || tell("there is no record of seed 1");
}

int bench_open(struct bench *b)
{
    *b = (struct bench){.arena = arena_new("the bench")};
    /* The commands sync what they write, thousands of times: in memory that costs nothing. */
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    b->folder = arena_strdup(b->arena, temp_dir());
    b->done = path_join(b->arena, b->folder, "done");
    b->earlier = path_join(b->arena, b->folder, "earlier");
    b->work = path_join(b->arena, b->folder, "work");
    setenv("XDG_CACHE_HOME", path_join(b->arena, b->work, "home"), 1);
    if (!put_files(b) || !put_runs(b)) return 0;
    struct job *own = arena_alloc(b->arena, sizeof jobs);
    memcpy(own, jobs, sizeof jobs);
    for (int i = 0; i < JOBS; i++)
        for (int k = 0; own[i].word[k]; k++)
            if (strcmp(own[i].word[k], RECORD) == 0) own[i].word[k] = b->record;
    b->job = own;
    b->jobs = JOBS;
    return 1;
}

void bench_begin(const struct bench *b, const struct job *job)
{
    folder_remove(b->work);
    if (job->list)
        folder_copy(b->earlier, b->work);
    else if (file_make_dirs(b->work) != ST_OK)
        tell(status_message());
}

void bench_close(struct bench *b)
{
    arena_free(b->arena);
}
