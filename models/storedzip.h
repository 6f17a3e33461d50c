/* Zip archives whose entries are stored uncompressed, as torch writes them: the data are used in place in the mapped
 * file.
 *
 * A library would copy every entry; weights of hundreds of megabytes are better shared from the map. The price is this
 * reader of the archive's directory, which checks everything: records inside the file, names that stay below one
 * folder, no entry twice, headers that agree, and the CRC-32 of an entry's data on request. */
#ifndef PG_MODELS_STOREDZIP_H
#define PG_MODELS_STOREDZIP_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/status.h"

struct zip_entry {
    const char *name; /* below the archive's folder: "data.pkl", "data/0" */
    const unsigned char *data;
    size_t size;
    uint32_t crc;
};

struct storedzip {
    const char *file;
    struct zip_entry *entry; /* sorted by name */
    size_t count;
};

int storedzip_looks_like(const unsigned char *p, size_t n); /* begins with an entry or an empty archive's record */

/* Reads the directory of the archive p[0 .. n). */
status storedzip_read(const char *file, const unsigned char *p, size_t n, struct arena *, struct storedzip *);

const struct zip_entry *storedzip_find(const struct storedzip *, const char *name); /* NULL: none */

/* Fails when the data do not have the recorded CRC-32. */
status storedzip_verify(const struct storedzip *, const struct zip_entry *);

uint32_t crc32_of(const unsigned char *p, size_t n); /* CRC-32 of ISO 3309, as in zip files */

#endif
