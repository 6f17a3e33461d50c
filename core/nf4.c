/* NormalFloat quantisation; see nf4.h for the format. */
#include "core/nf4.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "core/packed_codes.h"
#include "core/parallel.h"
#include "core/row_kernels.h"

/* ---- tables ---- */

/* As published with QLoRA, single precision. */
static const float nf4_published[NF_LEVELS] = {-1.0F,
                                               -0.6961928009986877F,
                                               -0.5250730514526367F,
                                               -0.39491748809814453F,
                                               -0.28444138169288635F,
                                               -0.18477343022823334F,
                                               -0.09105003625154495F,
                                               0.0F,
                                               0.07958029955625534F,
                                               0.16093020141124725F,
                                               0.24611230194568634F,
                                               0.33791524171829224F,
                                               0.44070982933044434F,
                                               0.5626170039176941F,
                                               0.7229568362236023F,
                                               1.0F};

/* The positive half of the dynamic map: for i = 0 .. 6 the means of the 2^i intervals of linspace(0.1, 1, 2^i + 1)
 * times 10^(i-6), and 1. */
static const float map_positive[NF_MAP_SIZE / 2] = {
    5.5e-07F,    3.25e-06F,   7.75e-06F,   2.125e-05F,  4.375e-05F,  6.625e-05F,  8.875e-05F,  0.00015625F, 0.00026875F,
    0.00038125F, 0.00049375F, 0.00060625F, 0.00071875F, 0.00083125F, 0.00094375F, 0.00128125F, 0.00184375F, 0.00240625F,
    0.00296875F, 0.00353125F, 0.00409375F, 0.00465625F, 0.00521875F, 0.00578125F, 0.00634375F, 0.00690625F, 0.00746875F,
    0.00803125F, 0.00859375F, 0.00915625F, 0.00971875F, 0.01140625F, 0.01421875F, 0.01703125F, 0.01984375F, 0.02265625F,
    0.02546875F, 0.02828125F, 0.03109375F, 0.03390625F, 0.03671875F, 0.03953125F, 0.04234375F, 0.04515625F, 0.04796875F,
    0.05078125F, 0.05359375F, 0.05640625F, 0.05921875F, 0.06203125F, 0.06484375F, 0.06765625F, 0.07046875F, 0.07328125F,
    0.07609375F, 0.07890625F, 0.08171875F, 0.08453125F, 0.08734375F, 0.09015625F, 0.09296875F, 0.09578125F, 0.09859375F,
    0.10703125F, 0.12109375F, 0.13515624F, 0.14921875F, 0.16328125F, 0.17734376F, 0.19140625F, 0.20546874F, 0.21953125F,
    0.23359375F, 0.24765626F, 0.26171875F, 0.27578124F, 0.28984374F, 0.30390626F, 0.31796876F, 0.33203125F, 0.34609374F,
    0.36015624F, 0.37421876F, 0.38828126F, 0.40234375F, 0.41640624F, 0.43046874F, 0.44453126F, 0.45859376F, 0.47265625F,
    0.48671874F, 0.50078124F, 0.51484376F, 0.5289062F,  0.54296875F, 0.5570313F,  0.57109374F, 0.58515626F, 0.5992187F,
    0.61328125F, 0.6273438F,  0.64140624F, 0.65546876F, 0.6695312F,  0.68359375F, 0.6976563F,  0.71171874F, 0.72578126F,
    0.7398437F,  0.75390625F, 0.7679688F,  0.78203124F, 0.79609376F, 0.8101562F,  0.82421875F, 0.8382813F,  0.85234374F,
    0.86640626F, 0.8804687F,  0.89453125F, 0.9085938F,  0.92265624F, 0.93671876F, 0.9507812F,  0.96484375F, 0.9789063F,
    0.99296874F, 1.0F};

float nf_map(int code)
{
    enum { ZERO = NF_MAP_SIZE / 2 - 1 };
    if (code == ZERO) return 0;
    return code > ZERO ? map_positive[code - ZERO - 1] : -map_positive[ZERO - 1 - code];
}

/* x with P(N(0,1) <= x) = p, 0 < p < 1. Newton's method from 0: the curve is concave above 0, so no step goes too far,
 * and the half below is its mirror image. */
static double normal_quantile(double p)
{
    if (p < 0.5) return -normal_quantile(1 - p);
    double x = 0;
    for (int i = 0; i < 100; i++) {
        double miss = p - 0.5 * erfc(-x * M_SQRT1_2);
        double step = miss * sqrt(2 * M_PI) * exp(0.5 * x * x);
        x += step;
        if (fabs(step) < 1e-15) break;
    }
    return x;
}

