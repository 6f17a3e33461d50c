/* Linear layers in integers: against the definitions of their parts, bit for bit; what is drawn, and that it is right
 * in the mean; what shares a scale; how near 16 bits come to single precision; what is not finite. */
#include "tests/pgtest.h"

#include <float.h>
#include <math.h>
#include "core/arith.h"
#include "core/arith_dfp.h"
#include "core/cpu.h"
#include "core/finish.h"
#include "core/fixed_point.h"
#include "core/gemm_int.h"
#include "core/ops.h"
#include "core/parallel.h"

enum { ROWS = 23, IN = 37, OUT = 19 };
static const struct rng rng = {.seed = 3};
static struct arena *arena;
static real x_values[ROWS * IN], w_values[OUT * IN], g_values[ROWS * OUT], bias[OUT];
static struct mat x, g;
static struct wsrc w;
static struct dfp_options options;
static struct arith_call call;

static void setup(void)
{
    cpu_denormals_off();
    parallel_set_threads(1);
    arena = arena_new("integer layers");
    rng_fill_normal(&rng, "x", x_values, ROWS * IN, 0, 1);
    rng_fill_normal(&rng, "w", w_values, OUT * IN, 0, 0.1);
    rng_fill_normal(&rng, "g", g_values, ROWS * OUT, 0, 0.01);
    rng_fill_normal(&rng, "b", bias, OUT, 0, 1);
    x = mat_of(x_values, ROWS, IN);
    g = mat_of(g_values, ROWS, OUT);
    w = wsrc_dense(w_values, OUT, IN);
    options = (struct dfp_options){8, 12, 8, DFP_NEAREST, EVAL_EXAMPLE};
    call = (struct arith_call){
        .rng = &rng, .step = 5, .micro = 1, .who = 77, .scratch = arena, .options = &options, .train = true};
}

static struct mat zeros(int rows, int cols)
{
    struct mat m;
    ck_ok(mat_new(arena, rows, cols, &m));
    op_zero(&m);
    return m;
}

/* ---- the definition ---------------------------------------------------------------------------------------------- */

static struct fixed_tensor mapped(const struct fixed_source *s, int bits)
{
    struct fixed_tensor t;
    ck_ok(fixed_map(s, bits, &(struct fixed_groups){0}, &(struct fixed_rounding){0}, arena, &t)); /* memory for it */
    fixed_map_reference(s, bits, &(struct fixed_groups){0}, &(struct fixed_rounding){0}, &t);
    return t;
}

static void multiply(int m, int n, int k, const struct fixed_tensor *a, bool ta, const struct fixed_tensor *b, bool tb,
                     const real *add, bool accumulate, struct mat *c)
{
    struct fixed_power *scale = arena_alloc(arena, sizeof *scale * (size_t)m);
    for (int i = 0; i < m; i++) scale[i] = fixed_power(a->scale[0], b->scale[0]);
    gemm_int_reference(m, n, k, (struct gemm_int_in){a->m, a->cols, ta, a->bits},
                       (struct gemm_int_in){b->m, b->cols, tb, b->bits},
                       &(struct gemm_int_out){c->a, c->ld, accumulate, add, scale});
}

static void same(const struct mat *got, const struct mat *want, const char *what)
{
    for (int i = 0; i < want->rows * want->cols; i++)
        if (got->a[i] != want->a[i])
            ck_abort_msg("%s: element %d is %.9g, want %.9g", what, i, (double)got->a[i], (double)want->a[i]);
}

