/* The training loop of one cell: steps, schedule, evaluations; curves and times as it goes. */
#ifndef PG_BENCH_TRAIN_LOOP_H
#define PG_BENCH_TRAIN_LOOP_H

#include "bench/accounting.h"
#include "bench/run_keeper.h"
#include "bench/history.h"
#include "bench/trainer.h"

struct plan { /* what the options come to on this training set */
    long steps, per_epoch, warmup, eval_every;
    int batch, micro, eval_batch, evaluations;
};
/* examples 0: nothing is trained, and there is one evaluation. Fails with ST_USAGE on options that contradict each
 * other or the set. */
status plan_make(const struct train_options *, int examples, struct plan *);

struct curves {
    double *loss, *lr, *grad_norm, *penalty; /* [plan.steps] */
    long done;                               /* steps in them */
    long long tokens;                        /* real tokens trained on */
    double train_seconds, eval_seconds;
    double earlier; /* seconds of the processes before this one */
};

struct training {
    const struct train_options *options;
    const struct cell_data *data;
    struct session *session;
    struct arena *arena;   /* curves, history, traces: life of the cell */
    struct arena *batches; /* the batch at hand; empty between micro-batches */
    progress_fn *progress;
    void *progress_ctx;
    struct eval_log *log;      /* of the run; NULL: none */
    struct run_keeper *keeper; /* NULL: the run is not kept */
    struct plan plan;
    enum batch_target target;
    double begin; /* clock_seconds() at the start of the process */
    struct curves curves;
    struct history history;
    struct trace trace;
};

/* Makes room and sets rates of the head; plan must be filled. */
status training_init(struct training *, const struct task *);
/* Trains to the end, from where an earlier process stopped. ST_DIVERGED: the curves hold what happened before (and the
 * loss that was no number). ST_INTERRUPTED: asked to stop (bench/stop.h). */
status training_run(struct training *);

#endif
