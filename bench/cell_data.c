#include "bench/cell_data.h"

#include <string.h>
#include "core/rng.h"
#include "core/sha256.h"
#include "core/text.h"
#include "models/model.h"

int cell_max_len(const struct cell *cell)
{
    return cell->train.max_len > 0 ? cell->train.max_len : cell->task->max_len;
}

long long tokens_total(const struct tokens *t)
{
    return (long long)t->offset[t->n];
}

/* Halves are drawn with a seed of their own: every run of a task chooses and reports on the same examples. */
static status make_halves(struct cell_set *set, struct arena *arena)
{
    struct rng rng = {.seed = 0};
    int n = set->tokens.n, *perm;
    NEW(set->half, arena, n);
    struct arena_mark mark = arena_mark(arena);
    NEW(perm, arena, n);
    rng_permutation(&rng, RNG_DATA, 0, text_hash32(set->name), n, perm);
    for (int i = 0; i < n; i++) set->half[perm[i]] = i >= (n + 1) / 2;
    arena_reset(arena, mark);
    return ST_OK;
}

static bool wants_rows(const struct task *task, const struct task_set *set)
{
    return set->kind != SET_TRAIN && (task->kind == TASK_CHOICE || task->generation);
}

/* Prompts of questions are cut by their protocol's rule to what the model has positions for. */
static status longest_sequence(const struct cell *cell, const struct task *task, struct arena *arena, int *max_len)
{
    struct model_config config;
    *max_len = task == cell->task ? cell_max_len(cell) : task->max_len;
    if (task->kind != TASK_CHOICE) return ST_OK;
    TRY(model_config_read(cell->model_path, arena, &config));
    if (config.max_positions > 0 && config.max_positions < *max_len) *max_len = config.max_positions;
    return ST_OK;
}

/* A tokenizer of another model gives tokens that this one has no rows for. */
static status check_vocabulary(const struct cell *cell, const struct tokens *t, struct arena *arena)
{
    struct model_config config;
    TRY(model_config_read(cell->model_path, arena, &config));
    for (uint64_t i = 0; i < t->offset[t->n]; i++)
        FAIL_IF(
            t->ids[i] >= config.vocab, ST_INPUT,
            "%s: its tokenizer gives token %d, but vocab_size in its config.json is %d: the tokenizer's files belong "
            "to another model",
            cell->model_path, (int)t->ids[i], config.vocab);
    return ST_OK;
}

static status load_set(const struct cell *cell, const struct task *task, const char *cache_dir,
                       const struct task_set *set, int max_examples, struct arena *arena, struct cell_data *data,
                       struct cell_set *out)
{
    bool own = task == cell->task;
    int max_len;
    TRY(longest_sequence(cell, task, arena, &max_len));
    TRY(tokens_load(task, set, cell->data_root, max_examples, data->tokenizer, max_len, cache_dir,
                    wants_rows(task, set), arena, &out->tokens));
    out->task = task;
    out->set = set; /* from here on the tokens are closed with the rest */
    TRY(check_vocabulary(cell, &out->tokens, arena));
    out->name = own ? set->name : task->name;
    out->scores = !own || !task->benchmark;
    FAIL_IF(out->tokens.n < 1 || !out->tokens.label, ST_INPUT, "task %s: the set %s holds no labelled examples",
            task->name, set->name);
    return make_halves(out, arena);
}

static void combine_hashes(struct cell_data *data)
{
    struct sha256 h;
    sha256_begin(&h);
    for (int i = -1; i < data->devs; i++) {
        const struct cell_set *set = i < 0 ? &data->train : &data->dev[i];
        if (!set->set) continue;
        sha256_add(&h, set->name, strlen(set->name) + 1);
        sha256_add(&h, set->tokens.data_hash, sizeof set->tokens.data_hash);
    }
    sha256_end(&h, data->hash);
}

/* The dev sets of the cell's task or of its benchmark. */
static status load_devs(const struct cell *cell, const struct task *task, const char *cache_dir, struct arena *arena,
                        struct cell_data *data)
{
    for (const struct task_set *set = task->set; set->name; set++)
        if (set->kind == SET_DEV)
            TRY(load_set(cell, task, cache_dir, set, cell->train.max_dev, arena, data, &data->dev[data->devs++]));
    return ST_OK;
}

status cell_data_load(const struct cell *cell, const char *cache_dir, struct arena *arena, struct cell_data *data)
{
    *data = (struct cell_data){0};
    TRY(tokenizer_open(cell->model_path, arena, &data->tokenizer));
    const struct task *task = cell->task;
    for (const struct task_set *set = task->set; set->name; set++)
        if (set->kind == SET_TRAIN)
            TRY(load_set(cell, task, cache_dir, set, cell->train.max_train, arena, data, &data->train));
    TRY(load_devs(cell, task, cache_dir, arena, data));
    if (task->benchmark) TRY(load_devs(cell, task->benchmark, cache_dir, arena, data));
    FAIL_IF(data->devs == 0 || (!data->train.set && task->kind != TASK_CHOICE), ST_USAGE,
            "task %s has no training or no dev set and cannot be trained", task->name);
    combine_hashes(data);
    return ST_OK;
}

void cell_data_close(struct cell_data *data)
{
    if (data->train.set) tokens_close(&data->train.tokens);
    for (int i = 0; i < data->devs; i++)
        if (data->dev[i].set) tokens_close(&data->dev[i].tokens);
    if (data->tokenizer) tokenizer_close(data->tokenizer);
    *data = (struct cell_data){0};
}
