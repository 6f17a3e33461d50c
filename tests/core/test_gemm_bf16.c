/* The bfloat16 product against its definition, bit for bit, by every class of kernels that this machine has: shapes
 * around every tile border, operand orders, strides, weight sources, threads, special values. */
#include "tests/pgtest.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/gemm_bf16.h"
#include "core/parallel.h"
#include "tests/product_shapes.h"

/* Of many sizes, so that another order of additions shows. */
static real value(void)
{
    return (real)ldexp((double)shape_any(1u << 24) / (1 << 23) - 1, (int)shape_any(12) - 6);
}

/* A processor's own bfloat16 instructions are trusted after a trial only. */
static const struct product tested = {gemm_bf16_reference, gemm_bf16, gemm_bf16_serial, value, CPU_AMX, true};

static real *values(size_t n)
{
    return shape_values(&tested, n);
}

/* A class whose instructions give other bits is not used; emulated ones give the right bits, so there a kernel is
 * wrong. */
START_TEST(all_classes_of_this_machine)
{
    for (int c = CPU_AVX2; c < SHAPE_CLASSES; c++) {
        if (!cpu_has((enum cpu_class)c)) {
            printf("SKIP bf16 kernels of class %s: this machine lacks it\n", cpu_class_name((enum cpu_class)c));
            continue;
        }
        ck_ok(cpu_force((enum cpu_class)c));
        if (gemm_bf16_class() == (enum cpu_class)c) continue;
        ck_assert_msg(getenv("PEFTGRID_EMULATED") == NULL, "kernels of class %s do not pass their trial",
                      cpu_class_name((enum cpu_class)c));
        printf("SKIP bf16 kernels of class %s: this processor's instructions give other bits\n",
               cpu_class_name((enum cpu_class)c));
    }
}
END_TEST

static const int sides[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 97};
enum { SIDES = sizeof sides / sizeof sides[0] };

/* Every pair of sides m, n occurs; k, transposition and accumulation change from one to the next. */
START_TEST(every_border)
{
    static const int depths[] = {1, 2, 8, 31, 32, 33, 48, 63, 64, 65, 100};
    int turn = _i;
    for (int j = 0; j < SIDES; j++, turn++) {
        struct shape s = {sides[_i], sides[j], depths[turn % 11], turn / 2 % 2, turn / 3 % 2, turn % 2};
        shape_check(&tested, &s);
        s.ta = !s.ta;
        shape_check(&tested, &s);
        s.tb = !s.tb;
        s.accumulate = !s.accumulate;
        shape_check(&tested, &s);
    }
}
END_TEST

/* Several pieces of C; more rows than the own buffers of a thread hold; several parts of k, in the own buffers and in
 * the shared ones. */
START_TEST(large_shapes)
{
    static const struct shape large[] = {{151, 400, 258, 0, 1, 0}, {300, 70, 258, 1, 0, 1}, {8, 390, 530, 1, 0, 1},
                                         {390, 8, 530, 0, 1, 1},   {40, 33, 2100, 1, 1, 0}, {130, 140, 1030, 0, 0, 1},
                                         {20, 17, 8200, 1, 0, 0}};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) shape_check(&tested, &large[i]);
}
END_TEST

START_TEST(empty_sides)
{
    shape_check_empty(&tested);
}
END_TEST

START_TEST(weight_sources)
{
    enum { OUT = 70, IN = 550, ROWS = 21 };
    real *dense = values(OUT * IN), *x = values(ROWS * IN), *got = values(ROWS * IN), *want = values(ROWS * IN);
    struct wsrc all[] = {wsrc_dense(dense, OUT, IN), {.rows = OUT, .cols = IN, .tile = shape_tile}};
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int turn = 0; turn < 4 * n; turn++) {
        ck_ok(cpu_force(have[turn / 4]));
        int back = turn & 1, k = back ? OUT : IN, out = back ? IN : OUT;
        struct shape s = {ROWS, out, k, false, !back, false};
        struct gemm_in in = {.p = x, .ld = k}, w = {.w = &all[turn >> 1 & 1], .trans = !back};
        gemm_bf16_reference(ROWS, out, k, in, w, want, out, false);
        gemm_bf16(ROWS, out, k, in, w, got, out, false);
        shape_same(want, got, ROWS, out, out, &s, "source as B");
        struct gemm_in wa = {.w = w.w, .trans = back}, xb = {.p = x, .ld = k, .trans = true}; /* C' = W' X' */
        gemm_bf16_reference(out, ROWS, k, wa, xb, want, ROWS, false);
        gemm_bf16(out, ROWS, k, wa, xb, got, ROWS, false);
        shape_same(want, got, out, ROWS, ROWS, &s, "source as A");
    }
    free(dense), free(x), free(got), free(want);
}
END_TEST

