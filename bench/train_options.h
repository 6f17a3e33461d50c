/* The options of [train] and, per task or row, of [task NAME] and [method NAME] sections; one table for all. */
#ifndef PG_BENCH_TRAIN_OPTIONS_H
#define PG_BENCH_TRAIN_OPTIONS_H

#include "bench/optimizer.h"
#include "bench/schedule.h"
#include "core/arith.h"
#include "core/option.h"

#define PROTOCOL_CHOICES "best|last|split"
enum protocol { PROTOCOL_BEST, PROTOCOL_LAST, PROTOCOL_SPLIT };

#define PRECISION_CHOICES "f32|bf16|dfp"
enum precision { PRECISION_F32, PRECISION_BF16, PRECISION_DFP };

struct train_options {
    /* length */
    int epochs;      /* ignored when steps > 0 */
    int steps;       /* optimiser steps; 0: from epochs */
    int batch;       /* examples in an optimiser step (all micro-batches together) */
    int micro_batch; /* examples in one forward pass; 0: batch. The loss is the mean over the whole step's examples, so
                        the result does not depend on it but for rounding (in integers, whose scales are those of a
                        pass, it does) */
    int eval_batch;
    int max_len;            /* 0: the task's default */
    int max_train, max_dev; /* first n examples; 0: all */
    /* optimiser */
    double lr, weight_decay, beta1, beta2, eps, clip;
    int adamw; /* enum adamw_form */
    int schedule;
    int warmup_steps;
    double warmup_ratio; /* used when warmup_steps is 0: ceil(ratio * steps) */
    double head_lr;      /* 0: lr */
    /* dropout; < 0: the checkpoint's config */
    double hidden_dropout, attn_dropout, cls_dropout;
    int train_pooler; /* auto|no|yes -> -1|0|1 via enum index - 1 */
    /* evaluation */
    int eval_steps; /* every n steps; 0: every epoch */
    int protocol;
    const char *init_from; /* another run's adapter (.safetensors) or peft folder; "" none */
    int save_adapter;
    int recompute;     /* keep only the blocks' inputs, run blocks again in the backward pass */
    int group_lengths; /* 0 random batches, 1 grouped by length */
    /* numerics */
    int precision; /* f32|bf16|dfp: enum precision */
    int gemm;      /* own|openblas */
    int threads;   /* not part of the id */
    /* a run's process; none of it is part of the id */
    int checkpoint_steps; /* every n steps; 0: only by time */
    double checkpoint_minutes;
    double time_limit; /* minutes; 0: none */
    int memory_limit;  /* MB; 0: none */
};
extern const struct option train_option_table[];

/* The arithmetic of that name, or a sentence that lists those there are (ST_USAGE). */
status arith_choose(const char *name, const struct arith **);
/* The arithmetic that precision names. */
const struct arith *train_arith(const struct train_options *);

#endif
