/* The store of QLoRA: frozen weights as NormalFloat codes with block scales (core/nf4.h). Products dequantise tiles
 * while they pack, so what stays in memory is the quantised size: 4.127 bits a weight by default. */
#include "models/store.h"

#include "core/nf4.h"

struct options {
    int bits, block, double_quant;
};

static const struct option options[] = {
    {.name = "bits",
     .type = OPT_INT,
     .offset = offsetof(struct options, bits),
     .lo = NF_BITS_MIN,
     .hi = NF_BITS_MAX,
     .def = "4",
     .help = "bits of a code: 4 is NF4, 3 NF3, 2 NF2"},
    {.name = "block",
     .type = OPT_INT,
     .offset = offsetof(struct options, block),
     .lo = 8,
     .hi = NF_BLOCK_MAX,
     .def = "64",
     .help = "weights that share a scale"},
    {.name = "double_quant",
     .type = OPT_BOOL,
     .offset = offsetof(struct options, double_quant),
     .def = "yes",
     .help = "keep the scales as 8-bit codes too"},
    OPT_END,
};

static void tile(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const struct nf *q = w->ctx;
    for (int r = 0; r < nr; r++)
        nf_values(q, (size_t)(r0 + r) * (size_t)w->cols + (size_t)c0, nc, dst + (size_t)r * (size_t)ld);
}

static status build(const void *chosen, const struct wsrc *w, struct arena *keep, struct wsrc *out)
{
    const struct options *o = chosen;
    const struct nf_format format = {.bits = o->bits, .block = o->block, .nested = o->double_quant};
    struct nf *q;
    NEW(q, keep, 1);
    TRY(nf_quantize(w, &format, keep, q));
    *out = (struct wsrc){.rows = w->rows, .cols = w->cols, .tile = tile, .ctx = q};
    out->bits = q->size ? 8.0 * (double)nf_bytes(q) / (double)q->size : nf_bits(&format);
    return ST_OK;
}

const struct store store_nf4 = {
    .name = "nf4",
    .summary = "NormalFloat codes with quantised block scales, 4.127 bits a weight",
    .source = "Dettmers et al. 2023, arXiv 2305.14314; METHODS 3.5",
    .options = options,
    .option_size = sizeof(struct options),
    .build = build,
};
