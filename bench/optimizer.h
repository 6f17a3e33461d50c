/* AdamW over the registry, in torch's and in Hugging Face 4.4's form; global-norm clipping. (METHODS 3.0) */
#ifndef PG_BENCH_OPTIMIZER_H
#define PG_BENCH_OPTIMIZER_H

#include "core/param.h"

#define ADAMW_CHOICES "torch|hf44"
enum adamw_form {
    ADAMW_TORCH, /* p *= 1 - lr*wd; p -= lr * mhat / (sqrt(vhat) + eps) */
    ADAMW_HF44   /* p -= lr*sqrt(1-b2^t)/(1-b1^t) * m/(sqrt(v)+eps); then p -= lr*wd*p */
};
struct adamw {
    enum adamw_form form;
    double beta1, beta2, eps, weight_decay;
    double base_lr; /* the run's rate before the schedule: a tensor with its own rate (lr_own) gets that rate times
                       lr / base_lr, so the schedule holds for it too; 0: own rates are used as they are */
};
/* Makes moments for every trained tensor that lacks them. */
status adamw_init(const struct adamw *, struct registry *);
/* After moments were filled from elsewhere: a table of embeddings finds the rows that have some. */
void adamw_restored(struct registry *);
/* One step t (from 1 for bias correction) at rate lr; rows [lo, hi) and columns [left, right) of each tensor only:
 * values and moments elsewhere stay as they are. Raises the version of every tensor it may write. */
void adamw_step(const struct adamw *, struct registry *, double lr, long t);

/* The rate of one tensor when the run's scheduled rate is lr. */
double adamw_rate(const struct adamw *, const struct param *, double lr);

/* Norm over all trained gradients (double, fixed order), then scales them by min(1, clip/(norm+1e-6)); clip <= 0: no
 * scaling. Returns the norm before clipping; NaN or infinity when a gradient is (gradients are then left alone). */
double gradients_clip(struct registry *, double clip);

#endif
