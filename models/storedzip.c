/* Stored zip archives; see storedzip.h. Records as in PKWARE's APPNOTE: the end record (found from the back), the
 * central directory it points to, and a local header before each entry's data. ZIP64 forms carry sizes above 4 GB. */
#include "models/storedzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX = 65535,
    ENTRIES_MAX = 1 << 20
};
#define SIG_LOCAL 0x04034B50u
#define SIG_CENTRAL 0x02014B50u
#define SIG_END 0x06054B50u
#define SIG_END64 0x06064B50u
#define SIG_LOCATOR 0x07064B50u

struct archive {
    const char *file;
    const unsigned char *p;
    size_t n;
    uint64_t directory, directory_size, entries; /* place of the central directory */
};

static uint32_t get16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

int storedzip_looks_like(const unsigned char *p, size_t n)
{
    return n >= 4 && (get32(p) == SIG_LOCAL || get32(p) == SIG_END);
}

/* ---- CRC-32, eight bytes a step ("slicing by 8": one table a byte of a 64-bit word) ------------------------------ */

struct crc_tables {
    uint32_t t[8][256];
};

static void crc_tables_make(struct crc_tables *c)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int k = 0; k < 8; k++) r = r >> 1 ^ (r & 1 ? 0xEDB88320u : 0);
        c->t[0][i] = r;
    }
    for (int s = 1; s < 8; s++)
        for (int i = 0; i < 256; i++) c->t[s][i] = c->t[s - 1][i] >> 8 ^ c->t[0][c->t[s - 1][i] & 255];
}

uint32_t crc32_of(const unsigned char *p, size_t n)
{
    struct crc_tables c;
    uint32_t r = 0xFFFFFFFFu;
    crc_tables_make(&c);
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t a = r ^ get32(p), b = get32(p + 4);
        r = c.t[7][a & 255] ^ c.t[6][a >> 8 & 255] ^ c.t[5][a >> 16 & 255] ^ c.t[4][a >> 24] ^ c.t[3][b & 255] ^
            c.t[2][b >> 8 & 255] ^ c.t[1][b >> 16 & 255] ^ c.t[0][b >> 24];
    }
    for (; n > 0; p++, n--) r = r >> 8 ^ c.t[0][(r ^ *p) & 255];
    return r ^ 0xFFFFFFFFu;
}

/* ---- the end record ---------------------------------------------------------------------------------------------- */

static status broken(const struct archive *z, const char *what)
{
    return fail(ST_INPUT, "%s: broken zip archive: %s", z->file, what);
}

/* The ZIP64 end record: its locator stands directly before the end record at `end`. */
static status read_end64(struct archive *z, size_t end)
{
    if (end < LOCATOR_BYTES || get32(z->p + end - LOCATOR_BYTES) != SIG_LOCATOR)
        return broken(z, "large sizes without a ZIP64 record");
    uint64_t at = get64(z->p + end - LOCATOR_BYTES + 8);
    if (at > z->n || z->n - at < END64_BYTES || get32(z->p + at) != SIG_END64)
        return broken(z, "the ZIP64 record is not where it should be");
    z->entries = get64(z->p + at + 32);
    z->directory_size = get64(z->p + at + 40);
    z->directory = get64(z->p + at + 48);
    return ST_OK;
}