/* Forward and both backward products, with what comes after them: a term of low rank, then an activation or a slope. */
START_TEST(layers_are_their_definition)
{
    static const int bits[][3] = {{8, 12, 8}, {16, 16, 16}, {4, 8, 4}, {2, 2, 2}};
    setup();
    options.weight_bits = bits[_i][0], options.activation_bits = bits[_i][1], options.gradient_bits = bits[_i][2];
    struct fixed_source sx = fixed_matrix(&x), sw = fixed_weight(&w), sg = fixed_matrix(&g);
    struct fixed_tensor mx = mapped(&sx, bits[_i][1]), mw = mapped(&sw, bits[_i][0]), mg = mapped(&sg, bits[_i][2]);
    struct mat y = zeros(ROWS, OUT), want = zeros(ROWS, OUT), active = zeros(ROWS, OUT), want_active = zeros(ROWS, OUT);
    struct gemm_term term = {3, {.p = x_values, .ld = IN}, {.p = w_values, .ld = IN, .trans = true}};
    struct finish_activation act = {ACT_GELU, &y, &active, NULL};
    const struct gemm_finish finish = {finish_activation, &act};
    const struct gemm_after after = {&term, &finish};
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        ck_ok(arith_dfp.linear(&call, &x, &w, bias, &after, &y));
        multiply(ROWS, OUT, IN, &mx, false, &mw, true, bias, false, &want);
        gemm_reference(ROWS, OUT, 3, term.a, term.b, want.a, OUT, true);
        op_activation(ACT_GELU, &want, &want_active);
        same(&y, &want, "y");
        same(&active, &want_active, "y, activated");
        for (int accumulate = 0; accumulate <= 1; accumulate++) {
            struct mat dx = zeros(ROWS, IN), want_dx = zeros(ROWS, IN), dw = zeros(OUT, IN), want_dw = zeros(OUT, IN);
            op_copy(&x, &dx);
            op_copy(&x, &want_dx);
            ck_ok(arith_dfp.linear_dx(&call, &g, &w, NULL, &dx, accumulate));
            multiply(ROWS, IN, OUT, &mg, false, &mw, false, NULL, accumulate, &want_dx);
            same(&dx, &want_dx, "dx");
            for (int turn = 0; turn < 2; turn++) {
                ck_ok(arith_dfp.linear_dw(&call, &x, &g, dw.a, IN));
                multiply(OUT, IN, ROWS, &mg, true, &mx, false, NULL, true, &want_dw);
            }
            same(&dw, &want_dw, "dw");
        }
    }
    arena_free(arena);
}
END_TEST

static void tile(const struct wsrc *s, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const real *all = s->ctx;
    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++) dst[r * ld + c] = all[(r0 + r) * s->cols + c0 + c];
}

START_TEST(weights_of_tiles)
{
    setup();
    options.rounding = DFP_STOCHASTIC;
    struct wsrc tiles = {.rows = OUT, .cols = IN, .tile = tile, .ctx = w_values};
    struct mat y = zeros(ROWS, OUT), want = zeros(ROWS, OUT), dx = zeros(ROWS, IN), want_dx = zeros(ROWS, IN);
    ck_ok(arith_dfp.linear(&call, &x, &tiles, NULL, NULL, &y));
    ck_ok(arith_dfp.linear(&call, &x, &w, NULL, NULL, &want));
    ck_ok(arith_dfp.linear_dx(&call, &g, &tiles, NULL, &dx, false));
    ck_ok(arith_dfp.linear_dx(&call, &g, &w, NULL, &want_dx, false));
    same(&y, &want, "y");
    same(&dx, &want_dx, "dx");
    arena_free(arena);
}
END_TEST

/* ---- drawn numbers ----------------------------------------------------------------------------------------------- */

/* What a layer multiplied by the unit matrix gives is its operand as it was mapped, since the unit matrix is mapped to
 * itself: X and W are the same in both passes, and G in both of its products. */
START_TEST(operands_are_mapped_once)
{
    setup();
    options = (struct dfp_options){5, 5, 5, DFP_STOCHASTIC, EVAL_EXAMPLE};
    enum { N = IN };
    static real unit_values[N * N];
    for (int i = 0; i < N; i++) unit_values[i * N + i] = 1;
    struct mat unit = mat_of(unit_values, N, N);
    const struct wsrc unit_w = wsrc_dense(unit_values, N, N);
    real square_values[N * N];
    rng_fill_normal(&rng, "square", square_values, N * N, 0, 1);
    struct mat square = mat_of(square_values, N, N);
    const struct wsrc square_w = wsrc_dense(square_values, N, N);
    struct mat y = zeros(N, N), back = zeros(N, N), turned = zeros(N, N);
    ck_ok(arith_dfp.linear(&call, &square, &unit_w, NULL, NULL, &y)); /* X */
    ck_ok(arith_dfp.linear_dw(&call, &square, &unit, back.a, N));     /* I' X */
    same(&y, &back, "X");
    ck_ok(arith_dfp.linear(&call, &unit, &square_w, NULL, NULL, &y)); /* I W' */
    ck_ok(arith_dfp.linear_dx(&call, &unit, &square_w, NULL, &back, false));
    for (int i = 0; i < N * N; i++) turned.a[i % N * N + i / N] = back.a[i];
    same(&y, &turned, "W");
    ck_ok(arith_dfp.linear_dx(&call, &square, &unit_w, NULL, &y, false)); /* G */
    op_zero(&back);
    ck_ok(arith_dfp.linear_dw(&call, &unit, &square, back.a, N)); /* G' I */
    for (int i = 0; i < N * N; i++) turned.a[i % N * N + i / N] = back.a[i];
    same(&y, &turned, "G");
    arena_free(arena);
}
END_TEST

