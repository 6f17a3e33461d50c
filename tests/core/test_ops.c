/* The operations: against their naive forms, the same bits in every class and with any number of threads, rows that do
 * not see each other, arguments that may be the same, numbers that are not finite. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/cpu.h"
#include "core/ops.h"
#include "core/ops_reference.h"
#include "core/parallel.h"
#include "core/trig_portable.h"

enum { MAX_COLS = 1100, MAX_ROWS = 150, MAX = MAX_COLS * MAX_ROWS };
static real x_[MAX], dy_[MAX], y_[MAX], want_[MAX], gamma_[MAX_COLS], beta_[MAX_COLS], stats_[2 * MAX_ROWS];
static uint32_t state = 7;

static double uniform(void)
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / (1 << 23) - 1;
}

static void fill(real *p, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++) p[i] = (real)(scale * (uniform() + uniform() + uniform()));
}

static const int widths[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 100, 384, 768, 1030};
enum { WIDTHS = sizeof widths / sizeof widths[0], WIDTH_STEP = WATCHES_THREADS ? 6 : 1 };

/* Everything an operation gives for one input, so that runs can be compared. */
struct result {
    real out[MAX], extra[2 * MAX_ROWS + 2 * MAX_COLS];
    double value;
};
static struct result first, again;

typedef void op_run(const struct mat *x, const struct mat *dy, struct result *);

static struct mat into(struct result *r, const struct mat *like)
{
    return (struct mat){r->out, like->rows, like->cols, like->ld};
}

static void run_layernorm(const struct mat *x, const struct mat *dy, struct result *r)
{
    (void)dy;
    struct mat y = into(r, x);
    op_layernorm(x, gamma_, beta_, 1e-5, &y, r->extra);
}

static void run_layernorm_backward(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat dx = into(r, x);
    op_layernorm_backward(x, stats_, gamma_, dy, &dx, r->extra, r->extra + MAX_COLS);
}

static void run_rmsnorm(const struct mat *x, const struct mat *dy, struct result *r)
{
    (void)dy;
    struct mat y = into(r, x);
    op_rmsnorm(x, gamma_, 1e-6, &y, r->extra);
}

static void run_rmsnorm_backward(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat dx = into(r, x);
    op_rmsnorm_backward(x, stats_, gamma_, dy, &dx, r->extra);
}

static void run_activations(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat y = into(r, x);
    op_copy(x, &y);
    for (int a = ACT_GELU; a <= ACT_NONE; a++) { /* each in place on what the one before left, gradients mixed in */
        op_activation((enum activation)a, &y, &y);
        op_activation_backward((enum activation)a, &y, dy, &y);
        op_add(x, &y);
    }
}

/* Angles of positions 3 .. 9 for at most half of a head's columns. */
static struct rotary rotary_for(int head_dim)
{
    static real cosine[7 * MAX_COLS], sine[7 * MAX_COLS];
    int pairs = (head_dim * 2 / 5 + 1) / 2;
    for (int i = 0; i < 7 * pairs; i++) {
        double angle = (3 + i / pairs) * pow(100.0, -(double)(i % pairs) / (pairs + 1));
        cosine[i] = (real)cos(angle);
        sine[i] = (real)sin(angle);
    }
    return (struct rotary){pairs, 3, cosine, sine};
}

static const int *positions_of(int rows)
{
    static int position[MAX_ROWS];
    for (int r = 0; r < rows; r++) position[r] = 3 + r * 5 % 7;
    return position;
}

static void run_gated(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat y = into(r, x), up = {want_, x->rows, x->cols, x->ld};
    op_copy(dy, &up);
    op_copy(x, &y);
    for (int a = ACT_GELU; a <= ACT_NONE; a++) {
        op_gated((enum activation)a, &y, &up, &y);
        op_gated_backward((enum activation)a, &y, &up, dy, &y, &up);
        op_add(x, &y);
        op_add(&up, &y);
    }
}

static void run_rotate(const struct mat *x, const struct mat *dy, struct result *r)
{
    (void)dy;
    struct mat y = into(r, x);
    int head = x->cols % 2 == 0 ? x->cols / 2 : x->cols;
    struct rotary t = rotary_for(head);
    int position[MAX_ROWS];
    for (int i = 0; i < x->rows; i++) position[i] = 7; /* rows are also run alone */
    op_copy(x, &y);
    op_rotate(&t, position, head, false, &y);
}

