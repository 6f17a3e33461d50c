/* AdamW against a scalar double-precision rendering of METHODS 3.0, parts of tensors, own rates, clipping. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/optimizer.h"
#include "core/parallel.h"

enum { ROWS = 37, COLS = 1100, STEPS = 6 };

static struct arena *arena;
static struct registry reg;
static struct rng rng;

static void open_registry(void)
{
    arena = arena_new("test");
    rng = (struct rng){.seed = 7};
    ck_ok(registry_init(&reg, arena));
}

static struct param *tensor(const char *name, int rows, int cols)
{
    struct param *p;
    ck_ok(param_add(&reg, P_ADAPTER, name, rows, cols, 1, &p));
    rng_fill_normal(&rng, name, p->data, param_size(p), 0, 1);
    return p;
}

static void new_gradient(struct param *p, int step)
{
    for (size_t i = 0; i < param_size(p); i++)
        p->grad[i] = (real)(rng_uniform(&rng, RNG_DATA, (uint64_t)step, 0, 1, i) - 0.5);
}

/* The published formulas for one element, in double. */
struct scalar {
    double w, m, v;
};
static void scalar_step(const struct adamw *o, struct scalar *s, double g, double lr, double decay, long t)
{
    double b1 = o->beta1, b2 = o->beta2;
    s->m = b1 * s->m + (1 - b1) * g;
    s->v = b2 * s->v + (1 - b2) * g * g;
    double m_hat = s->m / (1 - pow(b1, (double)t)), v_hat = s->v / (1 - pow(b2, (double)t));
    if (o->form == ADAMW_TORCH) {
        s->w *= 1 - lr * decay;
        s->w -= lr * m_hat / (sqrt(v_hat) + o->eps);
    } else {
        s->w -= lr * sqrt(1 - pow(b2, (double)t)) / (1 - pow(b1, (double)t)) * s->m / (sqrt(s->v) + o->eps);
        s->w -= lr * decay * s->w;
    }
}

START_TEST(follows_the_formulas)
{
    struct adamw o = {_i ? ADAMW_HF44 : ADAMW_TORCH, 0.9, 0.999, 1e-3, 0.05, 0};
    open_registry();
    struct param *p = tensor("w", ROWS, COLS), *bias = tensor("bias", 1, 5);
    struct scalar *want = arena_zalloc(arena, sizeof *want * ROWS * COLS), want_bias[5] = {{0, 0, 0}};
    for (int i = 0; i < ROWS * COLS; i++) want[i].w = (double)p->data[i];
    for (int i = 0; i < 5; i++) want_bias[i].w = (double)bias->data[i];
    ck_ok(adamw_init(&o, &reg));
    for (int t = 1; t <= STEPS; t++) {
        double lr = 0.01 * t;
        new_gradient(p, t);
        new_gradient(bias, t);
        for (int i = 0; i < ROWS * COLS; i++) scalar_step(&o, &want[i], (double)p->grad[i], lr, o.weight_decay, t);
        for (int i = 0; i < 5; i++) scalar_step(&o, &want_bias[i], (double)bias->grad[i], lr, 0, t);
        adamw_step(&o, &reg, lr, t);
    }
    for (int i = 0; i < ROWS * COLS; i++) ck_assert_double_eq_tol((double)p->data[i], want[i].w, 2e-6);
    for (int i = 0; i < 5; i++) ck_assert_double_eq_tol((double)bias->data[i], want_bias[i].w, 2e-6);
    ck_assert_uint_eq(p->version, STEPS);
    arena_free(arena);
}
END_TEST

START_TEST(forms_differ)
{
    struct adamw o = {ADAMW_TORCH, 0.9, 0.999, 1e-3, 0, 0};
    real first[2];
    for (int form = 0; form < 2; form++) {
        open_registry();
        o.form = form ? ADAMW_HF44 : ADAMW_TORCH;
        struct param *p = tensor("w", 1, 1);
        p->data[0] = 0;
        p->grad[0] = (real)0.01;
        ck_ok(adamw_init(&o, &reg));
        adamw_step(&o, &reg, 0.1, 1);
        first[form] = p->data[0];
        arena_free(arena);
    }
    /* eps outside and inside the bias correction: 0.01/(0.01 + 1e-3) and 0.01/(0.01 + 1e-3/sqrt(1 - beta2)) */
    ck_assert_double_eq_tol((double)first[0], -0.1 / 1.1, 1e-6);
    ck_assert_double_eq_tol((double)first[1], -0.1 / (1 + 0.1 / sqrt(0.001)), 1e-6);
}
END_TEST

