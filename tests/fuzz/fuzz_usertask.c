/* Files of a user's own tasks: the first byte chooses a form of task, the rest is the file. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "core/text.h"
#include "datasets/dataset.h"
#include "datasets/lm.h"

enum { PAIRS = 12 };
static const char *const form[][PAIRS] = {
    {"format=csv", "text_a=text", "text_b=other", "label=class", "label_names=no, yes"},
    {"format=tsv", "text_a=1", "label=2", "header=no", "regression=yes", "lo=0", "hi=5"},
    {"format=jsonl", "text_a=text", "label=class", "id=key", "regression=yes", "test=data"},
    {"format=tsv", "text_a=text", "label=class", "label_names=0, 1", "id=key", "test=data"},
    {"format=jsonl", "style=completion", "prompt={a}\\n{b}", "completion={c}"},
    {"format=csv", "style=completion", "prompt=", "completion={a} or {b}"},
    {"format=jsonl", "style=alpaca"},
    {"format=csv", "style=alpaca"},
    {"format=jsonl", "style=guanaco", "turns=assistant"},
    {"style=text"},
};
enum { FORMS = sizeof form / sizeof form[0] };

static status make(int k, struct arena *a, struct task **task)
{
    const char *ini = arena_printf(a, "%s/fuzz.ini", fuzz_folder());
    if (!ini) return ST_MEMORY;
    struct key_value kv[PAIRS + 2] = {{"train", "data", ini, 1}, {"dev", "data", ini, 2}};
    int n = 2;
    for (int i = 0; i < PAIRS && form[k][i]; i++) {
        char *key = arena_strdup(a, form[k][i]), *value = key ? strchr(key, '=') : NULL;
        if (!value) return ST_MEMORY;
        *value = 0;
        kv[n] = (struct key_value){key, value + 1, ini, n + 1};
        n++;
    }
    return usertask_make("fuzz", kv, n, ini, a, task);
}

static status load(const struct task *task, const struct task_set *set, struct arena *a)
{
    struct rows rows = {0};
    int *first, *of, prompts;
    TRY(task->load(task, set, NULL, 0, a, &rows));
    for (int i = 0; i < rows.n; i++) {
        fuzz_touch(rows.a[i], strlen(rows.a[i]));
        if (rows.b) fuzz_touch(rows.b[i], strlen(rows.b[i]));
        if (rows.row_id) fuzz_touch(rows.row_id[i], strlen(rows.row_id[i]));
    }
    return task->kind == TASK_LM && rows.n ? lm_prompts(&rows, a, &first, &of, &prompts) : ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct task *task;
    if (n == 0) return ST_OK;
    status st = make((unsigned char)(*p - 'A') % FORMS, a, &task);
    fuzz_expect(st == ST_OK, "the harness's own section was refused");
    fuzz_file("data", p + 1, n - 1, a);
    for (const struct task_set *s = task->set; st == ST_OK && s->name; s++) st = load(task, s, a);
    return st;
}

const struct fuzz fuzz_usertask = {"usertask", "CSV, TSV, JSON lines or text of a user's task", run};
