/* bench: what this machine does. Prints tables; --json keeps all numbers. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "bench/bench_parts.h"
#include "bench/cli.h"
#include "bench/grid.h"
#include "bench/paths.h"
#include "core/cpu.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/text.h"

struct bench_options {
    const char *parts, *filter, *random_config, *json, *cache, *compare_hf, *hf_script, *relative_to;
    int phases, steps, hf_batches, warmup, threads, repeats, recompute, group_lengths, format;
    double seconds;
};
#define AT(field) offsetof(struct bench_options, field)
static const struct option bench_options[] = {
    {"parts", OPT_STRING, AT(parts), 0, 0, "roof,products,ops,cells", "LIST",
     "what to measure; cells only with an experiment", 0},
    {"filter", OPT_STRING, AT(filter), 0, 0, "", "PATTERN",
     "only cells whose label matches: a part of it, or a pattern with * and ?; several with commas", 0},
    {"random-config", OPT_STRING, AT(random_config), 0, 0, "", "FOLDER",
     "instead of the experiment's model: a folder with config.json and tokenizer; weights are drawn", 0},
    {"steps", OPT_INT, AT(steps), 1, 100000, "8", NULL, "optimiser steps timed of a cell, and batches evaluated", 0},
    {"warmup", OPT_INT, AT(warmup), 0, 100000, "2", NULL, "steps before that", 0},
    {"phases", OPT_ENUM, AT(phases), 0, 0, "both", "both|train|evaluate", "of each cell", 0},
    {"relative-to", OPT_STRING, AT(relative_to), 0, 0, "", "ROW", "also give times as multiples of this row's", 0},
    {"recompute", OPT_BOOL, AT(recompute), 0, 0, "no", NULL, "cells run their blocks again in the backward pass", 0},
    {"group-lengths", OPT_BOOL, AT(group_lengths), 0, 0, "no", NULL, "cells take batches of similar length", 0},
    {"compare-hf", OPT_STRING, AT(compare_hf), 0, 0, "", "PYTHON",
     "run the same batches through transformers + peft with this Python, where they know the method", 0},
    {"hf-script", OPT_STRING, AT(hf_script), 0, 0, "", "FILE", "instead of the script that comes along", OPTION_HIDDEN},
    {"hf-batches", OPT_INT, AT(hf_batches), 1, 100000, "2", NULL, "of each phase for --compare-hf: they take minutes",
     0},
    {"seconds", OPT_REAL, AT(seconds), 0, 3600, "0.3", NULL, "time for each product and operation, at least", 0},
    {"repeats", OPT_INT, AT(repeats), 1, 2000, "5", NULL, "measurements of each, at least", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "0: the experiment's, else all processors", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    {"format", OPT_ENUM, AT(format), 0, 0, "text", SHEET_CHOICES, "of the tables", 0},
    {"json", OPT_STRING, AT(json), 0, 0, "", "FILE", "also write all numbers there", 0},
    OPT_END};
#undef AT

static const char *const part_names[] = {"roof", "products", "ops", "cells"};
enum part { PART_ROOF, PART_PRODUCTS, PART_OPS, PART_CELLS, PARTS };

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

static status read_experiment(const char *arg, const struct bench_options *o, struct arena *arena, struct experiment *e)
{
    const char *path, *folder;
    TRY(experiment_find(arg, arena, &path));
    TRY(experiment_read(path, arena, e));
    if (!*o->random_config) return experiment_inputs(e, arena);
    TRY(model_find(o->random_config, ".", arena, &folder));
    for (int i = 0; i < e->cells; i++) e->cell[i].model_path = folder;
    return ST_OK;
}

/* Cells that the filter names, of the first seed among them: other seeds cost the same. */
static status choose_cells(const struct bench_options *o, struct experiment *e, struct arena *arena,
                           struct bench_cells *out)
{
    struct compare *compare;
    const struct grid_options filter = {.filter = o->filter};
    const struct cell **chosen;
    int *index, count;
    *out = (struct bench_cells){.steps = o->steps,
                                .warmup = o->warmup,
                                .cache = o->cache,
                                .phases = (enum bench_phases)o->phases,
                                .relative_to = o->relative_to,
                                .random = *o->random_config != '\0'};
    if (!*out->cache) TRY(token_cache(arena, &out->cache));
    if (*o->compare_hf) {
        NEW(compare, arena, 1);
        TRY(compare_open(o->compare_hf, *o->hf_script ? o->hf_script : NULL, o->hf_batches, out->cache, arena,
                         compare));
        out->compare = compare;
    }
    TRY(grid_select(e, &filter, arena, &index, &count));
    NEW(chosen, arena, count);
    for (int i = 0; i < count; i++) {
        struct cell *c = &e->cell[index[i]];
        if (c->seed != e->cell[index[0]].seed) continue;
        if (o->threads > 0) c->train.threads = o->threads;
        if (o->recompute) c->train.recompute = true;
        if (o->group_lengths) c->train.group_lengths = true;
        chosen[out->cells++] = c;
    }
    out->cell = chosen;
    return ST_OK;
}

