/* A cell: load data, open the session, name the run, train, record. Each stage has its own file; here is their order
 * and what happens when one of them fails. */
#include "bench/trainer.h"

#include <string.h>
#include "bench/adapter.h"
#include "bench/eval_log.h"
#include "bench/run_keeper.h"
#include "bench/run_record.h"
#include "bench/stop.h"
#include "bench/train_loop.h"
#include "core/file.h"
#include "core/gemm.h"
#include "core/lap.h"
#include "core/parallel.h"

struct cell_work {
    const struct cell *cell;
    const struct run_paths *paths;
    struct arena *arena;   /* data, curves, history */
    struct arena *records; /* the record */
    struct arena *batches;
    struct cell_data data;
    struct session session;
    struct training training;
    struct record record;
    char id[65];
    const char *path, *adapter_path, *log_path;
    struct eval_log *log;
    struct run_keeper keeper;
    bool named;   /* id and path are known */
    bool started; /* training has something to tell */
    double begin;
};

struct session_spec cell_session_spec(const struct cell *c, long steps)
{
    return (struct session_spec){.model = {.path = c->model_path,
                                           .head = c->task->kind == TASK_CLASSES ? HEAD_CLASSIFY : HEAD_LM,
                                           .num_labels = c->task->labels,
                                           .cls_dropout = c->train.cls_dropout,
                                           .hidden_dropout = c->train.hidden_dropout,
                                           .attn_dropout = c->train.attn_dropout,
                                           .recompute = c->train.recompute,
                                           .train_pooler = c->train.train_pooler - 1},
                                 .method = c->method,
                                 .method_options = c->method_options,
                                 .store = c->store,
                                 .store_options = c->store_options,
                                 .arith = train_arith(&c->train),
                                 .arith_options = c->arith_options,
                                 .seed = (uint64_t)c->seed,
                                 .total_steps = (uint64_t)steps};
}

status cell_session_open(const struct cell *c, long steps, struct session *session)
{
    const struct session_spec spec = cell_session_spec(c, steps);
    *session = (struct session){0};
    TRY(gemm_select((enum gemm_backend)c->train.gemm));
    parallel_set_threads(c->train.threads);
    return session_open(&spec, session);
}

static status open_cell(struct cell_work *w, progress_fn *progress, void *ctx)
{
    const struct cell *c = w->cell;
    struct training *t = &w->training;
    TRY(cell_data_load(c, w->paths->cache_dir, w->arena, &w->data));
    *t = (struct training){.options = &c->train,
                           .data = &w->data,
                           .session = &w->session,
                           .arena = w->arena,
                           .batches = w->batches,
                           .begin = w->begin,
                           .progress = progress,
                           .progress_ctx = ctx};
    TRY(plan_make(&c->train, w->data.train.tokens.n, &t->plan));
    return cell_session_open(c, t->plan.steps, &w->session);
}

static status name_run(struct cell_work *w, struct arena *caller)
{
    TRY(cell_id(w->cell, w->session.model->hash, w->data.tokenizer->hash, w->data.hash, w->id));
    w->path = arena_printf(caller, "%s/%s.h5", w->paths->runs_dir, w->id);
    w->adapter_path = arena_printf(w->arena, "%s/%s.safetensors", w->paths->runs_dir, w->id);
    w->log_path = arena_printf(w->arena, "%s/%s" EVAL_LOG_ENDING, w->paths->runs_dir, w->id);
    if (!w->path || !w->adapter_path || !w->log_path) return ST_MEMORY;
    w->named = true;
    return ST_OK;
}

/* Whether a record of this id ended with a result, or in a divergence that would only happen again. A damaged one
 * counts for nothing. One that the system does not let us read, or for which there is no memory, may well be whole:
 * nothing is trained over it. */
static status done_before(struct cell_work *w, bool *done)
{
    struct record old;
    *done = false;
    if (!file_exists(w->path)) return ST_OK;
    struct arena *arena = arena_new("an earlier record");
    status st = arena ? record_read(w->path, arena, &old) : ST_MEMORY;
    if (st == ST_INPUT) notice("%s; the cell is run again", status_message());
    const char *word = st == ST_OK ? record_get_string(&old, "run/status", "") : "";
    *done = strcmp(word, "ok") == 0 || strcmp(word, "diverged") == 0;
    if (strcmp(word, "diverged") == 0)
        st = fail(ST_DIVERGED, "%s", record_get_string(&old, "run/cause", "the run diverged"));
    arena_free(arena);
    return st == ST_INPUT ? ST_OK : st;
}

/* Classifiers are evaluated in seconds; language models take hours. */
static status open_log(struct cell_work *w)
{
    if (w->cell->task->kind == TASK_CLASSES) return ST_OK;
    if (w->paths->force) TRY(file_remove(w->log_path));
    TRY(eval_log_open(w->log_path, w->arena, &w->log));
    w->training.log = w->log;
    return ST_OK;
}

