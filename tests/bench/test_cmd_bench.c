/* `peftgrid bench`: quartiles, FLOPs, rows with options, what the JSON holds, refusals. No time is judged. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include "bench/bench_flops.h"
#include "bench/bench_measure.h"
#include "bench/cli.h"
#include "core/file.h"
#include "core/jsonfile.h"

static const char *dir;

static const char *in_dir(const char *name)
{
    static char path[4200];
    if (!dir) dir = strdup(temp_dir());
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* Runs bench with these options; its tables go nowhere, its numbers to *json (borrowed until the process ends). */
static status bench(json_t **json, const char *const *more)
{
    struct arena *a = arena_new("command");
    char *word[64];
    int words = 0;
    static const char *const quick[] = {"--seconds", "0", "--repeats", "1", "--warmup", "0", "--json", NULL};
    for (int i = 0; quick[i]; i++) word[words++] = arena_strdup(a, quick[i]);
    word[words++] = arena_strdup(a, in_dir("bench.json"));
    word[words++] = arena_strdup(a, "--cache");
    word[words++] = arena_strdup(a, in_dir("cache"));
    for (int i = 0; more[i]; i++) word[words++] = arena_strdup(a, more[i]);
    struct command_line line;
    fflush(stdout);
    int saved = dup(1), null = open("/dev/null", O_WRONLY);
    ck_assert(saved >= 0 && null >= 0 && dup2(null, 1) >= 0);
    const struct command *c = cli_find("bench");
    status st = cli_parse(c, words, word, a, &line);
    if (st == ST_OK) st = c->run(line.options, line.args, line.count, a);
    fflush(stdout);
    dup2(saved, 1);
    if (st == ST_OK && json) st = jsonfile_read(in_dir("bench.json"), 1 << 24, json);
    arena_free(a);
    return st;
}
#define BENCH(json, ...) bench((json), (const char *const[]){__VA_ARGS__, NULL})

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    ck_assert_msg(json_is_number(v), "no number %s", key);
    return json_number_value(v);
}

START_TEST(quartiles)
{
    struct arena *a = arena_new("test");
    const double x[] = {5, 1, 4, 2, 3};
    struct measured m = measured_of(x, 5, a);
    ck_assert(m.median == 3 && m.spread == 1 && m.low == 1 && m.high == 5 && m.n == 5);
    m = measured_of(x, 2, a);
    ck_assert(m.median == 3 && m.spread == 1);
    m = measured_of(x, 1, a);
    ck_assert(m.median == 5 && m.spread == 0);
    m = measured_of(x, 0, a);
    ck_assert(isnan(m.median));
    arena_free(a);
}
END_TEST

/* The components of a phase: they fill its time, and those are there that must be. */
static void check_shares(const json_t *row, bool adapters, bool update)
{
    static const char *const always[] = {"layers", "attention", "row operations"};
    const json_t *share = json_object_get(row, "shares_of_time"), *v;
    const char *name;
    double sum = 0;
    json_object_foreach((json_t *)share, name, v) sum += json_number_value(v);
    ck_assert_double_eq_tol(sum, 1, 0.01);
    for (int i = 0; i < 3; i++) ck_assert(number(share, always[i]) > 0);
    ck_assert(!adapters || number(share, "adapters") > 0);
    ck_assert((number(share, "update") > 0) == update);
}

#define EXPERIMENT(train) \
    "[experiment]\nmodel = mini\ntasks = mini_cola\nseeds = 1, 2\nmethods = lora, none\n" \
    "[train]\nbatch = 4\nmicro_batch = 3\nlr = 1e-3\n" train "[row lora]\nrank = 2\nsites = query+value\n"
static const char experiment[] = EXPERIMENT("");