static void run_softmax(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat y = into(r, x);
    static real p_[MAX];
    struct mat p = {p_, x->rows, x->cols, x->ld};
    op_copy(x, &p);
    softmax_rows(&p, 0.7);
    op_copy(dy, &y);
    softmax_rows_backward(&p, &y, 0.7);
    op_add(&p, &y);
}

static void run_loss(const struct mat *x, const struct mat *dy, struct result *r)
{
    (void)dy;
    struct mat d = into(r, x);
    int32_t label[MAX_ROWS];
    for (int i = 0; i < x->rows; i++) label[i] = i % (x->cols + 1) - 1;
    r->value = op_cross_entropy(x, label, 1.0 / x->rows, &d);
}

static void run_arrays(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct mat y = into(r, x);
    op_copy(x, &y);
    op_scale(&y, 0.3);
    op_add(dy, &y);
    r->value = op_sum_squares(x->a, (size_t)x->rows * (size_t)x->ld);
}

static void run_dropout(const struct mat *x, const struct mat *dy, struct result *r)
{
    (void)dy;
    struct mat y = into(r, x);
    struct rng rng = {.seed = 11};
    struct dropout d = {.rng = &rng, .step = 5, .who = 77, .p = 0.3};
    uint32_t key[MAX_ROWS];
    for (int i = 0; i < x->rows; i++) key[i] = (uint32_t)(i * 65537);
    op_copy(x, &y);
    op_dropout(&d, key, &y, &y);
}

static void run_embedding(const struct mat *x, const struct mat *dy, struct result *r)
{
    struct wsrc table = wsrc_dense(x->a, 5, x->cols);
    struct mat y = {r->out, dy->rows, dy->cols, dy->cols};
    int32_t id[MAX_ROWS];
    for (int i = 0; i < dy->rows; i++) id[i] = (i * 7) % 5;
    op_gather(&table, id, &y);
    op_scatter_add(dy, id, r->out, dy->cols); /* the first rows of y serve as the table */
}

static const struct {
    const char *name;
    op_run *run;
} runs[] = {{"layernorm", run_layernorm},
            {"layernorm backward", run_layernorm_backward},
            {"rmsnorm", run_rmsnorm},
            {"rmsnorm backward", run_rmsnorm_backward},
            {"activations", run_activations},
            {"softmax", run_softmax},
            {"cross entropy", run_loss},
            {"arrays", run_arrays},
            {"dropout", run_dropout},
            {"embedding", run_embedding},
            {"gated", run_gated},
            {"rotate", run_rotate}};
enum { RUNS = sizeof runs / sizeof runs[0] };

static void prepare(int rows, int cols, int ld)
{
    fill(x_, (size_t)rows * (size_t)ld, 2);
    fill(dy_, (size_t)rows * (size_t)ld, 1);
    fill(gamma_, (size_t)cols, 1);
    fill(beta_, (size_t)cols, 1);
    for (int r = 0; r < 2 * rows; r++) stats_[r] = (real)(1 + 0.3 * uniform());
}

START_TEST(same_bits_everywhere)
{
    for (int w = 0; w < WIDTHS; w += WIDTH_STEP) {
        int cols = widths[w], ld = cols + (w % 3 == 1 ? 5 : 0), rows = MAX / ld < MAX_ROWS ? MAX / ld : MAX_ROWS - w;
        prepare(rows, cols, ld);
        struct mat x = {x_, rows, cols, ld}, dy = {dy_, rows, cols, ld};
        ck_ok(cpu_force(CPU_GENERIC));
        parallel_set_threads(1);
        memset(&first, 0, sizeof first);
        runs[_i].run(&x, &dy, &first);
        for (int c = CPU_GENERIC; c <= CPU_AVX512; c++) {
            if (!cpu_has((enum cpu_class)c)) continue;
            ck_ok(cpu_force((enum cpu_class)c));
            for (int threads = 1; threads <= 5; threads += 2) {
                parallel_set_threads(threads);
                memset(&again, 0, sizeof again);
                runs[_i].run(&x, &dy, &again);
                ck_assert_msg(memcmp(&first, &again, sizeof first) == 0, "%s, %d columns: class %s, %d threads differ",
                              runs[_i].name, cols, cpu_class_name((enum cpu_class)c), threads);
            }
        }
    }
}
END_TEST