/* The layer as a function of x and w with the offsets of rounding held fixed, f = sum (g + og) (x + ox) (w + ow)', is
 * smooth; its derivatives, here by differences of an exact bilinear form, are what the backward pass must give. */
START_TEST(gradients_with_offsets_held_fixed)
{
    setup();
    options = (struct dfp_options){6, 7, 6, DFP_NEAREST, EVAL_EXAMPLE};
    struct fixed_source sx = fixed_matrix(&x), sw = fixed_weight(&w), sg = fixed_matrix(&g);
    struct fixed_tensor t[3] = {mapped(&sx, 7), mapped(&sw, 6), mapped(&sg, 6)};
    double value[3][ROWS * IN]; /* operand + offset at this point: mantissa times scale */
    const int size[3] = {ROWS * IN, OUT * IN, ROWS * OUT};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < size[k]; i++) value[k][i] = ldexp(t[k].m[i], t[k].scale[0].exponent);
    struct mat dx = zeros(ROWS, IN), dw = zeros(OUT, IN);
    ck_ok(arith_dfp.linear_dx(&call, &g, &w, NULL, &dx, false));
    ck_ok(arith_dfp.linear_dw(&call, &x, &g, dw.a, IN));
    for (int k = 0; k < 2; k++) {
        const struct mat *grad = k ? &dw : &dx;
        for (int e = 0; e < size[k]; e += 7) {
            double f[2];
            for (int side = 0; side < 2; side++) {
                double old = value[k][e];
                value[k][e] += side ? 0.5 : -0.5;
                f[side] = 0;
                for (int r = 0; r < ROWS; r++)
                    for (int o = 0; o < OUT; o++)
                        for (int i = 0; i < IN; i++)
                            f[side] += value[2][r * OUT + o] * value[0][r * IN + i] * value[1][o * IN + i];
                value[k][e] = old;
            }
            double want = f[1] - f[0];
            ck_assert_msg(fabs((double)grad->a[e] - want) <= 1e-6 * (fabs(want) + 1e-3), "%s %d: %.9g, want %.9g",
                          k ? "dw" : "dx", e, (double)grad->a[e], want);
        }
    }
    arena_free(arena);
}
END_TEST

/* The mean of N stochastic layers is the layer's own product. A mapped operand is off by less than its scale s, evenly
 * to both sides, with a variance of at most s^2/4, and those of X and W are independent: the variance of an output is
 * at most sum (x^2 sw^2 + w^2 sx^2 + sx^2 sw^2 / 4) / 4. 5 deviations are passed by chance once in two million outputs.
 */
START_TEST(unbiased)
{
    enum { N = 4000 };
    setup();
    options = (struct dfp_options){4, 5, 4, DFP_STOCHASTIC, EVAL_EXAMPLE};
    static double sum[ROWS * OUT];
    memset(sum, 0, sizeof sum);
    struct mat y = zeros(ROWS, OUT);
    for (int step = 0; step < N; step++) {
        call.step = (uint64_t)step;
        if (arith_dfp.linear(&call, &x, &w, NULL, NULL, &y) != ST_OK) ck_abort_msg("%s", status_message());
        for (int i = 0; i < ROWS * OUT; i++) sum[i] += (double)y.a[i];
    }
    struct fixed_source fx = fixed_matrix(&x), fw = fixed_weight(&w);
    double sx = ldexp(1, mapped(&fx, 5).scale[0].exponent), sw = ldexp(1, mapped(&fw, 4).scale[0].exponent);
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double want = 0, variance = 0, size = 0;
            for (int i = 0; i < IN; i++) {
                double a = (double)x_values[r * IN + i], b = (double)w_values[o * IN + i];
                want += a * b;
                size += fabs(a) * sw + fabs(b) * sx;
                variance += (a * a * sw * sw + b * b * sx * sx + sx * sx * sw * sw / 4) / 4;
            }
            /* draws come in steps of 2^-16 of a scale */
            double bound = 5 * sqrt(variance / N) + 0x1p-16 * size, mean = sum[r * OUT + o] / N;
            ck_assert_msg(fabs(mean - want) <= bound, "output (%d, %d): mean %.6f, want %.6f +- %.6f", r, o, mean, want,
                          bound);
        }
    arena_free(arena);
}
END_TEST

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

