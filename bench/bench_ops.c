/* Times of the operations between the products, at the shapes of a base-size encoder with 2048 tokens in the batch. */
#include <string.h>

#include "bench/bench_parts.h"
#include "core/gemm.h"
#include "core/lowrank.h"
#include "core/ops.h"
#include "core/parallel.h"

enum { TOKENS = 2048, HIDDEN = 768, INNER = 3072, HEADS = 12, LENGTH = 64, VOCAB = 4096, WIDEST = INNER };

/* Memory of all operations; x, y and g hold TOKENS rows of WIDEST. */
struct ops_work {
    real *x, *y, *g, *gamma, *beta, *stats, *sum;
    uint32_t *key;
    int32_t *id;
    struct rng rng;
    double loss; /* so that values are used */
};

static struct mat view(real *p, int cols)
{
    return mat_of(p, TOKENS, cols);
}

static status layernorm(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, HIDDEN), y = view(w->y, HIDDEN);
    op_layernorm(&x, w->gamma, w->beta, 1e-7, &y, w->stats);
    return ST_OK;
}
static status layernorm_backward(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, HIDDEN), y = view(w->y, HIDDEN), g = view(w->g, HIDDEN);
    op_layernorm_backward(&x, w->stats, w->gamma, &g, &y, NULL, NULL);
    return ST_OK;
}
static status layernorm_backward_all(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, HIDDEN), y = view(w->y, HIDDEN), g = view(w->g, HIDDEN);
    op_layernorm_backward(&x, w->stats, w->gamma, &g, &y, w->sum, w->sum + WIDEST);
    return ST_OK;
}
static status rmsnorm(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, HIDDEN), y = view(w->y, HIDDEN);
    op_rmsnorm(&x, w->gamma, 1e-6, &y, w->stats);
    return ST_OK;
}
static status gelu(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, INNER), y = view(w->y, INNER);
    op_activation(ACT_GELU, &x, &y);
    return ST_OK;
}
static status gelu_backward(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, INNER), y = view(w->y, INNER), g = view(w->g, INNER);
    op_activation_backward(ACT_GELU, &x, &g, &y);
    return ST_OK;
}
static status silu(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, INNER), y = view(w->y, INNER);
    op_activation(ACT_SILU, &x, &y);
    return ST_OK;
}

/* One head of one sequence: what attention calls inside its own parallel loop. */
static void softmax_head(void *ctx, int i, int thread)
{
    (void)thread;
    struct ops_work *w = ctx;
    struct mat scores = mat_of(w->y + (size_t)i * LENGTH * LENGTH, LENGTH, LENGTH);
    softmax_rows(&scores, 0.125);
}
static status softmax(void *ctx)
{
    parallel_for(HEADS * TOKENS / LENGTH, softmax_head, ctx);
    return ST_OK;
}
static void softmax_backward_head(void *ctx, int i, int thread)
{
    (void)thread;
    struct ops_work *w = ctx;
    size_t at = (size_t)i * LENGTH * LENGTH;
    struct mat p = mat_of(w->x + at, LENGTH, LENGTH), dp = mat_of(w->y + at, LENGTH, LENGTH);
    softmax_rows_backward(&p, &dp, 0.125);
}
static status softmax_backward(void *ctx)
{
    parallel_for(HEADS * TOKENS / LENGTH, softmax_backward_head, ctx);
    return ST_OK;
}

static status dropout(void *ctx)
{
    struct ops_work *w = ctx;
    struct dropout d = {.rng = &w->rng, .step = 1, .who = 2, .p = 0.1};
    struct mat y = view(w->y, HIDDEN);
    op_dropout(&d, w->key, &y, &y);
    return ST_OK;
}
static status add(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, HIDDEN), y = view(w->y, HIDDEN);
    op_add(&x, &y);
    return ST_OK;
}
static status bias(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat g = view(w->g, HIDDEN);
    bias_backward(&g, w->sum);
    return ST_OK;
}
static status gather(void *ctx)
{
    struct ops_work *w = ctx;
    struct wsrc table = wsrc_dense(w->x, VOCAB, HIDDEN);
    struct mat y = view(w->y, HIDDEN);
    op_gather(&table, w->id, &y);
    return ST_OK;
}
static status scatter(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat g = view(w->g, HIDDEN);
    op_scatter_add(&g, w->id, w->x, HIDDEN);
    return ST_OK;
}
static status cross_entropy(void *ctx)
{
    struct ops_work *w = ctx;
    struct mat x = view(w->x, INNER), y = view(w->y, INNER);
    w->loss += op_cross_entropy(&x, w->id, 1.0 / TOKENS, &y);
    return ST_OK;
}
static status squares(void *ctx)
{
    struct ops_work *w = ctx;
    w->loss += op_sum_squares(w->x, (size_t)TOKENS * INNER);
    return ST_OK;
}

