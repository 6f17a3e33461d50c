/* Training steps and evaluation of real, tokenised text: tokens a second, share of the roof, memory. */
#include <math.h>
#include <string.h>
#include "bench/bench_flops.h"
#include "bench/bench_parts.h"
#include "bench/cli.h"
#include "bench/session.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "core/text.h"

struct row { /* one method */
    const char *label;
    const struct method *method;
    void *options;
};

/* What one phase of one row came to. */
struct phase {
    const char *name;
    double *rate; /* tokens a second of each timed batch */
    int n;
    double tokens, examples, flops, seconds, update_seconds, memory, arenas;
};

struct work {
    struct bench_report *report;
    const struct bench_training *o;
    struct arena *arena; /* life of one row */
    struct arena *data;
    struct tokenizer *tokenizer;
    struct tokens train, dev;
    struct session session;
    struct sheet *sheet;
    json_t *list;
};

/* ---- the rows
 * --------------------------------------------------------------------------------------------------------- */

static status set_words(const struct method *m, void *options, char *const *word, int n, const char *where,
                        struct arena *a)
{
    for (int i = 0; i < n; i++) {
        char *value = strchr(word[i], '=');
        FAIL_IF(!value, ST_USAGE, "%s: '%s' is no name=value", where, word[i]);
        char *name = arena_printf(a, "%.*s", (int)(value - word[i]), word[i]);
        if (!name) return ST_MEMORY;
        TRY(option_set(m->options, options, name, value + 1, where, a));
    }
    return ST_OK;
}

/* A preset's options come before those of the presets and rows that build on it. */
static status start_options(const struct method *m, void **options, const struct method **runs, struct arena *a)
{
    char **word;
    int n;
    if (!m->preset_of) {
        *runs = m;
        *options = NULL;
        if (!m->options) return ST_OK;
        if (!(*options = arena_zalloc(a, m->option_size))) return ST_MEMORY;
        return option_defaults(m->options, *options, a);
    }
    TRY(start_options(m->preset_of, options, runs, a));
    TRY(text_split(m->preset ? m->preset : "", ' ', a, &word, &n));
    return set_words(*runs, *options, word, n, m->name, a);
}

/* "lora rank=8 sites=all" */
static status parse_row(const char *text, struct arena *a, struct row *row)
{
    const char *names[256];
    char **word;
    int n, count = 0;
    TRY(text_split(text, ' ', a, &word, &n));
    FAIL_IF(n == 0, ST_USAGE, "--methods has an empty place between commas");
    const struct method *m = method_find(word[0]);
    for (const struct method *const *t = method_table; *t && count < 256; t++) names[count++] = (*t)->name;
    if (!m) return cli_unknown("--methods", "method", word[0], names, count);
    FAIL_IF(m->unavailable, ST_UNSUPPORTED, "method %s cannot run in this build: %s", m->name, m->unavailable);
    row->label = text;
    TRY(start_options(m, &row->options, &row->method, a));
    FAIL_IF(n > 1 && !row->method->options, ST_USAGE, "--methods: method %s has no options", m->name);
    return set_words(row->method, row->options, word + 1, n - 1, "--methods", a);
}

/* ---- data
 * ------------------------------------------------------------------------------------------------------------- */

static const struct task_set *first_set(const struct task *task, enum set_kind kind)
{
    const struct task_set *s = task->set;
    while (s->name && s->kind != kind) s++;
    return s->name ? s : NULL;
}

static status load_set(struct work *w, enum set_kind kind, int most, struct tokens *out)
{
    const struct bench_training *o = w->o;
    const struct task_set *set = first_set(o->task, kind);
    FAIL_IF(!set, ST_USAGE, "task %s has no %s set", o->task->name, kind == SET_TRAIN ? "training" : "dev");
    int max_len = o->train.max_len > 0 ? o->train.max_len : o->task->max_len;
    TRY(tokens_load(o->task, set, o->data_root, most, w->tokenizer, max_len, o->cache, false, w->data, out));
    FAIL_IF(out->n < 1, ST_INPUT, "task %s: the set %s is empty", o->task->name, set->name);
    return ST_OK;
}

/* ---- one phase
 * -------------------------------------------------------------------------------------------------------- */

static void note_batch(const struct work *w, struct phase *p, const struct batch *b, double seconds, bool training)
{
    p->rate[p->n++] = b->tokens / seconds;
    p->tokens += b->tokens;
    p->examples += b->n;
    p->seconds += seconds;
    p->flops += batch_flops(&w->session, b, training);
}