/* Row r of a product is the same whatever rows are computed with it; sums start from the bias. */
START_TEST(linear_layers)
{
    enum { M = 70, N = 90, K = 300 };
    real *a = values(M * K), *b = values(N * K), *all = values(M * N), *part = values(M * N), *bias = values(N);
    real *dx = values(M * K), *want = values(M * K), *dw = values(N * K), *want_dw = values(N * K);
    memcpy(want, dx, sizeof(real) * M * K);
    memcpy(want_dw, dw, sizeof(real) * N * K);
    struct wsrc w = wsrc_dense(b, N, K);
    struct mat x = mat_of(a, M, K), y = mat_of(all, M, N), d = mat_of(dx, M, K);
    struct gemm_in in = {.p = a, .ld = K}, weight = {.p = b, .ld = K, .trans = true}, dy = {.p = all, .ld = N};
    linear_bf16_forward(&x, &w, bias, NULL, &y);
    for (int i = 0; i < M * N; i++) part[i] = bias[i % N];
    gemm_bf16_reference(M, N, K, in, weight, part, N, true);
    ck_assert_mem_eq(all, part, sizeof(real) * M * N);
    for (int rows = 1; rows < M; rows += 5) {
        struct mat xs = mat_part(&x, M - rows, rows, 0, K), ys = mat_of(part, rows, N);
        linear_bf16_forward(&xs, &w, bias, NULL, &ys);
        ck_assert_mem_eq(part, all + (M - rows) * N, sizeof(real) * (size_t)(rows * N));
    }
    weight.trans = false;
    linear_bf16_backward_x(&y, &w, NULL, &d, true);
    gemm_bf16_reference(M, K, N, dy, weight, want, K, true);
    ck_assert_mem_eq(dx, want, sizeof(real) * M * K);
    dy.trans = true;
    linear_bf16_backward_w(&x, &y, dw, K);
    gemm_bf16_reference(N, K, M, dy, in, want_dw, K, true);
    ck_assert_mem_eq(dw, want_dw, sizeof(real) * N * K);
    free(a), free(b), free(all), free(part), free(bias), free(dx), free(want), free(dw), free(want_dw);
}
END_TEST

START_TEST(nothing_beside)
{
    shape_check_beside(&tested, &products_bf16, _i);
}
END_TEST

/* Two linear layers and their backward products, by whatever forms of x and w there are, against the definition. */
static void check_linear(const struct mat *x, const struct wsrc *w, const char *how)
{
    int m = x->rows, k = w->cols, n = w->rows;
    real *got = values((size_t)(m * (n + k))), *want = values((size_t)(m * (n + k)));
    struct gemm_in in = {.p = x->a, .ld = x->ld}, weight = {.w = w, .trans = true}, dy = {.p = got, .ld = n};
    struct mat y = mat_of(got, m, n), dx = mat_of(got + m * n, m, k);
    linear_bf16_forward(x, w, NULL, NULL, &y);
    gemm_bf16_reference(m, n, k, in, weight, want, n, false);
    weight.trans = false;
    linear_bf16_backward_x(&y, w, NULL, &dx, false);
    gemm_bf16_reference(m, k, n, dy, weight, want + m * n, k, false);
    for (int i = 0; i < m * (n + k); i++)
        if (got[i] != want[i])
            ck_abort_msg("%s: element %d is %.9g, want %.9g", how, i, (double)got[i], (double)want[i]);
    free(got), free(want);
}

/* Packed in one class and used in all; k in several parts; and a source that was changed after it was packed. */
START_TEST(packed_weights)
{
    enum { M = 3, N = 18, K = 4200 };
    real *x = values(M * K), *dense = values(N * K), *other = values(N * K);
    struct mat mx = mat_of(x, M, K);
    struct arena *arena = arena_new("packed weights");
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int c = 0; c < n; c++) {
        struct wsrc w = wsrc_dense(dense, N, K), forward = w;
        ck_ok(cpu_force(have[c]));
        ck_ok(gemm_bf16_pack_weight(&w, true, arena));
        ck_ok(gemm_bf16_pack_weight(&forward, false, arena));
        ck_assert_ptr_nonnull(w.packed);
        ck_assert_uint_ge(gemm_bf16_weight_bytes(&w, false), (size_t)2 * N * K);
        for (int used = 0; used < n; used++) {
            ck_ok(cpu_force(have[used]));
            check_linear(&mx, &w, "packed in both directions");
            check_linear(&mx, &forward, "packed forward");
        }
        w.dense = other;
        check_linear(&mx, &w, "changed after packing");
    }
    arena_free(arena);
    free(x), free(dense), free(other);
}
END_TEST

