/* Rates of products. Shapes are named after where they occur in a step of a base-size encoder (hidden 768, inner 3072).
 */
#include <math.h>
#include "bench/bench_parts.h"
#include "core/gemm_bf16.h"
#include "core/rng.h"

enum { TOKENS = 2048, HIDDEN = 768, INNER = 3072, RANK = 8, HEAD = 64 };

struct shape {
    const char *name;
    int m, n, k;
    bool ta, tb, accumulate, serial;
};

static const struct shape shapes[] = {
    {"x W', q/k/v/o", TOKENS, HIDDEN, HIDDEN, 0, 1, 0, 0},    {"x W', ffn in", TOKENS, INNER, HIDDEN, 0, 1, 0, 0},
    {"x W', ffn out", TOKENS, HIDDEN, INNER, 0, 1, 0, 0},     {"dy W, q/k/v/o", TOKENS, HIDDEN, HIDDEN, 0, 0, 1, 0},
    {"dy W, ffn in", TOKENS, HIDDEN, INNER, 0, 0, 1, 0},      {"dy W, ffn out", TOKENS, INNER, HIDDEN, 0, 0, 1, 0},
    {"dy' x, q/k/v/o", HIDDEN, HIDDEN, TOKENS, 1, 0, 1, 0},   {"dy' x, ffn in", INNER, HIDDEN, TOKENS, 1, 0, 1, 0},
    {"x W', 512 rows", 512, HIDDEN, HIDDEN, 0, 1, 0, 0},      {"x W', 128 rows", 128, HIDDEN, HIDDEN, 0, 1, 0, 0},
    {"x W', 32 rows", 32, HIDDEN, HIDDEN, 0, 1, 0, 0},        {"x W', 32 rows, ffn in", 32, INNER, HIDDEN, 0, 1, 0, 0},
    {"x W', 1 row", 1, HIDDEN, HIDDEN, 0, 1, 0, 0},           {"x W', hidden 384", TOKENS, 384, 384, 0, 1, 0, 0},
    {"x W', hidden 384, ffn", TOKENS, 1536, 384, 0, 1, 0, 0}, {"x A', rank 8", TOKENS, RANK, HIDDEN, 0, 1, 0, 0},
    {"z B', rank 8", TOKENS, HIDDEN, RANK, 0, 1, 1, 0},       {"z B', rank 8, ffn in", TOKENS, INNER, RANK, 0, 1, 1, 0},
    {"dy B, rank 8", TOKENS, RANK, HIDDEN, 0, 0, 0, 0},       {"g A, rank 8", TOKENS, HIDDEN, RANK, 0, 0, 1, 0},
    {"g' x, rank 8", RANK, HIDDEN, TOKENS, 1, 0, 1, 0},       {"dy' z, rank 8", HIDDEN, RANK, TOKENS, 1, 0, 1, 0},
    {"q k', one head", HEAD, HEAD, HEAD, 0, 1, 0, 1},         {"p v, one head", HEAD, HEAD, HEAD, 0, 0, 0, 1},
    {"p' dc, one head", HEAD, HEAD, HEAD, 1, 0, 0, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct product_work {
    const struct shape *s;
    const struct products *products;
    struct gemm_in a, b;
    real *c;
    int calls; /* in one measurement: small products are repeated */
};

static status multiply(void *ctx)
{
    const struct product_work *w = ctx;
    const struct shape *s = w->s;
    for (int i = 0; i < w->calls; i++) {
        if (s->serial)
            w->products->gemm_serial(s->m, s->n, s->k, w->a, w->b, w->c, s->n, s->accumulate);
        else
            w->products->gemm(s->m, s->n, s->k, w->a, w->b, w->c, s->n, s->accumulate);
    }
    return ST_OK;
}

static double flops(const struct shape *s)
{
    return 2.0 * s->m * s->n * s->k;
}

/* Who computes a product. */
static const struct maker {
    const struct products *products;
    enum gemm_backend backend;
} own_f32 = {&products_f32, GEMM_OWN}, blas_f32 = {&products_f32, GEMM_OPENBLAS}, own_bf16 = {&products_bf16, GEMM_OWN};

/* GFLOP/s of a shape. */
static status rate(struct bench_report *r, const struct shape *s, const struct maker *by, struct measured *out)
{
    struct arena_mark mark = arena_mark(r->arena);
    struct rng rng = {.seed = 1};
    struct product_work w = {.s = s, .products = by->products};
    size_t size[3] = {(size_t)s->m * (size_t)s->k, (size_t)s->n * (size_t)s->k, (size_t)s->m * (size_t)s->n};
    real *x[3];
    for (int i = 0; i < 3; i++) {
        NEW(x[i], r->arena, size[i]);
        rng_fill_uniform(&rng, "bench", x[i], size[i], -1, 1);
    }
    w.a = (struct gemm_in){.p = x[0], .ld = s->ta ? s->m : s->k, .trans = s->ta};
    w.b = (struct gemm_in){.p = x[1], .ld = s->tb ? s->k : s->n, .trans = s->tb};
    w.c = x[2];
    w.calls = flops(s) < 1e7 ? (int)(1e7 / flops(s)) + 1 : 1;
    enum gemm_backend before = gemm_backend();
    struct measured t;
    TRY(gemm_select(by->backend));
    status st = measure(multiply, &w, &r->effort, r->arena, &t);
    TRY(gemm_select(before));
    TRY(st);
    double work = flops(s) * w.calls * 1e-9;
    *out =
        (struct measured){work / t.median, work * t.spread / (t.median * t.median), work / t.high, work / t.low, t.n};
    arena_reset(r->arena, mark);
    return ST_OK;
}

static const struct shape roof = {"roof", TOKENS, INNER, HIDDEN, 0, 1, 0, 0};

/* A roof is what the machine can do: the fastest counts. */
status bench_roof_now(struct bench_report *r, bool bf16, double *gflops)
{
    struct measured own, blas = {0};
    TRY(rate(r, &roof, bf16 ? &own_bf16 : &own_f32, &own));
    if (!bf16) TRY(rate(r, &roof, &blas_f32, &blas));
    *gflops = fmax(own.high, blas.high);
    return ST_OK;
}

status bench_roof(struct bench_report *r)
{
    struct measured own, blas, half;
    TRY(rate(r, &roof, &own_f32, &own));
    TRY(rate(r, &roof, &blas_f32, &blas));
    TRY(rate(r, &roof, &own_bf16, &half));
    double fastest = fmax(own.high, blas.high);
    r->roof = true;
    printf(
        "roof: %.1f GFLOP/s, the fastest product of 2048 x 3072 x 768; median of our kernels %.1f +- %.1f, of OpenBLAS "
        "%.1f +- %.1f\n"
        "roof of bf16: %.1f GFLOP/s, by kernels %s; median %.1f +- %.1f\n\n",
        fastest, own.median, own.spread, blas.median, blas.spread, half.high, cpu_class_name(gemm_bf16_class()),
        half.median, half.spread);
    json_t *o = json_pack("{s:f, s:o, s:o, s:f, s:s, s:o}", "gflops", fastest, "own", measured_json(&own), "openblas",
                          measured_json(&blas), "bf16_gflops", half.high, "bf16_kernels",
                          cpu_class_name(gemm_bf16_class()), "bf16", measured_json(&half));
    FAIL_IF(!o || json_object_set_new(r->json, "roof", o) != 0, ST_MEMORY, "out of memory for the JSON report");
    return ST_OK;
}

static status add_row(struct bench_report *r, struct sheet *sheet, json_t *list, const struct shape *s)
{
    struct measured own, blas, half;
    TRY(rate(r, s, &own_f32, &own));
    TRY(rate(r, s, &blas_f32, &blas));
    TRY(rate(r, s, &own_bf16, &half));
    struct sheet_cell *row = sheet_row(sheet);
    if (!row) return ST_MEMORY;
    row[0].main = s->name;
    row[1].main = arena_printf(r->arena, "%d x %d x %d", s->m, s->n, s->k);
    row[2] = measured_cell(r->arena, &own);
    row[3].main = number_text(r->arena, own.high);
    row[4] = measured_cell(r->arena, &blas);
    row[5].main = number_text(r->arena, blas.high);
    row[6].main = arena_printf(r->arena, "%.2f", own.high / blas.high);
    row[7] = measured_cell(r->arena, &half);
    row[8].main = number_text(r->arena, half.high);
    return report_add(list, json_pack("{s:s, s:i, s:i, s:i, s:b, s:b, s:b, s:b, s:o, s:o, s:o}", "name", s->name, "m",
                                      s->m, "n", s->n, "k", s->k, "trans_a", s->ta, "trans_b", s->tb, "accumulate",
                                      s->accumulate, "one_thread", s->serial, "own", measured_json(&own), "openblas",
                                      measured_json(&blas), "bf16", measured_json(&half)));
}

status bench_products(struct bench_report *r)
{
    struct sheet *sheet;
    json_t *list = report_list(r, "products");
    TRY(sheet_make(r->arena, "Products, GFLOP/s", 9, &sheet));
    const struct sheet_col head[9] = {{"product", NULL, 1},     {"m x n x k", NULL, 0},    {"own", "median", 0},
                                      {"own", "best", 0},       {"OpenBLAS", "median", 0}, {"OpenBLAS", "best", 0},
                                      {"ratio", "of bests", 0}, {"bf16", "median", 0},     {"bf16", "best", 0}};
    for (int i = 0; i < 9; i++) sheet->col[i] = head[i];
    for (int i = 0; i < SHAPES; i++) TRY(add_row(r, sheet, list, &shapes[i]));
    TRY(sheet_note(
        sheet,
        "OpenBLAS is called on the tiles of our own loop; heads run on one thread; ratio: own f32 over OpenBLAS"));
    sheet_print(stdout, sheet, r->format);
    putchar('\n');
    return ST_OK;
}
