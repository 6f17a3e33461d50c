/* The built-in tasks, and what can be asked of any task. */
#include <string.h>
#include "core/file.h"
#include "datasets/glue.h"
#include "datasets/lm.h"
#include "datasets/mini.h"
#include "datasets/mmlu.h"

const struct task *const task_table[] = {
    &glue_cola,          &glue_sst2, &glue_mrpc,       &glue_stsb, &glue_qqp,       &glue_mnli,
    &glue_qnli,          &glue_rte,  &glue_wnli,       &glue_ax,   &mini_cola,      &mini_sst2,
    &mini_mrpc,          &mini_stsb, &mini_rte,        &lm_e2e,    &lm_e2e_text,    &lm_wikitext2,
    &lm_wikitext2_valid, &mmlu_test, &mmlu_test_5shot, &mmlu_val,  &mmlu_val_5shot, NULL};

const struct task *task_find(const char *name)
{
    for (const struct task *const *t = task_table; *t; t++)
        if (strcmp((*t)->name, name) == 0) return *t;
    return NULL;
}

const struct task_set *task_set_find(const struct task *task, const char *name)
{
    for (const struct task_set *s = task->set; s->name; s++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

status task_set_path(const struct task *task, const struct task_set *set, const char *data_root, struct arena *arena,
                     const char **path)
{
    *path = NULL;
    if (!set->file) return ST_OK;
    if (!task->dir) {
        *path = set->file;
        return ST_OK;
    }
    FAIL_IF(!data_root || !*data_root, ST_USAGE,
            "task %s needs a data folder: say data = PATH, where PATH/%s/%s is its %s set", task->name, task->dir,
            set->file, set->name);
    for (const char *file = set->file, *first = NULL;; file += strcspn(file, "|") + 1) {
        int is_there, n = (int)strcspn(file, "|");
        const char *const folder[] = {"", "glue/"};
        for (int i = 0; i < 2; i++) {
            *path = arena_printf(arena, "%s/%s%s/%.*s", data_root, folder[i], task->dir, n, file);
            if (!*path) return ST_MEMORY;
            if (!first) first = *path;
            TRY(file_ask(*path, &is_there));
            if (is_there) return ST_OK;
        }
        *path = first;
        if (!file[n]) return ST_OK;
    }
}
