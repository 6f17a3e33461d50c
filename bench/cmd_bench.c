/* bench: what this machine does. Prints tables; --json keeps all numbers. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "bench/bench_parts.h"
#include "bench/cli.h"
#include "bench/experiment.h"
#include "bench/paths.h"
#include "core/cpu.h"
#include "core/file.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/text.h"

struct bench_options {
    const char *parts, *model, *random_config, *tokenizer, *data, *task, *methods, *json, *cache;
    int batch, micro_batch, eval_batch, max_len, group_lengths, steps, warm_up, eval_batches, threads, gemm, format;
    int repeats;
    double seconds, dropout;
    long long seed;
};
#define AT(field) offsetof(struct bench_options, field)
static const struct option bench_options[] = {
    {"parts", OPT_STRING, AT(parts), 0, 0, "roof,products,ops,train", "LIST", "what to measure", 0},
    {"model", OPT_STRING, AT(model), 0, 0, "mini", "MODEL", "model folder or name", 0},
    {"random-config", OPT_STRING, AT(random_config), 0, 0, "", "FOLDER",
     "instead of a model: a folder with its config.json; weights are drawn", 0},
    {"tokenizer", OPT_STRING, AT(tokenizer), 0, 0, "", "FOLDER", "default: the model's folder", 0},
    {"task", OPT_STRING, AT(task), 0, 0, "mini_rte", "NAME", "whose texts to train and evaluate on", 0},
    {"data", OPT_STRING, AT(data), 0, 0, "", "FOLDER", "root folder of the data; the mini tasks need none", 0},
    {"methods", OPT_STRING, AT(methods), 0, 0, "lora, full_ft", "LIST",
     "rows: methods with their options, as in \"lora rank=8 sites=all, full_ft\"", 0},
    {"batch", OPT_INT, AT(batch), 1, 65536, "32", NULL, "examples in an optimiser step", 0},
    {"micro_batch", OPT_INT, AT(micro_batch), 0, 65536, "0", NULL, "examples in one pass; 0: batch", 0},
    {"eval_batch", OPT_INT, AT(eval_batch), 1, 65536, "32", NULL, "examples in one pass of an evaluation", 0},
    {"max_len", OPT_INT, AT(max_len), 0, 65535, "0", NULL, "tokens kept of an example; 0: the task's default", 0},
    {"group_lengths", OPT_FLAG, AT(group_lengths), 0, 0, "no", NULL, "batches of examples of like length", 0},
    {"dropout", OPT_REAL, AT(dropout), -1, 0.99, "-1", NULL, "all rates; below 0: the model's own", 0},
    {"steps", OPT_INT, AT(steps), 0, 100000, "10", NULL, "timed optimiser steps of a row", 0},
    {"warm-up", OPT_INT, AT(warm_up), 0, 100000, "2", NULL, "untimed ones before", 0},
    {"eval-batches", OPT_INT, AT(eval_batches), 0, 100000, "10", NULL, "timed batches of evaluation", 0},
    {"seed", OPT_LONG, AT(seed), 0, 9e15, "1", NULL, "of order, dropout and drawn weights", 0},
    {"seconds", OPT_REAL, AT(seconds), 0, 3600, "0.3", NULL, "time to spend on each product and operation, at least",
     0},
    {"repeats", OPT_INT, AT(repeats), 1, 2000, "5", NULL, "measurements of each, at least", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "0: all processors", 0},
    {"gemm", OPT_ENUM, AT(gemm), 0, 0, "own", "own|openblas", "products of the training rows", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    {"format", OPT_ENUM, AT(format), 0, 0, "text", SHEET_CHOICES, "of the tables", 0},
    {"json", OPT_STRING, AT(json), 0, 0, "", "FILE", "write all numbers there as well", 0},
    OPT_END};
#undef AT

static const char *const part_names[] = {"roof", "products", "ops", "train"};
enum part { PART_ROOF, PART_PRODUCTS, PART_OPS, PART_TRAIN, PARTS };

static status choose_parts(const char *list, struct arena *arena, bool on[PARTS])
{
    char **word;
    int n;
    TRY(text_split(list, ',', arena, &word, &n));
    FAIL_IF(n == 0, ST_USAGE, "--parts names nothing to measure");
    for (int i = 0; i < n; i++) {
        int p = 0;
        while (p < PARTS && strcmp(word[i], part_names[p]) != 0) p++;
        if (p == PARTS) return cli_unknown("--parts", "part", word[i], part_names, PARTS);
        on[p] = true;
    }
    return ST_OK;
}

static status find_task(const char *name, const struct task **task)
{
    const char *names[256];
    int n = 0;
    *task = task_find(name);
    for (const struct task *const *t = task_table; *t && n < 256; t++) names[n++] = (*t)->name;
    return *task ? ST_OK : cli_unknown("", "task", name, names, n);
}

static void fill_train_options(const struct bench_options *o, struct train_options *t)
{
    t->batch = o->batch;
    t->micro_batch = o->micro_batch;
    t->eval_batch = o->eval_batch;
    t->max_len = o->max_len;
    t->group_lengths = o->group_lengths;
    if (o->dropout >= 0) t->hidden_dropout = t->attn_dropout = t->cls_dropout = o->dropout;
}

static status prepare_training(const struct bench_options *o, struct arena *arena, struct bench_training *t)
{
    *t = (struct bench_training){.random = *o->random_config != '\0',
                                 .methods = o->methods,
                                 .steps = o->steps,
                                 .warm_up = o->warm_up,
                                 .eval_batches = o->eval_batches,
                                 .cache = o->cache,
                                 .seed = (uint64_t)o->seed};
    TRY(option_defaults(train_option_table, &t->train, arena));
    fill_train_options(o, &t->train);
    TRY(find_task(o->task, &t->task));
    TRY(model_find(t->random ? o->random_config : o->model, ".", arena, &t->model_path));
    t->tokenizer_path = t->model_path;
    if (*o->tokenizer) TRY(model_find(o->tokenizer, ".", arena, &t->tokenizer_path));
    t->data_root = "";
    if (task_needs_data(t->task)) {
        FAIL_IF(!*o->data, ST_USAGE, "task %s needs --data FOLDER", t->task->name);
        TRY(data_find(o->data, ".", arena, &t->data_root));
    }
    return *o->cache ? ST_OK : token_cache(arena, &t->cache);
}

static status describe_machine(struct bench_report *r)
{
    printf("peftgrid %s on %s, kernels %s, %d threads, compiled by %s\n\n", PG_VERSION, cpu_model(),
           cpu_class_name(cpu_class()), parallel_threads(), __VERSION__);
    json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "version", PG_VERSION, "processor", cpu_model(), "kernels",
                          cpu_class_name(cpu_class()), "threads", parallel_threads(), "products",
                          gemm_backend_name(gemm_backend()), "compiler", __VERSION__);
    FAIL_IF(!o || json_object_set_new(r->json, "machine", o) != 0, ST_MEMORY, "out of memory for the JSON report");
    return ST_OK;
}

static status write_json(const struct bench_report *r, const char *path)
{
    char *text = json_dumps(r->json, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    FAIL_IF(!text, ST_MEMORY, "out of memory for the JSON report");
    status st = file_write_atomic(path, text, strlen(text));
    free(text);
    return st;
}

static status measure_parts(struct bench_report *r, const struct bench_options *o)
{
    bool on[PARTS] = {false};
    struct bench_training training;
    TRY(choose_parts(o->parts, r->arena, on));
    parallel_set_threads(o->threads);
    TRY(gemm_select((enum gemm_backend)o->gemm));
    if (on[PART_TRAIN]) TRY(prepare_training(o, r->arena, &training));
    TRY(describe_machine(r));
    if (on[PART_ROOF]) TRY(bench_roof(r));
    if (on[PART_PRODUCTS]) TRY(bench_products(r));
    if (on[PART_OPS]) TRY(bench_ops(r));
    if (on[PART_TRAIN]) TRY(bench_train(r, &training));
    return *o->json ? write_json(r, o->json) : ST_OK;
}

static status bench_run(const void *options, char **args, int count, struct arena *arena)
{
    const struct bench_options *o = options;
    (void)args, (void)count;
    struct bench_report r = {.arena = arena,
                             .format = (enum sheet_format)o->format,
                             .json = json_object(),
                             .effort = {o->seconds, o->repeats}};
    FAIL_IF(!r.json, ST_MEMORY, "out of memory for the JSON report");
    status st = measure_parts(&r, o);
    json_decref(r.json);
    return st;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure the speed of this machine",
    .usage = "[options]",
    .details =
        "roof: the best product of this machine, ours or OpenBLAS'. products and ops: the pieces that a step is made "
        "of. "
        "train: optimiser steps and evaluation of a model on the texts of a task, in real tokens a second (nothing is "
        "padded), and what share of the roof the model's own FLOPs reach. Every number is the median of repeats after "
        "a "
        "warm-up, with half the distance of the quartiles as spread. Weights may be drawn instead of loaded: "
        "--random-config FOLDER needs only a config.json.",
    .options = bench_options,
    .option_size = sizeof(struct bench_options),
    .min_args = 0,
    .max_args = 0,
    .run = bench_run,
};