/* Row r of the output with all rows and with itself alone (for what works row by row). */
START_TEST(rows_do_not_see_each_other)
{
    if (runs[_i].run == run_loss || runs[_i].run == run_embedding || runs[_i].run == run_dropout) return;
    int rows = 40, cols = 100;
    prepare(rows, cols, cols);
    for (int r = 0; r < 2 * rows; r++) stats_[r] = (real)1.1;
    struct mat x = {x_, rows, cols, cols}, dy = {dy_, rows, cols, cols};
    runs[_i].run(&x, &dy, &first);
    for (int r = 0; r < rows; r++) {
        struct mat xr = mat_part(&x, r, 1, 0, cols), dyr = mat_part(&dy, r, 1, 0, cols);
        runs[_i].run(&xr, &dyr, &again);
        ck_assert_msg(memcmp(again.out, first.out + r * cols, sizeof(real) * (size_t)cols) == 0, "%s: row %d",
                      runs[_i].name, r);
    }
}
END_TEST

static void check_close(const real *got, const real *want, int n, double tolerance, const char *what, int cols)
{
    double worst = 0;
    for (int i = 0; i < n; i++) {
        double err = fabs((double)got[i] - (double)want[i]) / (1 + fabs((double)want[i]));
        if (!(err <= worst)) worst = err;
    }
    ck_assert_msg(worst <= tolerance, "%s, %d columns: error %g", what, cols, worst);
}

START_TEST(like_the_naive_forms)
{
    int cols = widths[_i], rows = 70, n = rows * cols;
    prepare(rows, cols, cols);
    struct mat x = {x_, rows, cols, cols}, dy = {dy_, rows, cols, cols}, y = {y_, rows, cols, cols};
    struct mat want = {want_, rows, cols, cols};
    real stats[2 * MAX_ROWS], stats2[2 * MAX_ROWS], dg[2][MAX_COLS], db[2][MAX_COLS];
    fill(dg[0], MAX_COLS, 1), memcpy(dg[1], dg[0], sizeof dg[0]);
    fill(db[0], MAX_COLS, 1), memcpy(db[1], db[0], sizeof db[0]);

    op_layernorm(&x, gamma_, beta_, 1e-5, &y, stats);
    ref_layernorm(&x, gamma_, beta_, 1e-5, &want, stats2);
    check_close(y_, want_, n, 3e-6, "layernorm", cols);
    check_close(stats, stats2, 2 * rows, cols > 1 ? 1e-5 : 1e-3, "layernorm statistics", cols);
    op_layernorm_backward(&x, stats2, gamma_, &dy, &y, dg[0], db[0]);
    ref_layernorm_backward(&x, stats2, gamma_, &dy, &want, dg[1], db[1]);
    check_close(y_, want_, n, cols > 1 ? 1e-5 : 1e-2, "layernorm dx", cols);
    check_close(dg[0], dg[1], cols, cols > 1 ? 1e-5 : 1e-2, "layernorm dgamma", cols);
    check_close(db[0], db[1], cols, 1e-5, "layernorm dbeta", cols);

    op_rmsnorm(&x, gamma_, 1e-6, &y, stats);
    ref_rmsnorm(&x, gamma_, 1e-6, &want, stats2);
    check_close(y_, want_, n, 3e-6, "rmsnorm", cols);
    check_close(stats, stats2, rows, 3e-6, "rmsnorm statistics", cols);
    op_rmsnorm_backward(&x, stats2, gamma_, &dy, &y, dg[0]);
    ref_rmsnorm_backward(&x, stats2, gamma_, &dy, &want, dg[1]);
    check_close(y_, want_, n, 1e-4, "rmsnorm dx", cols);
    check_close(dg[0], dg[1], cols, 1e-5, "rmsnorm dgamma", cols);

    op_copy(&x, &y), op_copy(&x, &want);
    softmax_rows(&y, 1.7);
    ref_softmax_rows(&want, 1.7);
    check_close(y_, want_, n, 1e-6, "softmax", cols);
    struct mat p = {x_, rows, cols, cols};
    op_copy(&want, &p);
    op_copy(&dy, &y), op_copy(&dy, &want);
    softmax_rows_backward(&p, &y, 0.3);
    ref_softmax_rows_backward(&p, &want, 0.3);
    check_close(y_, want_, n, 1e-6, "softmax backward", cols);
}
END_TEST

