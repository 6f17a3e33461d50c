/* Training steps and evaluation of an experiment's cells on their real texts: tokens a second, share of the roof,
 * memory. */
#include <math.h>
#include <string.h>
#include "bench/bench_flops.h"
#include "bench/bench_parts.h"
#include "bench/cell_data.h"
#include "bench/scoring.h"
#include "bench/trainer.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/progress.h"

/* What one phase of one cell came to, over its timed batches. */
struct phase {
    const char *name;
    double *rate; /* tokens a second of each */
    int n;
    double tokens, examples, flops, seconds, update_seconds, memory, arenas;
};

struct work {
    struct bench_report *report;
    const struct bench_cells *o;
    const struct cell *cell;
    struct arena *arena; /* life of one cell */
    struct cell_data data;
    struct session session;
    struct sheet *sheet;
    json_t *list;
};

static enum batch_target target(const struct work *w)
{
    return task_target(w->cell->task);
}

/* ---- training
 * --------------------------------------------------------------------------------------------------------- */

/* Gradients of one optimiser step, micro-batch by micro-batch; its sizes are added to *sum. */
static status gradients(struct work *w, long step, const int *index, int n, struct phase *sum)
{
    int micro = w->cell->train.micro_batch;
    if (micro <= 0 || micro > n) micro = n;
    for (int i = 0, part = 0; i < n; i += micro, part++) {
        struct batch b;
        double loss = 0;
        int some = n - i < micro ? n - i : micro;
        TRY(batch_make(&w->data.train.tokens, index + i, some, i, n, target(w), w->arena, &b));
        if (step == 0 && part == 0) TRY(session_observe(&w->session, &b));
        TRY(session_micro(&w->session, &b, (uint64_t)step, part, &loss));
        sum->tokens += b.tokens, sum->examples += b.n;
        sum->flops += batch_flops(&w->session, &b, true);
    }
    return ST_OK;
}

static void add_batch(struct phase *p, const struct phase *one)
{
    p->rate[p->n++] = one->tokens / one->seconds;
    p->tokens += one->tokens;
    p->examples += one->examples;
    p->flops += one->flops;
    p->seconds += one->seconds;
    p->update_seconds += one->update_seconds;
}

static status train_step(struct work *w, struct phase *p, long step, const int *index, int n)
{
    const struct train_options *o = &w->cell->train;
    const struct adamw adamw = {.form = (enum adamw_form)o->adamw,
                                .beta1 = o->beta1,
                                .beta2 = o->beta2,
                                .eps = o->eps,
                                .weight_decay = o->weight_decay,
                                .base_lr = o->lr};
    struct arena_mark mark = arena_mark(w->arena);
    struct phase one = {0};
    double penalty, norm, begin = progress_now();
    TRY(gradients(w, step, index, n, &one));
    double middle = progress_now();
    TRY(session_update(&w->session, &adamw, o->lr, o->clip, (uint64_t)step, &penalty, &norm));
    one.seconds = progress_now() - begin;
    one.update_seconds = progress_now() - middle;
    arena_reset(w->arena, mark);
    if (step >= w->o->warmup) add_batch(p, &one);
    return ST_OK;
}

static void note_memory(struct phase *p)
{
    p->memory = memory_peak();
    p->arenas = (double)arena_total_peak();
}

static status train_phase(struct work *w, struct phase *p)
{
    const struct tokens *set = &w->data.train.tokens;
    int *order, batch = w->cell->train.batch < set->n ? w->cell->train.batch : set->n;
    long per_epoch = set->n / batch; /* whole batches only */
    NEW(order, w->arena, set->n);
    NEW(p->rate, w->arena, w->o->steps);
    for (long step = 0; step < w->o->warmup + w->o->steps; step++) {
        if (step % per_epoch == 0)
            TRY(batch_order(&w->session.rng, set, (int)(step / per_epoch), batch, w->cell->train.group_lengths,
                            w->session.scratch, order));
        TRY(train_step(w, p, step, order + step % per_epoch * batch, batch));
    }
    note_memory(p);
    return ST_OK;
}

/* ---- evaluation
 * ------------------------------------------------------------------------------------------------------- */

/* Batch i of a set, as a set of its own. */
static struct tokens part_of(const struct tokens *t, int i, int batch)
{
    struct tokens part = *t;
    int first = i * batch;
    part.n = t->n - first < batch ? t->n - first : batch;
    part.offset += first;
    if (part.label) part.label += first;
    return part;
}

static status eval_batch(struct work *w, const struct tokens *part, struct phase *p, bool timed)
{
    struct arena_mark mark = arena_mark(w->arena);
    struct batch b;
    const struct cell_set *set = &w->data.dev[0];
    const struct scoring job = {.session = &w->session,
                                .tokenizer = w->data.tokenizer,
                                .task = set->task,
                                .tokens = part,
                                .set_name = set->name,
                                .variant_name = "",
                                .eval_batch = part->n};
    float *outputs;
    double loss;
    int *index;
    NEW(index, w->arena, part->n);
    for (int k = 0; k < part->n; k++) index[k] = k;
    TRY(batch_make(part, index, part->n, 0, part->n, target(w), w->arena, &b));
    struct phase one = {.tokens = b.tokens, .examples = b.n, .flops = batch_flops(&w->session, &b, false)};
    double begin = progress_now();
    TRY(score_set(&job, w->arena, &outputs, &loss));
    one.seconds = progress_now() - begin;
    if (timed) add_batch(p, &one);
    arena_reset(w->arena, mark);
    return ST_OK;
}

