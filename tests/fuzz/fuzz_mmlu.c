/* MMLU's CSV files of one subject, with the shots of the dev file, as every protocol asks. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "core/text.h"
#include "datasets/mmlu.h"

static const char *const files[] = {"mmlu/dev/anatomy_dev.csv", "mmlu/test/anatomy_test.csv", NULL};

static status ask(enum mmlu_protocol protocol, struct arena *a)
{
    struct mmlu m = {.protocol = protocol, .shots = MMLU_SHOTS};
    struct task task = mmlu_test;
    struct rows rows = {0};
    struct text prompt = {0};
    status st = ST_OK;
    for (int i = 0; i < MMLU_SUBJECTS; i++) m.left_out[i] = i != mmlu_subject_find("anatomy");
    task.priv = &m;
    TRY(mmlu_load(&task, task_set_find(&task, "test"), fuzz_folder(), 0, a, &rows));
    for (int i = 0; i < rows.n && st == ST_OK; i++) {
        st = mmlu_prompt(rows.b[i], rows.a[i], i % (MMLU_SHOTS + 1), &prompt);
        fuzz_expect(rows.label[i] >= 0 && rows.label[i] < MMLU_CHOICES, "a label out of range was accepted");
    }
    text_free(&prompt);
    return st;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    fuzz_parts(p, n, files, a);
    TRY(ask(MMLU_HENDRYCKS, a));
    TRY(ask(MMLU_QLORA, a));
    return ask(MMLU_LM_EVAL, a);
}

const struct fuzz fuzz_mmlu = {"mmlu", "the CSV files of an MMLU subject", run};
