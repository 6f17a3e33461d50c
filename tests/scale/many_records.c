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
    sample_write(&s, arena_printf(a, "%s/%s.h5", folder, id));
    arena_free(a);
}

int main(int argc, char **argv)
{
    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: many_records FOLDER N\n");
        return 2;
    }
    if (file_make_dirs(argv[1]) != ST_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 4;
    }
    for (int i = 0; i < atoi(argv[2]); i++) write_one(argv[1], i);
    return 0;
}
