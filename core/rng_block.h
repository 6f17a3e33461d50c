/* Inside of the generator, shared by rng.c and the vectorised dropout: Philox's constants and the subkey of
 * (seed, stream, step, micro). */
#ifndef PG_CORE_RNG_BLOCK_H
#define PG_CORE_RNG_BLOCK_H

#include "core/rng.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u
enum { PHILOX_ROUNDS = 10 };

struct rng_key {
    uint32_t key[2];
    uint32_t salt; /* fourth word of the counter */
};
struct rng_key rng_subkey(uint64_t seed, enum rng_stream, uint64_t step, int micro);

#endif
