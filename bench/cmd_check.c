/* check: everything that can go wrong before the first step does so here, and what the grid will cost. */
#include <stddef.h>
#include <string.h>
#include "bench/cell_data.h"
#include "bench/cli.h"
#include "bench/estimate.h"
#include "bench/paths.h"
#include "bench/tuning.h"
#include "core/file.h"
#include "core/lap.h"
#include "core/progress.h"
#include "models/model.h"

struct check_options {
    int fast, threads;
    const char *cache;
};
#define AT(field) offsetof(struct check_options, field)
static const struct option check_options[] = {
    {"fast", OPT_FLAG, AT(fast), 0, 0, "no", NULL, "read the files, measure no cost", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "threads of a cell, for the estimate; 0: all", 0},
    {"cache", OPT_STRING, AT(cache), 0, 0, "", "FOLDER", "tokenised data; default ~/.cache/peftgrid/tokens", 0},
    OPT_END};
#undef AT

enum { MEASURE_SECONDS = 120 }; /* after that long, what is left is taken to cost as much as what was measured */

struct check {
    const struct check_options *o;
    const struct experiment *e;
    struct arena *arena;
    const char *cache;
    int problems, measured, unmeasured, warnings;
    status first;    /* the first problem's */
    char last[1024]; /* the last problem told: cells that share a file share its fault */
    double seconds, memory, begin;
};

static void problem(struct check *c, status st)
{
    if (strcmp(c->last, status_message()) == 0) return;
    snprintf(c->last, sizeof c->last, "%s", status_message());
    printf("problem: %s\n", c->last);
    if (c->problems++ == 0) c->first = st;
}

/* Cells of the first seed stand for those of the others. */
static int stands_for_all(const struct check *c, int i)
{
    return c->e->cell[i].seed == c->e->cell[0].seed;
}

static int seeds_of(const struct experiment *e)
{
    int n = 0;
    for (int i = 0; i < e->cells; i++) n += i == 0 || e->cell[i].seed != e->cell[i - 1].seed;
    return n;
}

/* Opening it reads the configuration and looks at every tensor. */
static status open_model(struct check *c, struct arena *arena)
{
    struct registry reg;
    struct model *m;
    struct rng rng = {0};
    const struct model_spec spec = {.path = c->e->cell[0].model_path,
                                    .head = c->e->cell[0].task->kind == TASK_CLASSES ? HEAD_CLASSIFY : HEAD_LM,
                                    .num_labels = 2,
                                    .rng = &rng};
    TRY(experiment_inputs(c->e, c->arena));
    TRY(registry_init(&reg, arena));
    TRY(model_open(&spec, arena, &reg, &m));
    printf("model %s: %s, %d layers, hidden %d, %.1f million parameters\n", c->e->model, family_name(m->config.family),
           m->config.layers, m->config.hidden, 1e-6 * (double)param_count(&reg, P_BASE, false));
    model_close(m);
    return ST_OK;
}

static void check_model(struct check *c)
{
    struct arena *arena = arena_new("check of the model");
    status st = arena ? open_model(c, arena) : ST_MEMORY;
    if (st != ST_OK) problem(c, st);
    arena_free(arena);
}

/* ---- data ---- */

static void print_set(const struct cell_set *s)
{
    const struct tokens *t = &s->tokens;
    printf("  %s %d examples, %.1f tokens on average, longest %d", s->name, t->n,
           (double)tokens_total(t) / (t->n ? t->n : 1), t->longest);
    if (t->truncated) printf(" (%d cut)", t->truncated);
    putchar('\n');
}

static status load_data(struct check *c, const struct cell *cell, struct arena *arena, struct cell_data *data,
                        int print)
{
    status st = cell_data_load(cell, c->cache, arena, data);
    if (st != ST_OK || !print) return st;
    printf("task %s\n", cell->task->name);
    if (data->train.set) print_set(&data->train);
    for (int i = 0; i < data->devs; i++) print_set(&data->dev[i]);
    return ST_OK;
}

/* ---- cells ---- */

static void print_name(const struct cell *cell)
{
    const char *slash = strchr(cell->label, '/');
    printf("  %.*s", (int)(slash - cell->label), cell->label);
    for (int i = 0; i < cell->sweeps; i++) printf(" %s=%s", cell->sweep_key[i], cell->sweep_value[i]);
}

static void print_estimate(const struct cell *cell, const struct estimate *e)
{
    char t[32];
    print_name(cell);
    printf(": %.0f parameters + head %.0f; %ld steps, %d evaluations; %s, %.0f MB\n", e->trained, e->head, e->steps,
           e->evaluations, progress_time(e->seconds, t, sizeof t), e->memory / 1e6);
}

/* Without the notices about the model: they were given when it was opened first. */
static status estimate_quietly(const struct cell *cell, const struct cell_data *data, struct estimate *est)
{
    notice_quiet(1);
    status st = estimate_cell(cell, data, est);
    notice_quiet(0);
    return st;
}

