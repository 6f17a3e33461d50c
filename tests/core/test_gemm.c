/* The product against its definition, bit for bit: shapes around every tile border, operand orders, strides, weight
 * sources, threads, processor classes; and OpenBLAS as an independent oracle. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/gemm.h"
#include "core/parallel.h"
#include "tests/product_shapes.h"

static real value(void)
{
    return (real)((double)shape_any(1u << 24) / (1 << 23) - 1);
}

static const struct product tested = {gemm_reference, gemm, gemm_serial, value, CPU_AVX512, false};

static real *values(size_t n)
{
    return shape_values(&tested, n);
}

START_TEST(all_classes_of_this_machine)
{
    for (int c = CPU_AVX2; c <= CPU_AVX512; c++)
        if (!cpu_has((enum cpu_class)c))
            printf("SKIP product kernels of class %s: this machine lacks it\n", cpu_class_name((enum cpu_class)c));
    enum cpu_class have[SHAPE_CLASSES];
    ck_assert_int_ge(shape_classes(&tested, have), 1);
}
END_TEST

static const int sides[] = {1, 2, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 24, 31, 32, 33, 47, 64, 97};
enum { SIDES = sizeof sides / sizeof sides[0], SIDE_STEP = WATCHES_THREADS ? 6 : 1 };
enum {
    RANDOM_SHAPES = WATCHES_THREADS ? 8 : 40,
    LARGE_STEP = WATCHES_THREADS ? 5 : 1,
    MOST_ROWS = WATCHES_THREADS ? 10 : 60
};

/* Every pair of sides m, n occurs; k, transposition and accumulation change from one to the next. */
START_TEST(every_border)
{
    static const int depths[] = {1, 7, 8, 9, 31, 64, 3, 15, 100, 257};
    int turn = _i;
    for (int j = _i % SIDE_STEP; j < SIDES; j += SIDE_STEP, turn++) {
        struct shape s = {sides[_i], sides[j], depths[turn % 10], turn / 2 % 2, turn / 3 % 2, turn % 2};
        shape_check(&tested, &s);
        s.ta = !s.ta;
        shape_check(&tested, &s);
        s.tb = !s.tb;
        s.accumulate = !s.accumulate;
        shape_check(&tested, &s);
    }
}
END_TEST

START_TEST(random_shapes)
{
    for (int i = 0; i < RANDOM_SHAPES; i++) {
        struct shape s = {1 + (int)shape_any(200),
                          1 + (int)shape_any(430),
                          1 + (int)shape_any(100),
                          shape_any(2),
                          shape_any(2),
                          shape_any(2)};
        if (shape_any(3) == 0) s.m = 1 + (int)shape_any(9);
        if (shape_any(3) == 0) s.n = 1 + (int)shape_any(9);
        shape_check(&tested, &s);
    }
}
END_TEST

/* Several blocks of k, of rows and of columns at once. */
START_TEST(large_shapes)
{
    static const struct shape large[] = {{151, 400, 258, 0, 1, 0}, {151, 400, 258, 1, 0, 1}, {320, 8, 530, 0, 1, 0},
                                         {8, 390, 530, 1, 0, 1},   {390, 8, 530, 1, 0, 1},   {500, 390, 8, 0, 1, 1}};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i += LARGE_STEP) shape_check(&tested, &large[i]);
}
END_TEST

START_TEST(empty_sides)
{
    shape_check_empty(&tested);
}
END_TEST

START_TEST(weight_sources)
{
    enum { OUT = 70, IN = 290 };
    static uint16_t half[OUT * IN];
    static unsigned char bytes[OUT * IN * 4 + 1];
    for (int i = 0; i < OUT * IN; i++) {
        half[i] = (uint16_t)(shape_any(0x3c00) | shape_any(2) << 15); /* finite as half and as bfloat16 */
        float f = (float)value();
        memcpy(bytes + 1 + 4 * i, &f, 4);
    }
    real *dense = values(OUT * IN);
    struct wsrc all[] = {wsrc_dense(dense, OUT, IN),
                         wsrc_f16(half, OUT, IN),
                         wsrc_bf16(half, OUT, IN),
                         wsrc_f32(bytes + 1, OUT, IN),
                         {.rows = OUT, .cols = IN, .tile = shape_tile}};
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int c = 0; c < n; c++) {
        ck_ok(cpu_force(have[c]));
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            for (int rows = 3; rows < MOST_ROWS; rows = rows * 4 + 1) {
                for (int back = 0; back < 2; back++) {
                    struct shape s = {rows, back ? IN : OUT, back ? OUT : IN, shape_any(2), !back, shape_any(2)};
                    real *px, *got = values((size_t)rows * IN), *want = values((size_t)rows * IN);
                    memcpy(got, want, (size_t)rows * IN * sizeof *got);
                    struct gemm_in x = shape_operand(&tested, rows, s.k, s.ta, &px), w = {.w = &all[i], .trans = s.tb};
                    gemm_reference(s.m, s.n, s.k, x, w, want, s.n, s.accumulate);
                    gemm(s.m, s.n, s.k, x, w, got, s.n, s.accumulate);
                    shape_same(want, got, s.m, s.n, s.n, &s, "source as B");
                    struct gemm_in wa = {.w = &all[i], .trans = !s.tb}, xb = x; /* C' = W' X' */
                    xb.trans = !x.trans;
                    gemm_reference(s.n, s.m, s.k, wa, xb, want, s.m, s.accumulate);
                    gemm(s.n, s.m, s.k, wa, xb, got, s.m, s.accumulate);
                    shape_same(want, got, s.n, s.m, s.m, &s, "source as A");
                    free(px), free(got), free(want);
                }
            }
        }
    }
    free(dense);
}
END_TEST