START_TEST(activations_like_the_naive_forms)
{
    enum { N = 4001 };
    for (int i = 0; i < N; i++) x_[i] = (real)((i - N / 2) * 0.01), dy_[i] = (real)(1 + 0.1 * uniform());
    struct mat x = mat_of(x_, 1, N), dy = mat_of(dy_, 1, N), y = mat_of(y_, 1, N), want = mat_of(want_, 1, N);
    for (int a = ACT_GELU; a <= ACT_NONE; a++) {
        op_activation((enum activation)a, &x, &y);
        ref_activation((enum activation)a, &x, &want);
        check_close(y_, want_, N, 4e-7, "activation", a);
        op_activation_backward((enum activation)a, &x, &dy, &y);
        ref_activation_backward((enum activation)a, &x, &dy, &want);
        check_close(y_, want_, N, 1e-6, "activation backward", a);
    }
    ck_assert_int_eq(activation_by_name("gelu_pytorch_tanh"), ACT_GELU_NEW);
    ck_assert_int_eq(activation_by_name("gelu"), ACT_GELU);
    ck_assert_int_eq(activation_by_name("gel"), -1);
}
END_TEST

START_TEST(gates_like_the_naive_forms)
{
    enum { N = 3000 };
    static real up_[N], du_[N], want_du_[N];
    struct mat g = {x_, 1, N, N}, up = {up_, 1, N, N}, dy = {dy_, 1, N, N}, y = {y_, 1, N, N}, du = {du_, 1, N, N},
               want = {want_, 1, N, N}, want_du = {want_du_, 1, N, N};
    fill(x_, N, 4), fill(up_, N, 2), fill(dy_, N, 1);
    for (int a = ACT_GELU; a <= ACT_NONE; a++) {
        op_gated((enum activation)a, &g, &up, &y);
        ref_gated((enum activation)a, &g, &up, &want);
        check_close(y_, want_, N, 1e-6, "gated", a);
        op_gated_backward((enum activation)a, &g, &up, &dy, &y, &du);
        ref_gated_backward((enum activation)a, &g, &up, &dy, &want, &want_du);
        check_close(y_, want_, N, 2e-6, "gate backward", a);
        check_close(du_, want_du_, N, 2e-6, "up backward", a);
        real *inputs[] = {x_, up_, dy_}; /* each output over each input */
        for (int i = 0; i < 9; i++) {
            static real saved[3][N];
            if (i / 3 == i % 3) continue;
            for (int k = 0; k < 3; k++) memcpy(saved[k], inputs[k], sizeof saved[k]);
            struct mat to = {inputs[i / 3], 1, N, N}, and = {inputs[i % 3], 1, N, N};
            op_gated_backward((enum activation)a, &g, &up, &dy, &to, &and);
            ck_assert_mem_eq(to.a, y_, sizeof y_[0] * N);
            ck_assert_mem_eq(and.a, du_, sizeof du_[0] * N);
            for (int k = 0; k < 3; k++) memcpy(inputs[k], saved[k], sizeof saved[k]);
        }
    }
}
END_TEST

START_TEST(rotation_like_the_naive_form)
{
    static const int heads[] = {2, 10, 64, 80, 128};
    for (int i = 0; i < 5; i++) {
        int head = heads[i], cols = 3 * head;
        struct mat x = {x_, 9, cols, cols + 5}, y = {y_, 9, cols, cols + 5}, want = {want_, 9, cols, cols + 5};
        struct rotary t = rotary_for(head);
        fill(x_, (size_t)(9 * (cols + 5)), 1);
        op_copy(&x, &y), op_copy(&x, &want);
        op_rotate(&t, positions_of(9), head, false, &y);
        ref_rotate(&t, positions_of(9), head, false, &want);
        for (int r = 0; r < 9; r++) check_close(mat_row(&y, r), mat_row(&want, r), cols, 3e-7, "rotate", head);
        ck_assert_mem_eq(y_ + 2 * t.pairs, x_ + 2 * t.pairs, sizeof(real) * (size_t)(head - 2 * t.pairs));
        op_rotate(&t, positions_of(9), head, true, &y);
        for (int r = 0; r < 9; r++) check_close(mat_row(&y, r), mat_row(&x, r), cols, 6e-7, "and back", head);
    }
}
END_TEST

START_TEST(portable_sine_and_cosine)
{
    double s, c;
    for (int i = 0; i < 200000; i++) {
        double x = i < 100000 ? i * 1.3107 : i * 1e-5;
        sin_cos_portable(x, &s, &c);
        if (!(fabs(s - sin(x)) < 5e-16 && fabs(c - cos(x)) < 5e-16)) /* each passing ck_assert is a system call */
            ck_abort_msg("%.17g: sine %.17g, cosine %.17g", x, s, c);
    }
}
END_TEST

