/* The Bayesian-bits quantiser against its formulas written down naively in double (METHODS 3.6.1), its gradients
 * against difference quotients, and its bits on all processor classes and thread counts; gates and penalties. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/cpu.h"
#include "core/exp_portable.h"
#include "core/learned_bits.h"
#include "core/parallel.h"
#include "core/rng.h"

enum { MANY = 70001 };
static const struct rng rng = {.seed = 3};
static real x[MANY], y[MANY], g[MANY], other[MANY];

static void fill(double spread)
{
    rng_fill_normal(&rng, "x", x, MANY, 0, spread);
    rng_fill_normal(&rng, "g", g, MANY, 0, 1);
}

/* ---- the naive form ------------------------------------------------------------------------------------------------
 */

struct naive {
    double y, lost;       /* y and x_c - y */
    double e[BITS_GATES]; /* of 4, 8, 16, 32 bits */
    double near;          /* distance of the nearest rounding tie, in steps */
    int edge;             /* -1, 1: clipped */
};

static struct naive naive_at(double v, double range, bool is_signed, const double z[BITS_GATES])
{
    static const double most[BITS_LEVELS] = {1, 2, 8, 128, 32768};
    double hi = (1 - 1e-7) * range, lo = is_signed ? -hi : 0, step = (is_signed ? 2 : 1) * range / 3;
    struct naive r = {.near = 1, .edge = v > hi ? 1 : v < lo ? -1 : 0};
    double clipped = r.edge > 0 ? hi : r.edge < 0 ? lo : v, sum = 0, part[BITS_LEVELS];
    for (int b = 0; b < BITS_LEVELS; b++) {
        if (b > 0) step /= (double)(1 << (1 << b)) + 1;
        double u = (clipped - sum) / step, code = rint(u);
        double limit = b == 0 && !is_signed ? 3 : most[b];
        code = fmax(-limit, fmin(limit, code));
        if (b < BITS_LEVELS - 1 && r.edge == 0) r.near = fmin(r.near, 0.5 - fabs(u - rint(u)));
        part[b] = step * code;
        sum += part[b];
    }
    for (int b = 0; b < BITS_GATES; b++) r.e[b] = part[b + 1];
    r.y = part[0] + z[0] * (r.e[0] + z[1] * (r.e[1] + z[2] * (r.e[2] + z[3] * r.e[3])));
    r.lost = clipped - r.y;
    return r;
}

