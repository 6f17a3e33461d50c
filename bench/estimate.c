#include "bench/estimate.h"

#include <math.h>
#include <stdlib.h>
#include "bench/accounting.h"
#include "bench/scoring.h"
#include "bench/train_loop.h"
#include "bench/trainer.h"
#include "core/lap.h"

enum { REPEATS = 5 };
static const double ENOUGH = 0.5; /* seconds */

struct probe {
    const struct cell *cell;
    const struct cell_data *data;
    struct plan plan;
    struct session session;
    struct arena *arena;
    struct estimate *out;
};

static int length_of(const struct tokens *t, int i)
{
    return (int)(t->offset[i + 1] - t->offset[i]);
}

struct sized { /* an example and its length */
    int length, index;
};

static int longer_first(const void *a, const void *b)
{
    const struct sized *x = a, *y = b;
    return x->length != y->length ? (x->length < y->length) - (x->length > y->length) : x->index - y->index;
}

/* The n longest examples, or n spread evenly over the set. */
static status choose(struct probe *p, int n, int longest, int *index)
{
    const struct tokens *t = &p->data->train.tokens;
    struct sized *s;
    NEW(s, p->arena, t->n);
    for (int i = 0; i < t->n; i++) s[i] = (struct sized){length_of(t, i), i};
    if (longest) qsort(s, (size_t)t->n, sizeof *s, longer_first);
    for (int i = 0; i < n; i++) index[i] = s[longest ? i : (int)((long long)i * t->n / n)].index;
    return ST_OK;
}

/* One optimiser step of one micro-batch, with rate 0; *seconds of its two parts, *tokens in it. */
static status one_step(struct probe *p, int longest, double *pass, double *update, double *tokens)
{
    struct batch batch;
    double loss = 0, penalty, norm;
    int *index, n = p->plan.micro < p->data->train.tokens.n ? p->plan.micro : p->data->train.tokens.n;
    NEW(index, p->arena, n);
    TRY(choose(p, n, longest, index));
    const struct tokens *set = &p->data->train.tokens;
    enum batch_target target = task_target(p->cell->task);
    TRY(batch_make(set, index, n, 0, batch_weight(set, index, n, target), target, p->arena, &batch));
    const struct train_options *o = &p->cell->train;
    const struct adamw adamw = {.form = (enum adamw_form)o->adamw, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps};
    TRY(session_observe(&p->session, &batch));
    double begin = clock_seconds();
    TRY(session_micro(&p->session, &batch, 0, 0, &loss));
    double middle = clock_seconds();
    TRY(session_update(&p->session, &adamw, 0, o->clip, 0, &penalty, &norm));
    *pass = middle - begin;
    *update = clock_seconds() - middle;
    *tokens = batch.tokens;
    return ST_OK;
}

/* The set that evaluations spend most on. */
static const struct cell_set *largest_dev(const struct cell_data *data)
{
    const struct cell_set *most = &data->dev[0];
    for (int i = 1; i < data->devs; i++)
        if (tokens_total(&data->dev[i].tokens) > tokens_total(&most->tokens)) most = &data->dev[i];
    return most;
}

/* Seconds to evaluate one token. */
static status one_evaluation(struct probe *p, double *seconds)
{
    const struct cell_set *set = largest_dev(p->data);
    struct tokens part = set->tokens; /* a view of its first examples */
    float *outputs;
    if (part.n > p->plan.eval_batch) part.n = p->plan.eval_batch;
    const struct scoring job = {.session = &p->session,
                                .tokenizer = p->data->tokenizer,
                                .task = set->task,
                                .tokens = &part,
                                .eval_batch = p->plan.eval_batch};
    double begin = clock_seconds();
    TRY(score_set(&job, p->arena, &outputs, NULL));
    *seconds = (clock_seconds() - begin) / (double)part.offset[part.n];
    return ST_OK;
}

static void count(struct probe *p)
{
    const struct registry *reg = &p->session.reg;
    p->out->head = (double)param_count(reg, P_HEAD, true);
    p->out->trained = (double)param_count(reg, P_BASE, true) + (double)param_count(reg, P_ADAPTER, true);
}

