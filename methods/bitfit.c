/* BitFit: only bias terms of the pretrained network learn (Ben-Zaken et al. 2022). The paper's full form is the
 * default; its smaller form (query and first feed-forward biases) is `sites = query+ffn_in`, `others = no`. */
#include <string.h>
#include "methods/common_options.h"
#include "methods/method.h"

struct options {
    const char *sites;
    int others;
};

static const struct option options[] = {
    OPTION_SITES("all", "linear layers whose bias learns"),
    {.name = "others",
     .type = OPT_BOOL,
     .offset = offsetof(struct options, others),
     .def = "yes",
     .help = "biases outside linear layers learn too: norms, embeddings, a pretrained pooler"},
    OPT_END,
};

static bool is_bias(const char *name)
{
    size_t n = strlen(name);
    return n >= 4 && strcmp(name + n - 4, "bias") == 0;
}

/* Biases that belong to linear sites are the business of attach: it sees the chosen ones. */
static bool of_block_site(const struct mrun *run, const struct param *p)
{
    for (int i = 0; i < run->sites; i++)
        if (run->site[i]->bias == p) return run->site[i]->layer >= 0;
    return false;
}

static status bitfit_setup(struct mrun *run)
{
    const struct options *o = run->options;
    for (int i = 0; o->others && i < run->reg->count; i++) {
        struct param *p = run->reg->list[i];
        if (p->cls == P_BASE && is_bias(p->name) && !of_block_site(run, p)) TRY(param_thaw(run->reg, p));
    }
    return ST_OK;
}

static status bitfit_attach(struct mrun *run, struct site *site, const real *w)
{
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "bitfit: %s is no linear layer and has no bias", site->name);
    return site->bias ? param_thaw(run->reg, site->bias) : ST_OK;
}

const struct method method_bitfit = {
    .name = "bitfit",
    .summary = "bias terms only",
    .source = "Ben-Zaken et al. 2022, arXiv 2106.10199",
    .abi = METHOD_ABI,
    .flags = METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .setup = bitfit_setup,
    .attach = bitfit_attach,
};
