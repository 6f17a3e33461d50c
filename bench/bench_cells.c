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
#include "core/lap.h"
#include "core/parallel.h"
#include "core/progress.h"

/* What one phase of one cell came to, over its timed batches. */
struct phase {
    const char *name;
    double *rate; /* tokens a second of each */
    int n;
    double tokens, examples, flops, seconds, memory, arenas;
    double roof;      /* GFLOP/s around it; 0: not measured */
    double lap[LAPS]; /* seconds of each component */
    /* For --compare-hf: the first timed batches, what they came to, and the script's work with them. */
    json_t *batches, *again;
    double again_tokens, again_seconds;
};

/* A phase of a cell that is done. */
struct result {
    const struct cell *cell;
    const char *phase;
    double seconds_a_token;
};

struct work {
    struct bench_report *report;
    const struct bench_cells *o;
    const struct cell *cell;
    struct arena *arena; /* life of one cell */
    struct cell_data data;
    struct session session;
    double roof; /* as last measured */
    struct sheet *sheet, *components, *comparison;
    json_t *list, *compared;
    struct result *result; /* of each row of the sheet */
};

static enum batch_target target(const struct work *w)
{
    return task_target(w->cell->task);
}

/* ---- for --compare-hf ---- */

static bool compares(const struct work *w)
{
    return w->o->compare && compare_knows(w->cell);
}

/* A timed batch, the whole of an optimiser step: the first ones are kept for the script. */
static status note_batch(struct work *w, struct phase *p, const struct tokens *t, const int *index, int n,
                         const struct phase *one)
{
    struct batch b;
    if (!compares(w) || (int)json_array_size(p->batches) >= w->o->compare->batches) return ST_OK;
    if (!p->batches) p->batches = json_array();
    TRY(batch_make(t, index, n, 0, n, target(w), w->arena, &b));
    TRY(compare_note(p->batches, &b));
    p->again_tokens += one->tokens;
    p->again_seconds += one->seconds;
    return ST_OK;
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
    for (int l = 0; l < LAPS; l++) p->lap[l] += one->lap[l];
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
    double penalty, norm, begin = clock_seconds();
    lap_watch_start();
    TRY(gradients(w, step, index, n, &one));
    TRY(session_update(&w->session, &adamw, o->lr, o->clip, (uint64_t)step, &penalty, &norm));
    one.seconds = clock_seconds() - begin;
    lap_watch_stop(one.lap);
    arena_reset(w->arena, mark);
    if (step < w->o->warmup) return ST_OK;
    add_batch(p, &one);
    TRY(note_batch(w, p, &w->data.train.tokens, index, n, &one));
    arena_reset(w->arena, mark);
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
    double begin = clock_seconds();
    lap_watch_start();
    TRY(score_set(&job, w->arena, &outputs, &loss));
    one.seconds = clock_seconds() - begin;
    lap_watch_stop(one.lap);
    if (timed) {
        add_batch(p, &one);
        TRY(note_batch(w, p, part, index, part->n, &one));
    }
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

static json_t *shares_json(const struct phase *p)
{
    json_t *o = json_object();
    for (int l = 0; o && l < LAPS; l++)
        if (json_object_set_new(o, lap_name(l), json_real(p->lap[l] / p->seconds)) != 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static status phase_json(struct work *w, const struct phase *p, const struct measured *rate)
{
    double gflops = p->flops / p->seconds * 1e-9;
    json_t *o = json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:o, s:f, s:f, s:o, s:f, s:f}", "cell", w->cell->label,
                          "phase", p->name, "batches", p->n, "tokens_a_batch", p->tokens / p->n, "examples_a_batch",
                          p->examples / p->n, "tokens_a_second", p->tokens / p->seconds, "batch_rates",
                          measured_json(rate), "gflop_a_token", p->flops / p->tokens * 1e-9, "gflops", gflops,
                          "shares_of_time", shares_json(p), "peak_rss_bytes", p->memory, "peak_arena_bytes", p->arenas);
    if (o && p->roof > 0 &&
        (json_object_set_new(o, "roof_gflops", json_real(p->roof)) != 0 ||
         json_object_set_new(o, "share_of_roof", json_real(gflops / p->roof)) != 0)) {
        json_decref(o);
        o = NULL;
    }
    return report_add(w->list, o);
}

/* Components in the order of the enum, what belongs to none last. */
static status report_components(struct work *w, const struct phase *p)
{
    struct sheet_cell *cell = sheet_row(w->components);
    if (!cell) return ST_MEMORY;
    cell[0].main = w->cell->label;
    cell[1].main = p->name;
    for (int i = 0; i < LAPS; i++)
        cell[2 + i].main = arena_printf(w->report->arena, "%.1f", 100 * p->lap[(i + 1) % LAPS] / p->seconds);
    return ST_OK;
}

static status components_sheet(struct work *w)
{
    TRY(sheet_make(w->report->arena, "Where the time goes, %", 2 + LAPS, &w->components));
    w->components->col[0] = (struct sheet_col){"cell", NULL, 1};
    w->components->col[1] = (struct sheet_col){"phase", NULL, 1};
    for (int i = 0; i < LAPS; i++) w->components->col[2 + i] = (struct sheet_col){lap_name((i + 1) % LAPS), NULL, 0};
    return ST_OK;
}

static status report_phase(struct work *w, const struct phase *p)
{
    struct arena *a = w->report->arena;
    struct measured rate = measured_of(p->rate, p->n, a);
    double gflops = p->flops / p->seconds * 1e-9;
    struct sheet_cell *cell = sheet_row(w->sheet);
    if (!cell) return ST_MEMORY;
    cell[0].main = w->cell->label;
    cell[1].main = p->name;
    cell[2].main = number_text(a, p->tokens / p->n);
    cell[3].main = number_text(a, p->tokens / p->seconds);
    cell[4] = measured_cell(a, &rate);
    cell[5].main = number_text(a, p->flops / p->tokens * 1e-9);
    cell[6].main = p->roof > 0 ? number_text(a, p->roof) : "";
    cell[7].main = p->roof > 0 ? arena_printf(a, "%.0f %%", 100 * gflops / p->roof) : "";
    cell[8].main = number_text(a, p->memory / 1e6);
    w->result[w->sheet->rows - 1] = (struct result){w->cell, p->name, p->seconds / p->tokens};
    TRY(report_components(w, p));
    return phase_json(w, p, &rate);
}

/* The phase by transformers + peft, once our own session is closed. */
static status compare_phase(struct work *w, const struct phase *p)
{
    struct arena *a = w->report->arena;
    struct compared theirs;
    struct sheet_cell *cell = sheet_row(w->comparison);
    if (!cell) return ST_MEMORY;
    TRY(compare_run(w->o->compare, p->again, w->arena, &theirs));
    double ours_rate = p->again_tokens / p->again_seconds, their_rate = p->again_tokens / theirs.seconds;
    cell[0].main = w->cell->label;
    cell[1].main = p->name;
    cell[2].main = number_text(a, ours_rate);
    cell[3].main = number_text(a, their_rate);
    cell[4].main = number_text(a, ours_rate / their_rate);
    cell[5].main = number_text(a, p->memory / 1e6);
    cell[6].main = number_text(a, theirs.peak_bytes / 1e6);
    return report_add(w->compared,
                      json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "cell", w->cell->label, "phase", p->name,
                                "batches", (int)json_array_size(p->batches), "tokens_a_second", ours_rate,
                                "theirs_tokens_a_second", their_rate, "ratio", ours_rate / their_rate, "peak_rss_bytes",
                                p->memory, "theirs_peak_rss_bytes", theirs.peak_bytes));
}

