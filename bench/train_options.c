#include "bench/train_options.h"

#include <math.h>
#include <stddef.h>
#include "bench/cli.h"

#define AT(field) offsetof(struct train_options, field)

const struct option train_option_table[] = {
    {"epochs", OPT_INT, AT(epochs), 1, 1e6, "3", NULL, "passes over the training set, unless steps is given", 0},
    {"steps", OPT_INT, AT(steps), 0, 1e9, "0", NULL, "optimiser steps; 0: from epochs", 0},
    {"batch", OPT_INT, AT(batch), 1, 65535, "32", NULL, "examples in an optimiser step", 0},
    {"micro_batch", OPT_INT, AT(micro_batch), 0, 65535, "0", NULL, "examples in one forward pass; 0: the whole batch",
     0},
    {"eval_batch", OPT_INT, AT(eval_batch), 1, 65535, "32", NULL, "examples in one evaluation pass; changes no result",
     OPTION_NO_ID},
    {"max_len", OPT_INT, AT(max_len), 0, 65535, "0", NULL, "tokens kept of an example; 0: the task's default", 0},
    {"max_train", OPT_INT, AT(max_train), 0, 2147483647, "0", NULL, "first training examples to use; 0: all", 0},
    {"max_dev", OPT_INT, AT(max_dev), 0, 2147483647, "0", NULL, "first evaluation examples to use; 0: all", 0},
    {"lr", OPT_REAL, AT(lr), 0, 100, NULL, NULL, "peak learning rate; must be given", 0},
    {"weight_decay", OPT_REAL, AT(weight_decay), 0, 100, "0.01", NULL,
     "decoupled weight decay; never of biases and norms", 0},
    {"beta1", OPT_REAL, AT(beta1), 0, 0.999999, "0.9", NULL, "AdamW's first moment", 0},
    {"beta2", OPT_REAL, AT(beta2), 0, 0.99999999, "0.999", NULL, "AdamW's second moment", 0},
    {"eps", OPT_REAL, AT(eps), 1e-20, 1, "1e-8", NULL, "AdamW's epsilon", 0},
    {"clip", OPT_REAL, AT(clip), 0, INFINITY, "1", NULL, "largest norm of all gradients together; 0: no clipping", 0},
    {"adamw", OPT_ENUM, AT(adamw), 0, 0, "torch", ADAMW_CHOICES, "form of AdamW: PyTorch's or Hugging Face 4.4's", 0},
    {"schedule", OPT_ENUM, AT(schedule), 0, 0, "linear", SCHEDULE_CHOICES, "learning rate over the steps", 0},
    {"warmup_steps", OPT_INT, AT(warmup_steps), 0, 1e9, "0", NULL, "steps of rising rate; 0: from warmup_ratio", 0},
    {"warmup_ratio", OPT_REAL, AT(warmup_ratio), 0, 1, "0", NULL, "warm-up as a part of all steps, rounded up", 0},
    {"head_lr", OPT_REAL, AT(head_lr), 0, 100, "0", NULL, "learning rate of the task head; 0: lr", 0},
    {"hidden_dropout", OPT_REAL, AT(hidden_dropout), -1, 0.99, "-1", NULL,
     "dropout rate of hidden states; below 0: the checkpoint's config", 0},
    {"attn_dropout", OPT_REAL, AT(attn_dropout), -1, 0.99, "-1", NULL,
     "dropout rate of attention weights; below 0: the checkpoint's config", 0},
    {"cls_dropout", OPT_REAL, AT(cls_dropout), -1, 0.99, "-1", NULL,
     "dropout rate before the classifier; below 0: the checkpoint's config", 0},
    {"train_pooler", OPT_ENUM, AT(train_pooler), 0, 0, "auto", "auto|no|yes",
     "auto: trained when the checkpoint lacks it or it is not part of the backbone", 0},
    {"eval_steps", OPT_INT, AT(eval_steps), 0, 1e9, "0", NULL, "steps between evaluations; 0: after every epoch", 0},
    {"protocol", OPT_ENUM, AT(protocol), 0, 0, "best", PROTOCOL_CHOICES,
     "which evaluation is the score: the best, the last, or chosen on one half of the set and read on the other", 0},
    {"init_from", OPT_STRING, AT(init_from), 0, 0, "", "PATH",
     "start from a saved adapter (.safetensors or peft folder)", 0},
    {"save_adapter", OPT_BOOL, AT(save_adapter), 0, 0, "no", NULL, "keep the trained tensors beside the record",
     OPTION_NO_ID},
    {"group_lengths", OPT_BOOL, AT(group_lengths), 0, 0, "no", NULL, "batches of similar length instead of random ones",
     0},
    {"recompute", OPT_BOOL, AT(recompute), 0, 0, "no", NULL,
     "run blocks again in the backward pass instead of keeping them: less memory, the same result", OPTION_NO_ID},
    {"precision", OPT_ENUM, AT(precision), 0, 0, "f32", PRECISION_CHOICES,
     "products of the network: single precision, of bfloat16 operands summed in single precision, or of integers with "
     "one scale a tensor",
     0},
    {"gemm", OPT_ENUM, AT(gemm), 0, 0, "own", "own|openblas",
     "matrix products; openblas gives other bits on other processors", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", NULL, "threads of one run, 0: all; changes no result",
     OPTION_NO_ID},
    {"checkpoint_steps", OPT_INT, AT(checkpoint_steps), 0, 1e9, "0", NULL,
     "steps between checkpoints, from which a killed run goes on; 0: only by time", OPTION_NO_ID},
    {"checkpoint_minutes", OPT_REAL, AT(checkpoint_minutes), 0, 1e6, "5", NULL,
     "minutes between checkpoints; 0: only by steps", OPTION_NO_ID},
    {"time_limit", OPT_REAL, AT(time_limit), 0, 1e6, "0", NULL,
     "minutes after which a cell keeps its state and ends; 0: none", OPTION_NO_ID},
    {"memory_limit", OPT_INT, AT(memory_limit), 0, 1e9, "0", NULL,
     "MB that a cell may take for itself, mapped files aside; 0: no limit", OPTION_NO_ID},
    OPT_END};

status arith_choose(const char *name, const struct arith **out)
{
    const char *names[16];
    int n = 0;
    *out = arith_find(name);
    for (const struct arith *const *a = arith_table; *a && n < 16; a++) names[n++] = (*a)->name;
    return *out ? ST_OK : cli_unknown("", "precision", name, names, n);
}

const struct arith *train_arith(const struct train_options *o)
{
    static const struct arith *const named[] = {
        [PRECISION_F32] = &arith_f32, [PRECISION_BF16] = &arith_bf16, [PRECISION_DFP] = &arith_dfp};
    return named[o->precision];
}
