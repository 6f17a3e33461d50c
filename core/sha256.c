/* SHA-256 over libmd; the library's context hides in struct sha256 so that its header stays in this file. */
#include "core/sha256.h"

#include <sha2.h>
#include "core/file.h"

_Static_assert(sizeof(SHA2_CTX) <= sizeof(struct sha256), "struct sha256 has too little room");
_Static_assert(_Alignof(SHA2_CTX) <= _Alignof(struct sha256), "struct sha256 is not aligned enough");
_Static_assert(SHA256_DIGEST_STRING_LENGTH == SHA256_HEX, "digest text length");

static SHA2_CTX *context(struct sha256 *s)
{
    /* cppcheck-suppress ctuuninitvar ; the address of the room, not what is in it */
    return (SHA2_CTX *)(void *)s->opaque;
}

void sha256_begin(struct sha256 *s)
{
    SHA256Init(context(s));
}

void sha256_add(struct sha256 *s, const void *p, size_t n)
{
    SHA256Update(context(s), p, n);
}

void sha256_end(struct sha256 *s, char hex[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t d[SHA256_DIGEST_LENGTH];
    SHA256Final(d, context(s));
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        hex[2 * i] = digits[d[i] >> 4];
        hex[2 * i + 1] = digits[d[i] & 15];
    }
    hex[SHA256_HEX - 1] = '\0';
}

void sha256_of(const void *p, size_t n, char hex[SHA256_HEX])
{
    struct sha256 s;
    sha256_begin(&s);
    sha256_add(&s, p, n);
    sha256_end(&s, hex);
}

status sha256_file(const char *path, char hex[SHA256_HEX])
{
    struct file_map m;
    TRY(file_map(path, &m));
    sha256_of(m.data, m.size, hex);
    file_unmap(&m);
    return ST_OK;
}
