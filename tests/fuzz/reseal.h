/* HDF5 bytes behind a seal that fits them. A damaged record never reaches HDF5, its seal says so; these harnesses make
 * the seal and the content hash anew for whatever the bytes are, as one would who means harm. */
#ifndef PG_TESTS_RESEAL_H
#define PG_TESTS_RESEAL_H

#include "tests/fuzz/fuzzing.h"

/* An input that begins as HDF5 does becomes a file of this format with a right seal; others are written as they are.
 * The path in the arena. */
const char *fuzz_sealed(const char *name, const char *format, const unsigned char *p, size_t n, struct arena *);

#endif