/* x_max, sign, gates */
static const struct setting {
    double range;
    bool is_signed;
    double z[BITS_GATES];
} settings[] = {
    {1.5, true, {0, 0, 0, 0}},       {1.5, true, {1, 0, 0, 0}},         {1.5, true, {1, 1, 0, 0}},
    {1.5, true, {1, 1, 1, 0}},       {1.5, true, {1, 1, 1, 1}},         {0.7, false, {1, 0, 1, 1}},
    {2.0, false, {1, 1, 0.5, 0}},    {3.1, true, {0.3, 0.8, 0.5, 0.9}}, {1e-3, true, {0.7, 1, 1, 0.2}},
    {40.0, false, {0.9, 0, 0.4, 1}}, {5.0, true, {0, 0.5, 0.5, 0.5}},   {1.1, false, {1, 1, 1, 1}},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

/* Elements within float's reach of a tie may take either code, which moves y by a step of that level at most. */
START_TEST(values_follow_the_formula)
{
    const struct setting *s = &settings[_i];
    struct bits q;
    int close = 0;
    fill(s->range / 2);
    bits_set(&q, s->range, s->is_signed, true, s->z);
    bits_quantise(&q, x, MANY, y);
    for (int i = 0; i < MANY; i++) {
        struct naive r = naive_at((double)x[i], (double)q.x_max, s->is_signed, s->z);
        double error = fabs((double)y[i] - r.y);
        if (error <= 2e-6 * s->range) continue;
        ck_assert_msg(r.near < 0.05, "x %g: %.9g instead of %.9g", (double)x[i], (double)y[i], r.y);
        ck_assert_double_le(error, 1.1 * (double)q.step[0]);
        close++;
    }
    ck_assert_int_le(close, MANY / 100);
}
END_TEST

START_TEST(gradients_follow_the_formula)
{
    const struct setting *s = &settings[_i];
    struct bits q;
    struct bits_sums sums = {{0}, 0};
    double gate[BITS_GATES] = {0}, range = 0, size = 0, before = 1;
    fill(s->range / 2);
    bits_set(&q, s->range, s->is_signed, true, s->z);
    for (int i = 0; i < MANY; i++) {
        struct naive r = naive_at((double)x[i], (double)q.x_max, s->is_signed, s->z);
        double up = (double)g[i], tail = 0;
        for (int b = BITS_GATES - 1; b >= 0; b--) {
            tail = r.e[b] + (b + 1 < BITS_GATES ? s->z[b + 1] * tail : 0);
            gate[b] += up * tail;
        }
        range -= up * r.lost / (double)q.x_max;
        if (r.edge > 0 || s->is_signed) range += r.edge * up * (1 - 1e-7);
        size += fabs(up);
        other[i] = r.edge ? 0 : g[i];
    }
    bits_backward(&q, true, x, MANY, g, &sums);
    ck_assert_mem_eq(g, other, sizeof g);
    ck_assert_double_eq_tol(sums.x_max, range, 2e-6 * size);
    for (int b = 0; b < BITS_GATES; b++) {
        ck_assert_double_eq_tol(sums.gate[b], before * gate[b], 2e-6 * s->range * size);
        before *= s->z[b];
    }
}
END_TEST

/* Without the gates the rest is the same to the last bit. */
START_TEST(gates_may_be_left_out)
{
    const struct setting *s = &settings[_i];
    struct bits q;
    struct bits_sums with = {{0}, 0}, without = {{0}, 0};
    fill(s->range / 2);
    memcpy(other, g, sizeof g);
    bits_set(&q, s->range, s->is_signed, true, s->z);
    bits_backward(&q, true, x, MANY, g, &with);
    bits_backward(&q, false, x, MANY, other, &without);
    ck_assert_mem_eq(g, other, sizeof g);
    ck_assert(with.x_max == without.x_max);
    for (int b = 0; b < BITS_GATES; b++) ck_assert(without.gate[b] == 0);
}
END_TEST

/* ---- what the levels mean ------------------------------------------------------------------------------------------
 */

static int order(const void *a, const void *b)
{
    real p = *(const real *)a, q = *(const real *)b;
    return (p > q) - (p < q);
}

/* 2^b - 1 values, or 2^b of an unsigned one, evenly spaced; ends at the range. Saturated elements, which lie on ties,
 * all take the last code. */
START_TEST(open_levels_are_plain_quantisation)
{
    const double z[][BITS_GATES] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {1, 1, 0, 0}};
    const int bits = 2 << (_i / 2);
    const bool is_signed = _i % 2 == 0;
    struct bits q;
    fill(1);
    bits_set(&q, 1.3, is_signed, true, z[_i / 2]);
    bits_quantise(&q, x, MANY, y);
    for (int i = 0; i < MANY; i++)
        if (x[i] > (real)1.3 || (is_signed && x[i] < (real)-1.3))
            ck_assert_double_eq_tol(fabs((double)y[i]), 1.3 - (is_signed ? 0.5 * 2.6 / ((1 << bits) - 1) : 0), 1e-6);
    qsort(y, MANY, sizeof *y, order);
    int values = 1;
    double step = (is_signed ? 2.6 : 1.3) / ((1 << bits) - 1);
    for (int i = 1; i < MANY; i++) {
        if (y[i] == y[i - 1]) continue;
        ck_assert_double_eq_tol((double)(y[i] - y[i - 1]), step, 1e-6);
        values++;
    }
    ck_assert_int_eq(values, is_signed ? (1 << bits) - 1 : 1 << bits);
}
END_TEST

