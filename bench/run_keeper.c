#include "bench/run_keeper.h"

#include <string.h>
#include "bench/checkpoint_file.h"
#include "bench/train_loop.h"
#include "core/lap.h"

/* Writing takes at most this part of a run's time, however large the state is. */
static const double largest_share = 0.05;

/* ---- what is kept ---- */

struct counts { /* the first block: how far the run is */
    int64_t steps, tokens, evaluations, traces;
    double train_seconds, eval_seconds, seconds, peak;
};

static struct counts counts_of(const struct training *t)
{
    return (struct counts){.steps = t->curves.done,
                           .tokens = t->curves.tokens,
                           .evaluations = t->history.count,
                           .traces = t->trace.times,
                           .train_seconds = t->curves.train_seconds,
                           .eval_seconds = t->curves.eval_seconds,
                           .seconds = t->curves.earlier + clock_seconds() - t->begin,
                           .peak = t->trace.peak};
}

static struct checkpoint_block count_block(struct counts *n)
{
    return (struct checkpoint_block){"counts", n, sizeof *n};
}

struct window { /* what methods may move from step to step, beside the values */
    int lo, hi, left, right;
    long idle;
};

struct state {
    struct arena *arena;
    struct checkpoint_block *block;
    int blocks, windows;   /* windows: the first blocks are these */
    struct window *window; /* [registry] */
};

static bool is_state(const struct param *p)
{
    return p->cls == P_HEAD || p->cls == P_ADAPTER || p->cls == P_STATE || param_trained(p);
}

static void put(struct state *s, const char *name, void *data, size_t size)
{
    s->block[s->blocks++] = (struct checkpoint_block){name, data, size};
}

/* They come first: what is read of them is checked before anything of the run is written over. */
static void put_windows(struct state *s, const struct registry *reg)
{
    for (int i = 0; i < reg->count; i++)
        if (is_state(reg->list[i])) put(s, "window", &s->window[i], sizeof s->window[i]);
    s->windows = s->blocks;
}

static void put_tensors(struct state *s, const struct registry *reg)
{
    for (int i = 0; i < reg->count; i++) {
        const struct param *p = reg->list[i];
        size_t bytes = sizeof(real) * param_size(p);
        if (!is_state(p)) continue;
        put(s, p->name, p->data, bytes);
        if (!param_trained(p)) continue;
        put(s, "moment1", p->m, bytes);
        put(s, "moment2", p->v, bytes);
    }
}

static void put_curves(struct state *s, const struct curves *c, size_t steps)
{
    put(s, "loss", c->loss, sizeof *c->loss * steps);
    put(s, "lr", c->lr, sizeof *c->lr * steps);
    put(s, "grad_norm", c->grad_norm, sizeof *c->grad_norm * steps);
    put(s, "penalty", c->penalty, sizeof *c->penalty * steps);
}

static void put_history(struct state *s, const struct history *h, size_t evaluations)
{
    size_t rows = evaluations * (size_t)h->metrics;
    put(s, "eval_step", h->step, sizeof *h->step * evaluations);
    put(s, "eval_epoch", h->epoch, sizeof *h->epoch * evaluations);
    for (int i = 0; i < h->variants * h->data->devs; i++) {
        const struct track *t = &h->track[i];
        size_t outputs = evaluations ? history_outputs(h, i % h->data->devs) : 0;
        put(s, "eval_loss", t->loss, sizeof *t->loss * evaluations);
        put(s, "metric", t->metric, sizeof *t->metric * rows);
        put(s, "first_half", t->first, sizeof *t->first * rows);
        put(s, "second_half", t->second, sizeof *t->second * rows);
        put(s, "last", t->last, sizeof *t->last * outputs);
        put(s, "best", t->best, sizeof *t->best * outputs);
    }
}

static void put_trace(struct state *s, const struct trace *t, size_t times)
{
    put(s, "trace_step", t->step, sizeof *t->step * times);
    put(s, "trace", t->report, sizeof *t->report * times * (size_t)t->variants * (size_t)t->sites);
}

/* Every place of the state, for a run that is so far: written from there, or read to there. Texts of generation are not
 * among them: they are written by the last evaluation, behind which there is no checkpoint. */
