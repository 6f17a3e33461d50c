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

static struct nf_format format_of(const struct options *o)
{
    return (struct nf_format){.bits = o->bits, .block = o->block, .nested = o->double_quant};
}

static struct wsrc source_of(const struct nf *q, int rows, int cols)
{
    struct wsrc w = {.rows = rows, .cols = cols, .tile = tile, .ctx = q};
    w.bits = q->size ? 8.0 * (double)nf_bytes(q) / (double)q->size : nf_bits(&q->format);
    return w;
}

static status build(const void *chosen, const struct wsrc *w, struct arena *keep, struct wsrc *out)
{
    const struct nf_format format = format_of(chosen);
    struct nf *q;
    NEW(q, keep, 1);
    TRY(nf_quantize(w, &format, keep, q));
    *out = source_of(q, w->rows, w->cols);
    return ST_OK;
}

static int parts(const void *chosen, int rows, int cols, struct store_part part[STORE_PARTS])
{
    const struct nf_format format = format_of(chosen);
    struct nf q;
    nf_shape((size_t)rows * (size_t)cols, &format, &q);
    part[0] = (struct store_part){"codes", DT_U8, nf_code_bytes(&q)};
    if (!format.nested) {
        part[1] = (struct store_part){"absmax", DT_F32, q.blocks};
        return 2;
    }
    part[1] = (struct store_part){"absmax_codes", DT_U8, q.blocks};
    part[2] = (struct store_part){"group_absmax", DT_F32, q.groups};
    part[3] = (struct store_part){"offset", DT_F32, 1};
    return 4;
}

static void save(const struct wsrc *w, const void *data[STORE_PARTS])
{
    const struct nf *q = w->ctx;
    data[0] = q->code;
    data[1] = q->format.nested ? (const void *)q->nested_code : q->absmax;
    data[2] = q->nested_absmax;
    data[3] = &q->offset;
}

static status map(const void *chosen, int rows, int cols, const void *const data[STORE_PARTS], struct arena *keep,
                  struct wsrc *out)
{
    const struct nf_format format = format_of(chosen);
    struct nf *q;
    NEW(q, keep, 1);
    nf_shape((size_t)rows * (size_t)cols, &format, q);
    q->code = (uint8_t *)data[0]; /* never written: the store is frozen */
    if (format.nested) {
        q->nested_code = (uint8_t *)data[1];
        q->nested_absmax = (float *)data[2];
        q->offset = *(const float *)data[3];
    } else {
        q->absmax = (float *)data[1];
    }
    *out = source_of(q, rows, cols);
    return ST_OK;
}

const struct store store_nf4 = {
    .name = "nf4",
    .summary = "NormalFloat codes with quantised block scales, 4.127 bits a weight",
    .source = "Dettmers et al. 2023, arXiv 2305.14314; METHODS 3.5",
    .options = options,
    .option_size = sizeof(struct options),
    .build = build,
    .parts = parts,
    .save = save,
    .map = map,
};
