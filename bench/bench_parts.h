/* The parts of `peftgrid bench`. Each prints a table and adds to the report. */
#ifndef PG_BENCH_BENCH_PARTS_H
#define PG_BENCH_BENCH_PARTS_H

#include "bench/bench_measure.h"
#include "bench/train_options.h"
#include "datasets/dataset.h"

/* The roof: the fastest product of 2048 x 3072 x 768 (x W'), by whichever backend. */
status bench_roof(struct bench_report *);
/* Products at the shapes of a training step, by both backends. */
status bench_products(struct bench_report *);
/* The operations between the products, at the shapes of a base-size encoder. */
status bench_ops(struct bench_report *);

/* What is trained and evaluated. */
struct bench_training {
    const char *model_path; /* folder or "mini" */
    int random;             /* 1: weights are drawn, the folder holds a configuration only */
    const char *tokenizer_path;
    const struct task *task;
    const char *data_root;
    const char *methods; /* "lora rank=8 sites=all, full_ft" */
    struct train_options train;
    int steps, warm_up; /* timed and untimed optimiser steps */
    int eval_batches;   /* timed ones */
    const char *cache;  /* of tokens; NULL: none */
    uint64_t seed;
};
status bench_train(struct bench_report *, const struct bench_training *);

#endif
