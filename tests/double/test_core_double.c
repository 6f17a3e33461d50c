/* Gradients of the numerical core against central differences, in double: every backward form of core/ops.h,
 * core/gemm.h and core/lowrank.h. The loss is a fixed random combination of the outputs; every input element is moved.
 */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/arith.h"
#include "core/gemm.h"
#include "core/lowrank.h"
#include "core/ops.h"

enum { ROWS = 5, COLS = 19, OUT = 7, RANK = 3, MAX = 256 };

/* What a case computes from: up to four inputs, whose gradients it gives, and the weights of the outputs in the loss.
 */
struct parts {
    real x[MAX], gamma[MAX], beta[MAX], extra[MAX];
    real dx[MAX], dgamma[MAX], dbeta[MAX], dextra[MAX];
    real w[MAX];
};
static uint32_t state = 12345;

static void fill(real *p, int n, double from, double to)
{
    for (int i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = from + (to - from) * ((double)(state >> 8) / (1 << 24));
    }
}

static double weigh(const struct parts *p, const real *out, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += p->w[i] * out[i];
    return sum;
}

static struct mat x_of(struct parts *p)
{
    return mat_of(p->x, ROWS, COLS);
}

/* Each case: value() = the loss; gradients() sets the d* of what it has. */
struct gradient_case {
    const char *name;
    double (*value)(struct parts *);
    void (*gradients)(struct parts *);
    int nx, ngamma, nbeta, nextra;
};

static double layernorm(struct parts *p)
{
    real out[MAX];
    struct mat x = x_of(p), y = mat_of(out, ROWS, COLS);
    op_layernorm(&x, p->gamma, p->beta, 1e-5, &y, NULL);
    return weigh(p, out, ROWS * COLS);
}
static void layernorm_back(struct parts *p)
{
    real out[MAX], stats[2 * ROWS];
    struct mat x = x_of(p), y = mat_of(out, ROWS, COLS), dy = mat_of(p->w, ROWS, COLS), dx = mat_of(p->dx, ROWS, COLS);
    op_layernorm(&x, p->gamma, p->beta, 1e-5, &y, stats);
    op_layernorm_backward(&x, stats, p->gamma, &dy, &dx, p->dgamma, p->dbeta);
}

static double rmsnorm(struct parts *p)
{
    real out[MAX];
    struct mat x = x_of(p), y = mat_of(out, ROWS, COLS);
    op_rmsnorm(&x, p->gamma, 1e-5, &y, NULL);
    return weigh(p, out, ROWS * COLS);
}
static void rmsnorm_back(struct parts *p)
{
    real out[MAX], rstd[ROWS];
    struct mat x = x_of(p), y = mat_of(out, ROWS, COLS), dy = mat_of(p->w, ROWS, COLS), dx = mat_of(p->dx, ROWS, COLS);
    op_rmsnorm(&x, p->gamma, 1e-5, &y, rstd);
    op_rmsnorm_backward(&x, rstd, p->gamma, &dy, &dx, p->dgamma);
}

#define ACTIVATION(fn, kind) \
    static double fn(struct parts *p) \
    { \
        real out[MAX]; \
        struct mat x = x_of(p), y = mat_of(out, ROWS, COLS); \
        op_activation(kind, &x, &y); \
        return weigh(p, out, ROWS * COLS); \
    } \
    static void fn##_back(struct parts *p) \
    { \
        struct mat x = x_of(p), dy = mat_of(p->w, ROWS, COLS), dx = mat_of(p->dx, ROWS, COLS); \
        op_activation_backward(kind, &x, &dy, &dx); \
    }
ACTIVATION(gelu, ACT_GELU)
ACTIVATION(gelu_new, ACT_GELU_NEW)
ACTIVATION(relu, ACT_RELU)
ACTIVATION(hyperbolic, ACT_TANH)
ACTIVATION(silu, ACT_SILU)
ACTIVATION(identity, ACT_NONE)

static double softmax(struct parts *p)
{
    real out[MAX];
    memcpy(out, p->x, sizeof out);
    struct mat y = mat_of(out, ROWS, COLS);
    softmax_rows(&y, 0.8);
    return weigh(p, out, ROWS * COLS);
}
static void softmax_back(struct parts *p)
{
    real out[MAX];
    memcpy(out, p->x, sizeof out);
    memcpy(p->dx, p->w, sizeof p->dx);
    struct mat y = mat_of(out, ROWS, COLS), dp = mat_of(p->dx, ROWS, COLS);
    softmax_rows(&y, 0.8);
    softmax_rows_backward(&y, &dp, 0.8);
}