/* Rows of examples: first[i] .. first[i+1]-1. */
static const int first[] = {0, 4, 5, 11, 12, 20, ROWS};
enum { EXAMPLES = 6 };

/* Examples from .. to-1 in one call, into their rows of y. */
static void evaluate(int from, int to, enum arith_rows rows, struct mat *y)
{
    int moved[EXAMPLES + 1], n = first[to] - first[from];
    for (int i = from; i <= to; i++) moved[i - from] = first[i] - first[from];
    call.rows = rows;
    call.example = moved;
    call.examples = to - from;
    struct mat part = mat_part(&x, first[from], n, 0, IN), out = mat_part(y, first[from], n, 0, OUT);
    ck_ok(arith_dfp.linear(&call, &part, &w, bias, NULL, &out));
}

START_TEST(a_row_depends_on_its_example_alone)
{
    setup();
    call.train = false;
    options.rounding = DFP_STOCHASTIC; /* of training */
    x_values[2 * IN + 1] = 300;        /* the first example needs another scale than the rest */
    for (int alone = 0; alone <= 1; alone++) {
        enum arith_rows rows = alone ? ROWS_ALONE : ROWS_BY_EXAMPLE;
        struct mat all = zeros(ROWS, OUT), parts = zeros(ROWS, OUT);
        evaluate(0, EXAMPLES, rows, &all);
        for (int batch = 1; batch < EXAMPLES; batch++) {
            for (int i = 0; i < EXAMPLES; i += batch)
                evaluate(i, i + batch < EXAMPLES ? i + batch : EXAMPLES, rows, &parts);
            same(&parts, &all, alone ? "rows alone" : "rows by example");
        }
        call.step++; /* nothing is drawn */
        evaluate(0, EXAMPLES, rows, &parts);
        same(&parts, &all, "another step");
    }
    arena_free(arena);
}
END_TEST

/* One scale for all: of a table, whose rows are the same in every batch, and with eval_scale = batch. */
START_TEST(one_scale_where_it_is_asked_for)
{
    setup();
    x_values[2 * IN + 1] = 300;
    struct mat by_example = zeros(ROWS, OUT), together = zeros(ROWS, OUT), batch = zeros(ROWS, OUT),
               train = zeros(ROWS, OUT);
    ck_ok(arith_dfp.linear(&call, &x, &w, bias, NULL, &train));
    call.train = false;
    evaluate(0, EXAMPLES, ROWS_BY_EXAMPLE, &by_example);
    evaluate(0, EXAMPLES, ROWS_TOGETHER, &together);
    options.eval_scale = EVAL_BATCH;
    evaluate(0, EXAMPLES, ROWS_BY_EXAMPLE, &batch);
    same(&batch, &train, "eval_scale = batch, rounded to nearest");
    same(&together, &train, "rows together");
    int differ = 0;
    for (int i = 4 * OUT; i < ROWS * OUT; i++) differ += by_example.a[i] != batch.a[i];
    ck_assert_int_gt(differ, ROWS * OUT / 2);
    arena_free(arena);
}
END_TEST

/* ---- accuracy, and what is not finite ---------------------------------------------------------------------------- */

/* Rounded to nearest an operand is off by at most its scale s (half of it; all of it where it is clamped), so an output
 * by at most sum |x| sw + |w| sx + sx sw, and by the roundings of single precision. */
