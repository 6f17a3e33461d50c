#include "bench/train_loop.h"

#include <math.h>
#include "bench/stop.h"
#include "core/lap.h"

status plan_make(const struct train_options *o, int examples, struct plan *p)
{
    FAIL_IF(o->batch > BATCH_MAX_EXAMPLES, ST_USAGE, "batch = %d is too large: at most %d", o->batch,
            BATCH_MAX_EXAMPLES);
    *p = (struct plan){.batch = o->batch, .micro = o->micro_batch, .eval_batch = o->eval_batch};
    if (p->micro <= 0 || p->micro > p->batch) p->micro = p->batch;
    if (examples == 0) { /* a task that is only evaluated */
        p->per_epoch = p->evaluations = 1;
        return ST_OK;
    }
    p->per_epoch = (examples + p->batch - 1) / p->batch;
    p->steps = o->steps > 0 ? o->steps : o->epochs * p->per_epoch;
    FAIL_IF(p->steps < 1, ST_USAGE, "nothing to train: give steps or epochs");
    FAIL_IF(o->head_lr > 0 && o->lr <= 0, ST_USAGE, "head_lr follows the schedule of lr: lr must be above 0");
    p->warmup = o->warmup_steps > 0 ? o->warmup_steps : (long)ceil(o->warmup_ratio * (double)p->steps);
    FAIL_IF(p->warmup > p->steps, ST_USAGE, "warmup_steps = %ld is more than the %ld steps of the run", p->warmup,
            p->steps);
    p->eval_every = o->eval_steps > 0 ? o->eval_steps : p->per_epoch;
    p->evaluations = (int)((p->steps + p->eval_every - 1) / p->eval_every);
    return ST_OK;
}

/* While a set is scored. An evaluation alone is the run's work; between steps it only shows that something goes on. */
static void evaluated(void *ctx, int done, int total)
{
    struct training *t = ctx;
    if (!t->progress) return;
    if (t->plan.steps == 0)
        t->progress(t->progress_ctx, "score", done, total, NAN);
    else
        t->progress(t->progress_ctx, "eval", t->curves.done, t->plan.steps, NAN);
}

status training_init(struct training *t, const struct task *task)
{
    struct registry *reg = &t->session->reg;
    struct curves *c = &t->curves;
    for (int i = 0; t->options->head_lr > 0 && i < reg->count; i++) {
        if (reg->list[i]->cls != P_HEAD) continue;
        reg->list[i]->lr = t->options->head_lr;
        reg->list[i]->lr_own = true;
    }
    *c = (struct curves){0};
    NEW(c->loss, t->arena, t->plan.steps);
    NEW(c->lr, t->arena, t->plan.steps);
    NEW(c->grad_norm, t->arena, t->plan.steps);
    NEW(c->penalty, t->arena, t->plan.steps);
    t->target = task_target(task);
    TRY(history_init(&t->history, t->arena, task, t->data, t->session, t->plan.evaluations));
    t->history.log = t->log;
    t->history.progress = evaluated;
    t->history.ctx = t;
    return trace_init(&t->trace, t->arena, t->session, t->plan.evaluations + 1);
}

/* Before step 0 the method sees the step's whole batch, however it is cut into micro-batches. */
static status observe(struct training *t, const int *index, int n)
{
    struct session *s = t->session;
    struct batch batch;
    struct arena_mark mark = arena_mark(s->scratch);
    const struct tokens *set = &t->data->train.tokens;
    TRY(batch_make(set, index, n, 0, batch_weight(set, index, n, t->target), t->target, s->scratch, &batch));
    status st = session_observe(s, &batch);
    arena_reset(s->scratch, mark);
    return st;
}

/* The examples of one optimiser step, micro-batch by micro-batch. */
static status gradients(struct training *t, long step, const int *index, int n)
{
    struct session *s = t->session;
    struct curves *c = &t->curves;
    const struct tokens *set = &t->data->train.tokens;
    int whole = batch_weight(set, index, n, t->target);
    c->loss[step] = 0;
    if (step == 0) TRY(observe(t, index, n));
    for (int first = 0, micro = 0; first < n; first += t->plan.micro, micro++) {
        struct batch batch;
        struct arena_mark mark = arena_mark(t->batches);
        int part = n - first < t->plan.micro ? n - first : t->plan.micro;
        TRY(batch_make(set, index + first, part, first, whole, t->target, t->batches, &batch));
        c->tokens += batch.tokens;
        status st = session_micro(s, &batch, (uint64_t)step, micro, &c->loss[step]);
        arena_reset(t->batches, mark);
        if (st != ST_OK) return st;
    }
    return ST_OK;
}