START_TEST(open_gates_only_clip)
{
    const double z[BITS_GATES] = {1, 1, 1, 1};
    struct bits q;
    fill(1);
    bits_set(&q, 2, true, true, z);
    bits_quantise(&q, x, MANY, y);
    for (int i = 0; i < MANY; i++) ck_assert(y[i] == (x[i] > q.hi ? q.hi : x[i] < -q.hi ? -q.hi : x[i]));
    bits_set(&q, 2, true, false, z);
    bits_quantise(&q, x, MANY, y);
    ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

START_TEST(without_clip_codes_go_on)
{
    const double z[BITS_GATES] = {0};
    const real in[] = {0, 1, 2, 5, -7, (real)0.4}, want[] = {0, 1, 2, 5, -7, 0};
    real out[6], up[6] = {1, 1, 1, 1, 1, 1};
    struct bits q;
    struct bits_sums sums = {{0}, 0};
    bits_set(&q, 1.5, true, false, z);
    bits_quantise(&q, in, 6, out);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol((double)out[i], (double)want[i], 1e-6);
    bits_backward(&q, false, in, 6, up, &sums);
    for (int i = 0; i < 6; i++) ck_assert(up[i] == 1);
    ck_assert_double_eq_tol(sums.x_max, -0.4 / 1.5, 1e-6);
}
END_TEST

START_TEST(extremes)
{
    const double z[BITS_GATES] = {1, 0.5, 0, 0};
    const real in[] = {0, 1, -1, NAN, INFINITY, -INFINITY, (real)1e-9};
    real out[7], up[7] = {1, 1, 1, 1, 1, 1, 1};
    struct bits q;
    struct bits_sums sums = {{0}, 0};
    bits_set(&q, 0, true, true, z); /* the smallest range */
    bits_quantise(&q, in, 7, out);
    ck_assert(out[0] == 0 && isnan(out[3]));
    for (int i = 0; i < 7; i++)
        if (i != 3) ck_assert(fabs((double)out[i]) <= 1.0001e-8);
    bits_backward(&q, true, in, 6, up, &sums);
    ck_assert(up[0] == 1 && up[1] == 0 && up[4] == 0 && up[5] == 0);
    bits_quantise(&q, in, 0, out);
}
END_TEST

/* ---- the same bits everywhere --------------------------------------------------------------------------------------
 */

static void all_of(const struct bits *q, int n, real *out, real *grad, struct bits_sums *sums)
{
    *sums = (struct bits_sums){{0}, 0};
    memcpy(grad, g, sizeof *g * (size_t)n);
    bits_quantise(q, x, (size_t)n, out);
    bits_backward(q, true, x, (size_t)n, grad, sums);
}

START_TEST(same_bits_on_all_classes_and_threads)
{
    static real out[MANY], grad[MANY];
    static const int sizes[] = {1, 15, 16, 17, 1023, 1041, MANY}, threads[] = {1, 2, 3, 8};
    const struct setting *s = &settings[_i];
    enum cpu_class best = cpu_class();
    struct bits q;
    fill(s->range / 2);
    bits_set(&q, s->range, s->is_signed, true, s->z);
    for (int k = 0; k < 7; k++) {
        struct bits_sums one, sums;
        int n = sizes[k];
        parallel_set_threads(1);
        ck_ok(cpu_force(CPU_GENERIC));
        all_of(&q, n, y, other, &one);
        for (int class = CPU_GENERIC; class <= (int)best; class ++) {
            ck_ok(cpu_force((enum cpu_class) class));
            for (int t = 0; t < 4; t++) {
                parallel_set_threads(threads[t]);
                all_of(&q, n, out, grad, &sums);
                ck_assert_mem_eq(out, y, sizeof *y * (size_t)n);
                ck_assert_mem_eq(grad, other, sizeof *y * (size_t)n);
                ck_assert_mem_eq(&sums, &one, sizeof one);
            }
        }
    }
    parallel_set_threads(0);
}
END_TEST

/* ---- weights -------------------------------------------------------------------------------------------------------
 */

START_TEST(a_weight_by_tiles)
{
    enum { ROWS = 133, COLS = 50 };
    const double z[BITS_GATES] = {1, 0.6, 0.5, 0};
    struct arena *arena = arena_new("weights");
    struct bits_weight w = {.inner = wsrc_dense(x, ROWS, COLS)};
    struct bits_sums whole = {{0}, 0}, tiles = {{0}, 0};
    real tile[7 * 11];
    fill(1);
    bits_set(&w.bits, 1.2, true, true, z);
    bits_quantise(&w.bits, x, ROWS * COLS, y);
    struct wsrc quantised = bits_source(&w);
    ck_assert_ptr_null(quantised.dense);
    quantised.tile(&quantised, 100, 7, 30, 11, tile, 11);
    for (int r = 0; r < 7; r++)
        for (int c = 0; c < 11; c++) ck_assert(tile[r * 11 + c] == y[(100 + r) * COLS + 30 + c]);
    memcpy(other, g, sizeof g);
    bits_backward(&w.bits, true, x, ROWS * COLS, g, &whole);
    ck_ok(bits_weight_backward(&w, true, other, &tiles, arena));
    ck_assert_mem_eq(g, other, sizeof *g * ROWS * COLS);
    ck_assert_double_eq_tol(whole.x_max, tiles.x_max, 1e-3);
    for (int b = 0; b < BITS_GATES; b++) ck_assert_double_eq_tol(whole.gate[b], tiles.gate[b], 1e-3);
    arena_free(arena);
}
END_TEST

START_TEST(ranges)
{
    const real mixed[] = {1, -3, 2}, zero[] = {0, 0}, positive[] = {0, (real)0.5};
    struct arena *arena = arena_new("weights");
    struct wsrc w = wsrc_dense(mixed, 1, 3);
    struct bits_range r = {0};
    ck_assert(bits_signed(&r)); /* nothing seen: nothing may be cut off */
    bits_observe(&r, zero, 2);
    ck_assert(bits_signed(&r) && r.largest == 0);
    bits_observe(&r, positive, 2);
    ck_assert(!bits_signed(&r) && r.largest == 0.5);
    ck_ok(bits_observe_weight(&r, &w, arena));
    ck_assert(bits_signed(&r) && r.largest == 3);
    arena_free(arena);
}
END_TEST

/* ---- the smooth function of gradient checks ------------------------------------------------------------------------
 */

static double held_sum(struct bits_record *held, bool record, double range, const double z[BITS_GATES], double move)
{
    enum { N = 400 };
    static real in[N], out[N];
    struct bits q;
    double sum = 0;
    for (int i = 0; i < N; i++) in[i] = x[i] + (real)move * g[N + i];
    bits_set(&q, range, true, true, z);
    bits_quantise_held(&q, held, record, in, N, out);
    for (int i = 0; i < N; i++) sum += (double)g[i] * (double)out[i];
    return sum;
}

/* In the float build differences are coarse: that they are those of the gradient is seen all the same. */
START_TEST(gradients_are_those_of_the_held_function)
{
    enum { N = 400 };
    static struct bits_record held[N];
    double z[BITS_GATES] = {0.8, 0.4, 0.6, 0.5}, h = 1e-3, dx = 0;
    real grad[N];
    struct bits q;
    struct bits_sums sums = {{0}, 0};
    fill(1);
    memcpy(grad, g, sizeof grad);
    bits_set(&q, 1.5, true, true, z);
    bits_quantise(&q, x, N, y);
    double at = held_sum(held, true, 1.5, z, 0), plain = 0;
    for (int i = 0; i < N; i++) plain += (double)g[i] * (double)y[i];
    ck_assert_double_eq_tol(at, plain, 1e-4);
    bits_backward(&q, true, x, N, grad, &sums);
    for (int i = 0; i < N; i++) dx += (double)grad[i] * (double)g[N + i];
    ck_assert_double_eq_tol((held_sum(held, false, 1.5, z, h) - held_sum(held, false, 1.5, z, -h)) / (2 * h), dx, 2e-2);
    ck_assert_double_eq_tol((held_sum(held, false, 1.5 + h, z, 0) - held_sum(held, false, 1.5 - h, z, 0)) / (2 * h),
                            sums.x_max, 2e-2);
    for (int b = 0; b < BITS_GATES; b++) {
        z[b] += h;
        double up = held_sum(held, false, 1.5, z, 0);
        z[b] -= 2 * h;
        double down = held_sum(held, false, 1.5, z, 0);
        z[b] += h;
        ck_assert_double_eq_tol((up - down) / (2 * h), sums.gate[b], 2e-2);
    }
}
END_TEST

/* ---- gates ---------------------------------------------------------------------------------------------------------
 */

START_TEST(elementary_functions)
{
    for (double v = -700; v < 700; v += 0.0371) ck_assert_double_eq_tol(exp_portable(v) / exp(v), 1, 5e-16);
    ck_assert(exp_portable(0) == 1 && exp_portable(-1000) == 0 && isinf(exp_portable(1000)) &&
              isnan(exp_portable(NAN)));
    ck_assert(logistic_portable(-800) == 0 && logistic_portable(800) == 1 && logistic_portable(0) == 0.5);
}
END_TEST

/* The shares of 0 and 1 among many samples are their chances; the slope is that of z. */
START_TEST(samples)
{
    static const double phis[] = {-6, -2, 0, 1.3, 6};
    const double n = 40000, phi = phis[_i], h = 1e-6;
    int open = 0, full = 0;
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        double u = rng_uniform(&rng, RNG_GATE, i, 0, 1, 0);
        struct gate at = gate_sampled(phi, u), up = gate_sampled(phi + h, u), down = gate_sampled(phi - h, u);
        ck_assert(at.z >= 0 && at.z <= 1);
        open += at.z > 0;
        full += at.z == 1;
        bool inside = down.z > 0 && up.z < 1;
        if (inside) ck_assert_double_eq_tol((up.z - down.z) / (2 * h), at.slope, 1e-7);
        if (at.z == 0 || at.z == 1) ck_assert(at.slope == 0);
    }
    double chance = 1 / (1 + exp(-phi - 2.0 / 3 * log(11))), sure = 1 / (1 + exp(-phi + 2.0 / 3 * log(11)));
    ck_assert_double_eq_tol(open / n, chance, 4 * sqrt(0.25 / n));
    ck_assert_double_eq_tol(full / n, sure, 4 * sqrt(0.25 / n));
    ck_assert_double_eq_tol(gate_chance(phi).z, chance, 1e-12);
    ck_assert_double_eq_tol((gate_chance(phi + h).z - gate_chance(phi - h).z) / (2 * h), gate_chance(phi).slope, 1e-9);
    ck_assert(gate_decided(phi).z == (1 - chance < 0.34));
}
END_TEST