static status list_state(const struct training *t, const struct counts *n, struct arena *arena, struct state *s)
{
    const struct registry *reg = &t->session->reg;
    *s = (struct state){.arena = arena};
    NEW(s->block, arena, 4 * reg->count + 6 * t->history.variants * t->data->devs + 8);
    NEW(s->window, arena, reg->count + 1);
    put_windows(s, reg);
    put_tensors(s, reg);
    put_curves(s, &t->curves, (size_t)n->steps);
    put_history(s, &t->history, (size_t)n->evaluations);
    put_trace(s, &t->trace, (size_t)n->traces);
    return ST_OK;
}

/* ---- writing ---- */

static void take_windows(const struct registry *reg, struct state *s)
{
    memset(s->window, 0, sizeof *s->window * (size_t)reg->count);
    for (int i = 0; i < reg->count; i++) {
        const struct param *p = reg->list[i];
        struct window *w = &s->window[i];
        w->lo = p->lo;
        w->hi = p->hi;
        w->left = p->left;
        w->right = p->right;
        w->idle = p->idle;
    }
}

static status write_state(const struct run_keeper *c, const struct training *t, struct arena *arena)
{
    struct counts n = counts_of(t);
    struct state s;
    struct checkpoint_block *all;
    TRY(list_state(t, &n, arena, &s));
    take_windows(&t->session->reg, &s);
    NEW(all, arena, s.blocks + 1);
    all[0] = count_block(&n);
    memcpy(all + 1, s.block, sizeof *all * (size_t)s.blocks);
    if (c->step >= 0) TRY(file_rename(c->path, c->previous)); /* what is there is good, and stays */
    return checkpoint_file_write(c->path, c->id, t->curves.done, all, s.blocks + 1, arena);
}

static status write_now(struct run_keeper *c, const struct training *t)
{
    struct arena *arena = arena_new("a checkpoint");
    if (!arena) return ST_MEMORY;
    double begin = clock_seconds();
    status st = write_state(c, t, arena);
    arena_free(arena);
    c->written = clock_seconds(); /* also after a failure: the next try is not at once */
    c->took = c->written - begin;
    if (st == ST_OK) c->step = t->curves.done;
    return st;
}

static bool is_time(const struct run_keeper *c, long done)
{
    if (c->every_steps > 0 && done % c->every_steps == 0) return true;
    double since = clock_seconds() - c->written;
    return c->every_seconds > 0 && since >= c->every_seconds && since >= c->took / largest_share;
}

void run_keeper_step(struct run_keeper *c, struct training *t, bool now)
{
    if (c->step == t->curves.done || !(now || is_time(c, t->curves.done))) return;
    if (write_now(c, t) != ST_OK) notice("no checkpoint after step %ld: %s", t->curves.done, status_message());
}

status run_keeper_stop(struct run_keeper *c, struct training *t)
{
    char why[512];
    snprintf(why, sizeof why, "%s", status_message());
    long done = t->curves.done;
    if (t->plan.steps == 0) return fail(ST_INTERRUPTED, "%s; run it again to go on", why);
    if (done > 0 && c->step != done && write_now(c, t) != ST_OK)
        return fail_in(ST_INTERRUPTED, "%s after step %ld of %ld, and its state could not be kept", why, done,
                       t->plan.steps);
    return fail(ST_INTERRUPTED, "%s after step %ld of %ld; run it again to go on from there", why, done, t->plan.steps);
}

/* ---- reading ---- */

static bool fits(const struct counts *n, const struct training *t)
{
    return n->steps > 0 && n->steps <= t->plan.steps && n->evaluations >= 0 && n->evaluations < t->history.cap &&
           n->traces > 0 && n->traces <= t->trace.cap;
}

static void set_counts(struct training *t, const struct counts *n)
{
    t->curves.done = (long)n->steps;
    t->curves.tokens = n->tokens;
    t->curves.train_seconds = n->train_seconds;
    t->curves.eval_seconds = n->eval_seconds;
    t->curves.earlier = n->seconds;
    t->history.count = (int)n->evaluations;
    t->trace.times = (int)n->traces;
    t->trace.peak = n->peak;
    t->session->run.step = (uint64_t)n->steps - 1; /* the step that is behind it */
}

static bool window_fits(const struct window *w, const struct param *p)
{
    return w->lo >= 0 && w->lo <= w->hi && w->hi <= p->rows && w->left >= 0 && w->left <= w->right &&
           w->right <= p->cols && w->idle >= 0;
}