START_TEST(sixteen_bits_come_near)
{
    setup();
    options = (struct dfp_options){16, 16, 16, DFP_NEAREST, EVAL_EXAMPLE};
    struct fixed_source fx = fixed_matrix(&x), fw = fixed_weight(&w);
    double sx = ldexp(1, mapped(&fx, 16).scale[0].exponent), sw = ldexp(1, mapped(&fw, 16).scale[0].exponent);
    struct mat y = zeros(ROWS, OUT);
    ck_ok(arith_dfp.linear(&call, &x, &w, bias, NULL, &y));
    double worst = 0, largest = 0;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double want = (double)bias[o], bound = 4 * (double)FLT_EPSILON * fabs(want);
            for (int i = 0; i < IN; i++) {
                double a = (double)x_values[r * IN + i], b = (double)w_values[o * IN + i];
                want += a * b;
                bound += fabs(a) * sw + fabs(b) * sx + sx * sw + 4 * (double)FLT_EPSILON * fabs(a * b);
            }
            double error = fabs((double)y.a[r * OUT + o] - want);
            ck_assert_msg(error <= bound, "output (%d, %d) is off by %g, allowed %g", r, o, error, bound);
            worst = fmax(worst, error);
            largest = fmax(largest, fabs(want));
        }
    ck_assert_msg(worst < 1e-3 * largest && worst > 0, "%g of %g", worst, largest);
    arena_free(arena);
}
END_TEST

static int count_nan(const struct mat *m)
{
    int n = 0;
    for (int i = 0; i < m->rows * m->cols; i++) n += isnan(m->a[i]);
    return n;
}

/* A NaN or an infinity in an operand is NaN in all that its tensor, or its example, is multiplied into. */
START_TEST(what_is_not_finite_stays_so)
{
    for (int infinite = 0; infinite <= 1; infinite++) {
        const real bad = infinite ? (real)INFINITY : (real)NAN;
        setup();
        struct mat y = zeros(ROWS, OUT), dx = zeros(ROWS, IN), dw = zeros(OUT, IN);
        real kept = x_values[5];
        x_values[5] = bad;
        ck_ok(arith_dfp.linear(&call, &x, &w, bias, NULL, &y));
        ck_ok(arith_dfp.linear_dw(&call, &x, &g, dw.a, IN));
        ck_assert_int_eq(count_nan(&y), ROWS * OUT);
        ck_assert_int_eq(count_nan(&dw), OUT * IN);
        call.train = false;
        evaluate(0, EXAMPLES, ROWS_BY_EXAMPLE, &y);
        ck_assert_int_eq(count_nan(&y), 4 * OUT);
        call.train = true;
        x_values[5] = kept;
        g_values[3] = bad;
        ck_ok(arith_dfp.linear_dx(&call, &g, &w, NULL, &dx, false));
        ck_assert_int_eq(count_nan(&dx), ROWS * IN);
        w_values[4] = bad;
        ck_ok(arith_dfp.linear(&call, &x, &w, bias, NULL, &y));
        ck_assert_int_eq(count_nan(&y), ROWS * OUT);
        arena_free(arena);
    }
}
END_TEST

START_TEST(no_memory)
{
    setup();
    struct mat y = zeros(ROWS, OUT), dx = zeros(ROWS, IN), dw = zeros(OUT, IN);
    for (int product = 0; product < 3; product++) {
        status st = ST_MEMORY;
        long n = 0;
        while (st == ST_MEMORY) {
            size_t used = arena_used(arena);
            arena_fail_after(++n);
            st = product == 0   ? arith_dfp.linear(&call, &x, &w, bias, NULL, &y)
                 : product == 1 ? arith_dfp.linear_dx(&call, &g, &w, NULL, &dx, false)
                                : arith_dfp.linear_dw(&call, &x, &g, dw.a, IN);
            arena_fail_after(0);
            ck_assert_uint_eq(arena_used(arena), used);
        }
        ck_assert_int_eq(st, ST_OK);
        ck_assert_int_ge(n, 8);
    }
    arena_free(arena);
}
END_TEST

PG_TESTS(LOOP_TEST(layers_are_their_definition, 0, 4), TEST(weights_of_tiles), TEST(operands_are_mapped_once),
         TEST(gradients_with_offsets_held_fixed), TEST(unbiased), TEST(a_row_depends_on_its_example_alone),
         TEST(one_scale_where_it_is_asked_for), TEST(sixteen_bits_come_near), TEST(what_is_not_finite_stays_so),
         TEST(no_memory))
