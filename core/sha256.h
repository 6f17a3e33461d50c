/* SHA-256 (libmd behind it): ids, content hashes, cache keys. */
#ifndef PG_CORE_SHA256_H
#define PG_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

enum { SHA256_HEX = 65 }; /* 64 digits and the final NUL */

struct sha256 {
    uint64_t opaque[32]; /* room for the library's context; sha256.c asserts that it fits */
};
void sha256_begin(struct sha256 *);
void sha256_add(struct sha256 *, const void *, size_t);
void sha256_end(struct sha256 *, char hex[SHA256_HEX]);

void sha256_of(const void *, size_t, char hex[SHA256_HEX]);
status sha256_file(const char *path, char hex[SHA256_HEX]); /* of the file's bytes */

#endif