static status train_cell(struct cell_work *w)
{
    const struct train_options *o = &w->cell->train;
    if (o->init_from && *o->init_from) TRY(adapter_load(&w->session, o->init_from, ADAPTER_START));
    TRY(open_log(w));
    TRY(run_keeper_open(&w->keeper, w->paths->runs_dir, w->id, w->cell->label, o, w->paths->force, w->arena));
    w->training.keeper = &w->keeper;
    TRY(training_init(&w->training, w->cell->task));
    w->started = true;
    TRY(training_run(&w->training));
    if (!o->save_adapter) return ST_OK;
    return adapter_save(&w->session, w->adapter_path, w->cell->task->name, cell_max_len(w->cell));
}

static struct run_facts facts_of(const struct cell_work *w)
{
    const char *slash = strrchr(w->paths->runs_dir, '/');
    return (struct run_facts){.cell = w->cell,
                              .id = w->id,
                              .data = &w->data,
                              .training = w->started ? &w->training : NULL,
                              .experiment = slash ? slash + 1 : w->paths->runs_dir,
                              .begin = w->begin};
}

/* What is kept of a run while it goes on. */
static void remove_state(const struct cell_work *w)
{
    eval_log_remove(w->log);
    run_keeper_remove(&w->keeper);
}

static status write_result(struct cell_work *w)
{
    struct run_facts facts = facts_of(w);
    if (w->cell->train.save_adapter) facts.adapter_path = w->adapter_path;
    TRY(record_init(&w->record, w->records));
    TRY(run_record_result(&facts, w->arena, &w->record));
    TRY(record_write(&w->record, w->path));
    remove_state(w);
    return ST_OK;
}

/* A kill between the record and the removal left them. st, with its message, is how the cell had ended; it is
 * returned. */
static status remove_leftovers(struct cell_work *w, status st)
{
    char cause[1024];
    snprintf(cause, sizeof cause, "%s", status_message());
    status removed = file_remove(w->log_path);
    if (removed == ST_OK)
        removed =
            run_keeper_open(&w->keeper, w->paths->runs_dir, w->id, w->cell->label, &w->cell->train, true, w->arena);
    if (removed != ST_OK) notice("%s", status_message());
    return st == ST_OK ? ST_OK : fail(st, "%s", cause);
}

/* Time counts from here; a limit on memory is for the run, not for telling how it ended. */
static void set_limits(const struct cell_work *w)
{
    const struct train_options *o = &w->cell->train;
    stop_after(o->time_limit);
    arena_limit((size_t)o->memory_limit << 20);
}

static void lift_limits(void)
{
    stop_after(0);
    arena_limit(0);
}

/* The failure is what the caller hears of; a record of it is written when the run has a name and the disk allows. A
 * result stays: it may be this run's, whose folder could not be synced, or an earlier one's. */
static status write_failure(struct cell_work *w, status st)
{
    char cause[1024];
    bool result;
    struct run_facts facts = facts_of(w);
    snprintf(cause, sizeof cause, "%s", status_message());
    if (st == ST_DIVERGED) remove_state(w); /* it would only happen again */
    if (!w->named || st == ST_INTERRUPTED) return st;
    if (done_before(w, &result) == ST_OK && result) return fail(st, "%s", cause);
    status written = record_init(&w->record, w->records);
    if (written == ST_OK)
        written = run_record_failure(&facts, st == ST_DIVERGED ? "diverged" : "failed", cause, w->arena, &w->record);
    if (written == ST_OK) written = record_write(&w->record, w->path);
    if (written != ST_OK) notice("the failure could not be recorded: %s", status_message());
    return fail(st, "%s", cause);
}

static status run_cell(struct cell_work *w, progress_fn *progress, void *ctx, struct arena *caller, int *skipped)
{
    bool done = false;
    set_limits(w);
    TRY(open_cell(w, progress, ctx));
    TRY(name_run(w, caller));
    status st = w->paths->force ? ST_OK : done_before(w, &done);
    *skipped = done;
    if (done) return remove_leftovers(w, st);
    TRY(st);
    TRY(file_make_dirs(w->paths->runs_dir));
    st = train_cell(w);
    lift_limits();
    if (st == ST_OK) st = write_result(w);
    return st == ST_OK ? ST_OK : write_failure(w, st);
}

status cell_run(const struct cell *cell, const struct run_paths *paths, progress_fn *progress, void *ctx,
                struct arena *arena, int *skipped, const char **out_path)
{
    struct cell_work w = {.cell = cell, .paths = paths, .begin = clock_seconds()};
    *skipped = 0;
    w.arena = arena_new("a cell");
    w.records = arena_new("a record");
    w.batches = arena_new("a batch");
    status st = w.arena && w.records && w.batches ? run_cell(&w, progress, ctx, arena, skipped) : ST_MEMORY;
    *out_path = w.path;
    lift_limits();
    eval_log_close(w.log);
    session_close(&w.session);
    cell_data_close(&w.data);
    arena_free(w.batches);
    arena_free(w.records);
    arena_free(w.arena);
    return st;
}