static const struct {
    const char *name;
    status (*run)(void *);
    int cols;    /* of TOKENS rows */
    int streams; /* reads and writes an element, for the rate of memory */
} ops[] = {
    {"layernorm", layernorm, HIDDEN, 2},
    {"layernorm backward", layernorm_backward, HIDDEN, 3},
    {"layernorm backward, gains too", layernorm_backward_all, HIDDEN, 5},
    {"rmsnorm", rmsnorm, HIDDEN, 2},
    {"gelu", gelu, INNER, 2},
    {"gelu backward", gelu_backward, INNER, 3},
    {"silu", silu, INNER, 2},
    {"softmax, 12 heads, length 64", softmax, HEADS *LENGTH, 2},
    {"softmax backward", softmax_backward, HEADS *LENGTH, 3},
    {"dropout", dropout, HIDDEN, 2},
    {"add", add, HIDDEN, 3},
    {"bias backward", bias, HIDDEN, 1},
    {"gather", gather, HIDDEN, 2},
    {"scatter add", scatter, HIDDEN, 3},
    {"cross entropy, 3072 classes", cross_entropy, INNER, 2},
    {"sum of squares", squares, INNER, 1},
};

static status prepare(struct arena *a, struct ops_work *w)
{
    size_t n = (size_t)TOKENS * WIDEST;
    w->rng.seed = 1;
    NEW(w->x, a, n);
    NEW(w->y, a, n);
    NEW(w->g, a, n);
    NEW(w->gamma, a, WIDEST);
    NEW(w->beta, a, WIDEST);
    NEW(w->stats, a, 2 * TOKENS);
    ZNEW(w->sum, a, 2 * WIDEST);
    NEW(w->key, a, TOKENS);
    NEW(w->id, a, TOKENS);
    rng_fill_normal(&w->rng, "x", w->x, n, 0, 1);
    rng_fill_normal(&w->rng, "y", w->y, n, 0, 1);
    rng_fill_normal(&w->rng, "g", w->g, n, 0, 1);
    rng_fill_uniform(&w->rng, "gamma", w->gamma, WIDEST, 0.5, 1.5);
    rng_fill_uniform(&w->rng, "beta", w->beta, WIDEST, -1, 1);
    for (int i = 0; i < TOKENS; i++) {
        w->key[i] = (uint32_t)(i / LENGTH) << 16 | (uint32_t)(i % LENGTH);
        w->id[i] = rng_below(&w->rng, RNG_DATA, 0, 0, 0, (uint64_t)i, INNER);
    }
    return ST_OK;
}

static status measure_ops(struct bench_report *r, struct ops_work *w, struct sheet *sheet, json_t *list)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct measured t, us;
        double elements = (double)TOKENS * ops[i].cols;
        TRY(measure(ops[i].run, w, &r->effort, r->arena, &t));
        us = (struct measured){t.median * 1e6, t.spread * 1e6, t.low * 1e6, t.high * 1e6, t.n};
        struct sheet_cell *row = sheet_row(sheet);
        if (!row) return ST_MEMORY;
        row[0].main = ops[i].name;
        row[1].main = arena_printf(r->arena, "%d x %d", TOKENS, ops[i].cols);
        row[2] = measured_cell(r->arena, &us);
        row[3].main = number_text(r->arena, us.low);
        row[4].main = number_text(r->arena, t.low * 1e9 / elements);
        row[5].main = number_text(r->arena, elements * sizeof(real) * ops[i].streams / t.low * 1e-9);
        TRY(report_add(list, json_pack("{s:s, s:i, s:i, s:o}", "name", ops[i].name, "rows", TOKENS, "cols", ops[i].cols,
                                       "microseconds", measured_json(&us))));
    }
    return ST_OK;
}

status bench_ops(struct bench_report *r)
{
    struct sheet *sheet;
    struct ops_work w = {0};
    json_t *list = report_list(r, "ops");
    struct arena *memory = arena_new("operands");
    if (!memory) return ST_MEMORY;
    TRY(sheet_make(r->arena, "Operations", 6, &sheet));
    const struct sheet_col head[6] = {{"operation", NULL, 1}, {"shape", NULL, 0},           {"us", "median", 0},
                                      {"us", "best", 0},      {"ns an element", "best", 0}, {"GB/s", "best", 0}};
    for (int i = 0; i < 6; i++) sheet->col[i] = head[i];
    status st = prepare(memory, &w);
    if (st == ST_OK) st = measure_ops(r, &w, sheet, list);
    arena_free(memory);
    TRY(st);
    sheet_print(stdout, sheet, r->format);
    putchar('\n');
    return ST_OK;
}
