/* Exact allocation: against all combinations on small random instances, with ties and dominated choices, budgets that
 * cannot be kept, and the time for the matrices of a large encoder. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/allocate.h"
#include "core/rng.h"
#include "core/lap.h"

enum { MOST = 80 * 30 };
static struct arena *arena;
static double size[MOST], loss[MOST];
static int choice[MOST];

static double uniform(int instance, int what, int i)
{
    const struct rng rng = {.seed = 77};
    return rng_uniform(&rng, RNG_DATA, (uint64_t)instance, 0, (uint32_t)what, (uint64_t)i);
}

static double total(int things, int choices, const double *of)
{
    double sum = 0;
    for (int i = 0; i < things; i++) sum += of[i * choices + choice[i]];
    return sum;
}

/* The least loss of all combinations; INFINITY: none fits. */
static double brute(int things, int choices, double budget)
{
    double best = INFINITY;
    long count = 1;
    for (int i = 0; i < things; i++) count *= choices;
    for (long c = 0; c < count; c++) {
        double s = 0, l = 0;
        long rest = c;
        for (int i = 0; i < things; i++, rest /= choices) {
            s += size[i * choices + rest % choices];
            l += loss[i * choices + rest % choices];
        }
        if (s <= budget && l < best) best = l;
    }
    return best;
}

static double smallest(int things, int choices)
{
    double sum = 0;
    for (int i = 0; i < things; i++) {
        double least = INFINITY;
        for (int j = 0; j < choices; j++) least = fmin(least, size[i * choices + j]);
        sum += least;
    }
    return sum;
}

/* Sizes are whole numbers, so sums are exact; losses of many orders of magnitude, alike ones, or few values, so that
 * there are ties. */
static void draw(int instance, int things, int choices)
{
    for (int k = 0; k < things * choices; k++) {
        double u = uniform(instance, 1, k);
        size[k] = 1 + floor(20 * uniform(instance, 0, k));
        loss[k] = instance % 4 == 0 ? floor(4 * u) : instance % 4 == 1 ? pow(1e-12, u) : 10 * u;
    }
}

START_TEST(equals_all_combinations)
{
    arena = arena_new("test");
    int refused = 0;
    for (int instance = 0; instance < 600; instance++) {
        int things = 1 + instance % 6, choices = 1 + instance % 5;
        struct allocation got;
        draw(instance, things, choices);
        double budget = floor(uniform(instance, 2, 0) * 14 * things), want = brute(things, choices, budget);
        status st = allocate(things, choices, size, loss, budget, arena, choice, &got);
        if (isinf(want)) {
            char text[64];
            snprintf(text, sizeof text, "the smallest possible is %g", smallest(things, choices));
            ck_fails(st, ST_USAGE, text);
            refused++;
            continue;
        }
        ck_ok(st);
        ck_assert_double_le(fabs(got.loss - want), 1e-12 * want);
        ck_assert_double_eq_tol(total(things, choices, loss), got.loss, 1e-12);
        ck_assert(total(things, choices, size) == got.size && got.size <= budget);
    }
    ck_assert_int_gt(refused, 50);
    ck_assert_int_lt(refused, 400);
}
END_TEST

START_TEST(the_smallest_budget_is_enough)
{
    struct allocation got;
    arena = arena_new("test");
    draw(1, 40, 9);
    double least = smallest(40, 9);
    ck_ok(allocate(40, 9, size, loss, least, arena, choice, &got));
    ck_assert(got.size == least);
    ck_fails(allocate(40, 9, size, loss, least - 0.5, arena, choice, &got), ST_USAGE, "smallest possible");
    ck_ok(allocate(0, 9, size, loss, 0, arena, choice, &got));
    ck_assert(got.size == 0 && got.loss == 0);
}
END_TEST

/* 72 matrices of two shapes and 30 configurations, losses as of decompositions: some 4^-bits, each with noise. */
static void encoder(int instance)
{
    for (int i = 0; i < 72; i++)
        for (int j = 0; j < 30; j++) {
            double n = i % 6 < 4 ? 768.0 * 768 : 768.0 * 3072;
            double bits = 2 + j / 10 + (double)(j % 10) * (double)(j % 10) / 160;
            size[i * 30 + j] = floor(bits * n);
            loss[i * 30 + j] =
                n * pow(4, -bits) * (0.2 + uniform(instance, 3, i)) * (1 + 0.1 * uniform(instance, 4, i * 30 + j));
        }
}

START_TEST(an_encoder_takes_no_time)
{
    struct allocation got, more;
    arena = arena_new("test");
    double parameters = 12 * (4 * 768.0 * 768 + 2 * 768.0 * 3072), before = INFINITY;
    encoder(_i);
    for (double bits = 2.25; bits < 4; bits += 0.25) {
        double began = clock_seconds();
        ck_ok(allocate(72, 30, size, loss, bits * parameters, arena, choice, &got));
        ck_assert_double_lt(clock_seconds() - began, 20);
        ck_assert_double_le(got.size, bits * parameters);
        ck_assert_double_lt(got.loss, before);
        before = got.loss;
        ck_ok(allocate(72, 30, size, loss, got.size, arena, choice, &more)); /* what is used is enough */
        ck_assert(more.loss == got.loss);
    }
}
END_TEST

PG_TESTS(TEST(equals_all_combinations), TEST(the_smallest_budget_is_enough), LOOP_TEST(an_encoder_takes_no_time, 0, 3))