/* sum_i g_i z_1 ... z_i by difference quotients, also with closed gates. */
START_TEST(rank_products_and_their_slopes)
{
    enum { N = 5 };
    const double up[N + 1] = {3, -1, 0.5, 2, -0.7, 1.1};
    const double z0[][N] = {{0.9, 0.5, 0.7, 1, 0.2}, {0.9, 0, 0.7, 1, 0.2}, {0, 0, 0.5, 0.5, 0.5}};
    struct gate gate[N];
    double product[N + 1];
    real slope[N] = {0};
    for (int j = 0; j < N; j++) gate[j] = (struct gate){z0[_i][j], 2};
    rank_products(gate, N, product);
    ck_assert(product[0] == 1);
    rank_products_backward(gate, N, product, up, slope);
    for (int j = 0; j < N; j++) {
        double sum[2] = {0, 0}, h = 1e-3;
        for (int side = 0; side < 2; side++) {
            gate[j].z = z0[_i][j] + (side ? h : -h);
            rank_products(gate, N, product);
            for (int i = 0; i <= N; i++) sum[side] += up[i] * product[i];
        }
        gate[j].z = z0[_i][j];
        ck_assert_double_eq_tol((sum[1] - sum[0]) / (2 * h) * 2, (double)slope[j], 1e-5);
    }
}
END_TEST

