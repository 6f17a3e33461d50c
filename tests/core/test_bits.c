/* Fingerprints: the numbers that the float build computes, to the bit, on any processor and with any compiler. A change
 * of one of these is a change of the numerics version and of every run's content hash. */
#include "tests/pgtest.h"

#include "core/cpu.h"
#include "core/gemm.h"
#include "core/lq_decompose.h"
#include "core/ops.h"
#include "core/rng.h"
#include "core/sha256.h"

enum { ROWS = 37, COLS = 203, N = ROWS * COLS };
static real a[N], b[N], c[N], d[N], stats[2 * ROWS];

static void normal(const char *name, real *out, size_t n)
{
    struct rng r = {.seed = 2024};
    rng_fill_normal(&r, name, out, n, 0, 1.5);
}

static void drawn(void)
{
    struct rng r = {.seed = 2024};
    struct dropout drop = {.rng = &r, .step = 3, .who = 5, .p = 0.2};
    uint32_t key[ROWS];
    int perm[N];
    normal("a", a, N);
    rng_fill_uniform(&r, "b", b, N, -1, 3);
    for (int i = 0; i < N; i++) c[i] = 1;
    for (int i = 0; i < ROWS; i++) key[i] = (uint32_t)(i * 40503);
    struct mat m = mat_of(c, ROWS, COLS);
    op_dropout(&drop, key, &m, &m);
    rng_permutation(&r, RNG_SHUFFLE, 1, 2, N, perm);
    for (int i = 0; i < N; i++) d[i] = (real)(perm[i] + rng_below(&r, RNG_RANK, 1, 0, 3, (uint64_t)i, 1000));
}

static void products(void)
{
    normal("x", a, N), normal("w", b, N);
    struct gemm_in x = {.p = a, .ld = COLS}, w = {.p = b, .ld = COLS, .trans = true};
    gemm(ROWS, ROWS, COLS, x, w, c, COLS, false);
    x.trans = true, w.trans = false;
    gemm(COLS, 30, ROWS, x, w, d, 30, false);
    gemm(ROWS, 8, COLS, (struct gemm_in){.p = a, .ld = COLS}, (struct gemm_in){.p = b, .ld = COLS, .trans = true}, d,
         30, true);
}

static void norms(void)
{
    normal("x", a, N), normal("g", b, N), normal("dg", d, N);
    struct mat x = mat_of(a, ROWS, COLS), y = mat_of(c, ROWS, COLS), dy = mat_of(b, ROWS, COLS);
    op_layernorm(&x, b, b + COLS, 1e-7, &y, stats);
    op_layernorm_backward(&x, stats, b, &dy, &y, d, d + COLS);
    op_rmsnorm(&y, b, 1e-6, &x, stats);
    op_rmsnorm_backward(&y, stats, b, &dy, &dy, d);
}

static void activations(void)
{
    normal("x", a, N), normal("g", b, N);
    struct mat x = mat_of(a, ROWS, COLS), y = mat_of(c, ROWS, COLS), g = mat_of(b, ROWS, COLS);
    op_zero(&y);
    for (int i = ACT_GELU; i <= ACT_NONE; i++) {
        struct mat out = mat_of(d, ROWS, COLS);
        op_activation((enum activation)i, &x, &out);
        op_add(&out, &y);
        op_activation_backward((enum activation)i, &x, &g, &out);
        op_add(&out, &y);
    }
}

static void probabilities(void)
{
    normal("x", a, N), normal("g", b, N);
    int32_t label[ROWS];
    for (int i = 0; i < ROWS; i++) label[i] = i * 5 - 1;
    struct mat x = mat_of(a, ROWS, COLS), y = mat_of(c, ROWS, COLS), g = mat_of(b, ROWS, COLS);
    double value[2] = {op_cross_entropy(&x, label, 1.0 / ROWS, &y), op_sum_squares(a, N)};
    memcpy(d, value, sizeof value);
    softmax_rows(&x, 0.37);
    softmax_rows_backward(&x, &g, 0.37);
}

/* Large enough for drawn subspaces; factors, errors and the first values of Q. */
static void decomposition(void)
{
    enum { OUT = 130, IN = 110, RANK = 6 };
    const struct lq_form form = {{3, 8, LQ_BF16, 64, 16}, RANK, 100, NULL, LQ_LAST};
    struct arena *arena = arena_new("a decomposition");
    ck_assert_ptr_nonnull(arena);
    real *w = arena_alloc(arena, sizeof *w * OUT * IN);
    struct lq_parts p;
    ck_assert_ptr_nonnull(w);
    normal("w", w, OUT * IN);
    ck_ok(lq_decompose(w, OUT, IN, &form, arena, &p));
    memcpy(a, p.l1, sizeof *a * OUT * RANK);
    memcpy(b, p.l2, sizeof *b * RANK * IN);
    memcpy(c, p.errors, sizeof *p.errors * (size_t)p.iterations);
    lq_values(&p.q, 0, N, d);
    arena_free(arena);
}

static const struct {
    const char *name;
    void (*run)(void);
    const char *hash;
} prints[] = {
    {"drawn", drawn, "a63401642ac2a9780923e56f542e9beddb213703e0a8dda9807ca1e99ff881f2"},
    {"products", products, "57bb925de4dc4693a6819b019d6990c8546b0c248349d3bd9e38492d86bb436d"},
    {"norms", norms, "c1bf2394fa84971d3c714c73e7f133eba48d64cbbf880feb5879fb86988fa2b7"},
    {"activations", activations, "ad0c070e5b40632e6eb86e04a7cb31cd485c0e3c0c43ace2fab5e03a7b900891"},
    {"decomposition", decomposition, "f93bd8f08b84c5789ecc7d2ebcd9da5398f67530615182a4238b6facab9826e1"},
    {"probabilities", probabilities, "af028a2352b702beabb53785b1bfdd4af757d70f63d644a4f18bb564d0630833"},
};

START_TEST(fingerprints)
{
    for (int k = CPU_GENERIC; k <= CPU_AVX512; k++) {
        if (!cpu_has((enum cpu_class)k)) continue;
        ck_ok(cpu_force((enum cpu_class)k));
        cpu_denormals_off();
        memset(a, 0, sizeof a), memset(b, 0, sizeof b), memset(c, 0, sizeof c), memset(d, 0, sizeof d);
        prints[_i].run();
        struct sha256 s;
        char hex[SHA256_HEX];
        sha256_begin(&s);
        sha256_add(&s, a, sizeof a), sha256_add(&s, b, sizeof b), sha256_add(&s, c, sizeof c),
            sha256_add(&s, d, sizeof d);
        sha256_end(&s, hex);
        ck_assert_msg(strcmp(hex, prints[_i].hash) == 0, "%s on %s: %s", prints[_i].name,
                      cpu_class_name((enum cpu_class)k), hex);
    }
}
END_TEST

PG_TESTS(LOOP_TEST(fingerprints, 0, sizeof prints / sizeof prints[0]))
