/* The quantiser of LQ-LoRA; see lq.h for the format. */
#include "core/lq.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/nf4.h"
#include "core/ops.h"
#include "core/packed_codes.h"
#include "core/parallel.h"
#include "core/row_kernels.h"
#include "core/small_floats.h"

enum {
    LEVELS_MAX = 1 << LQ_BITS_MAX,
    TABLE = 16, /* levels that the row kernel reads */
    RUN = 256   /* blocks that a thread takes at a time; a multiple of 8, so that runs end on whole bytes */
};

/* ---- sizes ---- */

static const int float_bits[] = {[LQ_FP32] = 32, [LQ_FP16] = 16, [LQ_BF16] = 16};

double lq_bits(const struct lq_config *c)
{
    double scale = c->scale_bits + (double)float_bits[c->scale_float] / c->scale_block;
    return c->bits + scale / c->block;
}

static void shape(size_t size, const struct lq_config *c, struct lq *q)
{
    *q = (struct lq){.config = *c, .size = size};
    q->blocks = (size + (size_t)c->block - 1) / (size_t)c->block;
    q->groups = (q->blocks + (size_t)c->scale_block - 1) / (size_t)c->scale_block;
}

size_t lq_top_bytes(const struct lq *q)
{
    return q->groups * (size_t)float_bits[q->config.scale_float] / 8;
}

size_t lq_bytes(const struct lq *q)
{
    return codes_bytes(q->size, q->config.bits) + codes_bytes(q->blocks, q->config.scale_bits) + lq_top_bytes(q) +
           sizeof q->least;
}

double lq_storage_bits(const struct lq_config *c, size_t size)
{
    struct lq q;
    shape(size, c, &q);
    return 8 * (double)lq_bytes(&q);
}

void lq_name(const struct lq_config *c, char name[LQ_NAME])
{
    static const char *const floats[] = {[LQ_FP32] = "fp32", [LQ_FP16] = "fp16", [LQ_BF16] = "bf16"};
    snprintf(name, LQ_NAME, "%d,%d,%s,%d,%d", c->bits, c->scale_bits, floats[c->scale_float], c->block, c->scale_block);
}

/* ---- memory ---- */

static bool within(int x, int lo, int hi)
{
    return x >= lo && x <= hi;
}

static status make_room(struct lq *q, struct arena *keep)
{
    double exact[LEVELS_MAX];
    float *level;
    int levels = 1 << q->config.bits;
    ZNEW(q->code, keep, codes_bytes(q->size, q->config.bits));
    ZNEW(q->scale_code, keep, codes_bytes(q->blocks, q->config.scale_bits));
    if (!(q->top = arena_zalloc(keep, lq_top_bytes(q)))) return ST_MEMORY;
    ZNEW(level, keep, levels > TABLE ? levels : TABLE);
    nf_construct(q->config.bits, exact);
    for (int i = 0; i < levels; i++) level[i] = (float)exact[i];
    q->level = level;
    return ST_OK;
}

status lq_new(size_t size, const struct lq_config *c, struct arena *keep, struct lq *q)
{
    FAIL_IF(!within(c->bits, LQ_BITS_MIN, LQ_BITS_MAX) || !within(c->scale_bits, LQ_BITS_MIN, LQ_BITS_MAX) ||
                !within(c->scale_float, LQ_FP32, LQ_BF16) || !within(c->block, 1, LQ_BLOCK_MAX) ||
                !within(c->scale_block, 1, LQ_SCALE_BLOCK_MAX),
            ST_USAGE,
            "no quantiser with %d bits in blocks of %d and scales of %d bits in blocks of %d: bits are %d to %d, "
            "blocks 1 to %d and 1 to %d",
            c->bits, c->block, c->scale_bits, c->scale_block, LQ_BITS_MIN, LQ_BITS_MAX, LQ_BLOCK_MAX,
            LQ_SCALE_BLOCK_MAX);
    shape(size, c, q);
    return make_room(q, keep);
}