static struct param gates_of(real *data, real *grad, int n)
{
    return (struct param){.name = "gates", .rows = 1, .cols = n, .data = data, .grad = grad};
}

START_TEST(penalties_and_their_slopes)
{
    enum { N = BITS_GATES };
    const double weight[BITS_LEVELS] = {0.25, 0.5, 1, 2, 4};
    real phi[N] = {(real)-1.2, (real)0.3, (real)2.5, (real)-0.4}, grad[3][N] = {{0}}, none[N];
    struct param ranks = gates_of(phi, grad[1], N), mean = gates_of(phi, grad[2], N);
    double q = 1, by_hand = weight[0], sum = 0, average = 0;
    for (int i = 0; i < N; i++) {
        q *= gate_chance((double)phi[i]).z;
        by_hand += weight[i + 1] * q;
        sum += q;
        average += gate_chance((double)phi[i]).z / N;
    }
    ck_assert_double_eq_tol(bits_penalty(phi, weight, 3, grad[0]), by_hand, 1e-12);
    ck_assert_double_eq_tol(ranks_penalty(&ranks, 3), sum, 1e-12);
    ck_assert_double_eq_tol(ranks_mean(&mean, 3), average, 1e-12);
    for (int i = 0; i < N; i++) {
        double value[3][2];
        real before = phi[i];
        for (int side = 0; side < 2; side++) {
            phi[i] = before + (side ? (real)0.01 : (real)-0.01);
            ranks.grad = mean.grad = none;
            value[0][side] = bits_penalty(phi, weight, 1, NULL);
            value[1][side] = ranks_penalty(&ranks, 1);
            value[2][side] = ranks_mean(&mean, 1);
        }
        phi[i] = before;
        for (int k = 0; k < 3; k++)
            ck_assert_double_eq_tol(3 * (value[k][1] - value[k][0]) / 0.02, (double)grad[k][i], 1e-3);
    }
}
END_TEST