START_TEST(touches_only_the_named_part)
{
    struct adamw o = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.1, 0};
    open_registry();
    struct param *p = tensor("w", ROWS, COLS);
    real *before = arena_alloc(arena, sizeof *before * ROWS * COLS);
    memcpy(before, p->data, sizeof *before * ROWS * COLS);
    ck_ok(adamw_init(&o, &reg));
    new_gradient(p, 1);
    p->lo = 3, p->hi = 20, p->left = 7, p->right = 900;
    adamw_step(&o, &reg, 0.01, 1);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            int i = r * COLS + c, inside = r >= 3 && r < 20 && c >= 7 && c < 900;
            ck_assert_int_eq(p->data[i] != before[i], inside);
            ck_assert_int_eq(p->m[i] != 0 && p->v[i] != 0, inside);
        }
    p->lo = p->hi = 5; /* nothing at all */
    memcpy(before, p->data, sizeof *before * ROWS * COLS);
    adamw_step(&o, &reg, 0.01, 2);
    ck_assert_mem_eq(before, p->data, sizeof *before * ROWS * COLS);
    arena_free(arena);
}
END_TEST

START_TEST(own_rates_follow_the_schedule)
{
    struct adamw o = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0, 0.02};
    open_registry();
    struct param *own = tensor("own", 1, 1), *times = tensor("times", 1, 1);
    own->lr_own = true;
    own->lr = 0.5;
    times->lr = 3;
    ck_assert_double_eq_tol(adamw_rate(&o, own, 0.01), 0.25, 1e-15);
    ck_assert_double_eq_tol(adamw_rate(&o, times, 0.01), 0.03, 1e-15);
    o.base_lr = 0;
    ck_assert_double_eq_tol(adamw_rate(&o, own, 0.01), 0.5, 1e-15);
    arena_free(arena);
}
END_TEST

START_TEST(frozen_tensors_stay)
{
    struct adamw o = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.1, 0};
    open_registry();
    struct param *p = tensor("w", 2, 3);
    real before[6], *grad = p->grad;
    memcpy(before, p->data, sizeof before);
    for (int i = 0; i < 6; i++) grad[i] = 100;
    p->grad = NULL;
    ck_ok(adamw_init(&o, &reg));
    ck_assert_ptr_null(p->m);
    ck_assert_double_eq(gradients_clip(&reg, 1), 0);
    adamw_step(&o, &reg, 1, 1);
    ck_assert_mem_eq(before, p->data, sizeof before);
    arena_free(arena);
}
END_TEST

START_TEST(clips_the_global_norm)
{
    open_registry();
    struct param *a = tensor("a", ROWS, COLS), *b = tensor("b", 3, 3);
    new_gradient(a, 1);
    new_gradient(b, 1);
    double squares = 0;
    for (size_t i = 0; i < param_size(a); i++) squares += (double)a->grad[i] * (double)a->grad[i];
    for (size_t i = 0; i < param_size(b); i++) squares += (double)b->grad[i] * (double)b->grad[i];
    real a0 = a->grad[0], b8 = b->grad[8];
    double norm = gradients_clip(&reg, 0);
    ck_assert_double_eq_tol(norm, sqrt(squares), 1e-10 * norm);
    ck_assert(a->grad[0] == a0); /* clip 0: no scaling */
    gradients_clip(&reg, norm * 2);
    ck_assert(a->grad[0] == a0); /* below the limit: left alone */
    gradients_clip(&reg, 0.5);
    ck_assert_double_eq_tol((double)a->grad[0], (double)a0 * 0.5 / (norm + 1e-6), 1e-9);
    ck_assert_double_eq_tol((double)b->grad[8], (double)b8 * 0.5 / (norm + 1e-6), 1e-9);
    ck_assert_double_eq_tol(gradients_clip(&reg, 0.5), 0.5, 1e-5);
    arena_free(arena);
}
END_TEST

START_TEST(infinite_gradients_are_reported)
{
    open_registry();
    struct param *a = tensor("a", 2, 2);
    a->grad[0] = 3;
    a->grad[1] = (real)NAN;
    ck_assert(isnan(gradients_clip(&reg, 1)));
    ck_assert(a->grad[0] == 3);
    a->grad[1] = (real)INFINITY;
    ck_assert(isinf(gradients_clip(&reg, 1)));
    ck_assert(a->grad[0] == 3);
    arena_free(arena);
}
END_TEST

