/* Full fine-tuning: every tensor of the pretrained checkpoint learns (METHODS 3.1). Embeddings (word, position, type
 * tables and their norm: order 0 in the registry) may be left frozen, which saves most of the optimiser's memory in
 * small models with large vocabularies. */
#include "methods/method.h"

struct options {
    int embeddings;
};

static const struct option options[] = {
    {.name = "embeddings",
     .type = OPT_BOOL,
     .offset = offsetof(struct options, embeddings),
     .def = "yes",
     .help = "train the embedding tables and their norm too"},
    OPT_END,
};

static status full_ft_setup(struct mrun *run)
{
    const struct options *o = run->options;
    for (int i = 0; i < run->reg->count; i++) {
        struct param *p = run->reg->list[i];
        if (p->cls == P_BASE && (o->embeddings || p->order > 0)) TRY(param_thaw(run->reg, p));
    }
    return ST_OK;
}

const struct method method_full_ft = {
    .name = "full_ft",
    .summary = "full fine-tuning: every pretrained tensor learns",
    .source = "METHODS 3.1",
    .abi = METHOD_ABI,
    .flags = METHOD_IDENTITY_INIT | METHOD_TRAINS_BASE,
    .options = options,
    .option_size = sizeof(struct options),
    .setup = full_ft_setup,
};