static const int32_t label[ROWS] = {3, -1, 0, COLS - 1, 17};
static double cross_entropy(struct parts *p)
{
    struct mat x = x_of(p);
    return op_cross_entropy(&x, label, 0.37, NULL);
}
static void cross_entropy_back(struct parts *p)
{
    struct mat x = x_of(p), dx = mat_of(p->dx, ROWS, COLS);
    op_cross_entropy(&x, label, 0.37, &dx);
}

static double squared(struct parts *p)
{
    static const float target[ROWS] = {1, 2, -1, 0.5f, 3};
    struct mat pred = mat_of(p->x, ROWS, 1);
    return op_mse(&pred, target, 0.7, NULL);
}
static void squared_back(struct parts *p)
{
    static const float target[ROWS] = {1, 2, -1, 0.5f, 3};
    struct mat pred = mat_of(p->x, ROWS, 1), d = mat_of(p->dx, ROWS, 1);
    op_mse(&pred, target, 0.7, &d);
}

/* Linear layer: x [ROWS, COLS], extra = W [OUT, COLS], beta = bias. */
static double linear(struct parts *p)
{
    real out[MAX];
    struct mat x = x_of(p), y = mat_of(out, ROWS, OUT);
    struct wsrc w = wsrc_dense(p->extra, OUT, COLS);
    linear_forward(&x, &w, p->beta, NULL, &y);
    return weigh(p, out, ROWS * OUT);
}
static void linear_back(struct parts *p)
{
    struct mat x = x_of(p), dy = mat_of(p->w, ROWS, OUT), dx = mat_of(p->dx, ROWS, COLS);
    struct wsrc w = wsrc_dense(p->extra, OUT, COLS);
    linear_backward_x(&dy, &w, NULL, &dx, false);
    linear_backward_w(&x, &dy, p->dextra, COLS);
    bias_backward(&dy, p->dbeta);
}

/* The same through the arithmetic's table. */
static double through_arith(struct parts *p)
{
    struct arith_call call = {0};
    real out[MAX];
    struct mat x = x_of(p), y = mat_of(out, ROWS, OUT);
    struct wsrc w = wsrc_dense(p->extra, OUT, COLS);
    ck_ok(arith_f32.linear(&call, &x, &w, p->beta, NULL, &y));
    return weigh(p, out, ROWS * OUT);
}
static void through_arith_back(struct parts *p)
{
    struct arith_call call = {0};
    struct mat x = x_of(p), dy = mat_of(p->w, ROWS, OUT), dx = mat_of(p->dx, ROWS, COLS);
    struct wsrc w = wsrc_dense(p->extra, OUT, COLS);
    ck_ok(arith_f32.linear_dx(&call, &dy, &w, NULL, &dx, true));
    ck_ok(arith_f32.linear_dw(&call, &x, &dy, p->dextra, COLS));
    bias_backward(&dy, p->dbeta);
}

/* Rows of a table: extra = table [4, COLS]. */
static const int32_t id[ROWS] = {2, 0, 2, 3, 2};
static double embedding(struct parts *p)
{
    real out[MAX];
    struct mat y = mat_of(out, ROWS, COLS);
    struct wsrc w = wsrc_dense(p->extra, 4, COLS);
    op_gather(&w, id, &y);
    return weigh(p, out, ROWS * COLS);
}
static void embedding_back(struct parts *p)
{
    struct mat dy = mat_of(p->w, ROWS, COLS);
    op_scatter_add(&dy, id, p->dextra, COLS);
}

/* Low rank: gamma = A [RANK, COLS], extra = B [OUT, RANK], beta = e. */
static struct lowrank factors(const struct parts *p)
{
    return (struct lowrank){
        .a = p->gamma, .b = p->extra, .e = p->beta, .in = COLS, .out = OUT, .r = RANK, .hi = RANK, .scale = 1.7};
}
static double low_rank(struct parts *p)
{
    real out[MAX] = {0}, z_[MAX], work[RANK * OUT];
    struct lowrank l = factors(p);
    struct mat x = x_of(p), y = mat_of(out, ROWS, OUT), z = mat_of(z_, ROWS, RANK);
    lowrank_forward(&l, &x, &z, work, &y);
    return weigh(p, out, ROWS * OUT);
}
static void low_rank_back(struct parts *p)
{
    real out[MAX] = {0}, z_[MAX], s_[MAX], work[RANK * OUT];
    struct lowrank l = factors(p);
    struct mat x = x_of(p), y = mat_of(out, ROWS, OUT), z = mat_of(z_, ROWS, RANK), s = mat_of(s_, ROWS, RANK);
    struct mat dy = mat_of(p->w, ROWS, OUT), dx = mat_of(p->dx, ROWS, COLS);
    lowrank_forward(&l, &x, &z, work, &y);
    lowrank_backward(&l, &x, &z, &dy, p->dgamma, p->dextra, p->dbeta, 0, &s, &dx);
}