/* One optimiser step on the next examples of the epoch's order, in micro-batches; timed when step >= warm_up. */
static status train_step(struct work *w, struct phase *p, long step, const int *index, int n)
{
    const struct train_options *o = &w->o->train;
    const struct adamw adamw = {.form = (enum adamw_form)o->adamw,
                                .beta1 = o->beta1,
                                .beta2 = o->beta2,
                                .eps = o->eps,
                                .weight_decay = o->weight_decay,
                                .base_lr = o->lr};
    int micro = o->micro_batch > 0 && o->micro_batch < n ? o->micro_batch : n;
    struct batch all = {0};
    struct arena_mark mark = arena_mark(w->arena);
    double loss = 0, penalty, norm, begin = progress_now(), middle, flops = 0;
    for (int i = 0, part = 0; i < n; i += micro, part++) {
        struct batch b;
        int some = n - i < micro ? n - i : micro;
        TRY(batch_make(&w->train, index + i, some, i, n, w->o->task->labels == 1, w->arena, &b));
        if (step == 0 && part == 0) TRY(session_observe(&w->session, &b));
        TRY(session_micro(&w->session, &b, (uint64_t)step, part, &loss));
        all.n += b.n, all.tokens += b.tokens;
        flops += batch_flops(&w->session, &b, true);
    }
    middle = progress_now();
    TRY(session_update(&w->session, &adamw, o->lr, o->clip, (uint64_t)step, &penalty, &norm));
    double end = progress_now();
    arena_reset(w->arena, mark);
    if (step < w->o->warm_up) return ST_OK;
    p->rate[p->n++] = all.tokens / (end - begin);
    p->tokens += all.tokens, p->examples += all.n, p->flops += flops;
    p->seconds += end - begin, p->update_seconds += end - middle;
    return ST_OK;
}

static void note_memory(struct phase *p)
{
    p->memory = memory_peak();
    p->arenas = (double)arena_total_peak();
}

static status train_phase(struct work *w, struct phase *p)
{
    const struct bench_training *o = w->o;
    int *order, batch = o->train.batch < w->train.n ? o->train.batch : w->train.n;
    long per_epoch = w->train.n / batch; /* whole batches only */
    NEW(order, w->arena, w->train.n);
    NEW(p->rate, w->arena, o->steps);
    for (long step = 0; step < o->warm_up + o->steps; step++) {
        if (step % per_epoch == 0)
            TRY(batch_order(&w->session.rng, &w->train, (int)(step / per_epoch), batch, o->train.group_lengths,
                            w->session.scratch, order));
        TRY(train_step(w, p, step, order + step % per_epoch * batch, batch));
    }
    note_memory(p);
    return ST_OK;
}

/* The batch number i of the dev set, as a set of its own. */
static struct tokens part_of(const struct tokens *t, int i, int batch)
{
    struct tokens part = *t;
    int first = i * batch;
    part.n = t->n - first < batch ? t->n - first : batch;
    part.offset += first;
    if (part.label) part.label += first;
    return part;
}

static status eval_batch(struct work *w, struct phase *p, int i, bool timed)
{
    struct arena_mark mark = arena_mark(w->arena);
    struct tokens part = part_of(&w->dev, i, w->o->train.eval_batch);
    struct batch b;
    float *logits;
    double loss;
    int *index;
    NEW(index, w->arena, part.n);
    for (int k = 0; k < part.n; k++) index[k] = k;
    TRY(batch_make(&part, index, part.n, 0, part.n, w->o->task->labels == 1, w->arena, &b));
    double begin = progress_now();
    TRY(session_predict(&w->session, &part, part.n, 0, w->arena, &logits, &loss));
    if (timed) note_batch(w, p, &b, progress_now() - begin, false);
    arena_reset(w->arena, mark);
    return ST_OK;
}

static status eval_phase(struct work *w, struct phase *p)
{
    int batch = w->o->train.eval_batch, batches = (w->dev.n + batch - 1) / batch;
    NEW(p->rate, w->arena, w->o->eval_batches);
    TRY(eval_batch(w, p, 0, false));
    for (int i = 0; i < w->o->eval_batches; i++) TRY(eval_batch(w, p, i % batches, true));
    note_memory(p);
    return ST_OK;
}

/* ---- report
 * ----------------------------------------------------------------------------------------------------------- */

