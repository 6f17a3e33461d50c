#include "bench/foreign_words.h"

#include <string.h>

#define ONLY_CPU "peftgrid computes on the CPU, leave it out"

/* Of transformers' TrainingArguments, of peft's LoraConfig and of common scripts. */
static const struct {
    const char *theirs, *say;
} words[] = {
    {"learning_rate", "did you mean 'lr'?"},
    {"num_train_epochs", "did you mean 'epochs'?"},
    {"num_epochs", "did you mean 'epochs'?"},
    {"max_steps", "did you mean 'steps'?"},
    {"batch_size", "did you mean 'batch'?"},
    {"train_batch_size", "did you mean 'batch'?"},
    {"per_device_train_batch_size", "did you mean 'batch'?"},
    {"per_device_eval_batch_size", "did you mean 'eval_batch'?"},
    {"gradient_accumulation_steps", "did you mean 'micro_batch', the examples in one forward pass?"},
    {"max_length", "did you mean 'max_len'?"},
    {"max_seq_length", "did you mean 'max_len'?"},
    {"lr_scheduler_type", "did you mean 'schedule'?"},
    {"max_grad_norm", "did you mean 'clip'?"},
    {"adam_epsilon", "did you mean 'eps'?"},
    {"fp16", "did you mean 'precision'?"},
    {"bf16", "did you mean 'precision'?"},
    {"r", "did you mean 'rank'?"},
    {"lora_r", "did you mean 'rank'?"},
    {"lora_alpha", "did you mean 'alpha'?"},
    {"lora_dropout", "did you mean 'dropout'?"},
    {"load_in_4bit", "did you mean store = nf4?"},
    {"load_in_8bit", "did you mean store = int8?"},
    {"seed", "did you mean 'seeds' of [experiment]?"},
    {"device", ONLY_CPU},
    {"cuda", ONLY_CPU},
    {"gpu", ONLY_CPU},
    {"gpus", ONLY_CPU},
};

const char *foreign_word(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].theirs, name) == 0) return words[i].say;
    return NULL;
}
