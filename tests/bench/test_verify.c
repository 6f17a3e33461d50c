/* `peftgrid verify` on records that are not what their cell gives. tests/cli/cases/verify.sh has the equal ones. */
#include "tests/pgtest.h"

#include "bench/record_slim.h"
#include "core/file.h"
#include "tests/captured_command.h"
#include "tests/sample_record.h"

static const char ini[] = "[experiment]\nmodel = mini\ntasks = mini_sst2\nseeds = 1\nmethods = none\n"
                          "[train]\nlr = 1e-3\nepochs = 1\nmax_train = 32\nmax_dev = 16\nthreads = 1\n";
static struct arena *arena;
static struct record whole;
static char *experiment, *file;

/* Runs the cell; its record is in `whole` and in `file`. */
static void run_cell(void)
{
    char **name, folder[4200];
    int n;
    arena = arena_new("test");
    experiment = arena_strdup(arena, in_temp("x.ini"));
    snprintf(folder, sizeof folder, "%s", in_temp("runs"));
    ck_ok(file_write_atomic(experiment, ini, sizeof ini - 1));
    ck_ok(PEFTGRID("run", experiment, "--runs", folder, "--quiet"));
    ck_ok(file_list(in_temp("runs/x"), ".h5", arena, &name, &n));
    ck_assert_int_eq(n, 1);
    file = path_join(arena, in_temp("runs/x"), name[0]);
    ck_ok(record_read(file, arena, &whole));
}

START_TEST(differences_are_named)
{
    run_cell();
    ck_ok(record_real(&whole, "scores/main/best", 0.25));
    ck_ok(record_int(&whole, "train/tokens", 1));
    ck_ok(record_string(&whole, "config/train.later", "yes"));
    ck_ok(record_string(&whole, "environment/host", "elsewhere")); /* no part of the result */
    ck_ok(record_write(&whole, file));
    ck_fails(PEFTGRID("verify", file, "--experiment", experiment), ST_CELLS, "1 of 1 records differ");
    ck_prints(": differs (content ");
    ck_prints("  config/train.later: only in the record\n");
    ck_prints("  scores/main/best: 0.25 in the record, ");
    ck_prints("  train/tokens: 1 in the record, ");
    ck_assert_ptr_null(strstr(captured, "environment"));
    ck_fails(PEFTGRID("verify", file, "--experiment", experiment, "--items", "1"), ST_CELLS, "1 of 1");
    ck_prints("more: --items");
    ck_assert_ptr_null(strstr(captured, "scores"));
    arena_free(arena);
}
END_TEST

/* One value of an array, the last bit of it. */
START_TEST(one_bit_differs)
{
    run_cell();
    struct record_item *loss = (struct record_item *)record_get(&whole, "train/loss");
    uint64_t bits;
    memcpy(&bits, loss->v.d, sizeof bits);
    bits ^= 1;
    memcpy(loss->v.d, &bits, sizeof bits);
    ck_ok(record_write(&whole, file));
    ck_fails(PEFTGRID("verify", file, "--experiment", experiment), ST_CELLS, "1 of 1");
    ck_prints("  train/loss, value 1 of 1: ");
    arena_free(arena);
}
END_TEST

/* What a slim record keeps is compared; what it leaves out shows in the hash only. */
START_TEST(slim_records_that_differ)
{
    struct record slim;
    run_cell();
    struct record_item *loss = (struct record_item *)record_get(&whole, "train/loss");
    loss->v.d[0] += 1;
    ck_ok(record_slim(&whole, arena, &slim));
    ck_ok(record_write(&slim, file));
    ck_fails(PEFTGRID("verify", file, "--experiment", experiment), ST_CELLS, "1 of 1");
    ck_prints("  only in what a slim record leaves out\n");
    arena_free(arena);
}
END_TEST

START_TEST(failed_runs_have_no_result)
{
    const struct sample s = {.row = "lora", .seed = 1, .status = "failed", .cause = "no room"};
    sample_write(&s, in_temp("one.h5"));
    ck_fails(PEFTGRID("verify", in_temp("one.h5")), ST_USAGE, "the run failed (no room): there is no result");
}
END_TEST

PG_TESTS(TEST(differences_are_named), TEST(one_bit_differs), TEST(slim_records_that_differ),
         TEST(failed_runs_have_no_result))
