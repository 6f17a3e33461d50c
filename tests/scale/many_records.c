/* many_records FOLDER N: N complete records of a made-up grid of methods, tasks and seeds, as a finished grid leaves
 * them: for timing `table` and `merge` on large grids (tests/scale/run.sh). */
#include "tests/pgtest.h"

#include "core/file.h"
#include "core/sha256.h"
#include "tests/sample_record.h"

enum { METHODS = 10, TASKS = 8 };

static const char *const methods[METHODS] = {"none", "full_ft", "bitfit", "lora",    "dora",
                                             "ia3",  "vera",    "dylora", "adalora", "houlsby"};
static const char *const tasks[TASKS] = {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte"};

static void write_one(const char *folder, int i)
{
    struct arena *a = arena_new("record");
    int method = i % METHODS, task = i / METHODS % TASKS, seed = 1 + i / (METHODS * TASKS);
    double score = 0.5 + 0.03 * method + 0.002 * ((i * 7919) % 13);
    struct sample s = {.row = methods[method],
                       .task = tasks[task],
                       .seed = seed,
                       .score = {score - 0.1, score, score - 0.01},
                       .adapter = 1000 * method,
                       .head = 1538};
    const char *canon = sample_canon(&s, a);
    char id[SHA256_HEX];
    ck_assert(a && canon);
    sha256_of(canon, strlen(canon), id);
    struct record r;
    sample_record(&s, a, &r);
    ck_ok(record_string(&r, "run/id", id));
    ck_ok(record_write(&r, arena_printf(a, "%s/%s.h5", folder, id)));
    arena_free(a);
}

START_TEST(written)
{
    const char *folder = getenv("SCALE_FOLDER"), *n = getenv("SCALE_RECORDS");
    ck_assert_msg(folder && n, "SCALE_FOLDER and SCALE_RECORDS say where and how many");
    ck_ok(file_make_dirs(folder));
    for (int i = 0; i < atoi(n); i++) write_one(folder, i);
}
END_TEST

PG_TESTS(TEST(written))