static status find_end(struct archive *z)
{
    if (z->n < END_BYTES) return broken(z, "too short");
    size_t at = z->n - END_BYTES, lowest = at > COMMENT_MAX ? at - COMMENT_MAX : 0;
    /* The comment behind the record must reach exactly to the file's end: a signature inside a comment does not. */
    while (get32(z->p + at) != SIG_END || at + END_BYTES + get16(z->p + at + 20) != z->n)
        if (at-- == lowest) return broken(z, "no end record: the file is cut or no archive");
    const unsigned char *e = z->p + at;
    z->entries = get16(e + 10);
    z->directory_size = get32(e + 12);
    z->directory = get32(e + 16);
    if (z->entries == 0xFFFF || z->directory_size == 0xFFFFFFFFu || z->directory == 0xFFFFFFFFu) TRY(read_end64(z, at));
    if (z->directory > at || z->directory_size > at - z->directory)
        return broken(z, "the directory is outside the file");
    if (z->entries > ENTRIES_MAX || z->entries > z->directory_size / CENTRAL_BYTES)
        return broken(z, "more entries than its directory has room for");
    return ST_OK;
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

/* Names are folder/rest. They are never used as paths; refusing those that would leave a folder costs nothing and shows
 * that somebody tampered with the file. */
static status check_name(const struct archive *z, const char *name, size_t n)
{
    bool bad = n == 0 || name[0] == '/' || memchr(name, '\0', n) != NULL;
    for (size_t i = 0; i < n && !bad; i++) {
        bad = (unsigned char)name[i] < 0x20 || name[i] == 0x7F || name[i] == '\\';
        bool begins = i == 0 || name[i - 1] == '/';
        if (begins && n - i >= 2 && name[i] == '.' && name[i + 1] == '.' && (n - i == 2 || name[i + 2] == '/'))
            bad = true;
    }
    if (!bad) return ST_OK;
    char show[64];
    size_t m = n < 60 ? n : 60;
    for (size_t i = 0; i < m; i++) show[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7F ? '?' : name[i];
    show[m] = '\0';
    return fail(ST_INPUT,
                "%s: broken zip archive: the entry name '%s' is absolute, leaves its folder or is no plain name",
                z->file, show);
}

/* Sizes and offset of one directory record c, from its ZIP64 extra field where the short ones are full. */
static status read_sizes(const struct archive *z, const unsigned char *c, const unsigned char *extra, size_t n,
                         uint64_t *packed, uint64_t *size, uint64_t *offset)
{
    *packed = get32(c + 20);
    *size = get32(c + 24);
    *offset = get32(c + 42);
    uint64_t *wide[] = {size, packed, offset}; /* the order within the extra field */
    for (; n >= 4; n -= 4 + get16(extra + 2), extra += 4 + get16(extra + 2)) {
        size_t left = get16(extra + 2);
        const unsigned char *v = extra + 4;
        if (left > n - 4) return broken(z, "an extra field is longer than its record");
        if (get16(extra) != 1) continue;
        for (int i = 0; i < 3; i++) {
            if (*wide[i] != 0xFFFFFFFFu) continue;
            if (left < 8) return broken(z, "a ZIP64 field is too short");
            *wide[i] = get64(v);
            v += 8;
            left -= 8;
        }
    }
    return ST_OK;
}

/* The data behind the local header at offset; it must name the same entry. */
static status find_data(const struct archive *z, uint64_t offset, const char *name, size_t name_length,
                        struct zip_entry *e)
{
    if (offset > z->directory || z->directory - offset < LOCAL_BYTES) return broken(z, "an entry is outside the file");
    const unsigned char *l = z->p + offset;
    uint64_t head = LOCAL_BYTES + (uint64_t)get16(l + 26) + get16(l + 28), room = z->directory - offset;
    if (get32(l) != SIG_LOCAL) return broken(z, "an entry's header is not where it should be");
    if (head > room || e->size > room - head)
        return broken(z, "an entry's data reach beyond the file or its directory");
    if (get16(l + 26) != name_length || memcmp(l + LOCAL_BYTES, name, name_length) != 0)
        return broken(z, "an entry's header has another name than the directory");
    e->data = l + head;
    return ST_OK;
}

/* One record of the central directory at *at; *at moves behind it. folder: of the first entry, all must lie below it.
 */
static status read_entry(const struct archive *z, uint64_t *at, struct arena *a, const char **folder, size_t *folder_n,
                         struct zip_entry *e)
{
    uint64_t end = z->directory + z->directory_size, packed, size, offset;
    const unsigned char *c = z->p + *at;
    if (end - *at < CENTRAL_BYTES || get32(c) != SIG_CENTRAL) return broken(z, "its directory ends early");
    size_t name_n = get16(c + 28), extra_n = get16(c + 30), comment_n = get16(c + 32);
    if (end - *at - CENTRAL_BYTES < name_n + extra_n + comment_n) return broken(z, "its directory ends early");
    const char *name = (const char *)c + CENTRAL_BYTES;
    TRY(check_name(z, name, name_n));
    TRY(read_sizes(z, c, c + CENTRAL_BYTES + name_n, extra_n, &packed, &size, &offset));
    if (get16(c + 8) & 1) return broken(z, "an entry is encrypted");
    if (get16(c + 10) != 0 || packed != size) return broken(z, "an entry is compressed; torch stores them as they are");
    e->size = (size_t)size;
    e->crc = get32(c + 16);
    TRY(find_data(z, offset, name, name_n, e));
    const char *slash = memchr(name, '/', name_n);
    size_t n = slash ? (size_t)(slash - name) + 1 : 0;
    if (!*folder) *folder = name, *folder_n = n;
    if (n == 0 || n != *folder_n || memcmp(name, *folder, n) != 0)
        return broken(z, "its entries do not lie in one folder");
    char *own = arena_printf(a, "%.*s", (int)(name_n - n), name + n);
    if (!own) return ST_MEMORY;
    e->name = own;
    *at += CENTRAL_BYTES + name_n + extra_n + comment_n;
    return ST_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

status storedzip_read(const char *file, const unsigned char *p, size_t n, struct arena *a, struct storedzip *out)
{
    struct archive z = {.file = file, .p = p, .n = n};
    const char *folder = NULL;
    size_t folder_n = 0;
    TRY(find_end(&z));
    *out = (struct storedzip){.file = file, .count = (size_t)z.entries};
    ZNEW(out->entry, a, out->count);
    uint64_t at = z.directory;
    for (size_t i = 0; i < out->count; i++) TRY(read_entry(&z, &at, a, &folder, &folder_n, &out->entry[i]));
    if (at != z.directory + z.directory_size) return broken(&z, "its directory is longer than its entries");
    if (out->count > 0) qsort(out->entry, out->count, sizeof *out->entry, by_name);
    for (size_t i = 1; i < out->count; i++)
        if (strcmp(out->entry[i - 1].name, out->entry[i].name) == 0)
            return fail(ST_INPUT, "%s: broken zip archive: entry '%s' occurs twice", file, out->entry[i].name);
    return ST_OK;
}

static int name_against(const void *key, const void *e)
{
    return strcmp(key, ((const struct zip_entry *)e)->name);
}

const struct zip_entry *storedzip_find(const struct storedzip *z, const char *name)
{
    return z->count == 0 ? NULL : bsearch(name, z->entry, z->count, sizeof *z->entry, name_against);
}

status storedzip_verify(const struct storedzip *z, const struct zip_entry *e)
{
    FAIL_IF(crc32_of(e->data, e->size) != e->crc, ST_INPUT, "%s: entry '%s' is damaged: its CRC-32 does not match",
            z->file, e->name);
    return ST_OK;
}
