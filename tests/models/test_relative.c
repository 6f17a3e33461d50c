/* Relative positions: the law of the index, and both relative terms against plain sums over the table, with slices and
 * with the index alone. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/rng.h"
#include "models/checkpoint.h"
#include "models/relative.h"

static const struct relative_law v3 = {256, 512};

START_TEST(index_of_v3)
{
    /* METHODS 1.2 step 3 */
    static const int known[][2] = {{0, 0},     {1, 1},     {127, 127}, {128, 128}, {129, 129}, {130, 130},
                                   {200, 169}, {256, 192}, {300, 207}, {400, 233}, {510, 255}, {511, 255}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert_int_eq(relative_index(&v3, known[i][0]), 256 + known[i][1]);
        ck_assert_int_eq(relative_index(&v3, -known[i][0]), 256 - known[i][1]);
    }
    ck_assert_int_eq(relative_index(&v3, 100000), 511);
    ck_assert_int_eq(relative_index(&v3, -100000), 0);
}
END_TEST

START_TEST(index_of_golden)
{
    NEED_SHARED("golden/models/deberta_v3_long/expected.safetensors");
    static const struct {
        const char *path;
        struct relative_law law;
    } cases[] = {{"golden/models/deberta_v3_long/expected.safetensors", {256, 512}},
                 {"golden/models/deberta_v3_buckets32/expected.safetensors", {32, 128}}};
    for (int c = 0; c < 2; c++) {
        struct arena *arena = arena_new("test");
        struct checkpoint want;
        ck_ok(checkpoint_open(shared_path(cases[c].path), arena, &want));
        const struct tensor *t = checkpoint_find(&want, "rel_index");
        ck_assert_ptr_nonnull(t);
        size_t n = tensor_size(t);
        float *v = arena_alloc(arena, n * sizeof *v);
        ck_ok(tensor_to_f32(t, v, n));
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(relative_index(&cases[c].law, (int)i - (int)(n / 2)), (int)v[i]);
        checkpoint_close(&want);
        arena_free(arena);
    }
}
END_TEST

START_TEST(rows_of_a_batch)
{
    struct arena *arena = arena_new("test");
    struct relative_rows *r;
    ck_ok(relative_rows_new(&v3, 70, false, arena, &r)); /* short: the 2L - 1 distances */
    ck_assert_int_eq(r->rows, 139);
    ck_assert_int_eq(r->near, 69);
    ck_assert_int_eq(r->id[0], 256 + 69);
    ck_assert_int_eq(r->id[138], 256 - 69);
    ck_assert_int_eq(r->u[69], 0);
    ck_ok(relative_rows_new(&v3, 300, false, arena, &r)); /* long: up to the bucket of 299 */
    ck_assert_int_eq(r->rows, 2 * (relative_index(&v3, 299) - 256) + 1);
    ck_assert_int_eq(r->near, 131);
    ck_ok(relative_rows_new(&v3, 5, true, arena, &r)); /* all */
    ck_assert_int_eq(r->rows, 512);
    ck_assert_int_eq(r->id[511], 0);
    ck_assert_int_eq(r->u[0], 511 - 256);
    ck_ok(relative_rows_new(&v3, 1, false, arena, &r));
    ck_assert_int_eq(r->rows, 1);
    arena_free(arena);
}
END_TEST

/* ---- terms ---- */

enum { WIDTH = 8 };

struct setup {
    struct arena *arena;
    struct relative_rows *rel;
    struct relative_part part;
    struct mat scores, g, dq, dk, drel_k, drel_q;
};

static struct mat drawn(struct arena *arena, const char *name, int rows, int cols)
{
    struct rng rng = {.seed = 3};
    real *a = arena_alloc(arena, sizeof(real) * (size_t)(rows * cols));
    rng_fill_normal(&rng, name, a, (size_t)(rows * cols), 0, 1);
    return mat_of(a, rows, cols);
}

static void begin(struct setup *s, const struct relative_law *law, int queries, int keys, int longest, bool whole)
{
    s->arena = arena_new("test");
    ck_ok(relative_rows_new(law, longest, whole, s->arena, &s->rel));
    s->part = (struct relative_part){.rel = s->rel,
                                     .multiply = gemm_serial,
                                     .queries = queries,
                                     .keys = keys,
                                     .q = drawn(s->arena, "q", queries, WIDTH),
                                     .k = drawn(s->arena, "k", keys, WIDTH),
                                     .rel_k = drawn(s->arena, "rel_k", s->rel->rows, WIDTH),
                                     .rel_q = drawn(s->arena, "rel_q", s->rel->rows, WIDTH),
                                     .band = arena_alloc(s->arena, sizeof(real) * relative_band(s->rel))};
    s->scores = drawn(s->arena, "scores", queries, keys);
    s->g = drawn(s->arena, "g", queries, keys);
    s->dq = drawn(s->arena, "dq", queries, WIDTH);
    s->dk = drawn(s->arena, "dk", keys, WIDTH);
    s->drel_k = drawn(s->arena, "drel_k", s->rel->rows, WIDTH);
    s->drel_q = drawn(s->arena, "drel_q", s->rel->rows, WIDTH);
}

static void run(struct setup *s)
{
    relative_scores(&s->part, &s->scores);
    relative_scores_backward(&s->part, &s->g, &s->dq, &s->dk, &s->drel_k, &s->drel_q);
}

static double dot(const struct mat *a, int i, const struct mat *b, int j)
{
    double sum = 0;
    for (int c = 0; c < WIDTH; c++) sum += (double)mat_row(a, i)[c] * (double)mat_row(b, j)[c];
    return sum;
}