START_TEST(cells_of_an_experiment)
{
    json_t *json;
    char ini[4200];
    snprintf(ini, sizeof ini, "%s", in_dir("speed.ini"));
    ck_ok(file_write_atomic(ini, experiment, sizeof experiment - 1));
    ck_ok(BENCH(&json, ini, "--parts", "roof,cells", "--steps", "2"));
    ck_assert(number(json_object_get(json, "roof"), "gflops") > 0);
    ck_assert_int_gt((int)number(json_object_get(json, "machine"), "threads"), 0);
    ck_assert_ptr_null(json_object_get(json, "ops"));
    const json_t *rows = json_object_get(json, "cells");
    ck_assert_int_eq((int)json_array_size(rows), 4); /* two rows, one seed, two phases */
    for (size_t i = 0; i < 4; i++) {
        const json_t *row = json_array_get(rows, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "phase")), i % 2 ? "evaluate" : "train");
        ck_assert_str_eq(json_string_value(json_object_get(row, "cell")),
                         i < 2 ? "lora/mini_cola/1" : "none/mini_cola/1");
        ck_assert_double_eq(number(row, "batches"), 2);
        ck_assert_double_eq(number(row, "examples_a_batch"), i % 2 ? 32 : 4);
        ck_assert(number(row, "tokens_a_second") > 0 && number(row, "gflop_a_token") > 0);
        ck_assert(number(row, "roof_gflops") > 0 && number(row, "peak_rss_bytes") > 1e6);
        ck_assert_double_eq_tol(number(row, "share_of_roof"), number(row, "gflops") / number(row, "roof_gflops"), 1e-4);
        check_shares(row, i == 0, i % 2 == 0);
    }
    const json_t *lora = json_array_get(rows, 0), *none = json_array_get(rows, 2);
    ck_assert(number(lora, "gflop_a_token") > 1.5 * number(none, "gflop_a_token")); /* the head alone needs no dx */
    json_decref(json);

    ck_ok(BENCH(&json, ini, "--parts", "cells", "--filter", "none*", "--steps", "1"));
    ck_assert_int_eq((int)json_array_size(json_object_get(json, "cells")), 2);
    ck_assert_ptr_null(json_object_get(json_array_get(json_object_get(json, "cells"), 0), "share_of_roof"));
    json_decref(json);
    ck_ok(BENCH(&json, ini, "--parts", "cells", "--phases", "train", "--steps", "1", "--relative-to", "lora"));
    ck_assert_int_eq((int)json_array_size(json_object_get(json, "cells")), 2);
    ck_assert_double_eq(number(json_array_get(json_object_get(json, "cells"), 0), "relative_time"), 1);
    ck_assert(number(json_array_get(json_object_get(json, "cells"), 1), "relative_time") > 0);
    json_decref(json);
    ck_fails(BENCH(NULL, ini, "--parts", "cells", "--steps", "1", "--relative-to", "dora"), ST_USAGE, "dora");
    ck_fails(BENCH(NULL, ini, "--filter", "nothing"), ST_USAGE, "nothing");
    ck_fails(BENCH(NULL, ini, "--random-config", "/nowhere/at/all"), ST_INPUT, "/nowhere/at/all");
}
END_TEST

/* Peaks are those of the process: less memory first. */
START_TEST(recomputing_takes_less)
{
    json_t *json;
    char ini[4200];
    double peak[2];
    snprintf(ini, sizeof ini, "%s", in_dir("again.ini"));
    ck_ok(file_write_atomic(ini, experiment, sizeof experiment - 1));
    for (int i = 0; i < 2; i++) {
        ck_ok(BENCH(&json, ini, "--parts", "cells", "--filter", "lora*", "--steps", "1", "--group-lengths", "yes",
                    "--recompute", i ? "no" : "yes"));
        peak[i] = number(json_array_get(json_object_get(json, "cells"), 0), "peak_arena_bytes");
        json_decref(json);
    }
    ck_assert_double_gt(peak[1], peak[0]);
}
END_TEST

/* A stand-in for a Python with the packages: answers as the script does, and keeps the work it was given. */
static const char *fake_python(const char *answer)
{
    static char path[4200];
    char text[9000];
    snprintf(path, sizeof path, "%s", in_dir("python"));
    snprintf(text, sizeof text,
             "#!/bin/sh\ntest -f \"$1\" || exit 9\ncase $4 in\n--check) echo '{\"versions\": \"torch 0\"}' ;;\n"
             "--work) cp \"$5\" '%s.work'; echo '%s' ;;\nesac >\"$3\"\n",
             path, answer);
    ck_ok(file_write_atomic(path, text, strlen(text)));
    ck_assert_int_eq(chmod(path, 0755), 0);
    return path;
}

