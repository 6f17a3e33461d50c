/* A cell from options to record: what is recorded follows from what happened, the same cell gives the same bits however
 * it is run, and what goes wrong is told and recorded. */
#include "tests/pgtest.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>
#include "bench/deploy.h"
#include "bench/evaluate.h"
#include "bench/train_loop.h"
#include "core/fault.h"
#include "core/system.h"
#include "tests/tiny_cell.h"

static struct tiny_cell tiny;
static struct record record;

static void setup(const char *method, const char *task)
{
    notice_quiet(1);
    tiny_cell_make(&tiny, method, task);
}

static void run(const char *dir)
{
    int skipped;
    ck_ok(tiny_run(&tiny, dir, &record, &skipped));
    ck_assert_int_eq(skipped, 0);
}

static const struct record_item *item(const char *path)
{
    const struct record_item *it = record_get(&record, path);
    ck_assert_msg(it != NULL, "the record lacks %s", path);
    return it;
}

static double number(const char *path)
{
    item(path);
    return record_get_real(&record, path, NAN);
}

static double mean(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i];
    return sum / (double)n;
}

/* The one file of the folder whose name ends so. */
static void only_file(const char *dir, const char *suffix, char *path, size_t n)
{
    DIR *d = opendir(dir);
    int found = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t length = strlen(e->d_name), s = strlen(suffix);
        if (length <= s || strcmp(e->d_name + length - s, suffix) != 0) continue;
        snprintf(path, n, "%s/%s", dir, e->d_name);
        found++;
    }
    closedir(d);
    ck_assert_int_eq(found, 1);
}

START_TEST(records_a_whole_run)
{
    setup("lora", "mini_sst2");
    tiny_option(&tiny, "rank", "2");
    tiny_train(&tiny, "epochs", "3");
    tiny_train(&tiny, "batch", "20"); /* 48 examples: 20, 20, 8 */
    run(temp_dir());
    ck_assert_str_eq(record_get_string(&record, "run/status", ""), "ok");
    ck_assert_str_eq(record_get_string(&record, "run/method", ""), "lora");
    ck_assert_str_eq(record_get_string(&record, "config/method.rank", ""), "2");
    ck_assert_double_eq(number("train/steps"), 9);
    ck_assert_double_eq(number("train/steps_per_epoch"), 3);
    ck_assert_double_eq(number("train/tokens"), 3 * number("data/train/tokens"));
    ck_assert_uint_eq(item("train/loss")->n, 9);
    ck_assert_uint_eq(item("eval/dev/main/metrics")->dim[0], 3);
    ck_assert_int_eq(item("eval/dev/main/steps")->v.i[1], 6);
    ck_assert_double_eq(item("eval/dev/main/epochs")->v.d[2], 3);
    ck_assert_uint_eq(item("predictions/dev/main/last")->dim[0], 21);
    /* 2 layers: q, k, v, attn_out 16 x 16, ffn 16 x 24 and back, rank 2 */
    ck_assert_double_eq(number("parameters/adapter_initial"), 2 * 2 * (4 * 32 + 2 * 40));
    ck_assert_double_eq(number("parameters/deployed/main"), 2 * 2 * (4 * 32 + 2 * 40));
    ck_assert_double_eq(number("parameters/base_trained"), 0);
    ck_assert_uint_eq(item("trace/main/rank")->dim[0], 4);
    ck_assert_int_eq(item("trace/main/rank")->v.i[0], 2);
    const struct record_item *lr = item("train/lr");
    ck_assert_double_eq_tol(lr->v.d[0], 0.01, 1e-12);
    ck_assert_double_eq_tol(lr->v.d[8], 0.01 / 9, 1e-12);
    ck_assert_double_gt(item("bops/main/relative")->v.d[0], 1);
    ck_assert_double_gt(number("environment/tokens_per_second"), 0);
    ck_assert(strstr(record_get_string(&record, "environment/command", ""), "test_trainer") != NULL);
    const char *libraries = record_get_string(&record, "environment/libraries", "");
    ck_assert(strncmp(libraries, "glibc 2", 7) == 0 && strstr(libraries, "HDF5 1.") &&
              strstr(libraries, "OpenBLAS 0."));
    tiny_cell_free(&tiny);
}
END_TEST

