/* Orders of epochs and packed batches. */
#include "tests/pgtest.h"

#include "bench/batch.h"

enum { EXAMPLES = 1237, BATCH = 8 };

static struct arena *arena;
static struct tokens set;
static const struct rng rng = {.seed = 3};

static void make_set(void)
{
    arena = arena_new("test");
    uint64_t *offset = arena_zalloc(arena, sizeof *offset * (EXAMPLES + 1));
    for (uint64_t i = 0; i < EXAMPLES; i++)
        offset[i + 1] = offset[i] + 1 + (uint64_t)rng_below(&rng, RNG_DATA, i, 0, 0, 0, 60);
    int32_t *ids = arena_alloc(arena, sizeof *ids * offset[EXAMPLES]);
    uint8_t *types = arena_zalloc(arena, offset[EXAMPLES]);
    float *label = arena_alloc(arena, sizeof *label * EXAMPLES);
    for (uint64_t k = 0; k < offset[EXAMPLES]; k++) ids[k] = (int32_t)k;
    for (int i = 0; i < EXAMPLES; i++) label[i] = (float)(i % 3);
    set = (struct tokens){.n = EXAMPLES, .offset = offset, .ids = ids, .types = types, .label = label};
}

static int *order_of(int epoch, bool grouped)
{
    int *order = arena_alloc(arena, sizeof *order * EXAMPLES), *seen = arena_zalloc(arena, sizeof *seen * EXAMPLES);
    struct arena *scratch = arena_new("scratch");
    ck_ok(batch_order(&rng, &set, epoch, BATCH, grouped, scratch, order));
    ck_assert_uint_eq(arena_used(scratch), 0);
    for (int i = 0; i < EXAMPLES; i++) {
        ck_assert(order[i] >= 0 && order[i] < EXAMPLES);
        ck_assert_int_eq(seen[order[i]]++, 0);
    }
    arena_free(scratch);
    return order;
}

static int length_of(int example)
{
    return (int)(set.offset[example + 1] - set.offset[example]);
}

/* Mean spread of lengths within batches. */
static double spread(const int *order)
{
    double sum = 0;
    for (int b = 0; b < EXAMPLES / BATCH; b++) {
        int lo = 1000, hi = 0;
        for (int i = 0; i < BATCH; i++) {
            int n = length_of(order[b * BATCH + i]);
            lo = n < lo ? n : lo;
            hi = n > hi ? n : hi;
        }
        sum += hi - lo;
    }
    return sum / (EXAMPLES / BATCH);
}

START_TEST(epochs_are_permutations_of_their_own)
{
    make_set();
    for (int grouped = 0; grouped < 2; grouped++) {
        const int *first = order_of(0, grouped), *again = order_of(0, grouped), *second = order_of(1, grouped);
        ck_assert_mem_eq(first, again, sizeof *first * EXAMPLES);
        ck_assert_mem_ne(first, second, sizeof *first * EXAMPLES);
    }
    arena_free(arena);
}
END_TEST

START_TEST(grouped_batches_have_like_lengths)
{
    make_set();
    const int *grouped = order_of(0, true), *plain = order_of(0, false);
    ck_assert_double_lt(spread(grouped), 0.15 * spread(plain));
    /* ... and do not run from long to short: batch means of the two halves of the epoch are alike */
    double half[2] = {0, 0};
    for (int i = 0; i < EXAMPLES; i++) half[i >= EXAMPLES / 2] += length_of(grouped[i]);
    ck_assert_double_lt(half[0] / half[1], 1.25);
    ck_assert_double_gt(half[0] / half[1], 0.8);
    arena_free(arena);
}
END_TEST

START_TEST(small_sets_can_be_grouped)
{
    make_set();
    for (int n = 1; n < 20; n++) {
        int order[20], sum = 0;
        set.n = n;
        ck_ok(batch_order(&rng, &set, 0, BATCH, true, arena, order));
        for (int i = 0; i < n; i++) sum += order[i];
        ck_assert_int_eq(sum, n * (n - 1) / 2);
    }
    arena_free(arena);
}
END_TEST

START_TEST(sequences_lie_end_to_end)
{
    struct batch b;
    const int index[3] = {7, 0, 1236};
    make_set();
    ck_ok(batch_make(&set, index, 3, 5, 32, 0, arena, &b));
    ck_assert_int_eq(b.n, 3);
    ck_assert_int_eq(b.tokens, length_of(7) + length_of(0) + length_of(1236));
    ck_assert_int_eq(b.step_examples, 32);
    ck_assert_ptr_null(b.target);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(b.offset[i + 1] - b.offset[i], length_of(index[i]));
        ck_assert_uint_eq(b.slot[i], 5 + (unsigned)i);
        ck_assert_int_eq(b.label[i], index[i] % 3);
        for (int k = 0; k < length_of(index[i]); k++) {
            ck_assert_int_eq(b.ids[b.offset[i] + k], (int)set.offset[index[i]] + k);
            ck_assert_uint_eq(b.row_key[b.offset[i] + k], (unsigned)(5 + i) << 16 | (unsigned)k);
        }
    }
    ck_ok(batch_make(&set, index, 3, 0, 3, 1, arena, &b));
    ck_assert_ptr_null(b.label);
    ck_assert_float_eq(b.target[0], 1);
    arena_free(arena);
}
END_TEST

START_TEST(impossible_batches_are_refused)
{
    struct batch b;
    uint64_t offset[3] = {0, 0, 70000};
    const int index[2] = {0, 1};
    make_set();
    ck_fails(batch_make(&set, index, 1, BATCH_MAX_EXAMPLES, 1, 0, arena, &b), ST_USAGE, "too large");
    set.offset = offset;
    ck_fails(batch_make(&set, index, 1, 0, 1, 0, arena, &b), ST_INPUT, "example 0 has 0 tokens");
    ck_fails(batch_make(&set, index + 1, 1, 0, 1, 0, arena, &b), ST_INPUT, "example 1 has 70000 tokens");
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(epochs_are_permutations_of_their_own), TEST(grouped_batches_have_like_lengths),
         TEST(small_sets_can_be_grouped), TEST(sequences_lie_end_to_end), TEST(impossible_batches_are_refused))
