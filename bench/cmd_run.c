/* run: the grid of an experiment, cell by cell. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cell_name.h"
#include "bench/cli.h"
#include "bench/grid.h"
#include "bench/paths.h"
#include "core/file.h"
#include "core/text.h"

struct run_options {
    int jobs, threads, dry_run, force, quiet, progress;
    const char *shard, *filter, *runs, *cache;
};
#define AT(field) offsetof(struct run_options, field)
static const struct option run_options[] = {
    {"jobs", OPT_INT, AT(jobs), 1, 256, "1", NULL, "cells at a time", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL,
     "threads of a cell; 0: the experiment's, else the processors shared among the jobs", 0},
    {"shard", OPT_STRING, AT(shard), 0, 0, "", "I/N", "only the I-th of N parts of the grid, for several machines", 0},
    {"filter", OPT_STRING, AT(filter), 0, 0, "", "PATTERN",
     "only cells whose label matches: a part of it, or a pattern with * and ?; several with commas", 0},
    {"dry-run", OPT_FLAG, AT(dry_run), 0, 0, "no", NULL, "print the cells and their ids, train nothing", 0},
    {"force", OPT_FLAG, AT(force), 0, 0, "no", NULL, "run cells again whose records are there", 0},
    {"runs", OPT_STRING, AT(runs), 0, 0, "", "FOLDER", "where records go, instead of the experiment's runs", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    {"progress", OPT_ENUM, AT(progress), 0, 0, "auto", PROGRESS_CHOICES,
     "a status line, plain lines, or none; auto: the line on a terminal", 0},
    {"quiet", OPT_FLAG, AT(quiet), 0, 0, "no", NULL, "no progress, no notices; failures are told at the end", 0},
    OPT_END};
#undef AT

static status parse_shard(const char *s, struct grid_options *g)
{
    char *end;
    if (!*s) return ST_OK;
    long i = strtol(s, &end, 10), n = *end == '/' ? strtol(end + 1, &end, 10) : 0;
    FAIL_IF(*end || n < 1 || n > 100000 || i < 1 || i > n, ST_USAGE,
            "--shard is '%s', expected I/N with I from 1 to N, such as 1/4", s);
    g->shard = (int)i;
    g->shards = (int)n;
    return ST_OK;
}

/* The score of the experiment's protocol, when the run has one evaluated variant. Reading the record back also proves
 * that it can be read. */
static status note_score(const char *path, const struct cell *cell, struct arena *arena, struct cell_result *out)
{
    static const char *const protocol[] = {"best", "last", "split"}; /* in the order of enum protocol */
    char pattern[32];
    struct record r;
    double score = 0;
    int found = 0;
    snprintf(pattern, sizeof pattern, "scores/*/%s", protocol[cell->train.protocol]);
    TRY(record_read(path, arena, &r));
    for (int i = 0; i < r.count; i++)
        if (r.item[i].type == ITEM_REAL && text_match(pattern, r.item[i].path)) {
            score = r.item[i].v.d[0];
            found++;
        }
    if (found == 1) snprintf(out->note, sizeof out->note, "%s score %.4f", protocol[cell->train.protocol], score);
    return ST_OK;
}

static status run_one(const struct cell *cell, void *ctx, progress_fn *progress, void *progress_ctx,
                      struct arena *arena, struct cell_result *out)
{
    TRY(cell_run(cell, ctx, progress, progress_ctx, arena, &out->skipped, &out->record));
    return out->skipped || !out->record ? ST_OK : note_score(out->record, cell, arena, out);
}

/* ---- --dry-run ---- */

static status print_cells(const struct experiment *e, const int *index, int count, const char *cache,
                          struct arena *arena)
{
    struct cell_namer *namer;
    char id[65];
    int width = 0, done = 0;
    for (int i = 0; i < count; i++) {
        int n = (int)strlen(e->cell[index[i]].label);
        if (n > width) width = n;
    }
    status st = cell_namer_open(cache, arena, &namer);
    for (int i = 0; i < count && st == ST_OK; i++) {
        const struct cell *c = &e->cell[index[i]];
        if ((st = cell_name(namer, c, id)) != ST_OK) break;
        char *path = arena_printf(arena, "%s/%s.h5", e->runs_dir, id);
        if (!path) st = ST_MEMORY;
        int there = path && file_exists(path);
        done += there;
        printf("%-*s  %s  %s\n", width, c->label, id, there ? "recorded" : "to do");
    }
    cell_namer_close(namer);
    if (st == ST_OK) printf("%d cell%s, %d recorded in %s\n", count, count == 1 ? "" : "s", done, e->runs_dir);
    return st;
}

/* ---- the summary ---- */

static status summary(const struct experiment *e, const struct grid_outcome *out)
{
    printf("%d cell%s: %d done, %d skipped, %d failed", out->cells, out->cells == 1 ? "" : "s", out->done, out->skipped,
           out->failed);
    if (out->left) printf(", %d not run", out->left);
    printf("; records in %s\n", e->runs_dir);
    for (int i = 0; i < out->failed; i++)
        printf("  %s %s: %s\n", out->failure[i].label, out->failure[i].cause, out->failure[i].message);
    if (out->signal) return fail(ST_INTERRUPTED, "stopped by signal %d; what is finished is kept", out->signal);
    FAIL_IF(out->failed, ST_CELLS, "%d of %d cells failed", out->failed, out->cells);
    return ST_OK;
}

static status run_run(const void *options, char **args, int count, struct arena *arena)
{
    const struct run_options *o = options;
    struct experiment e;
    struct grid_outcome out;
    struct grid_options g = {.jobs = o->jobs,
                             .threads = o->threads,
                             .filter = o->filter,
                             .progress = o->quiet ? PROGRESS_NONE : (enum progress_mode)o->progress};
    const char *path, *cache = o->cache;
    int *index, cells;
    (void)count;
    notice_quiet(o->quiet);
    TRY(parse_shard(o->shard, &g));
    TRY(experiment_find(args[0], arena, &path));
    TRY(experiment_read(path, arena, &e));
    if (*o->runs) TRY(experiment_move(&e, o->runs, arena));
    if (!*cache) TRY(token_cache(arena, &cache));
    TRY(grid_select(&e, &g, arena, &index, &cells));
    TRY(experiment_inputs(&e, arena));
    if (o->dry_run) return print_cells(&e, index, cells, cache, arena);
    struct run_paths paths = {.runs_dir = e.runs_dir, .cache_dir = cache, .force = o->force};
    TRY(grid_run(&e, &g, index, cells, run_one, &paths, arena, &out));
    return summary(&e, &out);
}

const struct command command_run = {
    .name = "run",
    .summary = "train and evaluate the cells of an experiment",
    .usage = "EXPERIMENT.ini [options]",
    .details =
        "EXPERIMENT.ini is a file, or the name of an experiment that comes with peftgrid (`peftgrid list "
        "experiments`). "
        "Every cell (row, task, seed, list values) runs in a process of its own and is recorded in "
        "<runs>/<experiment>/<id>.h5. Cells whose record is there are skipped, so a stopped grid goes on where it was. "
        "A cell that fails does not stop the rest: the summary names it and the exit code is 1.\n\n"
        "Results do not depend on --jobs, --threads or --shard. Several drivers may share one runs folder. Interrupt "
        "(Ctrl-C) ends the running cells and keeps what is finished.",
    .options = run_options,
    .option_size = sizeof(struct run_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_run,
};
