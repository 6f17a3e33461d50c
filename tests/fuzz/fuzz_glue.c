/* GLUE's files: the first byte chooses one set of all tasks ('A' the first), the rest is the file. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "datasets/dataset.h"

struct choice {
    const struct task *task;
    const struct task_set *set;
};

/* The k-th set that is read from a TSV file, modulo their number. */
static struct choice choose(unsigned k)
{
    enum { MOST = 128 };
    static struct choice all[MOST];
    static unsigned count;
    for (int i = 0; count == 0 || (i > 0 && task_table[i]); i++) {
        const struct task *t = task_table[i];
        for (const struct task_set *s = t->set; t->kind == TASK_CLASSES && s->name && count < MOST; s++)
            if (s->file) all[count++] = (struct choice){t, s};
        if (!task_table[i + 1]) break;
    }
    return all[k % count];
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    if (n == 0) return ST_OK;
    struct choice c = choose((unsigned)(unsigned char)(*p - 'A'));
    const char *path;
    struct rows rows = {0};
    TRY(task_set_path(c.task, c.set, fuzz_folder(), a, &path));
    fuzz_file(path + strlen(fuzz_folder()) + 1, p + 1, n - 1, a);
    TRY(c.task->load(c.task, c.set, fuzz_folder(), 0, a, &rows));
    for (int i = 0; i < rows.n; i++) {
        fuzz_touch(rows.a[i], strlen(rows.a[i]));
        if (rows.b) fuzz_touch(rows.b[i], strlen(rows.b[i]));
        bool right = !rows.label || (c.task->labels > 1 ? rows.label[i] >= 0 && rows.label[i] < (float)c.task->labels
                                                        : rows.label[i] >= c.task->lo && rows.label[i] <= c.task->hi);
        fuzz_expect(right, "a label out of range was accepted");
    }
    return ST_OK;
}

const struct fuzz fuzz_glue = {"glue", "a TSV file of a GLUE task", run};