status lq_copy(const struct lq *from, struct arena *keep, struct lq *to)
{
    *to = *from;
    TRY(make_room(to, keep));
    memcpy(to->code, from->code, codes_bytes(from->size, from->config.bits));
    memcpy(to->scale_code, from->scale_code, codes_bytes(from->blocks, from->config.scale_bits));
    memcpy(to->top, from->top, lq_top_bytes(from));
    return ST_OK;
}

/* ---- from codes to values ---- */

double lq_top(const struct lq *q, size_t group)
{
    const uint16_t *half = q->top;
    switch (q->config.scale_float) {
    case LQ_FP16: return (double)f16_value(half[group]);
    case LQ_BF16: return (double)bf16_value(half[group]);
    case LQ_FP32: break;
    }
    return (double)((const float *)q->top)[group];
}

static void put_top(struct lq *q, size_t group, float x)
{
    const uint16_t largest_half = 0x7bff; /* 65504; the next is infinity */
    uint16_t *half = q->top;
    switch (q->config.scale_float) {
    case LQ_FP16: half[group] = f16_of(x) < largest_half ? f16_of(x) : largest_half; return;
    case LQ_BF16: half[group] = bf16_of(x); return;
    case LQ_FP32: break;
    }
    ((float *)q->top)[group] = x;
}

int lq_code(const struct lq *q, size_t i)
{
    return code_get(q->code, q->config.bits, i);
}

int lq_scale_code(const struct lq *q, size_t block)
{
    return code_get(q->scale_code, q->config.scale_bits, block);
}

static double scale_steps(const struct lq *q)
{
    return (1 << q->config.scale_bits) - 1;
}

float lq_scale(const struct lq *q, size_t block)
{
    double top = lq_top(q, block / (size_t)q->config.scale_block);
    return (float)((double)q->least + lq_scale_code(q, block) * top / scale_steps(q));
}

/* What the row kernel does for tables of 16. */
static void look_up(const uint8_t *code, int n, const float *level, float scale, real *out)
{
    for (int i = 0; i < n; i++) {
        float value = level[code[i]] * scale;
        out[i] = value;
    }
}

void lq_values(const struct lq *q, size_t first, int n, real *out)
{
    void (*levels)(const uint8_t *, int, const float *, float, real *) =
        1 << q->config.bits > TABLE ? look_up : row_kernels()->levels;
    size_t length = (size_t)q->config.block, block = first / length, left = length - first % length;
    uint8_t code[256];
    while (n > 0) {
        int some = n < (int)sizeof code ? n : (int)sizeof code;
        if ((size_t)some > left) some = (int)left;
        codes_unpack(q->code, q->config.bits, first, some, code);
        levels(code, some, q->level, lq_scale(q, block), out);
        first += (size_t)some, out += some, n -= some, left -= (size_t)some;
        if (left == 0) block++, left = length;
    }
}

static void tile(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    for (int r = 0; r < nr; r++)
        lq_values(w->ctx, (size_t)(r0 + r) * (size_t)w->cols + (size_t)c0, nc, dst + (size_t)r * (size_t)ld);
}

struct wsrc lq_source(const struct lq *q, int rows, int cols)
{
    struct wsrc w = {.rows = rows, .cols = cols, .tile = tile, .ctx = q};
    w.bits = q->size ? 8.0 * (double)lq_bytes(q) / (double)q->size : lq_bits(&q->config);
    return w;
}

/* ---- from values to codes ---- */

struct filling {
    struct lq *q;
    const real *x;
    float *scale;                     /* [blocks] before they are quantised */
    double threshold[LEVELS_MAX - 1]; /* midpoints of neighbouring levels */
};

static int length_of(const struct lq *q, size_t block)
{
    size_t first = block * (size_t)q->config.block, rest = q->size - first;
    return rest < (size_t)q->config.block ? (int)rest : q->config.block;
}