/* Short ones are repeated and the fastest counts: on a busy machine a single one says little. */
static status measure_speed(struct probe *p, double *pass, double *update, double *tokens, double *eval)
{
    double t[2], seconds, begin = clock_seconds();
    *pass = *update = *eval = INFINITY;
    for (int i = 0; i < REPEATS && (i == 0 || clock_seconds() - begin < ENOUGH); i++) {
        TRY(one_step(p, 0, &t[0], &t[1], tokens));
        *pass = fmin(*pass, t[0]);
        *update = fmin(*update, t[1]);
    }
    begin = clock_seconds();
    for (int i = 0; i < REPEATS && (i == 0 || clock_seconds() - begin < ENOUGH); i++) {
        TRY(one_evaluation(p, &seconds));
        *eval = fmin(*eval, seconds);
    }
    return ST_OK;
}

static double memory_of(const struct session *s)
{
    return (double)arena_peak(s->arena) + (double)arena_peak(s->tape) + (double)arena_peak(s->scratch);
}

/* A task that is only evaluated. What its prompts share is computed once, so this is an upper bound. */
static status measure_evaluation(struct probe *p)
{
    double eval = 0, tokens = 0;
    struct variant variant[SESSION_MAX_VARIANTS];
    TRY(one_evaluation(p, &eval));
    for (int i = 0; i < p->data->devs; i++) tokens += (double)tokens_total(&p->data->dev[i].tokens);
    p->out->seconds = eval * tokens * session_variants(&p->session, variant);
    p->out->memory = memory_of(&p->session);
    return ST_OK;
}

static status measure(struct probe *p)
{
    double pass, update, tokens, eval, dev_tokens = 0;
    struct variant variant[SESSION_MAX_VARIANTS];
    struct estimate *e = p->out;
    if (!p->data->train.set) return measure_evaluation(p);
    TRY(one_step(p, 1, &pass, &update, &tokens)); /* the largest step comes first: it also warms up */
    const struct session *s = &p->session;
    e->memory = memory_of(s);
    TRY(measure_speed(p, &pass, &update, &tokens, &eval));
    for (int i = 0; i < p->data->devs; i++) dev_tokens += (double)tokens_total(&p->data->dev[i].tokens);
    const struct tokens *train = &p->data->train.tokens;
    double step_tokens = (double)tokens_total(train) / train->n * p->plan.batch;
    if (p->plan.batch > train->n) step_tokens = (double)tokens_total(train);
    e->seconds = (double)e->steps * (pass / tokens * step_tokens + update) +
                 e->evaluations * eval * dev_tokens * session_variants(&p->session, variant);
    return ST_OK;
}

static status open_and_measure(struct probe *p)
{
    TRY(plan_make(&p->cell->train, p->data->train.tokens.n, &p->plan));
    p->out->steps = p->plan.steps;
    p->out->evaluations = p->plan.evaluations;
    TRY(cell_session_open(p->cell, p->plan.steps, &p->session));
    count(p);
    return measure(p);
}

status estimate_cell(const struct cell *cell, const struct cell_data *data, struct estimate *out)
{
    struct probe p = {.cell = cell, .data = data, .out = out};
    *out = (struct estimate){0};
    if (!(p.arena = arena_new("estimate"))) return ST_MEMORY;
    status st = open_and_measure(&p);
    session_close(&p.session);
    arena_free(p.arena);
    return st;
}

/* ---- forecasts ---- */

struct shape { /* of the schedule */
    const struct cell *cell;
    struct plan plan;
};

static double share_of_rate(const void *ctx, uint64_t step)
{
    const struct shape *s = ctx;
    return schedule_rate((enum schedule)s->cell->train.schedule, 1, s->plan.warmup, s->plan.steps, (long)step);
}

status forecast_cell(const struct cell *cell, const struct cell_data *data, struct forecast *out)
{
    struct shape shape = {.cell = cell};
    struct session session;
    *out = (struct forecast){0};
    if (!cell->method->forecast) return ST_OK;
    TRY(plan_make(&cell->train, data->train.tokens.n, &shape.plan));
    TRY(cell_session_open(cell, shape.plan.steps, &session));
    cell->method->forecast(&session.run, share_of_rate, &shape, out);
    session_close(&session);
    return ST_OK;
}
