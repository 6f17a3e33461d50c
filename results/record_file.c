/* The record's file: the seal in front, the checks on the way in and out. See record.h. */
#include "results/record_image.h"

#include <stdlib.h>
#include <string.h>
#include "core/file.h"

static const char magic[] = RECORD_FORMAT "\n";

/* The seal of these bytes. The first three lines depend on the bytes alone and have a fixed width, so that they can be
 * checked before anything is parsed. Returns their length. */
static size_t seal_make(const unsigned char *bytes, size_t size, const char *content, const char *id,
                        char seal[RECORD_SEAL + 1])
{
    char hex[SHA256_HEX];
    sha256_of(bytes + RECORD_SEAL, size - RECORD_SEAL, hex);
    memset(seal, ' ', RECORD_SEAL);
    int n = snprintf(seal, RECORD_SEAL, "%sbytes %020zu\nsha256 %s\n", magic, size - RECORD_SEAL, hex);
    int m = snprintf(seal + n, (size_t)(RECORD_SEAL - n), "content %.64s\nid %.64s\n", content, id);
    seal[n + m] = ' ';
    seal[RECORD_SEAL - 1] = '\n';
    seal[RECORD_SEAL] = 0;
    return (size_t)n;
}

status record_write(const struct record *r, const char *path)
{
    char content[SHA256_HEX], seal[RECORD_SEAL + 1];
    unsigned char *bytes;
    size_t size;
    TRY(record_check(r));
    record_hash(r, content);
    TRY(record_image_make(r, path, content, &bytes, &size));
    seal_make(bytes, size, content, record_get_string(r, "run/id", ""), seal);
    memcpy(bytes, seal, RECORD_SEAL);
    status st = file_write_atomic(path, bytes, size);
    free(bytes);
    return st;
}

/* What can be said before parsing: a record at all, whole, unchanged. */
static status seal_check(const struct file_map *m)
{
    char seal[RECORD_SEAL + 1];
    unsigned long long stated = 0;
    FAIL_IF(m->size < sizeof magic - 1 || memcmp(m->data, magic, sizeof magic - 1) != 0, ST_INPUT,
            "%s: not a record: expected '%.*s' at its start", m->path, (int)sizeof magic - 2, magic);
    FAIL_IF(m->size <= RECORD_SEAL, ST_INPUT, "%s: cut off: %zu bytes, the seal alone has %d", m->path, m->size,
            RECORD_SEAL);
    memcpy(seal, m->data, RECORD_SEAL);
    seal[RECORD_SEAL] = 0;
    FAIL_IF(sscanf(seal + sizeof magic - 1, "bytes %20llu", &stated) != 1, ST_INPUT,
            "%s: damaged: its seal is not readable", m->path);
    FAIL_IF(stated != m->size - RECORD_SEAL, ST_INPUT, "%s: %s: holds %zu bytes after the seal, expected %llu", m->path,
            m->size - RECORD_SEAL < stated ? "cut off" : "damaged", m->size - RECORD_SEAL, stated);
    size_t fixed = seal_make(m->data, m->size, "", "", seal);
    FAIL_IF(memcmp(seal, m->data, fixed) != 0, ST_INPUT, "%s: damaged: its bytes do not match the SHA-256 of its seal",
            m->path);
    return ST_OK;
}

static status read_checked(const struct file_map *m, struct record *r)
{
    char stored[SHA256_HEX], content[SHA256_HEX], seal[RECORD_SEAL + 1];
    TRY(seal_check(m));
    TRY(record_image_read(m->data, m->size, m->path, r, stored));
    record_hash(r, content);
    FAIL_IF(strcmp(stored, content) != 0, ST_INPUT, "%s: the content hash is %s, but %s is stored", m->path, content,
            stored);
    seal_make(m->data, m->size, content, record_get_string(r, "run/id", ""), seal);
    FAIL_IF(memcmp(seal, m->data, RECORD_SEAL) != 0, ST_INPUT, "%s: damaged: its seal is not that of its content",
            m->path);
    status st = record_check(r);
    return st == ST_OK ? ST_OK : fail_in(ST_INPUT, "%s", m->path);
}

status record_read(const char *path, struct arena *arena, struct record *r)
{
    struct file_map m = {0};
    TRY(record_init(r, arena));
    TRY(file_map(path, &m));
    m.path = path;
    status st = read_checked(&m, r);
    file_unmap(&m);
    return st;
}