START_TEST(beside_transformers)
{
    json_t *json, *work;
    static const char in_bf16[] = EXPERIMENT("precision = bf16\n");
    char ini[4200];
    snprintf(ini, sizeof ini, "%s", in_dir("beside.ini"));
    ck_ok(file_write_atomic(ini, in_bf16, sizeof in_bf16 - 1));
    const char *python = fake_python("{\"seconds\": [0.5, 1.5], \"peak_bytes\": 5e9}");
    ck_ok(BENCH(&json, ini, "--parts", "cells", "--filter", "lora*", "--steps", "3", "--compare-hf", python,
                "--hf-script", ini));
    const json_t *rows = json_object_get(json, "compared");
    ck_assert_int_eq((int)json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "phase")), i ? "evaluate" : "train");
        ck_assert_double_eq(number(row, "batches"), 2);
        ck_assert_double_eq(number(row, "theirs_peak_rss_bytes"), 5e9);
        double ours = number(row, "tokens_a_second"), theirs = number(row, "theirs_tokens_a_second");
        ck_assert_double_eq_tol(number(row, "ratio"), ours / theirs, 1e-4 * ours / theirs);
    }
    double theirs = number(json_array_get(rows, 1), "theirs_tokens_a_second");
    json_decref(json);

    char file[4300];
    snprintf(file, sizeof file, "%s.work", python);
    ck_ok(jsonfile_read(file, 1 << 24, &work)); /* of the evaluation, which comes last */
    ck_assert_str_eq(json_string_value(json_object_get(work, "phase")), "evaluate");
    ck_assert_str_eq(json_string_value(json_object_get(work, "method")), "lora");
    ck_assert_str_eq(json_string_value(json_object_get(work, "precision")), "bf16");
    ck_assert(number(work, "rank") == 2 && number(work, "alpha") == 16);
    ck_assert_int_eq((int)json_array_size(json_object_get(work, "sites")), 6); /* two of each layer */
    size_t tokens = 0;
    const json_t *batches = json_object_get(work, "batches");
    for (size_t i = 0; i < json_array_size(batches); i++) {
        const json_t *ids = json_object_get(json_array_get(batches, i), "ids");
        for (size_t k = 0; k < json_array_size(ids); k++) tokens += json_array_size(json_array_get(ids, k));
    }
    ck_assert_double_eq_tol(theirs, (double)tokens / 2, 1e-3); /* 2 seconds by the stand-in's clock */
    json_decref(work);

    ck_fails(BENCH(NULL, ini, "--compare-hf", fake_python("{\"error\": \"no room\"}"), "--parts", "cells", "--steps",
                   "1", "--hf-script", ini),
             ST_UNSUPPORTED, "no room");
    ck_fails(BENCH(NULL, ini, "--compare-hf", "/no/such/python", "--hf-script", ini), ST_UNSUPPORTED,
             "/no/such/python");
    ck_fails(BENCH(NULL, ini, "--compare-hf", "/bin/false", "--hf-script", ini), ST_UNSUPPORTED, "exit code 1");
    ck_fails(BENCH(NULL, ini, "--compare-hf", python), ST_INPUT, "compare_hf.py is not beside");
    ck_fails(BENCH(NULL, "--compare-hf", "python3"), ST_USAGE, "EXPERIMENT.ini");
}
END_TEST

START_TEST(products_and_operations)
{
    json_t *json;
    ck_ok(BENCH(&json, "--parts", "products,ops", "--format", "md"));
    const json_t *products = json_object_get(json, "products"), *ops = json_object_get(json, "ops");
    ck_assert_int_gt((int)json_array_size(products), 20);
    ck_assert_int_gt((int)json_array_size(ops), 10);
    for (size_t i = 0; i < json_array_size(products); i++) {
        const json_t *o = json_array_get(products, i);
        ck_assert(number(json_object_get(o, "own"), "median") > 0 &&
                  number(json_object_get(o, "openblas"), "high") > 0);
    }
    for (size_t i = 0; i < json_array_size(ops); i++)
        ck_assert(number(json_object_get(json_array_get(ops, i), "microseconds"), "median") > 0);
    json_decref(json);
}
END_TEST

/* FLOPs of the mini model by hand: products of METHODS 4.1, two FLOPs each. */
START_TEST(flops_of_a_batch)
{
    struct session s;
    struct session_spec spec = {.model = {.path = "mini", .head = HEAD_CLASSIFY, .num_labels = 2, .train_pooler = -1},
                                .method = method_find("none"),
                                .total_steps = 1};
    const int offset[] = {0, 5, 12};
    struct batch b = {.n = 2, .tokens = 12, .offset = offset};
    ck_ok(session_open(&spec, &s));
    const struct model_config *c = &s.model->config;
    double d = c->hidden, f = c->ffn, macs = 0;
    for (int i = 0; i < 2; i++) {
        double l = offset[i + 1] - offset[i];
        macs += c->layers * (l * (4 * d * d + 2 * d * f) + 2 * l * l * d + 2 * l * (2 * l - 1) * d) + d * d + 2 * d;
    }
    macs += c->layers * 2 * (2 * 7 - 1) * d * d; /* the relative table, once, for the longest */
    ck_assert_double_eq_tol(batch_flops(&s, &b, false), 2 * macs, 1e-6 * macs);
    double head = 2 * (d * d + 2 * d); /* trained: pooler and classifier, of which the pooler needs no dx */
    ck_assert_double_eq_tol(batch_flops(&s, &b, true), 2 * macs + 2 * head + 2 * 2 * 2 * d, 1e-6 * macs);
    session_close(&s);
}
END_TEST

START_TEST(refusals)
{
    ck_fails(BENCH(NULL, "--parts", "rof"), ST_USAGE, "did you mean 'roof'");
    ck_fails(BENCH(NULL, "--parts", ""), ST_USAGE, "--parts");
    ck_fails(BENCH(NULL, "--filter", "lora*"), ST_USAGE, "EXPERIMENT.ini");
    ck_fails(BENCH(NULL, "--random-config", "/tmp"), ST_USAGE, "EXPERIMENT.ini");
    ck_fails(BENCH(NULL, "--recompute", "yes"), ST_USAGE, "EXPERIMENT.ini");
    ck_fails(BENCH(NULL, "no_such_experiment"), ST_USAGE, "no_such_experiment");
}
END_TEST

PG_TESTS(TEST(quartiles), TEST(recomputing_takes_less), TEST(beside_transformers), TEST(cells_of_an_experiment),
         TEST(products_and_operations), TEST(flops_of_a_batch), TEST(refusals))
