/* What DyLoRA promises beyond the checks of every method: at a fixed rank it is LoRA of that rank; one rank a step for
 * all sites; which rows move; a variant a rank. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/accounting.h"
#include "tests/method_runs.h"

extern const struct method method_dylora, method_lora;

/* ---- LoRA ---- */

/* Rows and columns of `few` against the first ones of `many`. */
static void same_part(const struct param *few, const struct param *many)
{
    for (int i = 0; i < few->rows; i++)
        ck_assert_msg(
            memcmp(few->data + i * few->cols, many->data + i * many->cols, sizeof(real) * (size_t)few->cols) == 0,
            "row %d of %s", i, few->name);
}

/* The same bits, with dropout in the adapter. Clipping is off: the norm is summed over the unused rows' zeros too, in
 * other chunks, and may differ in its last bit. */
START_TEST(at_a_fixed_rank_it_is_lora)
{
    const char *const undrawn[] = {"undrawn=momentum", "undrawn=masked"};
    char settings[200];
    struct session dylora, lora;
    for (int model = 0; model < PROBE_MODELS; model++) {
        snprintf(settings, sizeof settings, "sites=all rank=7 ranks=3 update=all alpha=5 dropout=0.2 %s", undrawn[_i]);
        ck_ok(run_open(&method_dylora, settings, (enum probe_model)model, &dylora));
        ck_ok(run_open(&method_lora, "sites=all rank=3 alpha=5 dropout=0.2", (enum probe_model)model, &lora));
        run_steps(&dylora, 0, RUN_STEPS, 0);
        run_steps(&lora, 0, RUN_STEPS, 0);
        for (int k = 0; run_site(&lora, k); k++) {
            const struct site *one = run_site(&lora, k), *other = run_site(&dylora, k);
            same_part(run_tensor(&lora, one, "lora_A"), run_tensor(&dylora, other, "lora_A"));
            same_part(run_tensor(&lora, one, "lora_B"), run_tensor(&dylora, other, "lora_B"));
        }
        ck_assert_mem_eq(run_logits(&lora, 0), run_logits(&dylora, 0), sizeof(float) * RUN_LOGITS);
        session_close(&dylora);
        session_close(&lora);
    }
}
END_TEST

/* ---- what moves ---- */

static bool row_moved(const struct param *before, const struct param *now, int row)
{
    size_t at = (size_t)row * (size_t)now->cols;
    return memcmp(before->data + at, now->data + at, sizeof(real) * (size_t)now->cols) != 0;
}

static bool column_moved(const struct param *before, const struct param *now, int column)
{
    for (int i = 0; i < now->rows; i++)
        if (before->data[i * now->cols + column] != now->data[i * now->cols + column]) return true;
    return false;
}

/* settings, and the rows (from, to) that must move when only rank 3 is drawn; others must not. */
static const struct moving {
    const char *settings;
    int from, to;
} moving[] = {
    {"update=frozen undrawn=masked", 2, 3},
    {"update=all undrawn=masked", 0, 3},
};

START_TEST(masked_rows_stay)
{
    const struct moving *c = &moving[_i];
    char settings[200];
    struct session fresh, used;
    snprintf(settings, sizeof settings, "rank=5 ranks=3 %s", c->settings);
    ck_ok(run_open(&method_dylora, settings, PROBE_DEBERTA, &fresh));
    ck_ok(run_open(&method_dylora, settings, PROBE_DEBERTA, &used));
    run_steps(&used, 0, 3, 1);
    for (int k = 0; run_site(&used, k); k++) {
        const struct site *a = run_site(&fresh, k), *b = run_site(&used, k);
        for (int row = 0; row < 5; row++) {
            bool learns = row >= c->from && row < c->to;
            ck_assert_int_eq(row_moved(run_tensor(&fresh, a, "lora_A"), run_tensor(&used, b, "lora_A"), row), learns);
            ck_assert_int_eq(column_moved(run_tensor(&fresh, a, "lora_B"), run_tensor(&used, b, "lora_B"), row),
                             learns);
        }
    }
    session_close(&fresh);
    session_close(&used);
}
END_TEST

static bool row_is_zero(const real *g, int row, int cols)
{
    for (int i = 0; i < cols; i++)
        if (g[row * cols + i] != 0) return false;
    return true;
}

/* Rank 1 or 4 by turns: what was learnt at rank 4 goes on by momentum in steps of rank 1, whose gradient of row 4 is
 * zero; with masks it does not. */
static int by_turns(void *ctx, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element,
                    double *u)
{
    (void)ctx, (void)micro, (void)who, (void)element;
    if (stream != RNG_RANK) return 0;
    *u = step % 2 ? 0.125 : 0.875;
    return 1;
}

START_TEST(undrawn_rows_move_by_momentum_or_not)
{
    const char *const settings[] = {"rank=4 undrawn=momentum", "rank=4 undrawn=masked"};
    struct session s;
    real before[64], now[64];
    ck_ok(run_open(&method_dylora, settings[_i], PROBE_BERT, &s));
    s.rng.replay = by_turns;
    run_steps(&s, 0, 3, 1);
    const struct param *a = run_tensor(&s, run_site(&s, 0), "lora_A");
    ck_assert_int_eq(a->cols, 16);
    memcpy(before, a->data + 48, sizeof(real) * 16);
    run_steps(&s, 3, 4, 1);
    memcpy(now, a->data + 48, sizeof(real) * 16);
    ck_assert(row_is_zero(a->grad, 3, 16));
    ck_assert(!row_is_zero(a->grad, 0, 16));
    ck_assert_int_eq(memcmp(before, now, sizeof(real) * 16) != 0, _i == 0);
    session_close(&s);
}
END_TEST

