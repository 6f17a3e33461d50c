/* Frozen weights as bfloat16, half of f32's memory: what most decoders are published as, which are then used where they
 * lie in the mapped file. Other values are rounded to nearest, ties to even. */
#include "models/store.h"

static status build(const void *options, const struct wsrc *w, struct arena *keep, struct wsrc *out)
{
    (void)options;
    uint16_t *half;
    real *row;
    float *x;
    if (wsrc_is_bf16(w)) {
        *out = *w;
        return ST_OK;
    }
    NEW(half, keep, (size_t)w->rows * (size_t)w->cols);
    struct arena *temporary = arena_new("a row of a weight");
    if (!temporary) return ST_MEMORY;
    row = arena_alloc(temporary, sizeof *row * (size_t)w->cols);
    x = arena_alloc(temporary, sizeof *x * (size_t)w->cols);
    status st = row && x ? ST_OK : ST_MEMORY;
    for (int r = 0; r < w->rows && st == ST_OK; r++) {
        wsrc_row(w, r, row);
        for (int c = 0; c < w->cols; c++) x[c] = (float)row[c];
        st = floats_store(DT_BF16, x, (size_t)w->cols, half + (size_t)r * (size_t)w->cols);
    }
    arena_free(temporary);
    if (st == ST_OK) *out = wsrc_bf16(half, w->rows, w->cols);
    return st;
}

static int parts(const void *options, int rows, int cols, struct store_part part[STORE_PARTS])
{
    (void)options;
    part[0] = (struct store_part){"values", DT_BF16, (size_t)rows * (size_t)cols};
    return 1;
}

static void save(const struct wsrc *w, const void *data[STORE_PARTS])
{
    data[0] = w->ctx;
}

static status map(const void *options, int rows, int cols, const void *const data[STORE_PARTS], struct arena *keep,
                  struct wsrc *out)
{
    (void)options;
    (void)keep;
    *out = wsrc_bf16(data[0], rows, cols);
    return ST_OK;
}

const struct store store_bf16 = {
    .name = "bf16",
    .summary = "bfloat16; what a bf16 checkpoint holds, used where it lies",
    .source = "none",
    .build = build,
    .parts = parts,
    .save = save,
    .map = map,
};