START_TEST(losses_like_the_naive_forms)
{
    static const int classes[] = {2, 3, 16, 17, 300, 1100};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        int cols = classes[i], rows = 140;
        fill(x_, (size_t)(rows * cols), 3);
        int32_t label[MAX_ROWS];
        for (int r = 0; r < rows; r++) label[r] = r % 7 == 3 ? -1 : (r * 31) % cols;
        struct mat x = mat_of(x_, rows, cols), d = mat_of(y_, rows, cols), want = mat_of(want_, rows, cols);
        double loss = ref_cross_entropy(&x, label, 0.25, &want);
        ck_assert_double_eq_tol(op_cross_entropy(&x, label, 0.25, NULL), loss, 1e-5 * loss);
        ck_assert_double_eq_tol(op_cross_entropy(&x, label, 0.25, &d), loss, 1e-5 * loss);
        check_close(y_, want_, rows * cols, 1e-6, "cross entropy gradient", cols);
        op_cross_entropy(&x, label, 0.25, &x);
        ck_assert_mem_eq(x_, y_, sizeof(real) * (size_t)(rows * cols));
        label[5] = cols;
        ck_assert(isnan(op_cross_entropy(&x, label, 1, NULL)));
    }
    float target[3] = {1, 2, 3};
    real pred[3] = {2, 2, (real)2.5}, dpred[3];
    struct mat p = mat_of(pred, 3, 1), dp = mat_of(dpred, 3, 1);
    ck_assert_double_eq_tol(op_mse(&p, target, 0.5, &dp), 0.625, 1e-12);
    ck_assert(dpred[0] == 1 && dpred[1] == 0 && dpred[2] == (real)-0.5);
}
END_TEST

START_TEST(in_and_out_may_be_the_same)
{
    int rows = 20, cols = 50, n = rows * cols;
    prepare(rows, cols, cols);
    struct mat x = mat_of(x_, rows, cols), dy = mat_of(dy_, rows, cols), y = mat_of(y_, rows, cols);
    op_layernorm_backward(&x, stats_, gamma_, &dy, &y, NULL, NULL);
    op_copy(&dy, (struct mat[]){mat_of(want_, rows, cols)});
    struct mat g = mat_of(want_, rows, cols);
    op_layernorm_backward(&x, stats_, gamma_, &g, &g, NULL, NULL);
    ck_assert_mem_eq(y_, want_, sizeof(real) * (size_t)n);
    op_activation_backward(ACT_GELU, &x, &dy, &y);
    op_copy(&dy, &g);
    op_activation_backward(ACT_GELU, &x, &g, &g);
    ck_assert_mem_eq(y_, want_, sizeof(real) * (size_t)n);
    op_layernorm(&x, gamma_, beta_, 1e-7, &y, NULL);
    op_layernorm(&x, gamma_, beta_, 1e-7, &x, NULL);
    ck_assert_mem_eq(y_, x_, sizeof(real) * (size_t)n);
}
END_TEST

/* A NaN comes out where it went in, in each class; infinities give limits. */
START_TEST(not_finite)
{
    for (int c = CPU_GENERIC; c <= CPU_AVX512; c++) {
        if (!cpu_has((enum cpu_class)c)) continue;
        ck_ok(cpu_force((enum cpu_class)c));
        for (int a = ACT_GELU; a <= ACT_SILU; a++) {
            real in[20] = {0}, out[20], one[20];
            for (int i = 0; i < 20; i++) one[i] = 1;
            in[3] = (real)NAN, in[18] = (real)NAN, in[5] = (real)INFINITY, in[7] = (real)200, in[8] = (real)-200;
            struct mat x = mat_of(in, 1, 20), y = mat_of(out, 1, 20), g = mat_of(one, 1, 20);
            op_activation((enum activation)a, &x, &y);
            for (int i = 0; i < 20; i++) ck_assert_int_eq(isnan(out[i]) != 0, i == 3 || i == 18);
            ck_assert(out[5] == (a == ACT_TANH ? 1 : (real)INFINITY) && out[7] == (a == ACT_TANH ? 1 : 200));
            ck_assert(out[8] == (a == ACT_TANH ? -1 : 0));
            op_activation_backward((enum activation)a, &x, &g, &y);
            ck_assert(isnan(out[3]) && isnan(out[18]));
            ck_assert(out[7] == (a == ACT_TANH ? 0 : 1) && out[8] == 0);
        }
        real row[33] = {0};
        row[32] = (real)NAN;
        struct mat x = mat_of(row, 1, 33);
        ck_assert(!op_all_finite(row, 33) && op_all_finite(row, 32));
        ck_assert(isnan(op_sum_squares(row, 33)));
        softmax_rows(&x, 1);
        for (int i = 0; i < 33; i++) ck_assert(isnan(row[i]));
        row[0] = (real)-INFINITY;
        ck_assert(!op_all_finite(row, 1));
    }
}
END_TEST

