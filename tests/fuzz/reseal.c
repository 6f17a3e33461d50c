/* Seals for any HDF5 bytes; see reseal.h. */
#include "tests/fuzz/reseal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "results/record_image.h"

static void put_seal(unsigned char *file, size_t size, const char *format, const char *content, const char *id)
{
    char hex[SHA256_HEX], text[RECORD_SEAL + 1];
    sha256_of(file + RECORD_SEAL, size - RECORD_SEAL, hex);
    int n = snprintf(text, sizeof text, "%s\nbytes %020zu\nsha256 %s\ncontent %.64s\nid %.64s\n", format,
                     size - RECORD_SEAL, hex, content, id);
    memset(file, ' ', RECORD_SEAL);
    memcpy(file, text, (size_t)n);
    file[RECORD_SEAL - 1] = '\n';
}

/* Puts the hash of what the bytes hold in the place of the one they state. */
static void right_hash(unsigned char *file, size_t size, const char *stated, const char *content)
{
    unsigned char *at = memmem(file, size, stated, SHA256_HEX - 1);
    if (at) memcpy(at, content, SHA256_HEX - 1);
}

const char *fuzz_sealed(const char *name, const char *format, const unsigned char *p, size_t n, struct arena *a)
{
    static const unsigned char hdf5[4] = "\x89HDF";
    char stated[SHA256_HEX], content[SHA256_HEX] = "", id[SHA256_HEX] = "";
    struct record r;
    if (n < sizeof hdf5 || memcmp(p, hdf5, sizeof hdf5) != 0) return fuzz_file(name, p, n, a);
    size_t size = RECORD_SEAL + n;
    unsigned char *file = arena_zalloc(a, size);
    if (!file) abort();
    memcpy(file + RECORD_SEAL, p, n);
    put_seal(file, size, format, "", "");
    const char *path = fuzz_file(name, file, size, a);
    if (record_init(&r, a) != ST_OK || record_image_read_apart(file, size, format, path, &r, stated) != ST_OK)
        return path;
    record_hash(&r, content);
    const struct record_item *ids = record_get(&r, "merged/ids");
    if (strcmp(format, PACK_FORMAT) == 0)
        snprintf(id, sizeof id, "of %zu records", ids ? ids->n : 0);
    else
        snprintf(id, sizeof id, "%.64s", record_get_string(&r, "run/id", ""));
    right_hash(file, size, stated, content);
    put_seal(file, size, format, content, id);
    return fuzz_file(name, file, size, a);
}