static status comparison_sheet(struct work *w)
{
    static const struct sheet_col head[] = {{"cell", NULL, 1},        {"phase", NULL, 1}, {"tokens/s", "peftgrid", 0},
                                            {"tokens/s", "HF", 0},    {"ratio", NULL, 0}, {"peak RSS", "MB", 0},
                                            {"peak RSS", "HF, MB", 0}};
    TRY(sheet_make(w->report->arena, "Against transformers + peft", sizeof head / sizeof head[0], &w->comparison));
    memcpy(w->comparison->col, head, sizeof head);
    w->compared = report_list(w->report, "compared");
    return sheet_note(w->comparison,
                      "the same batches, the first %d that were timed, after one of warm-up; %s, padded to the longest "
                      "of a batch, random weights",
                      w->o->compare->batches, w->o->compare->versions);
}

/* A shared machine's clock moves: within minutes the roof has been seen to change by half. So a phase is held against
 * the roof just before and just after it, whichever is higher. */
static status measure_roof(struct work *w)
{
    return w->report->roof ? bench_roof_now(w->report, w->cell->train.precision == PRECISION_BF16, &w->roof) : ST_OK;
}

static status one_phase(struct work *w, status (*run)(struct work *, struct phase *), struct phase *p)
{
    double before = w->roof;
    TRY(run(w, p));
    TRY(measure_roof(w));
    p->roof = fmax(before, w->roof);
    if (compares(w)) TRY(compare_work(w->cell, &w->session, p->name, p->batches, &p->again));
    return report_phase(w, p);
}