/* Dropout is linear in x once drawn: its backward is the same call on the gradient. */
static void drop(struct mat *m)
{
    static const uint32_t key[ROWS] = {1, 65536, 3, 4, 131077};
    struct rng rng = {.seed = 2};
    struct dropout d = {.rng = &rng, .step = 9, .who = 4, .p = 0.4};
    op_dropout(&d, key, m, m);
}
static double dropped(struct parts *p)
{
    real out[MAX];
    memcpy(out, p->x, sizeof out);
    struct mat y = mat_of(out, ROWS, COLS);
    drop(&y);
    return weigh(p, out, ROWS * COLS);
}
static void dropped_back(struct parts *p)
{
    memcpy(p->dx, p->w, sizeof p->dx);
    struct mat dx = mat_of(p->dx, ROWS, COLS);
    drop(&dx);
}

static const struct gradient_case cases[] = {
    {"layernorm", layernorm, layernorm_back, ROWS *COLS, COLS, COLS, 0},
    {"rmsnorm", rmsnorm, rmsnorm_back, ROWS *COLS, COLS, 0, 0},
    {"gelu", gelu, gelu_back, ROWS *COLS, 0, 0, 0},
    {"gelu_new", gelu_new, gelu_new_back, ROWS *COLS, 0, 0, 0},
    {"relu", relu, relu_back, ROWS *COLS, 0, 0, 0},
    {"tanh", hyperbolic, hyperbolic_back, ROWS *COLS, 0, 0, 0},
    {"silu", silu, silu_back, ROWS *COLS, 0, 0, 0},
    {"none", identity, identity_back, ROWS *COLS, 0, 0, 0},
    {"softmax", softmax, softmax_back, ROWS *COLS, 0, 0, 0},
    {"cross entropy", cross_entropy, cross_entropy_back, ROWS *COLS, 0, 0, 0},
    {"squared error", squared, squared_back, ROWS, 0, 0, 0},
    {"linear", linear, linear_back, ROWS *COLS, 0, OUT, OUT *COLS},
    {"arith f32", through_arith, through_arith_back, ROWS *COLS, 0, OUT, OUT *COLS},
    {"embedding", embedding, embedding_back, 0, 0, 0, 4 * COLS},
    {"low rank", low_rank, low_rank_back, ROWS *COLS, RANK *COLS, RANK, OUT *RANK},
    {"dropout", dropped, dropped_back, ROWS *COLS, 0, 0, 0},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void check_input(const struct gradient_case *c, struct parts *p, real *in, const real *gradient, int n,
                        const char *what)
{
    const double h = 1e-5;
    double worst = 0, largest = 0;
    for (int i = 0; i < n; i++) {
        real old = in[i];
        in[i] = old + h;
        double up = c->value(p);
        in[i] = old - h;
        double down = c->value(p);
        in[i] = old;
        worst = fmax(worst, fabs((up - down) / (2 * h) - gradient[i]));
        largest = fmax(largest, fabs(gradient[i]));
    }
    ck_assert_msg(n == 0 || (worst <= 1e-7 && largest > 0.01), "%s, gradient of %s: off by %g, largest %g", c->name,
                  what, worst, largest);
}

START_TEST(against_differences)
{
    static struct parts p;
    const struct gradient_case *c = &cases[_i];
    memset(&p, 0, sizeof p);
    fill(p.x, MAX, -2, 2), fill(p.gamma, MAX, -1, 1), fill(p.beta, MAX, -1, 1), fill(p.extra, MAX, -1, 1);
    fill(p.w, MAX, -1, 1);
    c->gradients(&p);
    check_input(c, &p, p.x, p.dx, c->nx, "x");
    check_input(c, &p, p.gamma, p.dgamma, c->ngamma, "gamma or A");
    check_input(c, &p, p.beta, p.dbeta, c->nbeta, "beta, bias or e");
    check_input(c, &p, p.extra, p.dextra, c->nextra, "the weight");
}
END_TEST

PG_TESTS(LOOP_TEST(against_differences, 0, CASES))