/* Row r of a product is the same whatever rows are computed with it. */
START_TEST(rows_do_not_see_each_other)
{
    enum { M = 70, N = 90, K = 300 };
    real *a = values(M * K), *b = values(N * K), *all = values(M * N), *part = values(M * N);
    struct wsrc w = wsrc_dense(b, N, K);
    struct mat x = mat_of(a, M, K), y = mat_of(all, M, N);
    linear_forward(&x, &w, a, NULL, &y);
    for (int rows = 1; rows < M; rows += 5) {
        struct mat xs = mat_part(&x, M - rows, rows, 0, K), ys = mat_of(part, rows, N);
        linear_forward(&xs, &w, a, NULL, &ys);
        ck_assert_mem_eq(part, all + (M - rows) * N, sizeof(real) * (size_t)(rows * N));
    }
    free(a), free(b), free(all), free(part);
}
END_TEST

/* A regression head: one output, so that neither distance of C tells which way round it lies. */
START_TEST(one_output)
{
    enum { T = 13, K = 40 };
    real *x = values(T * K), *w = values(K), *bias = values(8), y[T], want[T];
    struct wsrc source = wsrc_dense(w, 1, K);
    for (int t = 1; t <= T; t++) {
        struct mat mx = mat_of(x, t, K), my = mat_of(y, t, 1);
        linear_forward(&mx, &source, bias, NULL, &my);
        gemm_reference(t, 1, K, (struct gemm_in){.p = x, .ld = K}, (struct gemm_in){.p = w, .ld = K, .trans = true},
                       want, 1, false);
        for (int i = 0; i < t; i++) want[i] += bias[0];
        ck_assert_mem_eq(y, want, sizeof(real) * (size_t)t);
    }
    free(x), free(w), free(bias);
}
END_TEST

START_TEST(linear_layer)
{
    for (int t = 1; t < 400; t = t * 3 + 2) {
        int in = 1 + (int)shape_any(120), out = 1 + (int)shape_any(120);
        real *x = values((size_t)(t * in)), *w = values((size_t)(out * in)), *bias = values((size_t)out);
        real *dy = values((size_t)(t * out)), *y = values((size_t)(t * out)), *dx = values((size_t)(t * in));
        real *dw = values((size_t)(out * in)), *db = values((size_t)out), *dw0 = values((size_t)(out * in)), db0[120];
        memcpy(dw0, dw, sizeof(real) * (size_t)(out * in));
        memcpy(db0, db, sizeof(real) * (size_t)out);
        struct mat mx = mat_of(x, t, in), my = mat_of(y, t, out), mdy = mat_of(dy, t, out), mdx = mat_of(dx, t, in);
        struct wsrc source = wsrc_dense(w, out, in);
        linear_forward(&mx, &source, bias, NULL, &my);
        linear_backward_x(&mdy, &source, NULL, &mdx, false);
        linear_backward_w(&mx, &mdy, dw, in);
        bias_backward(&mdy, db);
        real *want = values((size_t)(t * (in + out) + in * out));
        gemm_reference(t, out, in, (struct gemm_in){.p = x, .ld = in},
                       (struct gemm_in){.p = w, .ld = in, .trans = true}, want, out, false);
        for (int i = 0; i < t * out; i++) want[i] += bias[i % out];
        ck_assert_mem_eq(y, want, sizeof(real) * (size_t)(t * out));
        gemm_reference(t, in, out, (struct gemm_in){.p = dy, .ld = out}, (struct gemm_in){.p = w, .ld = in}, want, in,
                       false);
        ck_assert_mem_eq(dx, want, sizeof(real) * (size_t)(t * in));
        gemm_reference(out, in, t, (struct gemm_in){.p = dy, .ld = out, .trans = true},
                       (struct gemm_in){.p = x, .ld = in}, dw0, in, true);
        ck_assert_mem_eq(dw, dw0, sizeof(real) * (size_t)(out * in));
        for (int j = 0; j < out; j++) {
            double sum = (double)db0[j];
            for (int i = 0; i < t; i++) sum += (double)dy[i * out + j];
            ck_assert_double_eq_tol((double)db[j], sum, 1e-6 * t);
        }
        free(x), free(w), free(bias), free(dy), free(y), free(dx), free(dw), free(db), free(dw0), free(want);
    }
}
END_TEST