static status report_phase(struct work *w, const struct row *row, const struct phase *p)
{
    struct arena *a = w->report->arena;
    struct measured rate = measured_of(p->rate, p->n, a);
    double overall = p->tokens / p->seconds, gflops = p->flops / p->seconds * 1e-9, share = gflops / w->report->roof;
    struct sheet_cell *cell = sheet_row(w->sheet);
    if (!cell) return ST_MEMORY;
    cell[0].main = row->label;
    cell[1].main = p->name;
    cell[2].main = number_text(a, p->tokens / p->n);
    cell[3].main = number_text(a, overall);
    cell[4] = measured_cell(a, &rate);
    cell[5].main = number_text(a, p->flops / p->tokens * 1e-9);
    cell[6].main = w->report->roof > 0 ? arena_printf(a, "%.0f %%", 100 * share) : "";
    cell[7].main = p->update_seconds > 0 ? arena_printf(a, "%.1f %%", 100 * p->update_seconds / p->seconds) : "";
    cell[8].main = number_text(a, p->memory / 1e6);
    cell[9].main = number_text(a, p->arenas / 1e6);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:f}", "row", row->label, "phase",
                  p->name, "task", w->o->task->name, "batches", p->n, "tokens_a_batch", p->tokens / p->n,
                  "examples_a_batch", p->examples / p->n, "tokens_a_second", overall, "batch_rates",
                  measured_json(&rate), "gflop_a_token", p->flops / p->tokens * 1e-9, "gflops", gflops, "update_share",
                  p->update_seconds / p->seconds, "peak_rss_bytes", p->memory, "peak_arena_bytes", p->arenas);
    if (o && w->report->roof > 0 && json_object_set_new(o, "share_of_roof", json_real(share)) != 0) return ST_MEMORY;
    return report_add(w->list, o);
}

static status both_phases(struct work *w, const struct row *row)
{
    struct phase train = {.name = "train"}, eval = {.name = "evaluate"};
    const struct bench_training *o = w->o;
    const struct session_spec spec = {.model = {.path = o->model_path,
                                                .head = HEAD_CLASSIFY,
                                                .num_labels = o->task->labels,
                                                .random = o->random,
                                                .cls_dropout = o->train.cls_dropout,
                                                .hidden_dropout = o->train.hidden_dropout,
                                                .attn_dropout = o->train.attn_dropout,
                                                .train_pooler = o->train.train_pooler - 1},
                                      .method = row->method,
                                      .method_options = row->options,
                                      .seed = o->seed,
                                      .total_steps = (uint64_t)(o->steps + o->warm_up)};
    memory_peak_reset();
    TRY(session_open(&spec, &w->session));
    if (o->steps > 0) TRY(train_phase(w, &train));
    if (train.n > 0) TRY(report_phase(w, row, &train));
    memory_peak_reset();
    if (o->eval_batches > 0) TRY(eval_phase(w, &eval));
    return eval.n > 0 ? report_phase(w, row, &eval) : ST_OK;
}

static status one_row(struct work *w, const char *text)
{
    struct row row;
    TRY(parse_row(text, w->report->arena, &row));
    if (!(w->arena = arena_new("a row of bench"))) return ST_MEMORY;
    status st = both_phases(w, &row);
    session_close(&w->session);
    arena_free(w->arena);
    return st;
}

static status all_rows(struct work *w)
{
    static const struct sheet_col head[] = {
        {"method", NULL, 1},         {"phase", NULL, 1},       {"tokens", "a batch", 0},    {"tokens/s", NULL, 0},
        {"median", "of batches", 0}, {"GFLOP", "a token", 0},  {"share of", "the roof", 0}, {"update", NULL, 0},
        {"peak", "RSS, MB", 0},      {"peak", "arenas, MB", 0}};
    const struct bench_training *o = w->o;
    char **text;
    int n, most = (o->warm_up + o->steps) * o->train.batch;
    TRY(text_split(o->methods, ',', w->report->arena, &text, &n));
    FAIL_IF(n == 0, ST_USAGE, "--methods names no method");
    TRY(tokenizer_open(o->tokenizer_path, w->data, &w->tokenizer));
    TRY(load_set(w, SET_TRAIN, o->train.max_train > 0 ? o->train.max_train : most > 8000 ? most : 8000, &w->train));
    TRY(load_set(w, SET_DEV, o->train.max_dev, &w->dev));
    const char *title = arena_printf(w->report->arena, "%s%s on %s, batch %d, %d threads, %s products", o->model_path,
                                     o->random ? " (random weights)" : "", o->task->name, o->train.batch,
                                     parallel_threads(), gemm_backend_name(gemm_backend()));
    if (!title) return ST_MEMORY;
    TRY(sheet_make(w->report->arena, title, sizeof head / sizeof head[0], &w->sheet));
    memcpy(w->sheet->col, head, sizeof head);
    for (int i = 0; i < n; i++) TRY(one_row(w, text[i]));
    sheet_print(stdout, w->sheet, w->report->format);
    return ST_OK;
}

status bench_train(struct bench_report *r, const struct bench_training *o)
{
    struct work w = {.report = r, .o = o, .list = report_list(r, "training")};
    if (!(w.data = arena_new("data of bench"))) return ST_MEMORY;
    status st = all_rows(&w);
    tokens_close(&w.train);
    tokens_close(&w.dev);
    if (w.tokenizer) tokenizer_close(w.tokenizer);
    arena_free(w.data);
    return st;
}
