/* `peftgrid table` and `peftgrid inspect` as a user calls them: words in, text out. */
#include "tests/pgtest.h"

#include "bench/experiment.h"
#include "core/file.h"
#include "tests/captured_command.h"
#include "tests/sample_record.h"

static void write_experiment(const char *path)
{
    char text[8192];
    int n = snprintf(text, sizeof text,
                     "[experiment]\nname = trial\ndescription = a trial\nmodel = mini\ndata = %s\n"
                     "tasks = cola, rte\nseeds = 1, 2\nmethods = none, bitfit\nruns = %s\n"
                     "[train]\nepochs = 1\nlr = 0.1\n[row bitfit]\nlr = 0.001, 0.01\n",
                     in_temp("."), in_temp("runs"));
    ck_ok(file_write_atomic(path, text, (size_t)n));
}

/* Records of some cells: all but the last ones; scores by row and seed. */
static void write_runs(const char *path, int leave_out)
{
    struct arena *a = arena_new("test");
    struct experiment e;
    ck_ok(experiment_read(path, a, &e));
    ck_assert_int_eq(e.cells, 12);
    ck_ok(file_make_dirs(e.runs_dir));
    for (int i = 0; i < e.cells - leave_out; i++) {
        const struct cell *c = &e.cell[i];
        double score = (strcmp(c->row, "none") == 0 ? 0.5 : 0.6) + 0.01 * (double)c->seed;
        struct sample s = {.row = "another name", /* the experiment's name counts, not the record's */
                           .task = c->task->name,
                           .model = c->model_label,
                           .canon = c->canon,
                           .seed = c->seed,
                           .score = {0, score, 0},
                           .adapter = 100,
                           .head = 10};
        char name[4300];
        snprintf(name, sizeof name, "%s/%d.h5", e.runs_dir, i);
        sample_write(&s, name);
    }
    struct sample other = {.row = "stranger", .task = e.cell[0].task->name, .seed = 1, .score = {0, 0.99, 0}};
    char name[4300];
    snprintf(name, sizeof name, "%s/stranger.h5", e.runs_dir);
    sample_write(&other, name);
    arena_free(a);
}

START_TEST(table_of_an_experiment)
{
    char path[4200];
    snprintf(path, sizeof path, "%s", in_temp("trial.ini"));
    write_experiment(path);
    write_runs(path, 2);
    ck_ok(PEFTGRID("table", path, "--baseline", "none"));
    ck_prints("trial: a trial\n");
    ck_prints("none ");
    ck_prints("bitfit lr=0.001");
    ck_prints("bitfit lr=0.01");
    ck_prints("-  2 of 12 runs have no record yet.");
    ck_prints("61.50 \xc2\xb1"
              "0.71");
    ck_prints("Difference from none");
    ck_assert_ptr_null(strstr(captured, "stranger"));
    ck_assert_ptr_null(strstr(captured, "another name"));
    ck_ok(PEFTGRID("table", path, "--format", "csv", "--points"));
    int lines = 0;
    for (const char *p = captured; *p; p++) lines += *p == '\n';
    ck_assert_int_eq(lines, 1 + 12);
    ck_prints(",missing,");
    ck_ok(PEFTGRID("table", path, "--rows", "lr", "--cols", "row", "--format", "md"));
    ck_prints("| 0.01 |");
}
END_TEST

START_TEST(table_of_a_folder)
{
    char path[4200];
    snprintf(path, sizeof path, "%s", in_temp("trial.ini"));
    write_experiment(path);
    write_runs(path, 0);
    char folder[4300];
    snprintf(folder, sizeof folder, "%s/trial", in_temp("runs"));
    ck_ok(PEFTGRID("table", folder));
    ck_prints("another name");
    ck_prints("stranger");
    ck_fails(PEFTGRID("table", folder, "--runs", "x"), ST_USAGE, "--runs goes with an experiment");
}
END_TEST

/* A run repeated with other data has another id and the same cell: the newest counts. */
START_TEST(the_latest_record_counts)
{
    ck_ok(file_make_dirs(in_temp("r")));
    sample_write(&(struct sample){.seed = 1, .score = {0, 0.1, 0}, .date = "2025-03-01T00:00:00Z"}, in_temp("r/a.h5"));
    sample_write(&(struct sample){.seed = 1, .score = {0, 0.3, 0}, .date = "2025-05-01T00:00:00Z"}, in_temp("r/b.h5"));
    sample_write(&(struct sample){.seed = 1, .score = {0, 0.2, 0}, .date = "2025-04-01T00:00:00Z"}, in_temp("r/c.h5"));
    ck_ok(PEFTGRID("table", in_temp("r")));
    ck_prints("30.00");
    ck_prints("2 older records of the same cells");
}
END_TEST

START_TEST(bad_words)
{
    char path[4200];
    snprintf(path, sizeof path, "%s", in_temp("trial.ini"));
    write_experiment(path);
    ck_fails(PEFTGRID("table", path), ST_INPUT, "no records of this experiment's 12 cells");
    write_runs(path, 0);
    ck_fails(PEFTGRID("table", path, "--metric", "acuracy"), ST_USAGE, "did you mean 'accuracy'");
    ck_fails(PEFTGRID("table", path, "--baseline", "nonne"), ST_USAGE, "did you mean 'none'");
    ck_fails(PEFTGRID("table", path, "--format", "html"), ST_USAGE, "html");
    ck_fails(PEFTGRID("table", path, "--rows", "lrr"), ST_USAGE, "unknown key of rows or columns 'lrr'");
    ck_ok(file_make_dirs(in_temp("empty")));
    ck_fails(PEFTGRID("table", in_temp("empty")), ST_INPUT, "no records (*.h5)");
    ck_fails(PEFTGRID("table", "nowhere.ini"), ST_USAGE, "nowhere");
}
END_TEST

START_TEST(inspecting)
{
    struct arena *a = arena_new("test");
    struct record r;
    char hash[SHA256_HEX], line[5000], path[4200];
    const struct sample s = {.row = "lora", .seed = 7, .score = {0.1, 0.2, 0.3}};
    snprintf(path, sizeof path, "%s", in_temp("one.h5"));
    sample_record(&s, a, &r);
    record_hash(&r, hash);
    sample_write(&s, path);
    ck_ok(PEFTGRID("inspect", path, "--hash"));
    snprintf(line, sizeof line, "%s  %s\n", hash, path);
    ck_assert_str_eq(captured, line);
    ck_ok(PEFTGRID("inspect", path));
    ck_prints("\nrun\n");
    ck_prints("seed      7\n");
    ck_prints(hash);
    ck_ok(file_write_atomic(in_temp("bad.h5"), "bad", 3));
    ck_fails(PEFTGRID("inspect", path, in_temp("bad.h5")), ST_INPUT, "bad.h5: not a record");
    ck_prints("seed      7\n"); /* what came before the bad one */
    arena_free(a);
}
END_TEST

PG_TESTS(TEST(table_of_an_experiment), TEST(table_of_a_folder), TEST(the_latest_record_counts), TEST(bad_words),
         TEST(inspecting))