/* While x is held its packed form may be used again; other operands come between; after the release x changes. */
START_TEST(held_operands)
{
    enum { M = 40, N = 33, K = 70 };
    real *x = values(M * K), *z = values(M * K), *a = values(N * K), *b = values(N * K);
    struct mat mx = mat_of(x, M, K), mz = mat_of(z, M, K), part = mat_part(&mx, 0, M - 1, 0, K);
    struct wsrc wa = wsrc_dense(a, N, K), wb = wsrc_dense(b, N, K);
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int turn = 0; turn < 2 * n; turn++) {
        ck_ok(cpu_force(have[turn / 2]));
        gemm_bf16_hold(&mx);
        check_linear(&mx, &wa, "held");
        gemm_bf16_hold(&mz);
        check_linear(&mz, &wa, "inside another hold");
        gemm_bf16_release();
        check_linear(&part, &wb, "rows of what is held");
        check_linear(&mx, &wb, "held, again");
        ck_ok(cpu_force(have[(turn / 2 + 1) % n]));
        check_linear(&mx, &wb, "held, other class");
        gemm_bf16_release();
        for (int i = 0; i < M * K; i++) x[i] = value();
        check_linear(&mx, &wa, "released");
        gemm_bf16_hold(&mx);
        check_linear(&mx, &wa, "held anew");
        gemm_bf16_release();
        for (int i = 0; i < M * K; i++) x[i] = value();
    }
    free(x), free(z), free(a), free(b);
}
END_TEST

/* Small, in several parts of rows and k, too large to be packed beside, and no k at all. */
static const struct layer_shape layers[] = {
    {1, 1, 1, 1},       {40, 33, 70, 8},    {17, 70, 16, 64}, {150, 300, 96, 33}, {64, 96, 0, 8},
    {50, 20, 4200, 16}, {2080, 2, 4100, 1}, {3, 2080, 8, 5},  {17, 9, 8, 40000},  {30, 40, 64, 0}};

START_TEST(after_the_product)
{
    shape_check_after(&tested, &products_bf16, &layers[_i]);
}
END_TEST

/* bfloat16 keeps 8 bits: 1 + 2^-7 is the next number after 1. */
START_TEST(rounding)
{
    const real step = (real)ldexp(1, -7);
    ck_assert(bf16_round(1 + step) == 1 + step);
    ck_assert(bf16_round(1 + step / 2) == 1);                      /* a tie goes to the even one */
    ck_assert(bf16_round(1 + step + step / 2) == 1 + 2 * step);    /* so here up */
    ck_assert(bf16_round(1 + step / 2 + step / 1024) == 1 + step); /* no tie */
    ck_assert(bf16_round(-1 - step - step / 2) == -1 - 2 * step);
    ck_assert(isinf(bf16_round((real)FLT_MAX)));
    ck_assert(isnan(bf16_round((real)NAN)));
    ck_assert(bf16_round((real)FLT_MIN) == (real)FLT_MIN);
    ck_assert(bf16_round((real)FLT_MIN / 2) == 0 && signbit(bf16_round((real)-FLT_MIN / 2)));
}
END_TEST

/* Ties, denormals, infinities and numbers that overflow, packed in both directions on both sides. A NaN need only stay
 * one: which of two is kept is the processor's choice. */
START_TEST(special_values)
{
    static const real odd[] = {0,           -0.0f,       FLT_MIN / 4, -FLT_MIN / 4, FLT_MIN,
                               1.00390625f, 1.01171875f, 3e38f,       INFINITY,     NAN};
    enum { M = 18, N = 35, K = 50, ODD = sizeof odd / sizeof odd[0] };
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int turn = 0; turn < 4 * n; turn++) {
        ck_ok(cpu_force(have[turn / 4]));
        struct shape s = {M, N, K, turn & 1, turn >> 1 & 1, false};
        real *pa, *pb, want[M * N], got[M * N];
        struct gemm_in a = shape_operand(&tested, M, K, s.ta, &pa), b = shape_operand(&tested, K, N, s.tb, &pb);
        for (int i = 0; i < M * K; i += 7) pa[i] = odd[shape_any(i % 3 ? 7 : ODD)];
        for (int i = 0; i < N * K; i += 5) pb[i] = odd[shape_any(7)];
        gemm_bf16_reference(M, N, K, a, b, want, N, false);
        gemm_bf16(M, N, K, a, b, got, N, false);
        for (int i = 0; i < M * N; i++)
            if (isnan(want[i]) && isnan(got[i])) got[i] = want[i];
        shape_same(want, got, M, N, N, &s, cpu_class_name(have[turn / 4]));
        free(pa), free(pb);
    }
}
END_TEST

PG_TESTS(TEST(all_classes_of_this_machine), LOOP_TEST(every_border, 0, SIDES), TEST(large_shapes), TEST(empty_sides),
         TEST(weight_sources), TEST(linear_layers), LOOP_TEST(nothing_beside, 0, 2), TEST(packed_weights),
         TEST(held_operands), LOOP_TEST(after_the_product, 0, (int)(sizeof layers / sizeof layers[0])), TEST(rounding),
         TEST(special_values))