void nf_construct(int bits, double *level)
{
    const double last = 1 - 0.5 * (1.0 / 30 + 1.0 / 32), unit = normal_quantile(last);
    int half = 1 << (bits - 1);
    for (int i = 0; i < half - 1; i++) level[i] = normal_quantile(1 - last + i * (last - 0.5) / (half - 1)) / unit;
    level[half - 1] = 0;
    for (int i = 1; i <= half; i++) level[half - 1 + i] = normal_quantile(0.5 + i * (last - 0.5) / half) / unit;
}

void nf_levels(int bits, float level[NF_LEVELS])
{
    double exact[NF_LEVELS] = {0};
    if (bits == 4) {
        memcpy(level, nf4_published, sizeof nf4_published);
        return;
    }
    nf_construct(bits, exact);
    for (int i = 0; i < NF_LEVELS; i++) level[i] = (float)exact[i];
}

void nf_thresholds(const float *level, int n, float *threshold)
{
    for (int i = 0; i + 1 < n; i++) threshold[i] = (float)(((double)level[i] + (double)level[i + 1]) / 2);
}

int nf_nearest(const float *threshold, int n, float x)
{
    int code = 0;
    for (int step = n / 2; step > 0; step /= 2) /* without a branch, which nobody could predict */
        code += step & -(x > threshold[code + step - 1]);
    return code;
}

/* ---- packed codes ---- */

size_t nf_code_bytes(const struct nf *q)
{
    return codes_bytes(q->size, q->format.bits);
}

int nf_code(const struct nf *q, size_t i)
{
    return code_get(q->code, q->format.bits, i);
}

/* ---- from codes to values ---- */

float nf_absmax(const struct nf *q, size_t block)
{
    if (!q->format.nested) return q->absmax[block];
    float part = nf_map(q->nested_code[block]) * q->nested_absmax[block / NF_GROUP];
    return part + q->offset;
}

void nf_values(const struct nf *q, size_t first, int n, real *out)
{
    const struct row_kernels *kernels = row_kernels();
    size_t length = (size_t)q->format.block, block = first / length, left = length - first % length;
    uint8_t code[256];
    while (n > 0) {
        int some = n < (int)sizeof code ? n : (int)sizeof code;
        if ((size_t)some > left) some = (int)left;
        codes_unpack(q->code, q->format.bits, first, some, code);
        kernels->levels(code, some, q->level, nf_absmax(q, block), out);
        first += (size_t)some, out += some, n -= some, left -= (size_t)some;
        if (left == 0) block++, left = length;
    }
}

/* ---- from values to codes ---- */

/* What a block's codes are looked up with. */
struct tables {
    float threshold[NF_MAP_SIZE - 1];
    int levels;
};

static float without_denormals(float x)
{
    return fabsf(x) < FLT_MIN ? 0 : x;
}

/* The largest absolute value, and all elements as ratios to it: 0 when it is 0. */
static float take_ratios(float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++) {
        x[i] = without_denormals(x[i]);
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    for (int i = 0; i < n && most > 0; i++) x[i] /= most;
    return most;
}

/* Elements first .. first+n-1 of w, rows end to end. */
static status read_block(const struct wsrc *w, size_t first, int n, real *values, float *x)
{
    for (int done = 0; done < n;) {
        int r = (int)((first + (size_t)done) / (size_t)w->cols), c = (int)((first + (size_t)done) % (size_t)w->cols);
        int some = w->cols - c < n - done ? w->cols - c : n - done;
        w->tile(w, r, 1, c, some, values + done, some);
        done += some;
    }
    for (int i = 0; i < n; i++) {
        x[i] = (float)values[i];
        size_t at = first + (size_t)i, cols = (size_t)w->cols;
        FAIL_IF(!isfinite(x[i]), ST_INPUT, "weight (%zu, %zu) is no finite number and cannot be quantised", at / cols,
                at % cols);
    }
    return ST_OK;
}

/* Runs of NF_GROUP blocks end on whole bytes, so they can be written side by side. */
struct blocks {
    const struct wsrc *w;
    struct nf *q;
    float *absmax;
    struct tables t;
    bool *bad; /* [runs] a value is not finite */
};

static status quantize_run(const struct blocks *job, size_t from)
{
    struct nf *q = job->q;
    real values[NF_BLOCK_MAX];
    float x[NF_BLOCK_MAX];
    for (size_t b = from; b < q->blocks && b < from + NF_GROUP; b++) {
        size_t first = b * (size_t)q->format.block, rest = q->size - first;
        int n = rest < (size_t)q->format.block ? (int)rest : q->format.block;
        TRY(read_block(job->w, first, n, values, x));
        job->absmax[b] = take_ratios(x, n);
        for (int i = 0; i < n; i++)
            code_put(q->code, q->format.bits, first + (size_t)i, nf_nearest(job->t.threshold, job->t.levels, x[i]));
    }
    return ST_OK;
}

