/* QLoRA (Dettmers et al. 2023; METHODS 3.5): LoRA on all linear layers of a base that is kept as NF4 with double
 * quantisation, in the published setting of rank 64, alpha 16. A preset: it is method lora over store nf4, and every
 * option of either may be set beside it. */
#include "methods/method.h"

extern const struct method method_lora;

const struct method method_qlora = {
    .name = "qlora",
    .summary = "LoRA over a base kept in 4 bits",
    .source = "Dettmers et al. 2023, arXiv 2305.14314; METHODS 3.5",
    .abi = METHOD_ABI,
    .preset_of = &method_lora,
    .preset = "store=nf4 sites=all rank=64 alpha=16 dropout=0.1",
};
