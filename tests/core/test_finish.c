/* A finish done in pieces of any cut against the operations it is made of, on whole matrices: bit for bit, in place and
 * not. */
#include "tests/pgtest.h"

#include <string.h>
#include "core/cpu.h"
#include "core/finish.h"

enum { ROWS = 37, COLS = 83, SIZE = ROWS * COLS };

static real memory[6][SIZE];

/* Matrix i, with numbers of its own. */
static struct mat filled(int i)
{
    const struct rng rng = {.seed = 7};
    char name[] = {'m', (char)('0' + i), 0};
    rng_fill_normal(&rng, name, memory[i], SIZE, 0, 2);
    return mat_of(memory[i], ROWS, COLS);
}

/* In pieces as products cut them, and others; the order is of no account. */
static void in_pieces(finish_fn *fn, const void *ctx)
{
    static const int rows[] = {0, 5, 21, 22, ROWS}, cols[] = {0, 32, 33, 64, COLS};
    for (int i = 3; i >= 0; i--)
        for (int j = 0; j < 4; j++) fn(ctx, rows[i], rows[i + 1] - rows[i], cols[j], cols[j + 1] - cols[j]);
}

static void same(const struct mat *got, const struct mat *want, const char *what)
{
    ck_assert_msg(memcmp(got->a, want->a, sizeof(real) * SIZE) == 0, "%s", what);
}

START_TEST(activations)
{
    struct mat x = filled(0), dy = filled(1), want = filled(2), y = filled(3);
    op_activation((enum activation)_i, &x, &want);
    in_pieces(finish_activation, &(struct finish_activation){(enum activation)_i, &x, &y, NULL});
    same(&y, &want, "activation");
    op_activation_backward((enum activation)_i, &x, &dy, &want);
    in_pieces(finish_slope, &(struct finish_slope){(enum activation)_i, &x, &dy, &dy});
    same(&dy, &want, "slope, in place");
    in_pieces(finish_activation, &(struct finish_activation){(enum activation)_i, &x, &x, NULL});
    same(&x, &y, "activation, in place");
}
END_TEST

/* What one pass makes is what two make, also where the slope takes the input's place; all classes alike. */
static void check_both(enum activation kind)
{
    struct mat x = filled(0), y = filled(1), slope = filled(2), one = filled(3), want = filled(4);
    for (int i = 0; i < SIZE; i++) one.a[i] = 1;
    in_pieces(finish_activation, &(struct finish_activation){kind, &x, &y, &slope});
    op_activation(kind, &x, &want);
    same(&y, &want, "activation");
    op_activation_backward(kind, &x, &one, &want);
    same(&slope, &want, "slope");
    in_pieces(finish_activation, &(struct finish_activation){kind, &x, &y, &x});
    same(&x, &slope, "slope, in place");
}

START_TEST(activation_and_slope)
{
    for (int c = CPU_GENERIC; c <= CPU_AVX512; c++) {
        if (!cpu_has((enum cpu_class)c)) continue; /* test_ops says so */
        ck_ok(cpu_force((enum cpu_class)c));
        check_both((enum activation)_i);
    }
}
END_TEST

START_TEST(gates)
{
    struct mat g = filled(0), u = filled(1), dy = filled(2), want = filled(3), want_u = filled(4), y = filled(5);
    op_gated(ACT_SILU, &g, &u, &want);
    in_pieces(finish_gated, &(struct finish_gated){ACT_SILU, &g, &u, &y});
    same(&y, &want, "gate");
    op_gated_backward(ACT_SILU, &g, &u, &dy, &want, &want_u);
    in_pieces(finish_gated_back, &(struct finish_gated_back){ACT_SILU, &g, &u, &dy, &y, &dy});
    same(&y, &want, "gradient of the gate");
    same(&dy, &want_u, "gradient of what it lets through, in place");
}
END_TEST

START_TEST(products)
{
    struct mat x = filled(0), y = filled(1), want = mat_of(memory[2], ROWS, COLS);
    op_copy(&y, &want);
    op_multiply(&x, &want);
    in_pieces(finish_product, &(struct finish_product){&x, &y});
    same(&y, &want, "product");
}
END_TEST

/* A draw belongs to its column, wherever the piece begins. */
START_TEST(residuals)
{
    const struct rng rng = {.seed = 3};
    uint32_t key[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) key[i] = i << 16 | (i * 7 & 0xff);
    struct dropout drop = {&rng, 5, 99, _i ? 0.3 : 0};
    struct mat y = filled(0), x = filled(1), want = filled(2), sum = filled(3),
               want_sum = mat_of(memory[4], ROWS, COLS);
    op_copy(&sum, &want_sum);
    op_dropout(&drop, key, &y, &want);
    op_add(&want, &want_sum);
    struct mat again = mat_of(memory[5], ROWS, COLS);
    op_copy(&y, &again);
    in_pieces(finish_residual, &(struct finish_residual){drop, key, &y, &y, &sum});
    same(&sum, &want_sum, "added to another sum");
    op_add(&x, &want);
    in_pieces(finish_residual, &(struct finish_residual){drop, key, &again, &x, &again});
    same(&again, &want, "added in place");
}
END_TEST

PG_TESTS(LOOP_TEST(activations, 0, ACT_NONE + 1), LOOP_TEST(activation_and_slope, 0, ACT_NONE + 1), TEST(gates),
         TEST(products), LOOP_TEST(residuals, 0, 2))