/* Scores and halves recomputed from the recorded predictions. */
START_TEST(scores_follow_from_predictions)
{
    float pred[64], label[64], logits[128];
    unsigned char half[64];
    double metric[TASK_METRICS];
    setup("full_ft", "mini_sst2");
    tiny_train(&tiny, "epochs", "4");
    run(temp_dir());
    size_t n = item("labels/dev")->n, chosen = 0;
    for (size_t i = 0; i < n; i++) {
        label[i] = (float)item("labels/dev")->v.d[i];
        half[i] = (unsigned char)item("halves/dev")->v.i[i];
        for (int k = 0; k < 2; k++)
            logits[2 * i + (size_t)k] = (float)item("predictions/dev/main/last")->v.d[2 * i + (size_t)k];
        chosen += half[i] == 0;
    }
    ck_assert_uint_eq(chosen, (n + 1) / 2);
    predictions_of(logits, (int)n, 2, pred);
    size_t last = item("eval/dev/main/metrics")->dim[0] - 1;
    const struct predicted p = {.pred = pred, .label = label, .half = half, .n = (int)n};
    ck_ok(task_metrics(tiny.cell.task, &p, -1, tiny.arena, metric));
    ck_assert_double_eq(metric[0], item("eval/dev/main/metrics")->v.d[last]);
    ck_assert_double_eq(metric[0], number("scores/main/last"));
    ck_ok(task_metrics(tiny.cell.task, &p, 1, tiny.arena, metric));
    ck_assert_double_eq(metric[0], item("eval/dev/main/second_half")->v.d[last]);

    size_t best = 0, split = 0;
    const double *whole = item("eval/dev/main/metrics")->v.d, *first = item("eval/dev/main/first_half")->v.d;
    for (size_t e = 1; e <= last; e++) {
        if (whole[e] > whole[best]) best = e;
        if (first[e] > first[split]) split = e;
    }
    ck_assert_double_eq(number("scores/main/best"), whole[best]);
    ck_assert_double_eq(number("scores/main/best_step"), (double)item("eval/dev/main/steps")->v.i[best]);
    ck_assert_double_eq(number("scores/main/split"), item("eval/dev/main/second_half")->v.d[split]);
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(the_same_cell_gives_the_same_bits)
{
    static const struct {
        const char *name, *value;
    } harmless[] = {{"threads", "1"}, {"threads", "2"}, {"threads", "3"}, {"eval_batch", "4"}, {"save_adapter", "yes"}};
    char first[65], again[65];
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        setup("lora", "mini_stsb");
        tiny_option(&tiny, "dropout", "0.1");
        tiny_train(&tiny, harmless[i].name, harmless[i].value);
        run(temp_dir());
        bool kept = record_get(&record, "environment/adapter_sha256") != NULL;
        ck_assert_int_eq(kept, strcmp(harmless[i].name, "save_adapter") == 0);
        record_hash(&record, again);
        if (i == 0) memcpy(first, again, sizeof first);
        ck_assert_str_eq(first, again);
        tiny_cell_free(&tiny);
    }
    setup("lora", "mini_stsb");
    tiny_option(&tiny, "dropout", "0.1");
    tiny.cell.seed = 2;
    run(temp_dir());
    record_hash(&record, again);
    ck_assert_str_ne(first, again);
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(micro_batches_change_only_rounding)
{
    double loss[6];
    setup("lora", "mini_sst2");
    run(temp_dir());
    memcpy(loss, item("train/loss")->v.d, sizeof loss);
    tiny_train(&tiny, "micro_batch", "5");
    run(temp_dir());
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(loss[i], item("train/loss")->v.d[i], 1e-4);
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(training_learns)
{
    setup("full_ft", "mini_sst2");
    tiny_train(&tiny, "epochs", "60");
    tiny_train(&tiny, "lr", "2e-3");
    tiny_train(&tiny, "eval_steps", "60");
    tiny_train(&tiny, "hidden_dropout", "0");
    tiny_train(&tiny, "attn_dropout", "0");
    tiny_train(&tiny, "cls_dropout", "0");
    run(temp_dir());
    const struct record_item *loss = item("train/loss");
    ck_assert_double_lt(mean(loss->v.d + loss->n - 3, 3), 0.3 * mean(loss->v.d, 3));
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(finished_runs_are_skipped)
{
    int skipped;
    const char *dir = temp_dir();
    setup("none", "mini_sst2");
    run(dir);
    ck_ok(tiny_run(&tiny, dir, &record, &skipped));
    ck_assert_int_eq(skipped, 1);
    tiny_train(&tiny, "lr", "0.02");
    ck_ok(tiny_run(&tiny, dir, &record, &skipped));
    ck_assert_int_eq(skipped, 0);
    tiny_cell_free(&tiny);
}
END_TEST

/* A record that the system will not read now is not trained over: it may be whole. */
START_TEST(unreadable_runs_are_kept)
{
    char path[4500] = "";
    int skipped, refused = 0;
    struct stat before, after;
    const char *dir = temp_dir(), *where;
    const struct run_paths paths = {.runs_dir = dir};
    setup("none", "mini_sst2");
    run(dir);
    only_file(dir, ".h5", path, sizeof path);
    ck_assert_int_eq(stat(path, &before), 0);
    for (long n = 1;; n++) {
        sys_fail_after(n, SYS_EIO);
        status st = cell_run(&tiny.cell, &paths, NULL, NULL, tiny.arena, &skipped, &where);
        char struck[256];
        snprintf(struck, sizeof struck, "%s", fault_noted());
        sys_fail_after(0, SYS_EIO);
        if (!*struck) break;
        ck_assert_int_eq(stat(path, &after), 0);
        ck_assert_msg(after.st_ino == before.st_ino, "written anew after a fault of '%s'", struck);
        if (!strstr(struck, ".h5") || st == ST_OK) continue;
        ck_assert_int_eq(st, ST_IO);
        refused++;
    }
    ck_assert_int_ge(refused, 2); /* open and map */
    tiny_cell_free(&tiny);
}
END_TEST

/* The record is in its place, but the folder cannot be synced: an error, but no reason to write a failure over it. */
START_TEST(a_failure_replaces_no_result)
{
    char path[4500] = "", struck[256];
    int skipped, synced = 0;
    setup("none", "mini_sst2");
    run(temp_dir());
    for (long n = 1;; n++) {
        const char *dir = temp_dir(), *where;
        const struct run_paths paths = {.runs_dir = dir};
        sys_fail_after(n, SYS_EIO);
        status st = cell_run(&tiny.cell, &paths, NULL, NULL, tiny.arena, &skipped, &where);
        snprintf(struck, sizeof struck, "%s", fault_noted());
        sys_fail_after(0, SYS_EIO);
        if (!*struck) break;
        if (strncmp(struck, "fsync", 5) != 0 || strstr(struck, ".tmp")) continue;
        ck_assert_int_eq(st, ST_IO);
        ck_assert_str_eq(struck + strlen("fsync "), dir);
        only_file(dir, ".h5", path, sizeof path);
        ck_ok(record_read(path, tiny.arena, &record));
        ck_assert_str_eq(record_get_string(&record, "run/status", ""), "ok");
        synced++;
    }
    /* Talk with the helper of records takes a call more or less each time, so more than one n may meet it. */
    ck_assert_int_ge(synced, 1);
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(divergence_is_recorded)
{
    int skipped;
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", temp_dir());
    setup("full_ft", "mini_stsb");
    tiny_train(&tiny, "lr", "100");
    tiny_train(&tiny, "weight_decay", "100");
    tiny_train(&tiny, "clip", "0");
    tiny_train(&tiny, "epochs", "40");
    ck_fails(tiny_run(&tiny, dir, &record, &skipped), ST_DIVERGED, "at step");
    ck_assert_str_eq(record_get_string(&record, "run/status", ""), "diverged");
    ck_assert_ptr_nonnull(strstr(record_get_string(&record, "run/cause", ""), "at step"));
    size_t done = item("train/loss")->n;
    ck_assert_double_eq(number("train/steps"), (double)done);
    ck_assert_uint_ge(done, 1);
    ck_assert(!isfinite(item("train/loss")->v.d[done - 1]) || !isfinite(item("train/grad_norm")->v.d[done - 1]));
    char cause[256], path[4300];
    snprintf(cause, sizeof cause, "%s", record_get_string(&record, "run/cause", ""));
    ck_fails(tiny_run(&tiny, dir, &record, &skipped), ST_DIVERGED, cause);
    ck_assert_int_eq(skipped, 1);
    /* A leftover that cannot be removed, here because it is a folder, hides neither that nor the verdict. */
    only_file(dir, ".h5", path, sizeof path);
    strcpy(path + strlen(path) - 3, ".partial");
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(tiny_run(&tiny, dir, &record, &skipped), ST_DIVERGED);
    ck_assert_str_eq(status_message(), cause);
    ck_assert_int_eq(skipped, 1);
    tiny_cell_free(&tiny);
}
END_TEST

static void same_logits(const double *want, const float *have, size_t n)
{
    for (size_t i = 0; i < n; i++) ck_assert_double_eq(want[i], (double)have[i]);
}

START_TEST(a_saved_adapter_predicts_the_same)
{
    static const char *const how[][2] = {{"none", "f32"},     {"full_ft", "f32"}, {"bitfit", "f32"},  {"lora", "f32"},
                                         {"skeleton", "f32"}, {"lora", "bf16"},   {"full_ft", "dfp"}, {"lora", "dfp"}};
    char path[4300];
    char dir[4096];
    float *logits;
    struct tokens set;
    struct deployment d;
    struct deploy_options o = {.options = "", .max_examples = 21, .eval_batch = 5, .threads = 1};
    snprintf(dir, sizeof dir, "%s", temp_dir());
    setup(how[_i][0], "mini_stsb");
    tiny_train(&tiny, "precision", how[_i][1]);
    tiny_train(&tiny, "save_adapter", "yes");
    run(dir);
    only_file(dir, ".h5", path, sizeof path);
    ck_ok(deploy_open(path, &o, &d));
    ck_ok(deploy_tokens(&d, task_set_find(d.task, "dev"), &set));
    ck_ok(session_predict(&d.session, &set, 5, 0, d.arena, &logits, NULL));
    same_logits(item("predictions/dev/main/last")->v.d, logits, item("predictions/dev/main/last")->n);
    tokens_close(&set);
    deploy_close(&d);
    tiny_cell_free(&tiny);
}
END_TEST

START_TEST(a_warm_start_begins_where_the_other_ended)
{
    char dir[4096], path[4300], cold[65], warm[65];
    double last[64];
    snprintf(dir, sizeof dir, "%s", temp_dir());
    setup("lora", "mini_stsb");
    tiny_train(&tiny, "save_adapter", "yes");
    run(dir);
    ck_assert_uint_le(item("predictions/dev/main/last")->n, 64);
    memcpy(last, item("predictions/dev/main/last")->v.d, sizeof(double) * item("predictions/dev/main/last")->n);
    snprintf(cold, sizeof cold, "%s", record_get_string(&record, "run/id", ""));
    only_file(dir, ".safetensors", path, sizeof path);
    tiny_train(&tiny, "init_from", path);
    tiny_train(&tiny, "lr", "0");
    run(temp_dir());
    const struct record_item *now = item("predictions/dev/main/last");
    for (size_t i = 0; i < now->n; i++) ck_assert_double_eq(now->v.d[i], last[i]);
    snprintf(warm, sizeof warm, "%s", record_get_string(&record, "run/id", ""));
    ck_assert_str_ne(cold, warm);
    tiny_cell_free(&tiny);

    setup("lora", "mini_sst2"); /* two outputs instead of one: the classifier keeps its own start */
    tiny_train(&tiny, "init_from", path);
    run(temp_dir());
    tiny_cell_free(&tiny);

    setup("lora", "mini_sst2"); /* another rank does not fit */
    int skipped;
    tiny_option(&tiny, "rank", "3");
    tiny_train(&tiny, "init_from", path);
    ck_fails(tiny_run(&tiny, temp_dir(), &record, &skipped), ST_INPUT, "does not have the");
    ck_assert_str_eq(record_get_string(&record, "run/status", ""), "failed");
    tiny_cell_free(&tiny);
}
END_TEST

/* The rate of the head alone: with 1e-30 everything else stands still. */
START_TEST(the_head_may_have_its_own_rate)
{
    double loss[2];
    for (int own = 0; own < 2; own++) {
        setup("full_ft", "mini_sst2");
        tiny_train(&tiny, "lr", "1e-30");
        if (own) tiny_train(&tiny, "head_lr", "0.05");
        tiny_train(&tiny, "epochs", "10");
        run(temp_dir());
        loss[own] = mean(item("train/loss")->v.d + 27, 3);
        ck_assert_double_eq_tol(item("train/lr")->v.d[0], 1e-30, 1e-36);
        tiny_cell_free(&tiny);
    }
    ck_assert_double_lt(loss[1], 0.9 * loss[0]);
}
END_TEST

START_TEST(plans)
{
    struct plan p;
    setup("none", "mini_sst2");
    struct train_options o = tiny.cell.train;
    o.warmup_ratio = 0.06;
    o.epochs = 3;
    o.batch = 32;
    ck_ok(plan_make(&o, 3668, &p));
    ck_assert_int_eq(p.per_epoch, 115);
    ck_assert_int_eq(p.steps, 345);
    ck_assert_int_eq(p.warmup, 21); /* ceil(20.7) */
    ck_assert_int_eq(p.evaluations, 3);
    o.head_lr = 1;
    ck_ok(plan_make(&o, 3668, &p));
    o.lr = 0;
    ck_fails(plan_make(&o, 3668, &p), ST_USAGE, "head_lr");
    o.lr = 0.01;
    o.eval_steps = 100;
    ck_ok(plan_make(&o, 3668, &p));
    ck_assert_int_eq(p.evaluations, 4); /* 100, 200, 300 and the end */
    o.steps = 50;
    o.warmup_steps = 60;
    ck_fails(plan_make(&o, 3668, &p), ST_USAGE, "warmup_steps");
    tiny_cell_free(&tiny);
}
END_TEST

PG_TESTS(TEST(records_a_whole_run), TEST(scores_follow_from_predictions), TEST(the_same_cell_gives_the_same_bits),
         TEST(micro_batches_change_only_rounding), TEST(training_learns), TEST(finished_runs_are_skipped),
         TEST(unreadable_runs_are_kept), TEST(a_failure_replaces_no_result), TEST(divergence_is_recorded),
         LOOP_TEST(a_saved_adapter_predicts_the_same, 0, 8), TEST(a_warm_start_begins_where_the_other_ended),
         TEST(the_head_may_have_its_own_rate), TEST(plans))
