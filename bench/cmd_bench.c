/* bench: what this machine reaches, as a table and as JSON. */
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/paths.h"
#include "bench/speed.h"
#include "core/cpu.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/text.h"

struct bench_options {
    int steps, warmup, threads;
    double seconds;
    const char *filter, *json, *cache;
};
#define AT(field) offsetof(struct bench_options, field)
static const struct option bench_options[] = {
    {"steps", OPT_INT, AT(steps), 1, 100000, "8", NULL, "steps (and evaluations) timed a cell", 0},
    {"warmup", OPT_INT, AT(warmup), 0, 1000, "2", NULL, "steps before that", 0},
    {"seconds", OPT_REAL, AT(seconds), 0.01, 3600, "1", NULL, "time for each product and backend", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "threads; 0: all", 0},
    {"filter", OPT_STRING, AT(filter), 0, 0, "", "PATTERN", "only cells whose label matches (with * and ?)", 0},
    {"json", OPT_STRING, AT(json), 0, 0, "", "FILE", "also write all figures there", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    OPT_END};
#undef AT

enum { MAX_CELLS = 512, MAX_SHAPES = 16 };

struct bench {
    const struct bench_options *o;
    struct arena *arena;
    struct experiment experiment; /* cells 0: products only */
    const struct cell *cell[MAX_CELLS];
    struct cell_speed speed[MAX_CELLS];
    int cells, shapes;
    struct product_speed product[MAX_SHAPES];
    double roof; /* GFLOP/s */
};

static status measure_cells(struct bench *b)
{
    const char *cache = b->o->cache;
    if (!*cache) TRY(token_cache(b->arena, &cache));
    for (int i = 0; i < b->experiment.cells && b->cells < MAX_CELLS; i++) {
        struct cell *c = &b->experiment.cell[i];
        if (c->seed != b->experiment.cell[0].seed) continue; /* seeds cost the same */
        if (*b->o->filter && !text_match(b->o->filter, c->label)) continue;
        if (b->o->threads) c->train.threads = b->o->threads;
        b->cell[b->cells] = c;
        TRY(speed_cell(c, cache, b->o->warmup, b->o->steps, &b->speed[b->cells]));
        b->cells++;
    }
    FAIL_IF(b->experiment.cells > 0 && b->cells == 0, ST_USAGE, "no cell matches '%s'", b->o->filter);
    return ST_OK;
}

static status measure_products(struct bench *b)
{
    for (const struct product_shape *s = speed_shapes; s->m; s++, b->shapes++)
        TRY(speed_product(s, b->o->seconds, b->arena, &b->product[b->shapes]));
    double own = b->product[0].own.median, blas = b->product[0].openblas.median;
    b->roof = own > blas ? own : blas;
    return ST_OK;
}

static double share(const struct bench *b, double tokens_per_s, double flops)
{
    return 100 * tokens_per_s * flops * 1e-9 / b->roof;
}

static void print(const struct bench *b)
{
    printf("%s, %d threads, kernels %s\n\n", cpu_model(), parallel_threads(), cpu_class_name(cpu_class()));
    printf("%-28s %16s  %22s  %22s\n", "product, GFLOP/s", "m x n x k", "own", "OpenBLAS tiles");
    for (int i = 0; i < b->shapes; i++) {
        const struct product_shape *s = &speed_shapes[i];
        const struct spread *x = &b->product[i].own, *y = &b->product[i].openblas;
        char shape[40];
        snprintf(shape, sizeof shape, "%d x %d x %d", s->m, s->n, s->k);
        printf("%-28s %16s  %6.1f (%5.1f .. %5.1f)  %6.1f (%5.1f .. %5.1f)\n", s->what, shape, x->median, x->min,
               x->max, y->median, y->min, y->max);
    }
    if (b->cells == 0) return;
    printf("\n%-24s %24s %6s  %24s %6s  %8s\n", "cell", "training, tokens/s", "roof", "evaluation, tokens/s", "roof",
           "memory");
    for (int i = 0; i < b->cells; i++) {
        const struct cell_speed *s = &b->speed[i];
        printf("%-24s %8.0f (%5.0f .. %5.0f) %5.0f%%  %8.0f (%5.0f .. %5.0f) %5.0f%%  %5.2f GB\n", b->cell[i]->label,
               s->train.median, s->train.min, s->train.max, share(b, s->train.median, s->train_flops), s->eval.median,
               s->eval.min, s->eval.max, share(b, s->eval.median, s->eval_flops), s->peak_bytes * 1e-9);
    }
    printf("\nReal tokens; median (least .. most) over %d steps after %d of warm-up, in the order a run takes them. "
           "roof: the\n"
           "better backend's first product; FLOPs counted: linear layers, scores and contexts, once for an evaluation, "
           "twice\n"
           "for a step over a frozen base, three times for full fine-tuning. memory: peak resident of the process, the "
           "mapped\n"
           "model file included, in training.\n",
           b->o->steps, b->o->warmup);
}

static json_t *json_spread(const struct spread *s)
{
    return json_pack("{s:f, s:f, s:f}", "median", s->median, "min", s->min, "max", s->max);
}

static status write_json(const struct bench *b)
{
    json_t *products = json_array(), *cells = json_array();
    for (int i = 0; i < b->shapes; i++) {
        const struct product_shape *s = &speed_shapes[i];
        json_array_append_new(products, json_pack("{s:s, s:i, s:i, s:i, s:o, s:o}", "what", s->what, "m", s->m, "n",
                                                  s->n, "k", s->k, "own_gflops", json_spread(&b->product[i].own),
                                                  "openblas_gflops", json_spread(&b->product[i].openblas)));
    }
    for (int i = 0; i < b->cells; i++) {
        const struct cell_speed *s = &b->speed[i];
        json_array_append_new(
            cells, json_pack("{s:s, s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:i}", "cell", b->cell[i]->label,
                             "train_tokens_per_s", json_spread(&s->train), "eval_tokens_per_s", json_spread(&s->eval),
                             "train_flops_per_token", s->train_flops, "eval_flops_per_token", s->eval_flops,
                             "train_share_of_roof", share(b, s->train.median, s->train_flops) / 100, "tokens_per_step",
                             s->tokens_per_step, "peak_rss_bytes", s->peak_bytes, "longest", s->longest));
    }
    json_t *all =
        json_pack("{s:s, s:i, s:s, s:f, s:o, s:o}", "cpu", cpu_model(), "threads", parallel_threads(), "kernels",
                  cpu_class_name(cpu_class()), "roof_gflops", b->roof, "products", products, "cells", cells);
    char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
    status st =
        text ? file_write_atomic(b->o->json, text, strlen(text)) : fail(ST_MEMORY, "out of memory: the JSON text");
    free(text);
    json_decref(all);
    return st;
}

static status bench_run(const void *options, char **args, int count, struct arena *arena)
{
    struct bench b = {.o = options, .arena = arena};
    const char *path;
    if (count) {
        TRY(experiment_find(args[0], arena, &path));
        TRY(experiment_read(path, arena, &b.experiment));
        TRY(experiment_inputs(&b.experiment, arena));
    }
    TRY(measure_cells(&b)); /* before this process has threads: cells are measured in forked ones */
    parallel_set_threads(b.o->threads);
    TRY(measure_products(&b));
    print(&b);
    return *b.o->json ? write_json(&b) : ST_OK;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure the speed of this machine",
    .usage = "[EXPERIMENT.ini] [options]",
    .details =
        "Times matrix products with both backends and, given an experiment, training steps and evaluation of each of "
        "its\n"
        "rows and tasks (first seed) in real tokens a second, with peak memory and the share of the machine's own\n"
        "product rate. Other work on the machine shows in the figures: look at the spread.",
    .options = bench_options,
    .option_size = sizeof(struct bench_options),
    .min_args = 0,
    .max_args = 1,
    .run = bench_run,
};