static status check_windows(const char *path, const struct registry *reg, const struct state *s)
{
    for (int i = 0; i < reg->count; i++)
        FAIL_IF(is_state(reg->list[i]) && !window_fits(&s->window[i], reg->list[i]), ST_INPUT,
                "%s: the rows and columns of %s that are to learn lie outside of it", path, reg->list[i]->name);
    return ST_OK;
}

static void set_windows(const struct registry *reg, const struct state *s)
{
    for (int i = 0; i < reg->count; i++) {
        struct param *p = reg->list[i];
        const struct window *w = &s->window[i];
        if (!is_state(p)) continue;
        p->lo = w->lo;
        p->hi = w->hi;
        p->left = w->left;
        p->right = w->right;
        p->idle = w->idle;
        param_touch(p);
    }
}

static status read_state(struct checkpoint_file *f, struct training *t, struct arena *arena)
{
    struct counts n;
    struct state s;
    const struct checkpoint_block first = count_block(&n);
    TRY(checkpoint_file_read(f, &first, 1, false));
    FAIL_IF(!fits(&n, t), ST_INPUT, "%s: it is of a run of another length", f->map.path);
    TRY(list_state(t, &n, arena, &s));
    TRY(checkpoint_file_read(f, s.block, s.windows, false));
    TRY(check_windows(f->map.path, &t->session->reg, &s));
    TRY(checkpoint_file_read(f, s.block + s.windows, s.blocks - s.windows, true));
    set_windows(&t->session->reg, &s);
    adamw_restored(&t->session->reg);
    set_counts(t, &n);
    return ST_OK;
}

static status read_file(const struct run_keeper *c, const char *path, struct training *t)
{
    struct checkpoint_file f;
    TRY(checkpoint_file_open(path, c->id, &f));
    struct arena *arena = arena_new("a checkpoint");
    status st = arena ? read_state(&f, t, arena) : ST_MEMORY;
    arena_free(arena);
    checkpoint_file_close(&f);
    return st;
}

status run_keeper_resume(struct run_keeper *c, struct training *t)
{
    const char *const path[] = {c->path, c->previous};
    TRY(adamw_init(NULL, &t->session->reg)); /* the moments must be there to be filled */
    for (int i = 0; i < 2; i++) {
        if (!file_exists(path[i])) continue;
        status st = read_file(c, path[i], t);
        if (st == ST_MEMORY) return st;
        if (st == ST_OK) {
            c->step = i == 0 ? t->curves.done : -1;
            notice("%s goes on after step %ld of %ld", c->label, t->curves.done, t->plan.steps);
            return ST_OK;
        }
        notice("%s; %s", status_message(),
               i == 0 && file_exists(c->previous) ? "the checkpoint before it is tried" : "the run begins anew");
    }
    return ST_OK;
}

/* ---- the life of the files ---- */

static status remove_both(const struct run_keeper *c)
{
    TRY(file_remove(c->path));
    return file_remove(c->previous);
}

void run_keeper_remove(const struct run_keeper *c)
{
    if (c->path && remove_both(c) != ST_OK) notice("%s", status_message());
}

/* A checkpoint may be large: what a kill leaves of its writing must not pile up. */
static status remove_halves(const char *folder, const char *id, struct arena *arena)
{
    char **name, begin[80];
    int names;
    if (!file_is_dir(folder)) return ST_OK;
    TRY(file_list(folder, ".tmp", arena, &name, &names));
    int n = snprintf(begin, sizeof begin, "%s" CHECKPOINT_ENDING ".", id);
    for (int i = 0; i < names; i++) {
        char *path = path_join(arena, folder, name[i]);
        if (!path) return ST_MEMORY;
        if (strncmp(name[i], begin, (size_t)n) == 0) TRY(file_remove(path));
    }
    return ST_OK;
}

status run_keeper_open(struct run_keeper *c, const char *folder, const char *id, const char *label,
                       const struct train_options *o, bool force, struct arena *arena)
{
    *c = (struct run_keeper){.id = id,
                             .label = label,
                             .every_steps = o->checkpoint_steps,
                             .every_seconds = 60 * o->checkpoint_minutes,
                             .step = -1,
                             .written = clock_seconds()};
    TRY(remove_halves(folder, id, arena));
    c->path = arena_printf(arena, "%s/%s" CHECKPOINT_ENDING, folder, id);
    c->previous = arena_printf(arena, "%s/%s" CHECKPOINT_BEFORE_ENDING, folder, id);
    if (!c->path || !c->previous) return ST_MEMORY;
    return force ? remove_both(c) : ST_OK;
}