START_TEST(bias_sums_do_not_depend_on_threads_or_class)
{
    enum { ROWS = 1000, COLS = 333 };
    real *dy = values(ROWS * COLS), first[COLS] = {0}, db[COLS];
    struct mat m = mat_of(dy, ROWS, COLS);
    ck_ok(cpu_force(CPU_GENERIC));
    parallel_set_threads(1);
    bias_backward(&m, first);
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(&tested, have);
    for (int c = 0; c < n; c++) {
        ck_ok(cpu_force(have[c]));
        for (int threads = 1; threads <= 8; threads++) {
            parallel_set_threads(threads);
            memset(db, 0, sizeof db);
            bias_backward(&m, db);
            ck_assert_mem_eq(db, first, sizeof db);
        }
    }
    free(dy);
}
END_TEST

START_TEST(after_the_product)
{
    static const struct layer_shape layers[] = {{150, 300, 96, 33}, {1, 1, 1, 1},      {40, 33, 70, 8},
                                                {17, 70, 16, 40},   {64, 96, 0, 8},    {3, 1600, 8, 5},
                                                {2080, 2, 300, 1},  {200, 6, 400, 30}, {300, 1700, 300, 8},
                                                {30, 40, 64, 0},    {50, 20, 1200, 16}};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i += LARGE_STEP)
        shape_check_after(&tested, &products_f32, &layers[i]);
}
END_TEST

START_TEST(nothing_beside)
{
    shape_check_beside(&tested, &products_f32, _i);
}
END_TEST

START_TEST(openblas_agrees)
{
    ck_ok(gemm_select(GEMM_OPENBLAS));
    ck_assert_str_eq(gemm_backend_name(gemm_backend()), "openblas");
    static uint16_t half[110 * 190];
    for (size_t i = 0; i < sizeof half / sizeof half[0]; i++)
        half[i] = (uint16_t)(shape_any(0x3c00) | shape_any(2) << 15);
    for (int turn = 0; turn < 32; turn++) {
        struct shape s = {1 + (int)shape_any(150), 110, 190, turn & 1, (turn & 2) != 0, (turn & 4) != 0};
        real *pa, *pb, *want = values((size_t)(s.m * s.n)), *got = values((size_t)(s.m * s.n));
        memcpy(got, want, sizeof(real) * (size_t)(s.m * s.n));
        struct gemm_in a = shape_operand(&tested, s.m, s.k, s.ta, &pa), b = shape_operand(&tested, s.k, s.n, s.tb, &pb);
        struct wsrc w = wsrc_f16(half, s.tb ? s.n : s.k, s.tb ? s.k : s.n);
        if (turn & 8) b.w = &w;
        parallel_set_threads(turn & 16 ? 1 : 3);
        gemm(s.m, s.n, s.k, a, b, got, s.n, s.accumulate);
        gemm_reference(s.m, s.n, s.k, a, b, want, s.n, s.accumulate);
        double worst = 0;
        for (int i = 0; i < s.m * s.n; i++) worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
        ck_assert_double_le(worst, 1e-4);
        free(pa), free(pb), free(want), free(got);
    }
    ck_ok(gemm_select(GEMM_OWN));
    ck_fails(gemm_select((enum gemm_backend)7), ST_USAGE, "7");
}
END_TEST

PG_TESTS(TEST(all_classes_of_this_machine), LOOP_TEST(every_border, 0, SIDES), TEST(random_shapes), TEST(large_shapes),
         TEST(empty_sides), TEST(weight_sources), TEST(rows_do_not_see_each_other), TEST(one_output),
         TEST(linear_layer), TEST(after_the_product), TEST(bias_sums_do_not_depend_on_threads_or_class),
         LOOP_TEST(nothing_beside, 0, 2), TEST(openblas_agrees))