START_TEST(threads_give_the_same_bits)
{
    struct adamw o = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.1, 0};
    real kept[COLS * 3];
    for (int threads = 1; threads <= 8; threads *= 2) {
        parallel_set_threads(threads);
        open_registry();
        struct param *p = tensor("w", ROWS, COLS);
        ck_ok(adamw_init(&o, &reg));
        for (int t = 1; t <= 3; t++) {
            new_gradient(p, t);
            gradients_clip(&reg, 0.1);
            adamw_step(&o, &reg, 0.01, t);
        }
        if (threads == 1)
            memcpy(kept, p->data, sizeof kept);
        else
            ck_assert_mem_eq(kept, p->data, sizeof kept);
        arena_free(arena);
    }
}
END_TEST

/* ---- tables whose gradients come by rows ---- */

enum { TABLE = 3000, WIDTH = 96, NAMED = 5, DENSE = 6 /* the step that reaches all rows */ };

struct outcome {
    real value[TABLE * WIDTH], m[TABLE * WIDTH], v[TABLE * WIDTH];
    double norm[DENSE + 1];
};

/* Other rows in each step, some twice, some again; two steps have the same ones. */
static void name_rows(int t, int32_t row[NAMED])
{
    for (int i = 0; i < NAMED; i++) row[i] = (t / 2 * 711 + i * i * 97) % TABLE;
    row[NAMED - 1] = row[0];
}

static void add_gradients(struct param *p, int t)
{
    int32_t row[NAMED];
    name_rows(t, row);
    if (t == DENSE) {
        param_reach_all(p);
        new_gradient(p, t);
        return;
    }
    param_reach(p, row, NAMED);
    for (int i = 0; i < NAMED; i++)
        for (int c = 0; c < WIDTH; c++)
            p->grad[row[i] * WIDTH + c] +=
                (real)rng_uniform(&rng, RNG_DATA, (uint64_t)t, 0, 1, (uint64_t)(i * WIDTH + c));
}

static void train_table(enum adamw_form form, bool by_rows, struct outcome *out)
{
    const struct adamw o = {form, 0.9, 0.999, 1e-8, 0.1, 0};
    struct param *p;
    real *start;
    open_registry();
    start = arena_alloc(arena, sizeof *start * TABLE * WIDTH);
    rng_fill_normal(&rng, "start", start, (size_t)TABLE * WIDTH, 0, 1);
    ck_ok(param_add_base(&reg, "table", wsrc_dense(start, TABLE, WIDTH), 0, &p));
    p->by_rows = by_rows;
    ck_ok(param_thaw(&reg, p));
    ck_assert_int_eq(p->reached != NULL, by_rows);
    ck_ok(adamw_init(&o, &reg));
    for (int t = 1; t <= DENSE; t++) {
        param_zero_grads(&reg);
        add_gradients(p, t);
        out->norm[t] = gradients_clip(&reg, 0.5);
        adamw_step(&o, &reg, 0.01, t);
        if (by_rows && t == 3) { /* as from a checkpoint */
            memset(p->reached, 0, TABLE);
            adamw_restored(&reg);
        }
        if (by_rows && t < DENSE) ck_assert_int_eq(p->reached[TABLE - 1], 0);
    }
    memcpy(out->value, p->data, sizeof out->value);
    memcpy(out->m, p->m, sizeof out->m);
    memcpy(out->v, p->v, sizeof out->v);
    arena_free(arena);
}

START_TEST(rows_without_gradients_are_left_out)
{
    static struct outcome plain, some;
    train_table(_i ? ADAMW_HF44 : ADAMW_TORCH, false, &plain);
    train_table(_i ? ADAMW_HF44 : ADAMW_TORCH, true, &some);
    ck_assert_mem_eq(&plain, &some, sizeof plain);
    ck_assert(plain.norm[1] > 0.5); /* clipped */
}
END_TEST

PG_TESTS(LOOP_TEST(follows_the_formulas, 0, 2), TEST(forms_differ), TEST(touches_only_the_named_part),
         TEST(own_rates_follow_the_schedule), TEST(frozen_tensors_stay), TEST(clips_the_global_norm),
         TEST(infinite_gradients_are_reported), TEST(threads_give_the_same_bits),
         LOOP_TEST(rows_without_gradients_are_left_out, 0, 2))