static double *doubles(struct arena *arena, const struct mat *m)
{
    double *d = arena_alloc(arena, sizeof *d * (size_t)(m->rows * m->cols));
    for (int i = 0; i < m->rows * m->cols; i++) d[i] = (double)m->a[i];
    return d;
}

static void axpy(double *to, int row, double g, const struct mat *from, int i)
{
    for (int c = 0; c < WIDTH; c++) to[row * WIDTH + c] += g * (double)mat_row(from, i)[c];
}

static void check_near(const struct mat *got, const double *want, const char *what)
{
    for (int i = 0; i < got->rows * got->cols; i++)
        ck_assert_msg(fabs((double)got->a[i] - want[i]) < 2e-5 * fmax(1, fabs(want[i])), "%s[%d]: %g, expected %g",
                      what, i, (double)got->a[i], want[i]);
}

/* The definition: METHODS 1.2 step 5 and 1.3, sums over all pairs. */
static void check_plain(const struct relative_law *law, struct setup *s)
{
    const struct relative_part *p = &s->part;
    int top = s->rel->id[0];
    struct mat scores = drawn(s->arena, "scores", p->queries, p->keys), dq = drawn(s->arena, "dq", p->queries, WIDTH);
    struct mat dk = drawn(s->arena, "dk", p->keys, WIDTH), drk = drawn(s->arena, "drel_k", s->rel->rows, WIDTH);
    struct mat drq = drawn(s->arena, "drel_q", s->rel->rows, WIDTH);
    double *ws = doubles(s->arena, &scores), *wq = doubles(s->arena, &dq), *wk = doubles(s->arena, &dk);
    double *wrk = doubles(s->arena, &drk), *wrq = doubles(s->arena, &drq);
    for (int i = 0; i < p->queries; i++)
        for (int j = 0; j < p->keys; j++) {
            int u = top - relative_index(law, i - j);
            double g = (double)mat_row(&s->g, i)[j];
            ws[i * p->keys + j] += dot(&p->q, i, &p->rel_k, u) + dot(&p->k, j, &p->rel_q, u);
            axpy(wq, i, g, &p->rel_k, u);
            axpy(wk, j, g, &p->rel_q, u);
            axpy(wrk, u, g, &p->q, i);
            axpy(wrq, u, g, &p->k, j);
        }
    check_near(&s->scores, ws, "scores");
    check_near(&s->dq, wq, "dq");
    check_near(&s->dk, wk, "dk");
    check_near(&s->drel_k, wrk, "dK_r");
    check_near(&s->drel_q, wrq, "dQ_r");
}

static const struct {
    struct relative_law law;
    int queries, keys, longest;
    bool whole;
} shapes[] = {
    {{256, 512}, 1, 1, 1, false},       {{256, 512}, 5, 5, 5, false},       {{256, 512}, 70, 70, 100, false},
    {{256, 512}, 70, 70, 70, true},     {{256, 512}, 128, 128, 129, false}, {{256, 512}, 129, 129, 129, false},
    {{256, 512}, 131, 131, 131, false}, {{256, 512}, 200, 200, 300, false}, {{256, 512}, 300, 300, 300, true},
    {{256, 512}, 1, 140, 300, false},   {{256, 512}, 1, 65, 65, false},     {{8, 16}, 40, 40, 40, false},
    {{8, 16}, 3, 3, 40, true},          {{0, 6}, 20, 20, 20, false},        {{2, 4}, 9, 9, 9, false},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

START_TEST(terms)
{
    struct setup s, general;
    begin(&s, &shapes[_i].law, shapes[_i].queries, shapes[_i].keys, shapes[_i].longest, shapes[_i].whole);
    begin(&general, &shapes[_i].law, shapes[_i].queries, shapes[_i].keys, shapes[_i].longest, shapes[_i].whole);
    general.rel->near = 0; /* every distance through the index */
    run(&s);
    run(&general);
    check_plain(&shapes[_i].law, &s);
    const struct mat *a[] = {&s.scores, &s.dq, &s.dk, &s.drel_k, &s.drel_q};
    const struct mat *b[] = {&general.scores, &general.dq, &general.dk, &general.drel_k, &general.drel_q};
    for (int i = 0; i < 5; i++) ck_assert_mem_eq(a[i]->a, b[i]->a, sizeof(real) * (size_t)(a[i]->rows * a[i]->cols));
    arena_free(s.arena);
    arena_free(general.arena);
}
END_TEST

/* One term off leaves what belongs to the other. */
START_TEST(one_term)
{
    struct setup s;
    begin(&s, &v3, 20, 20, 20, false);
    s.part.rel_q.a = NULL;
    struct mat dk = drawn(s.arena, "dk", 20, WIDTH), drel_q = drawn(s.arena, "drel_q", s.rel->rows, WIDTH);
    run(&s);
    ck_assert_mem_eq(s.dk.a, dk.a, sizeof(real) * (size_t)(20 * WIDTH));
    ck_assert_mem_eq(s.drel_q.a, drel_q.a, sizeof(real) * (size_t)(s.rel->rows * WIDTH));
    struct mat scores = drawn(s.arena, "scores", 20, 20);
    double want = (double)mat_row(&scores, 7)[3] + dot(&s.part.q, 7, &s.part.rel_k, s.rel->u[4]);
    ck_assert_double_eq_tol((double)mat_row(&s.scores, 7)[3], want, 1e-5);
    arena_free(s.arena);
}
END_TEST

PG_TESTS(TEST(index_of_v3), TEST(index_of_golden), TEST(rows_of_a_batch), LOOP_TEST(terms, 0, SHAPES), TEST(one_term))
