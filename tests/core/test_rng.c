/* Randomness: the published vectors, addressing, distributions, replay, permutations, dropout. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/parallel.h"
#include "core/rng.h"

/* Known answers of Random123 1.14 (kat_vectors, philox4x32 10). */
START_TEST(known_answers)
{
    static const uint32_t kat[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t out[4];
        philox4x32(kat[i], kat[i] + 4, out);
        ck_assert_mem_eq(out, kat[i] + 6, sizeof out);
    }
}
END_TEST

START_TEST(every_part_of_the_address_counts)
{
    struct rng a = {.seed = 1}, b = {.seed = 2};
    uint32_t v = rng_at(&a, RNG_GATE, 3, 4, 5, 6);
    ck_assert_uint_eq(v, rng_at(&a, RNG_GATE, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&b, RNG_GATE, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_RANK, 3, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3ull | 1ull << 40, 4, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 0, 5, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 4, 0, 6));
    ck_assert_uint_ne(v, rng_at(&a, RNG_GATE, 3, 4, 5, 6ull | 1ull << 40));
}
END_TEST
PG_TESTS(TEST(known_answers), TEST(every_part_of_the_address_counts))