START_TEST(whole_arrays)
{
    enum { N = 300001 };
    real *v = malloc(N * sizeof *v);
    ck_assert_ptr_nonnull(v);
    double want = 0;
    for (int i = 0; i < N; i++) v[i] = (real)uniform(), want += (double)v[i] * (double)v[i];
    ck_assert_double_eq_tol(op_sum_squares(v, N), want, 1e-9 * want);
    ck_assert_double_eq(op_sum_squares(v, 0), 0);
    ck_assert(op_all_finite(v, N));
    v[N - 2] = (real)NAN;
    ck_assert(!op_all_finite(v, N));
    free(v);
}
END_TEST

START_TEST(sixteen_lanes_everywhere)
{
    for (int c = CPU_AVX2; c <= CPU_AVX512; c++)
        if (!cpu_has((enum cpu_class)c))
            printf("SKIP row kernels of class %s: this machine lacks it\n", cpu_class_name((enum cpu_class)c));
    ck_assert(cpu_has(CPU_GENERIC));
    ck_fails(cpu_force((enum cpu_class)9), ST_UNSUPPORTED, "no such");
}
END_TEST

START_TEST(the_environment_chooses_the_class)
{
    setenv("PEFTGRID_CPU", "generic", 1);
    ck_ok(cpu_from_environment());
    ck_assert_int_eq(cpu_class(), CPU_GENERIC);
    setenv("PEFTGRID_CPU", "", 1);
    ck_ok(cpu_from_environment());
    setenv("PEFTGRID_CPU", "avx1024", 1);
    ck_fails(cpu_from_environment(), ST_USAGE,
             "PEFTGRID_CPU is 'avx1024', expected generic, avx2, avx512, avx512bf16 or amx");
    for (int c = CPU_AVX2; c <= CPU_AMX; c++) {
        setenv("PEFTGRID_CPU", cpu_class_name((enum cpu_class)c), 1);
        if (cpu_has((enum cpu_class)c))
            ck_ok(cpu_from_environment());
        else
            ck_fails(cpu_from_environment(), ST_UNSUPPORTED, "PEFTGRID_CPU: this machine has no a");
    }
    unsetenv("PEFTGRID_CPU");
}
END_TEST

/* Enough rows for several threads; the second product is made in place. */
START_TEST(products_by_element)
{
    enum { ROWS = 700, COLS = 37, LD = 40 };
    static real x[ROWS * LD], y[ROWS * LD], f[COLS];
    struct mat mx = {x, ROWS, COLS, LD}, my = {y, ROWS, COLS, LD};
    for (int c = 0; c < COLS; c++) f[c] = (real)(c - 11) / 4;
    for (int i = 0; i < ROWS * LD; i++) x[i] = (real)(i % 83) / 8;
    for (int i = 0; i < ROWS * LD; i++) y[i] = 9;
    op_scale_columns(&mx, f, &my);
    op_scale_columns(&mx, f, &mx);
    op_multiply(&mx, &my);
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLS; c++) {
            real product = (real)((r * LD + c) % 83) / 8 * f[c];
            if (mat_row(&mx, r)[c] != product || mat_row(&my, r)[c] != product * product)
                ck_abort_msg("row %d, column %d: not %g and its square", r, c, (double)product);
        }
        ck_assert_double_eq((double)mat_row(&my, r)[COLS], 9); /* beyond the last column */
    }
}
END_TEST

PG_TESTS(TEST(products_by_element), LOOP_TEST(same_bits_everywhere, 0, RUNS),
         LOOP_TEST(rows_do_not_see_each_other, 0, RUNS), LOOP_TEST(like_the_naive_forms, 0, WIDTHS),
         TEST(activations_like_the_naive_forms), TEST(gates_like_the_naive_forms), TEST(rotation_like_the_naive_form),
         TEST(portable_sine_and_cosine), TEST(losses_like_the_naive_forms), TEST(in_and_out_may_be_the_same),
         TEST(not_finite), TEST(whole_arrays), TEST(sixteen_lanes_everywhere), TEST(the_environment_chooses_the_class))