static status eval_phase(struct work *w, struct phase *p)
{
    const struct tokens *set = &w->data.dev[0].tokens;
    int batch = w->cell->train.eval_batch, batches = (set->n + batch - 1) / batch;
    NEW(p->rate, w->arena, w->o->steps);
    for (int i = -1; i < w->o->steps; i++) { /* the first is the warm-up */
        struct tokens part = part_of(set, (i < 0 ? 0 : i) % batches, batch);
        TRY(eval_batch(w, &part, p, i >= 0));
    }
    note_memory(p);
    return ST_OK;
}

/* ---- report
 * ----------------------------------------------------------------------------------------------------------- */

/* Of the cell's precision; 0: not measured. */
static double roof_of(const struct work *w)
{
    return w->cell->train.precision == PRECISION_BF16 ? w->report->roof_bf16 : w->report->roof;
}

static status phase_json(struct work *w, const struct phase *p, const struct measured *rate)
{
    double gflops = p->flops / p->seconds * 1e-9;
    json_t *o =
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:f}", "cell", w->cell->label, "phase",
                  p->name, "batches", p->n, "tokens_a_batch", p->tokens / p->n, "examples_a_batch", p->examples / p->n,
                  "tokens_a_second", p->tokens / p->seconds, "batch_rates", measured_json(rate), "gflop_a_token",
                  p->flops / p->tokens * 1e-9, "gflops", gflops, "update_share", p->update_seconds / p->seconds,
                  "peak_rss_bytes", p->memory, "peak_arena_bytes", p->arenas);
    if (o && roof_of(w) > 0 && json_object_set_new(o, "share_of_roof", json_real(gflops / roof_of(w))) != 0) {
        json_decref(o);
        o = NULL;
    }
    return report_add(w->list, o);
}

static status report_phase(struct work *w, const struct phase *p)
{
    struct arena *a = w->report->arena;
    struct measured rate = measured_of(p->rate, p->n, a);
    double share = p->flops / p->seconds * 1e-9 / roof_of(w);
    struct sheet_cell *cell = sheet_row(w->sheet);
    if (!cell) return ST_MEMORY;
    cell[0].main = w->cell->label;
    cell[1].main = p->name;
    cell[2].main = number_text(a, p->tokens / p->n);
    cell[3].main = number_text(a, p->tokens / p->seconds);
    cell[4] = measured_cell(a, &rate);
    cell[5].main = number_text(a, p->flops / p->tokens * 1e-9);
    cell[6].main = roof_of(w) > 0 ? arena_printf(a, "%.0f %%", 100 * share) : "";
    cell[7].main = p->update_seconds > 0 ? arena_printf(a, "%.1f %%", 100 * p->update_seconds / p->seconds) : "";
    cell[8].main = number_text(a, p->memory / 1e6);
    return phase_json(w, p, &rate);
}

static status both_phases(struct work *w)
{
    struct phase train = {.name = "train"}, eval = {.name = "evaluate"};
    const struct cell *c = w->cell;
    struct session_spec spec = cell_session_spec(c, w->o->warmup + w->o->steps);
    spec.model.random = w->o->random;
    TRY(gemm_select((enum gemm_backend)c->train.gemm));
    parallel_set_threads(c->train.threads);
    memory_peak_reset();
    TRY(cell_data_load(c, w->o->cache, w->arena, &w->data));
    FAIL_IF(!w->data.train.set, ST_USAGE, "task %s is only evaluated: there is no step to measure", c->task->name);
    TRY(session_open(&spec, &w->session));
    TRY(train_phase(w, &train));
    TRY(report_phase(w, &train));
    memory_peak_reset();
    TRY(eval_phase(w, &eval));
    return report_phase(w, &eval);
}

static status one_cell(struct work *w, const struct cell *cell)
{
    w->cell = cell;
    if (!(w->arena = arena_new("a cell of bench"))) return ST_MEMORY;
    status st = both_phases(w);
    session_close(&w->session);
    cell_data_close(&w->data);
    arena_free(w->arena);
    return st == ST_OK ? ST_OK : fail_in(st, "%s", cell->label);
}

status bench_cells(struct bench_report *r, const struct bench_cells *o)
{
    static const struct sheet_col head[] = {
        {"cell", NULL, 1},           {"phase", NULL, 1},          {"tokens", "a batch", 0},
        {"tokens/s", NULL, 0},       {"median", "of batches", 0}, {"GFLOP", "a token", 0},
        {"share of", "the roof", 0}, {"update", NULL, 0},         {"peak RSS", "MB", 0}};
    struct work w = {.report = r, .o = o, .list = report_list(r, "cells")};
    TRY(sheet_make(r->arena, "Training and evaluation", sizeof head / sizeof head[0], &w.sheet));
    memcpy(w.sheet->col, head, sizeof head);
    for (int i = 0; i < o->cells; i++) TRY(one_cell(&w, o->cell[i]));
    TRY(sheet_note(w.sheet,
                   "real tokens (nothing is padded); %d steps after %d of warm-up, and as many batches of evaluation",
                   o->steps, o->warmup));
    TRY(sheet_note(
        w.sheet,
        "share of the roof: FLOPs that the model's and the adapters' products ask for, over time and the roof of the "
        "cell's precision"));
    sheet_print(stdout, w.sheet, r->format);
    return ST_OK;
}