static status describe_machine(struct bench_report *r)
{
    printf("peftgrid %s on %s, kernels %s, %d threads, compiled by %s\n\n", PG_VERSION, cpu_model(),
           cpu_class_name(cpu_class()), parallel_threads(), __VERSION__);
    json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:s}", "version", PG_VERSION, "processor", cpu_model(), "kernels",
                          cpu_class_name(cpu_class()), "threads", parallel_threads(), "compiler", __VERSION__);
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

static status measure_parts(struct bench_report *r, const struct bench_options *o, const char *experiment)
{
    bool on[PARTS] = {false};
    struct experiment e;
    struct bench_cells cells;
    TRY(choose_parts(o->parts, r->arena, on));
    FAIL_IF(!experiment && (*o->filter || *o->random_config || *o->compare_hf || o->recompute || o->group_lengths),
            ST_USAGE,
            "--filter, --random-config, --compare-hf, --recompute and --group-lengths are about the cells of an "
            "experiment: bench "
            "EXPERIMENT.ini");
    on[PART_CELLS] = on[PART_CELLS] && experiment;
    if (on[PART_CELLS]) {
        TRY(read_experiment(experiment, o, r->arena, &e));
        TRY(choose_cells(o, &e, r->arena, &cells));
    }
    parallel_set_threads(o->threads > 0 || !on[PART_CELLS] ? o->threads : cells.cell[0]->train.threads);
    TRY(describe_machine(r));
    if (on[PART_ROOF]) TRY(bench_roof(r));
    if (on[PART_PRODUCTS]) TRY(bench_products(r));
    if (on[PART_OPS]) TRY(bench_ops(r));
    if (on[PART_CELLS]) TRY(bench_cells(r, &cells));
    return *o->json ? write_json(r, o->json) : ST_OK;
}

static status bench_run(const void *options, char **args, int count, struct arena *arena)
{
    const struct bench_options *o = options;
    struct bench_report r = {.arena = arena,
                             .format = (enum sheet_format)o->format,
                             .json = json_object(),
                             .effort = {o->seconds, o->repeats}};
    FAIL_IF(!r.json, ST_MEMORY, "out of memory for the JSON report");
    status st = measure_parts(&r, o, count > 0 ? args[0] : NULL);
    json_decref(r.json);
    return st;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure the speed of this machine",
    .usage = "[EXPERIMENT.ini] [options]",
    .details =
        "roof: the fastest product of this machine, by our kernels or OpenBLAS. products and ops: the pieces that a "
        "step "
        "is made of. cells, given an experiment: optimiser steps and evaluation of each of its rows and tasks (first "
        "seed) in real tokens a second, with peak memory and the share of the roof that the model's own FLOPs reach.\n"
        "Medians of repeats after a warm-up; the spread beside them is half the distance of the quartiles. Other work "
        "on "
        "the machine shows in it.",
    .options = bench_options,
    .option_size = sizeof(struct bench_options),
    .min_args = 0,
    .max_args = 1,
    .run = bench_run,
};