/* ---- the draw ---- */

/* With B = 0 only B has a gradient, and with update = frozen only column b of it. */
static int drawn_at(const struct session *s, const struct site *site)
{
    const struct param *b = run_tensor(s, site, "lora_B");
    int drawn = 0;
    for (int c = 0; c < b->cols; c++)
        for (int i = 0; i < b->rows; i++)
            if (b->grad[i * b->cols + c] != 0) {
                ck_assert_msg(drawn == 0 || drawn == c + 1, "columns %d and %d of %s learn", drawn, c + 1, b->name);
                drawn = c + 1;
            }
    ck_assert_int_gt(drawn, 0);
    return drawn;
}

START_TEST(one_rank_a_step_for_all_sites)
{
    enum { TRIES = 60 };
    int seen[5] = {0};
    struct session s;
    ck_ok(run_open(&method_dylora, "sites=all rank=4", PROBE_BERT, &s));
    for (uint64_t step = 0; step < TRIES; step++) {
        run_gradients(&s, step);
        int b = drawn_at(&s, run_site(&s, 0));
        for (int k = 1; run_site(&s, k); k++) ck_assert_int_eq(drawn_at(&s, run_site(&s, k)), b);
        seen[b]++;
    }
    for (int b = 1; b <= 4; b++) ck_assert_int_ge(seen[b], TRIES / 4 / 3);
    session_close(&s);
}
END_TEST

START_TEST(draws_only_the_chosen_ranks)
{
    struct session s;
    int seen[6] = {0};
    ck_ok(run_open(&method_dylora, "rank=5 ranks=2+5", PROBE_BERT, &s));
    for (uint64_t step = 0; step < 20; step++) {
        run_gradients(&s, step);
        seen[drawn_at(&s, run_site(&s, 0))]++;
    }
    ck_assert_int_gt(seen[2], 0);
    ck_assert_int_gt(seen[5], 0);
    ck_assert_int_eq(seen[2] + seen[5], 20);
    session_close(&s);
}
END_TEST

/* ---- variants ---- */

static const struct evaluated {
    const char *settings;
    int count, rank[4];
} evaluated[] = {
    {"rank=4", 4, {1, 2, 3, 4}},
    {"rank=4 ranks=2+4", 2, {2, 4}},
    {"rank=4 ranks=2+4 eval_ranks=1+3", 2, {1, 3}},
    {"rank=64 eval_ranks=64", 1, {64}},
};

START_TEST(a_variant_a_rank)
{
    const struct evaluated *e = &evaluated[_i];
    struct variant v[SESSION_MAX_VARIANTS];
    struct session s;
    ck_ok(run_open(&method_dylora, e->settings, PROBE_BERT, &s));
    ck_assert_int_eq(session_variants(&s, v), e->count);
    for (int i = 0; i < e->count; i++) {
        char name[32];
        struct site_report r = site_report_of(&s, run_site(&s, 0), i);
        snprintf(name, sizeof name, "rank=%d", e->rank[i]);
        ck_assert_str_eq(v[i].name, name);
        ck_assert_double_eq(v[i].key, e->rank[i]);
        ck_assert_int_eq(r.rank, e->rank[i]);
        ck_assert_double_eq(r.deployed, e->rank[i] * 32.0);
        ck_assert_double_eq(r.trained, r.rank_max * 32.0);
    }
    session_close(&s);
}
END_TEST

/* Every rank answers differently once trained: variants are not the same network under several names. */
START_TEST(ranks_differ)
{
    struct session s;
    ck_ok(run_open(&method_dylora, "rank=4", PROBE_DEBERTA, &s));
    s.rng.replay = by_turns;
    run_steps(&s, 0, RUN_STEPS, 1);
    for (int i = 1; i < 4; i++)
        ck_assert_int_ne(memcmp(run_logits(&s, i - 1), run_logits(&s, i), sizeof(float) * RUN_LOGITS), 0);
    session_close(&s);
}
END_TEST

static const struct refusal {
    const char *settings, *part;
} refusals[] = {
    {"ranks=0", "'0' is no rank from 1 to 8"},
    {"ranks=9", "'9' is no rank from 1 to 8"},
    {"ranks=two", "'two' is no rank"},
    {"ranks=2+2", "names rank 2 twice"},
    {"ranks=+", "ranks is empty"},
    {"eval_ranks=1+12", "eval_ranks: '12' is no rank"},
    {"sites=after_ffn", "is no linear layer"},
};

START_TEST(refuses)
{
    struct session s;
    ck_fails(run_open(&method_dylora, refusals[_i].settings, PROBE_BERT, &s), ST_USAGE, refusals[_i].part);
}
END_TEST

PG_TESTS(LOOP_TEST(at_a_fixed_rank_it_is_lora, 0, 2), LOOP_TEST(masked_rows_stay, 0, 2),
         LOOP_TEST(undrawn_rows_move_by_momentum_or_not, 0, 2), TEST(one_rank_a_step_for_all_sites),
         TEST(draws_only_the_chosen_ranks), LOOP_TEST(a_variant_a_rank, 0, 4), TEST(ranks_differ),
         LOOP_TEST(refuses, 0, 7))
