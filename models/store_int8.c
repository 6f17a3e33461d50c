/* Frozen weights as 8-bit whole numbers with a scale a block: code = round(127 w / absmax), value = code * absmax /
 * 127. A block is a row of the weight, as in LLM.int8()'s row-wise form, or a run of a row. */
#include <math.h>
#include "models/store.h"

enum { LARGEST = 127, BLOCK_MAX = 1 << 20 };

struct options {
    int block;
};

static const struct option options[] = {
    {"block", OPT_INT, offsetof(struct options, block), 0, BLOCK_MAX, "0", NULL,
     "weights of a row that share a scale; 0: the whole row", 0},
    OPT_END,
};

struct int8 {
    int block, per_row; /* elements of a block; blocks of a row */
    const int8_t *code;
    const float *scale; /* [rows][per_row] */
};

static struct int8 shape_of(const struct options *o, int cols)
{
    int block = o->block > 0 && o->block < cols ? o->block : cols;
    return (struct int8){.block = block, .per_row = (cols + block - 1) / block};
}

static void tile(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const struct int8 *q = w->ctx;
    for (int r = r0; r < r0 + nr; r++, dst += ld) {
        const int8_t *code = q->code + (size_t)r * (size_t)w->cols;
        const float *scale = q->scale + (size_t)r * (size_t)q->per_row;
        for (int c = c0; c < c0 + nc;) {
            int b = c / q->block, end = (b + 1) * q->block < c0 + nc ? (b + 1) * q->block : c0 + nc;
            float s = scale[b];
            for (; c < end; c++) {
                float value = (float)code[c] * s;
                dst[c - c0] = value;
            }
        }
    }
}

static status quantize_row(const struct wsrc *w, int r, const struct int8 *q, const real *row, int8_t *code,
                           float *scale)
{
    for (int b = 0; b < q->per_row; b++) {
        int c0 = b * q->block, end = c0 + q->block < w->cols ? c0 + q->block : w->cols;
        float most = 0;
        for (int c = c0; c < end; c++) {
            float x = fabsf((float)row[c]);
            FAIL_IF(!isfinite(x), ST_INPUT, "weight (%d, %d) is no finite number and cannot be quantised", r, c);
            most = x > most ? x : most;
        }
        scale[b] = most / LARGEST;
        for (int c = c0; c < end; c++) {
            double ratio = scale[b] > 0 ? (double)(float)row[c] / (double)scale[b] : 0; /* at most LARGEST and a bit */
            code[c] = (int8_t)(ratio > LARGEST ? LARGEST : ratio < -LARGEST ? -LARGEST : rint(ratio));
        }
    }
    return ST_OK;
}

static status finish(int rows, int cols, const struct int8 *q, struct arena *keep, struct wsrc *out)
{
    struct int8 *own;
    NEW(own, keep, 1);
    *own = *q;
    *out = (struct wsrc){.rows = rows, .cols = cols, .tile = tile, .ctx = own};
    out->bits = 8 + 32.0 * q->per_row / (cols > 0 ? cols : 1);
    return ST_OK;
}

static status build(const void *chosen, const struct wsrc *w, struct arena *keep, struct wsrc *out)
{
    struct int8 q = shape_of(chosen, w->cols);
    int8_t *code;
    float *scale;
    NEW(code, keep, (size_t)w->rows * (size_t)w->cols);
    NEW(scale, keep, (size_t)w->rows * (size_t)q.per_row);
    struct arena *temporary = arena_new("a row of a weight");
    if (!temporary) return ST_MEMORY;
    real *row = arena_alloc(temporary, sizeof *row * (size_t)w->cols);
    status st = row ? ST_OK : ST_MEMORY;
    for (int r = 0; r < w->rows && st == ST_OK; r++) {
        wsrc_row(w, r, row);
        st = quantize_row(w, r, &q, row, code + (size_t)r * (size_t)w->cols, scale + (size_t)r * (size_t)q.per_row);
    }
    arena_free(temporary);
    q.code = code;
    q.scale = scale;
    return st == ST_OK ? finish(w->rows, w->cols, &q, keep, out) : st;
}

static int parts(const void *chosen, int rows, int cols, struct store_part part[STORE_PARTS])
{
    struct int8 q = shape_of(chosen, cols);
    part[0] = (struct store_part){"codes", DT_I8, (size_t)rows * (size_t)cols};
    part[1] = (struct store_part){"scales", DT_F32, (size_t)rows * (size_t)q.per_row};
    return 2;
}

static void save(const struct wsrc *w, const void *data[STORE_PARTS])
{
    const struct int8 *q = w->ctx;
    data[0] = q->code;
    data[1] = q->scale;
}

static status map(const void *chosen, int rows, int cols, const void *const data[STORE_PARTS], struct arena *keep,
                  struct wsrc *out)
{
    struct int8 q = shape_of(chosen, cols);
    q.code = data[0];
    q.scale = data[1];
    return finish(rows, cols, &q, keep, out);
}

const struct store store_int8 = {
    .name = "int8",
    .summary = "8-bit codes with a scale a row or block",
    .source = "Dettmers et al. 2022, arXiv 2208.07339 (row-wise absmax)",
    .options = options,
    .option_size = sizeof(struct options),
    .build = build,
    .parts = parts,
    .save = save,
    .map = map,
};
