/* The golden runner must be able to fail: cases made here with right and wrong values, and the verdicts they get. */
#include "tests/pgtest.h"

#include <libgen.h>
#include <limits.h>
#include "core/file.h"
#include "models/checkpoint.h"

static struct arena *arena;
static const char *dir;
static char *output;

/* build/<variant>/golden; this program is in build/<variant>/tests/bench. */
static const char *runner(void)
{
    static char path[PATH_MAX + 64];
    char self[PATH_MAX + 1] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", self, PATH_MAX), 0);
    snprintf(path, sizeof path, "%s/golden", dirname(dirname(dirname(self))));
    return path;
}

static int begin(const char *test)
{
    if (skip_without(test, runner())) return 0;
    arena = arena_new("test");
    dir = temp_dir();
    return 1;
}

static void put(const char *folder, const char *name, const char *text)
{
    char *at = path_join(arena, dir, folder);
    ck_ok(file_make_dirs(at));
    ck_ok(file_write_atomic(path_join(arena, at, name), text, strlen(text)));
}

/* Runs it on dir; its exit status, what it printed in `output`. */
static int run(void)
{
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, "%s %s >%s/output 2>&1", runner(), dir, dir);
    int rc = system(command);
    ck_ok(file_read(path_join(arena, dir, "output"), 1 << 20, arena, &output, NULL));
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void printed(const char *part)
{
    ck_assert_msg(strstr(output, part) != NULL, "the output lacks '%s':\n%s", part, output);
}

#define RATES(last) \
    "{\"case\":\"x\",\"rows\":[{\"name\":\"linear\",\"lr\":0.5,\"warmup\":1,\"steps\":3," \
    "\"lr_at_step\":[0,0.5,0.25," last "]}],\"warmup_ratio\":[{\"ratio\":0.06,\"steps\":50,\"warmup\":3}]," \
    "\"tolerance\":{\"rel\":1e-9,\"abs\":1e-12}}"

START_TEST(right_and_wrong_numbers)
{
    if (!begin(__func__)) return;
    put("methods/rates", "case.json", RATES("0"));
    ck_assert_int_eq(run(), 0);
    printed("PASS methods/rates: worst error");
    printed("1 passed, 0 failed, 0 skipped\n");
    put("methods/wrong", "case.json", RATES("1e-6"));
    ck_assert_int_eq(run(), 1);
    printed("PASS methods/rates");
    printed("FAIL methods/wrong: worst error 1e-06, tolerance 1");
    printed("1 passed, 1 failed, 0 skipped\n");
    arena_free(arena);
}
END_TEST

START_TEST(cases_that_cannot_be_judged_fail)
{
    if (!begin(__func__)) return;
    put("methods/empty", "case.json", "{\"rows\":[],\"warmup_ratio\":[],\"tolerance\":{\"rel\":1e-9,\"abs\":1e-12}}");
    put("methods/none", "case.json", "{\"rows\":[],\"warmup_ratio\":[]}");
    put("methods/odd", "case.json",
        "{\"rows\":[{\"name\":\"zigzag\",\"lr\":1,\"warmup\":1,\"steps\":1,\"lr_at_step\":[1]}],\"warmup_ratio\":[],"
        "\"tolerance\":{\"rel\":1e-9,\"abs\":1e-12}}");
    put("methods/other", "case.json", "{\"case\":\"dance_hard\",\"trajectory\":{}}");
    put("methods/thin", "case.json", "{\"case\":\"full_ft\",\"trajectory\":{}}");
    ck_assert_int_eq(run(), 1);
    printed("FAIL methods/empty: nothing was compared");
    printed("FAIL methods/none: bad input: case.json gives no tolerance 'rel'");
    printed("FAIL methods/odd: bad input: unknown schedule 'zigzag'");
    printed("SKIP methods/other: its method is not built yet");
    printed("FAIL methods/thin: bad input: case.json: inputs without");
    arena_free(arena);
}
END_TEST

START_TEST(broken_folders)
{
    if (!begin(__func__)) return;
    ck_assert_int_eq(run(), ST_USAGE);
    printed("no cases");
    put("methods/bad", "case.json", "{");
    put("methods/good", "case.json", RATES("0"));
    ck_assert_int_eq(run(), 1);
    printed("FAIL methods/bad: bad input:");
    printed("methods/bad/case.json: not valid JSON");
    printed("PASS methods/good: ");
    dir = "/none/such";
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "%s %s >/dev/null 2>&1", runner(), dir);
    ck_assert_int_ne(system(command), 0);
    arena_free(arena);
}
END_TEST

#define CONFIG \
    "{\"model_type\":\"bert\",\"vocab_size\":10,\"hidden_size\":4,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
    "\"intermediate_size\":4,\"max_position_embeddings\":8}"

/* A file that is good must not pass as a broken one. */
START_TEST(accepted_bad_files_fail)
{
    const float one = 1;
    if (!begin(__func__)) return;
    put("models/m", "case.json", "{}");
    put("models/m", "config.json", CONFIG);
    put("models/m/bad", "cut.safetensors", "cut");
    ck_assert_int_eq(run(), 0);
    printed("SKIP models/m: ");
    printed("PASS models/m/bad/cut.safetensors: refused: cut.safetensors: 3 bytes, too short");
    char *file = path_join(arena, dir, "models/m/bad/small.safetensors");
    ck_ok(safetensors_write(file, &(struct tensor_out){"a", DT_F32, 1, {1}, &one}, 1, NULL));
    ck_assert_int_eq(run(), 0); /* it lacks what the model needs */
    printed("PASS models/m/bad/small.safetensors: refused: small.safetensors: the tensor '");
    arena_free(arena);
}
END_TEST

START_TEST(tokenizer_lines)
{
    char *root;
    if (!begin(__func__)) return;
    put("tokenizers/tiny", "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n");
    put("tokenizers/tiny", "config.json", "{\"model_type\":\"bert\"}");
    put("golden/tokenizers", "texts.txt", "a b\nb\n\na\n");
    put("golden/tokenizers", "tiny.ref.ids", "5 6\n6\n\n5\n");
    root = path_join(arena, dir, "golden");
    dir = root;
    ck_assert_int_eq(run(), 0);
    printed("PASS tokenizers/tiny.ref.ids: 4 / 4 lines equal");
    put("tokenizers", "tiny.ref.ids", "5 6\n5\n\n5\n");
    put("tokenizers", "absent.ref.ids", "1\n");
    ck_assert_int_eq(run(), 1);
    printed("FAIL tokenizers/tiny.ref.ids: 3 / 4 lines equal, all expected; the first other one is line 2");
    printed("SKIP tokenizers/absent.ref.ids");
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(right_and_wrong_numbers), TEST(cases_that_cannot_be_judged_fail), TEST(broken_folders),
         TEST(accepted_bad_files_fail), TEST(tokenizer_lines))
