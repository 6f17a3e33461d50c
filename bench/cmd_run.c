/* run: the grid of an experiment, cell by cell. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "bench/cell_name.h"
#include "bench/cli.h"
#include "bench/disk_room.h"
#include "bench/grid.h"
#include "bench/grid_done.h"
#include "bench/paths.h"
#include "bench/tuning.h"
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
    if (out->signal) return fail(ST_INTERRUPTED, "stopped by signal %d; run it again to go on", out->signal);
    FAIL_IF(out->failed, ST_CELLS, "%d of %d cells failed", out->failed, out->cells);
    return ST_OK;
}

/* ---- running ---- */

struct runner {
    const struct run_options *o;
    const char *cache;
    struct arena *arena;
    struct grid_options grid;
};

/* Room on the disk for the cells that are still to run. */
static status check_room(const struct experiment *e, const int *index, int cells, const struct grid_options *grid,
                         struct arena *arena)
{
    int *left, n = 0;
    NEW(left, arena, cells + 1);
    for (int i = 0; i < cells; i++)
        if (!grid->done || !grid->done[i]) left[n++] = index[i];
    return n ? disk_room_check(e, left, n, grid->jobs, arena) : ST_OK;
}

static status run_cells(const struct runner *r, const struct experiment *e)
{
    struct grid_outcome out;
    int *index, cells;
    TRY(grid_select(e, &r->grid, r->arena, &index, &cells));
    if (r->o->dry_run) return print_cells(e, index, cells, r->cache, r->arena);
    struct run_paths paths = {.runs_dir = e->runs_dir, .cache_dir = r->cache, .force = r->o->force};
    struct grid_options grid = r->grid;
    unsigned char *done;
    if (!r->o->force) {
        TRY(grid_done(e, index, cells, r->cache, r->arena, &done));
        grid.done = done;
    }
    TRY(check_room(e, index, cells, &grid, r->arena));
    TRY(grid_run(e, &grid, index, cells, run_one, &paths, r->arena, &out));
    return summary(e, &out);
}

/* The cells on tuning seeds; a setting that diverges is an answer too. */
static status run_tuning(const struct runner *r, const struct experiment *e)
{
    struct experiment tuning = *e;
    tuning.cell = e->tune_cell;
    tuning.cells = e->tune_cells;
    printf("tuning: %d cells\n", tuning.cells);
    status st = run_cells(r, &tuning);
    return st == ST_CELLS || st == ST_USAGE ? ST_OK : st; /* the filter may name none of these cells */
}

static status tell_choices(const struct tuning *t)
{
    for (int i = 0; i < t->choices; i++) {
        const struct tuning_choice *c = &t->choice[i];
        printf("tuned %s", c->text);
        if (c->missing) printf("; %d records are missing", c->missing);
        putchar('\n');
    }
    FAIL_IF(t->undecided, ST_CELLS,
            "%d of %d choices are not made: their rows are left out until all tuning runs have a "
            "record, and one of them a score",
            t->undecided, t->choices);
    return ST_OK;
}

/* What can be run of the rest is run before an open choice is told of. */
static status run_all(const struct runner *r, struct experiment *e)
{
    struct tuning tuning;
    if (e->tune_cells == 0) return run_cells(r, e);
    TRY(run_tuning(r, e));
    TRY(tuning_read(e, r->arena, &tuning));
    status choices = tell_choices(&tuning), st = ST_OK;
    char message[512];
    snprintf(message, sizeof message, "%s", choices == ST_OK ? "" : status_message());
    if (e->cells) st = run_cells(r, e);
    if (st != ST_OK || choices == ST_OK || r->o->dry_run) return st;
    return fail(choices, "%s", message);
}

static status run_run(const void *options, char **args, int count, struct arena *arena)
{
    const struct run_options *o = options;
    struct experiment e;
    struct runner r = {.o = o,
                       .cache = o->cache,
                       .arena = arena,
                       .grid = {.jobs = o->jobs,
                                .threads = o->threads,
                                .filter = o->filter,
                                .progress = o->quiet ? PROGRESS_NONE : (enum progress_mode)o->progress}};
    const char *path;
    (void)count;
    notice_quiet(o->quiet);
    TRY(parse_shard(o->shard, &r.grid));
    TRY(experiment_find(args[0], arena, &path));
    TRY(experiment_read(path, arena, &e));
    if (*o->runs) TRY(experiment_move(&e, o->runs, arena));
    if (!*r.cache) TRY(token_cache(arena, &r.cache));
    TRY(experiment_inputs(&e, arena));
    return run_all(&r, &e);
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
        "With tune = SEEDS and sections [tune ROW] the values there are run on those seeds first, and only the best of "
        "them on the others.\n\n"
        "Results do not depend on --jobs, --threads or --shard. Several drivers may share one runs folder. Interrupt "
        "(Ctrl-C) lets the running cells keep their state after the step they are in; a second one ends them at "
        "once.\n\n"
        "A running cell writes a checkpoint every few minutes ([train] checkpoint_minutes, checkpoint_steps). However "
        "it ends before its record is there (kill, power failure, time_limit, memory_limit), `run` goes on from the "
        "last checkpoint, and the record is that of an undisturbed run, to the bit.",
    .options = run_options,
    .option_size = sizeof(struct run_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_run,
};