/* What the method tells of the run before it begins. */
static status print_forecast(struct check *c, const struct cell *cell, const struct cell_data *data)
{
    struct forecast f;
    notice_quiet(1);
    status st = forecast_cell(cell, data, &f);
    notice_quiet(0);
    if (st != ST_OK || !*f.text) return st;
    print_name(cell);
    printf(": %s%s\n", f.warns ? "warning: " : "", f.text);
    c->warnings += f.warns;
    return ST_OK;
}

static status check_start(const struct cell *cell)
{
    const char *from = cell->train.init_from;
    FAIL_IF(from && *from && !file_exists(from), ST_INPUT, "row '%s': init_from: there is no adapter %s", cell->row,
            from);
    return ST_OK;
}

static void check_cell(struct check *c, const struct cell *cell, int first_of_task)
{
    struct cell_data data = {0};
    struct estimate est;
    struct arena *arena = arena_new("check");
    status st = arena ? check_start(cell) : ST_MEMORY;
    if (st == ST_OK) st = load_data(c, cell, arena, &data, first_of_task);
    if (st == ST_OK && !c->o->fast) {
        if (clock_seconds() - c->begin > MEASURE_SECONDS) {
            c->unmeasured++;
        } else if ((st = estimate_quietly(cell, &data, &est)) == ST_OK) {
            print_estimate(cell, &est);
            c->measured++;
            c->seconds += est.seconds;
            if (est.memory > c->memory) c->memory = est.memory;
        }
    }
    if (st == ST_OK) st = print_forecast(c, cell, &data);
    if (st != ST_OK) problem(c, st);
    cell_data_close(&data);
    arena_free(arena);
}

/* Rows of equal settings share one run and its record. */
static void check_twin(struct check *c, int i)
{
    const struct cell *cell = &c->e->cell[i];
    for (int k = 0; k < i; k++)
        if (strcmp(c->e->cell[k].canon, cell->canon) == 0) {
            print_name(cell);
            printf(": warning: its settings are those of row %s: both show one run\n", c->e->cell[k].row);
            c->warnings++;
            return;
        }
}

static void check_cells(struct check *c)
{
    for (int i = 0; i < c->e->cells && stands_for_all(c, i); i++) {
        struct cell cell = c->e->cell[i];
        if (c->o->threads > 0) cell.train.threads = c->o->threads;
        check_cell(c, &cell, i == 0 || c->e->cell[i - 1].task != cell.task);
        check_twin(c, i);
    }
}

static void print_cost(const struct check *c)
{
    char t[32];
    if (c->measured == 0) return;
    int cells = tuning_cells_after(c->e) + c->e->tune_cells;
    double whole = c->seconds / c->measured * cells;
    printf("about %s for the %d cells one after another, at most %.0f MB a cell beside the model file\n",
           progress_time(whole, t, sizeof t), cells, c->memory / 1e6);
    printf("(estimated from one step and one evaluation batch a row and task, on this machine as busy as it is now");
    if (c->unmeasured) printf("; %d of %d measured", c->measured, c->measured + c->unmeasured);
    printf(")\n");
}

static status run_check(const void *options, char **args, int count, struct arena *arena)
{
    struct experiment e;
    struct check c = {.o = options, .e = &e, .arena = arena, .begin = clock_seconds()};
    const char *path;
    (void)count;
    TRY(experiment_find(args[0], arena, &path));
    TRY(experiment_read(path, arena, &e));
    c.cache = c.o->cache;
    if (!*c.cache) TRY(token_cache(arena, &c.cache));
    printf("%s: cells %d, seeds %d\n", e.name, e.cells, seeds_of(&e));
    if (e.tune_cells)
        printf("tuning: %d cells on seeds of their own, then %d with what they choose\n", e.tune_cells,
               tuning_cells_after(&e));
    check_model(&c);
    if (c.problems == 0) check_cells(&c);
    print_cost(&c);
    FAIL_IF(c.problems, c.first, "%s: %d problem%s found", path, c.problems, c.problems > 1 ? "s" : "");
    if (c.warnings)
        printf("ok, with %d warning%s\n", c.warnings, c.warnings > 1 ? "s" : "");
    else
        printf("ok\n");
    return ST_OK;
}

const struct command command_check = {
    .name = "check",
    .summary = "look whether an experiment can run, and what it will cost",
    .usage = "EXPERIMENT.ini [options]",
    .details = "Reads the experiment, the model and all data, and tokenises what is not in the cache yet. Then every "
               "row runs one training step and one evaluation batch of every task, whose time and memory are "
               "multiplied up. Methods tell what can be foreseen of their runs: B-LoRA, whether its gates have the "
               "steps and the rate to close. Nothing is recorded.",
    .options = check_options,
    .option_size = sizeof(struct check_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_check,
};