static status both_phases(struct work *w, struct phase *train, struct phase *eval)
{
    const struct cell *c = w->cell;
    struct session_spec spec = cell_session_spec(c, w->o->warmup + w->o->steps);
    spec.model.random = w->o->random;
    TRY(gemm_select((enum gemm_backend)c->train.gemm));
    parallel_set_threads(c->train.threads);
    TRY(measure_roof(w));
    memory_peak_reset();
    TRY(cell_data_load(c, w->o->cache, w->arena, &w->data));
    FAIL_IF(!w->data.train.set, ST_USAGE, "task %s is only evaluated: there is no step to measure", c->task->name);
    TRY(session_open(&spec, &w->session));
    if (w->o->phases != PHASES_EVALUATE) TRY(one_phase(w, train_phase, train));
    memory_peak_reset();
    return w->o->phases != PHASES_TRAIN ? one_phase(w, eval_phase, eval) : ST_OK;
}

static status one_cell(struct work *w, const struct cell *cell)
{
    struct phase phase[2] = {{.name = "train"}, {.name = "evaluate"}};
    w->cell = cell;
    if (!(w->arena = arena_new("a cell of bench"))) return ST_MEMORY;
    status st = both_phases(w, &phase[0], &phase[1]);
    session_close(&w->session);
    cell_data_close(&w->data);
    for (int i = 0; i < 2; i++) {
        if (st == ST_OK && phase[i].again) st = compare_phase(w, &phase[i]);
        json_decref(phase[i].again);
        json_decref(phase[i].batches);
    }
    arena_free(w->arena);
    return st == ST_OK ? ST_OK : fail_in(st, "%s", cell->label);
}

/* The last column: time a token as a multiple of what the named row takes for the same task and phase. */
static status fill_relative(struct work *w)
{
    const char *row = w->o->relative_to;
    struct sheet *s = w->sheet;
    bool found = false;
    for (int i = 0; i < s->rows; i++)
        for (int k = 0; k < s->rows; k++) {
            const struct result *one = &w->result[i], *base = &w->result[k];
            if (strcmp(base->cell->row, row) != 0 || base->cell->task != one->cell->task || base->phase != one->phase)
                continue;
            double times = one->seconds_a_token / base->seconds_a_token;
            s->cell[i * s->cols + s->cols - 1].main = arena_printf(w->report->arena, "%.2f", times);
            json_t *o = json_array_get(w->list, (size_t)i);
            FAIL_IF(json_object_set_new(o, "relative_time", json_real(times)) != 0, ST_MEMORY,
                    "out of memory for the JSON report");
            found = true;
        }
    FAIL_IF(!found, ST_USAGE, "--relative-to %s: no such row among the measured cells", row);
    return ST_OK;
}

status bench_cells(struct bench_report *r, const struct bench_cells *o)
{
    const struct sheet_col head[] = {{"cell", NULL, 1},           {"phase", NULL, 1},          {"tokens", "a batch", 0},
                                     {"tokens/s", NULL, 0},       {"median", "of batches", 0}, {"GFLOP", "a token", 0},
                                     {"roof", "GFLOP/s", 0},      {"share of", "the roof", 0}, {"peak RSS", "MB", 0},
                                     {"time,", o->relative_to, 0}};
    const int columns = (int)(sizeof head / sizeof head[0]) - (*o->relative_to ? 0 : 1);
    struct work w = {.report = r, .o = o, .list = report_list(r, "cells")};
    TRY(sheet_make(r->arena, "Training and evaluation", columns, &w.sheet));
    memcpy(w.sheet->col, head, sizeof head[0] * (size_t)columns);
    NEW(w.result, r->arena, 2 * (size_t)o->cells);
    TRY(components_sheet(&w));
    if (o->compare) TRY(comparison_sheet(&w));
    for (int i = 0; i < o->cells; i++) TRY(one_cell(&w, o->cell[i]));
    if (*o->relative_to) TRY(fill_relative(&w));
    TRY(sheet_note(w.sheet,
                   "real tokens (nothing is padded); %d steps after %d of warm-up, and as many batches of evaluation",
                   o->steps, o->warmup));
    TRY(sheet_note(
        w.sheet,
        "share of the roof: FLOPs that the model's and the adapters' products ask for, over time and the roof of the "
        "cell's precision, measured before and after each phase: the faster of the two"));
    TRY(sheet_note(w.components,
                   "layers: products of the base, with what is done to their results piece by piece (low-rank terms, "
                   "activations, dropout, residual sums); adapters: what else the method adds; row operations: norms, "
                   "embeddings, the rest of those"));
    sheet_print(stdout, w.sheet, r->format);
    putchar('\n');
    sheet_print(stdout, w.components, r->format);
    if (!o->compare) return ST_OK;
    putchar('\n');
    sheet_print(stdout, w.comparison, r->format);
    return ST_OK;
}
