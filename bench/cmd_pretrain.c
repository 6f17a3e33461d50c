/* `peftgrid pretrain`: see pretrain.h. */
#include "bench/cli.h"
#include "bench/pretrain.h"

static status run_pretrain(const void *options, char **args, int count, struct arena *arena)
{
    const struct pretrain_options *o = options;
    struct progress progress;
    struct pretrain_result result;
    char time[32];
    (void)args;
    (void)count;
    progress_start(&progress, PROGRESS_AUTO);
    TRY(pretrain_run(o, &progress, arena, &result));
    printf("%s: %d steps, %llu tokens in %s, loss %.4f\n", o->out, o->steps, (unsigned long long)result.tokens,
           progress_time(result.seconds, time, sizeof time), result.loss);
    return ST_OK;
}

const struct command command_pretrain = {
    .name = "pretrain",
    .summary = "pre-train an encoder by masked language modelling",
    .usage = "--config FOLDER --out FOLDER [options]",
    .details = "Starts from random weights of the given config.json and learns to fill in masked tokens (15 % of them: "
               "80 % [MASK], 10 % random, 10 % unchanged) of the mini corpus or of a text file with one text a line. "
               "Writes a folder that Hugging Face's transformers and `model = FOLDER` of an experiment can load. The "
               "weights are the same bits on any machine and with any number of threads.",
    .options = pretrain_option_table,
    .option_size = sizeof(struct pretrain_options),
    .max_args = 0,
    .run = run_pretrain,
};
