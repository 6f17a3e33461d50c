/* QDyLoRA (Rajabzadeh et al. 2024; METHODS 3.7): DyLoRA over a base that is kept as NF4 with double quantisation, ranks
 * 1 to 64 from one run. What the paper leaves open is set as METHODS 3.7 says: ranks drawn uniformly, DyLoRA's scale
 * alpha / b, alpha and dropout of QLoRA. A preset: it is method dylora over store nf4. */
#include "methods/method.h"

extern const struct method method_dylora;

const struct method method_qdylora = {
    .name = "qdylora",
    .summary = "DyLoRA over a base kept in 4 bits: every rank from one run",
    .source = "Rajabzadeh et al. 2024, arXiv 2402.10462; METHODS 3.7",
    .abi = METHOD_ABI,
    .preset_of = &method_dylora,
    .preset = "store=nf4 sites=all rank=64 alpha=16 dropout=0.1",
};