static status one_step(struct training *t, long step, const int *order)
{
    const struct train_options *o = t->options;
    struct curves *c = &t->curves;
    const struct adamw adamw = {.form = (enum adamw_form)o->adamw,
                                .beta1 = o->beta1,
                                .beta2 = o->beta2,
                                .eps = o->eps,
                                .weight_decay = o->weight_decay,
                                .base_lr = o->lr};
    double begin = clock_seconds();
    int examples = t->data->train.tokens.n, at = (int)(step % t->plan.per_epoch) * t->plan.batch;
    int n = examples - at < t->plan.batch ? examples - at : t->plan.batch;
    c->lr[step] = schedule_rate((enum schedule)o->schedule, o->lr, t->plan.warmup, t->plan.steps, step);
    c->grad_norm[step] = c->penalty[step] = NAN;
    c->done = step + 1;
    status st = gradients(t, step, order + at, n);
    if (st == ST_OK)
        st = session_update(t->session, &adamw, c->lr[step], o->clip, (uint64_t)step, &c->penalty[step],
                            &c->grad_norm[step]);
    c->train_seconds += clock_seconds() - begin;
    return st;
}

static status evaluate_now(struct training *t, long done)
{
    double begin = clock_seconds();
    if (t->progress && done > 0) t->progress(t->progress_ctx, "eval", done, t->plan.steps, t->curves.loss[done - 1]);
    status st =
        history_evaluate(&t->history, t->session, t->plan.eval_batch, done, (double)done / (double)t->plan.per_epoch);
    trace_add(&t->trace, t->session, done);
    t->curves.eval_seconds += clock_seconds() - begin;
    return st;
}

/* Whether the steps so far end with an evaluation that has not been made. */
static bool evaluation_due(const struct training *t)
{
    const struct history *h = &t->history;
    long done = t->curves.done;
    if (done == 0 || (done % t->plan.eval_every != 0 && done != t->plan.steps)) return false;
    return h->count == 0 || h->step[h->count - 1] != done;
}

/* Between two steps: where a run can be left and gone on with. A long evaluation keeps what it has measured, so that
 * is worth a checkpoint in front of it. */
static status between_steps(struct training *t)
{
    TRY(stop_check());
    bool due = evaluation_due(t);
    if (t->keeper) run_keeper_step(t->keeper, t, due && t->log);
    return due ? evaluate_now(t, t->curves.done) : ST_OK;
}

static status train(struct training *t, int *order)
{
    long epoch = -1;
    if (evaluation_due(t)) TRY(evaluate_now(t, t->curves.done)); /* an earlier process ended in front of it */
    for (long step = t->curves.done; step < t->plan.steps; step++) {
        if (step / t->plan.per_epoch != epoch) {
            epoch = step / t->plan.per_epoch;
            TRY(batch_order(&t->session->rng, &t->data->train.tokens, (int)epoch, t->plan.batch,
                            t->options->group_lengths, t->session->scratch, order));
        }
        TRY(one_step(t, step, order));
        if (t->progress) t->progress(t->progress_ctx, "train", step + 1, t->plan.steps, t->curves.loss[step]);
        TRY(between_steps(t));
    }
    return ST_OK;
}

status training_run(struct training *t)
{
    int *order;
    bool trains = t->plan.steps > 0;
    NEW(order, t->arena, t->data->train.tokens.n);
    if (trains && t->keeper) TRY(run_keeper_resume(t->keeper, t));
    if (t->trace.times == 0) trace_add(&t->trace, t->session, 0);
    status st = trains ? train(t, order) : evaluate_now(t, 0);
    return st == ST_INTERRUPTED && t->keeper ? run_keeper_stop(t->keeper, t) : st;
}