static void measure_run(void *ctx, int run, int thread)
{
    const struct filling *f = ctx;
    (void)thread;
    for (size_t b = (size_t)run * RUN; b < f->q->blocks && b < ((size_t)run + 1) * RUN; b++)
        f->scale[b] = (float)row_kernels()->largest(f->x + b * (size_t)f->q->config.block, (size_t)length_of(f->q, b));
}

static void fill_scales(const struct filling *f)
{
    struct lq *q = f->q;
    const double steps = scale_steps(q);
    size_t group = (size_t)q->config.scale_block;
    memset(q->scale_code, 0, codes_bytes(q->blocks, q->config.scale_bits));
    q->least = q->blocks ? f->scale[0] : 0;
    for (size_t b = 0; b < q->blocks; b++) q->least = f->scale[b] < q->least ? f->scale[b] : q->least;
    for (size_t g = 0; g < q->groups; g++) {
        size_t from = g * group, to = from + group < q->blocks ? from + group : q->blocks;
        double most = 0;
        for (size_t b = from; b < to; b++) most = fmax(most, (double)f->scale[b] - (double)q->least);
        put_top(q, g, (float)most);
        double top = lq_top(q, g);
        for (size_t b = from; b < to && top > 0; b++) {
            double code = rint(((double)f->scale[b] - (double)q->least) * steps / top);
            code_put(q->scale_code, q->config.scale_bits, b, (int)fmin(code, steps));
        }
    }
}

/* The largest real that is not above t: x > t and x > real_below(t) are the same for every real x. */
static real real_below(double t)
{
    real x = (real)t;
    return (double)x > t ? (real)nextafterf((float)x, -INFINITY) : x;
}

/* Codes of one block: the number of thresholds below x / scale. Threshold times scale is exact in double (25 and 24
 * bits), so no division can round a ratio onto a threshold or off it. */
static void look_for(const double *threshold, int levels, double scale, const real *x, int n, uint8_t *code)
{
    real bound[LEVELS_MAX - 1];
    for (int k = 0; k + 1 < levels; k++) bound[k] = real_below(threshold[k] * scale);
    if (levels <= TABLE) { /* counting them all is something for vectors */
        memset(code, 0, (size_t)n);
        for (int k = 0; k + 1 < levels; k++)
            for (int i = 0; i < n; i++) code[i] = (uint8_t)(code[i] + (x[i] > bound[k]));
        return;
    }
    for (int i = 0; i < n; i++) {
        int c = 0;
        for (int step = levels / 2; step > 0; step /= 2) c += step & -(x[i] > bound[c + step - 1]);
        code[i] = (uint8_t)c;
    }
}

static void fill_run(void *ctx, int run, int thread)
{
    const struct filling *f = ctx;
    struct lq *q = f->q;
    int levels = 1 << q->config.bits;
    uint8_t code[LQ_BLOCK_MAX];
    (void)thread;
    for (size_t b = (size_t)run * RUN; b < q->blocks && b < ((size_t)run + 1) * RUN; b++) {
        size_t first = b * (size_t)q->config.block;
        int n = length_of(q, b);
        float scale = lq_scale(q, b);
        if (scale > 0)
            look_for(f->threshold, levels, (double)scale, f->x + first, n, code);
        else
            memset(code, levels / 2 - 1, (size_t)n); /* the level 0 */
        codes_pack(q->code, q->config.bits, first, n, code);
    }
}

status lq_fill(struct lq *q, const real *x, float *work)
{
    struct filling f = {.q = q, .x = x, .scale = work};
    int levels = 1 << q->config.bits, runs = (int)((q->blocks + RUN - 1) / RUN);
    FAIL_IF(!op_all_finite(x, q->size), ST_INPUT, "a value is no finite number and cannot be quantised");
    for (int i = 0; i + 1 < levels; i++) f.threshold[i] = ((double)q->level[i] + (double)q->level[i + 1]) / 2;
    parallel_for(runs, measure_run, &f);
    fill_scales(&f);
    memset(q->code, 0, codes_bytes(q->size, q->config.bits));
    parallel_for(runs, fill_run, &f);
    return ST_OK;
}