static void run_piece(void *ctx, int i, int thread)
{
    const struct blocks *job = ctx;
    (void)thread;
    job->bad[i] = quantize_run(job, (size_t)i * NF_GROUP) != ST_OK;
}

static status quantize_blocks(const struct wsrc *w, struct arena *temporary, struct nf *q, float *absmax)
{
    struct blocks job = {.w = w, .q = q, .absmax = absmax, .t = {.levels = 1 << q->format.bits}};
    int runs = (int)((q->blocks + NF_GROUP - 1) / NF_GROUP);
    ZNEW(job.bad, temporary, runs);
    nf_thresholds(q->level, job.t.levels, job.t.threshold);
    parallel_for(runs, run_piece, &job);
    for (int i = 0; i < runs; i++)
        if (job.bad[i]) return quantize_run(&job, (size_t)i * NF_GROUP); /* again, for its message on this thread */
    return ST_OK;
}

static void quantize_scales(struct nf *q, const float *absmax)
{
    struct tables t = {.levels = NF_MAP_SIZE};
    float map[NF_MAP_SIZE], x[NF_GROUP];
    double sum = 0;
    for (int i = 0; i < NF_MAP_SIZE; i++) map[i] = nf_map(i);
    nf_thresholds(map, NF_MAP_SIZE, t.threshold);
    for (size_t b = 0; b < q->blocks; b++) sum += (double)absmax[b];
    q->offset = q->blocks ? (float)(sum / (double)q->blocks) : 0;
    for (size_t g = 0; g < q->groups; g++) {
        size_t first = g * NF_GROUP, rest = q->blocks - first;
        int n = rest < NF_GROUP ? (int)rest : NF_GROUP;
        for (int i = 0; i < n; i++) x[i] = absmax[first + (size_t)i] - q->offset;
        q->nested_absmax[g] = take_ratios(x, n);
        for (int i = 0; i < n; i++)
            q->nested_code[first + (size_t)i] = (uint8_t)nf_nearest(t.threshold, t.levels, x[i]);
    }
}

/* absmax: where the blocks' scales are put before they are quantised themselves. */
static status quantize(const struct wsrc *w, struct arena *keep, struct arena *temporary, struct nf *q)
{
    float *absmax;
    NEW(absmax, q->format.nested ? temporary : keep, q->blocks);
    ZNEW(q->code, keep, nf_code_bytes(q));
    TRY(quantize_blocks(w, temporary, q, absmax));
    if (!q->format.nested) {
        q->absmax = absmax;
        return ST_OK;
    }
    NEW(q->nested_code, keep, q->blocks);
    NEW(q->nested_absmax, keep, q->groups);
    quantize_scales(q, absmax);
    return ST_OK;
}

void nf_shape(size_t size, const struct nf_format *format, struct nf *out)
{
    *out = (struct nf){.format = *format, .size = size};
    out->blocks = (size + (size_t)format->block - 1) / (size_t)format->block;
    out->groups = format->nested ? (out->blocks + NF_GROUP - 1) / NF_GROUP : 0;
    nf_levels(format->bits, out->level);
}

status nf_quantize(const struct wsrc *w, const struct nf_format *format, struct arena *keep, struct nf *out)
{
    FAIL_IF(format->bits < NF_BITS_MIN || format->bits > NF_BITS_MAX || format->block < 1 ||
                format->block > NF_BLOCK_MAX,
            ST_INTERNAL, "no NormalFloat of %d bits in blocks of %d", format->bits, format->block);
    nf_shape((size_t)w->rows * (size_t)w->cols, format, out);
    struct arena *temporary = arena_new("scales of a weight");
    if (!temporary) return ST_MEMORY;
    status st = quantize(w, keep, temporary, out);
    arena_free(temporary);
    return st;
}

/* ---- sizes ---- */

size_t nf_bytes(const struct nf *q)
{
    size_t scales =
        q->format.nested ? q->blocks + sizeof(float) * q->groups + sizeof q->offset : sizeof(float) * q->blocks;
    return nf_code_bytes(q) + scales;
}

double nf_bits(const struct nf_format *f)
{
    double scale = f->nested ? 8 + 32.0 / NF_GROUP : 32;
    return f->bits + scale / f->block;
}
