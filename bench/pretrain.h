/* Pre-training an encoder from random weights by masked language modelling (Devlin et al. 2019), on the mini corpus or
 * on a text file. The same options give the same file, bit for bit, on any machine and with any number of threads. */
#ifndef PG_BENCH_PRETRAIN_H
#define PG_BENCH_PRETRAIN_H

#include <stdint.h>
#include "core/progress.h"
#include "core/text.h"
#include "datasets/tokenizer.h"
#include "models/model.h"

struct pretrain_options {
    const char *config;    /* folder of config.json */
    const char *tokenizer; /* folder, or "mini" */
    const char *text;      /* file, or "mini" */
    const char *out;       /* folder to write */
    int steps, batch, max_len, warmup, schedule;
    double lr, weight_decay, clip, beta1, beta2, eps;
    double mask, hidden_dropout, attn_dropout;
    long long seed;
    int dtype;     /* enum weights_dtype */
    int keep_head; /* write the language-modelling head too */
    int threads, log_steps;
};
extern const struct option pretrain_option_table[];

/* ---- text (pretrain_text.c) ---- */

/* Texts by index, endless: the mini corpus, or the lines of a file in a new random order every epoch. A line is a text
 * or two texts with a TAB between them; blank lines do not count. */
struct pretrain_text {
    struct rng rng;
    int lines; /* 0: the mini corpus */
    struct file_map map;
    const char **line; /* [lines] where each begins */
    int *order;        /* [lines] of the epoch */
    uint64_t epoch;    /* whose order it is; UINT64_MAX: none yet */
    struct text a, b;  /* the current one; b.n == 0: single */
};
status pretrain_text_open(const char *text, uint64_t seed, struct arena *, struct pretrain_text *);
status pretrain_text_get(struct pretrain_text *, uint64_t index);
void pretrain_text_close(struct pretrain_text *);

/* ---- masking (pretrain_mask.c) ---- */

/* The batch of optimiser step `step`: texts step*batch .. of t, tokenised, with targets. Every token but the special
 * ones is a target with probability o->mask; of those 80 % become [MASK], 10 % a random token, 10 % stay. label[token]:
 * the original id, -1: no target. step_examples: targets. Draws: RNG_MASK at (step, place of the text in the step,
 * position). Memory from arena. */
status pretrain_batch(const struct pretrain_options *, struct tokenizer *, struct pretrain_text *t, const struct rng *,
                      uint64_t step, struct arena *, struct batch *);

/* ---- writing (pretrain_save.c) ---- */

#define WEIGHTS_DTYPES "f32|f16"
enum weights_dtype { WEIGHTS_F32, WEIGHTS_F16 };
uint16_t half_of(float); /* IEEE half, nearest even; beyond the range: infinity */

/* A Hugging Face folder: config.json as read, model.safetensors with the base tensors (and the head's), the tokenizer's
 * files. */
status pretrain_save(const struct pretrain_options *, const struct model *, struct arena *);

/* ---- the run (pretrain.c) ---- */

struct pretrain_result {
    double loss; /* cross-entropy a target, mean over the last tenth of the steps */
    double seconds;
    uint64_t tokens;
};
status pretrain_run(const struct pretrain_options *, struct progress *, struct arena *, struct pretrain_result *);

#endif
