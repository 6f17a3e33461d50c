/* A pretrained model with a saved adapter, ready to predict: what `evaluate` and `predict` share. */
#ifndef PG_BENCH_DEPLOY_H
#define PG_BENCH_DEPLOY_H

#include "bench/adapter.h"
#include "core/option.h"
#include "datasets/dataset.h"

/* Of the command line. What is not given ("" or NULL, but "" for options; 0) is as the record or the adapter says. */
struct deploy_options {
    const char *model, *adapter, *task, *data, *experiment, *set, *method, *options, *store, *precision, *out, *variant;
    int max_len, max_examples, eval_batch, threads;
};
/* The rows of those options that both commands have, for their tables. */
#define DEPLOY_OPTIONS \
    DEPLOY_TEXT(model, "MODEL", "pretrained model: a folder in Hugging Face layout, a model's name, or mini"), \
        DEPLOY_TEXT(adapter, "PATH", "saved adapter, peft folder, or weight file with lora_A and lora_B tensors"), \
        DEPLOY_TEXT(task, "NAME", "task; default: the one the adapter was trained on"), \
        DEPLOY_TEXT(data, "FOLDER", "root folder of the data; the mini tasks need none"), \
        DEPLOY_TEXT(experiment, "FILE", "experiment that defines the task, or whose model and data to use"), \
        DEPLOY_TEXT(method, "NAME", "method, for adapters that do not name theirs"), \
        DEPLOY_TEXT(options, "LIST", "its options that the adapter does not hold: \"alpha=16 rslora=no\""), \
        DEPLOY_TEXT(store, "NAME", "how base weights are kept; default: as in training, else f32"), \
        DEPLOY_TEXT(precision, "NAME", "products in f32, bf16 or dfp; default: as in training, else f32"), \
        DEPLOY_NUMBER(max_len, 65535, "0", "tokens kept of an example; 0: as in training, else the task's default"), \
        DEPLOY_NUMBER(max_examples, 2147483647, "0", "first examples to use; 0: all"), \
        DEPLOY_NUMBER(eval_batch, 65535, "32", "examples in one pass; changes no result"), \
        DEPLOY_NUMBER(threads, 1024, "0", "threads, 0: all; changes no result")
#define DEPLOY_TEXT(field, word, text) \
    { \
#field, OPT_STRING, offsetof(struct deploy_options, field), 0, 0, "", word, text, 0 \
    }
#define DEPLOY_NUMBER(field, hi, def, text) \
    { \
#field, OPT_INT, offsetof(struct deploy_options, field), 0, hi, def, NULL, text, 0 \
    }

struct deployment {
    struct arena *arena;
    struct tokenizer *tokenizer;
    const struct task *task;
    const char *data_root;
    int max_len, max_examples, eval_batch;
    struct session session;
};

/* record: a run's .h5 file, whose adapter lies beside it; NULL: everything comes from the options. After a failure
 * nothing has to be closed. */
status deploy_open(const char *record, const struct deploy_options *, struct deployment *);
void deploy_close(struct deployment *);

/* The sets of a kind, or the one that is named ("" or NULL: all of the kind). */
status deploy_sets(const struct deployment *, const char *name, enum set_kind, const struct task_set **list,
                   int *count);
/* Token ids of a set (with texts), from memory: nothing is written. */
status deploy_tokens(struct deployment *, const struct task_set *, struct tokens *);

#endif