START_TEST(bits_and_ranks_now)
{
    real phi[4] = {6, 6, -6, 6}, xi[3] = {6, -6, 6}, grad[4];
    struct param gates = gates_of(phi, grad, 4), ranks = gates_of(xi, grad, 3);
    const struct learned_bits q = {.phi = &gates}, none = {0};
    ck_assert(learned_bits_now(&q) == 8);
    phi[2] = 6;
    ck_assert(learned_bits_now(&q) == 32);
    phi[0] = -6;
    ck_assert(learned_bits_now(&q) == 2);
    ck_assert(learned_bits_now(&none) == 32);
    ck_assert_int_eq(learned_rank_now(&ranks), 2);
    xi[1] = 6;
    ck_assert_int_eq(learned_rank_now(&ranks), 4);
    ck_assert_int_eq(learned_rank_now(NULL), 1);
}
END_TEST

PG_TESTS(LOOP_TEST(values_follow_the_formula, 0, SETTINGS), LOOP_TEST(gradients_follow_the_formula, 0, SETTINGS),
         LOOP_TEST(gates_may_be_left_out, 0, SETTINGS), LOOP_TEST(open_levels_are_plain_quantisation, 0, 6),
         TEST(open_gates_only_clip), TEST(without_clip_codes_go_on), TEST(extremes),
         LOOP_TEST(same_bits_on_all_classes_and_threads, 0, SETTINGS), TEST(a_weight_by_tiles), TEST(ranges),
         TEST(gradients_are_those_of_the_held_function), TEST(elementary_functions), LOOP_TEST(samples, 0, 5),
         LOOP_TEST(rank_products_and_their_slopes, 0, 3), TEST(penalties_and_their_slopes), TEST(bits_and_ranks_now))
