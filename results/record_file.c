/* Files of records: the seal in front, the checks on the way in and out. See record.h and record_pack.h. */
#include "results/record_image.h"

#include <string.h>
#include "core/file.h"
#include "core/heap.h"

/* The seal of these bytes. The first three lines depend on the bytes alone and have a fixed width, so that they can be
 * checked before anything is parsed. Returns their length. */
static size_t seal_make(const unsigned char *bytes, size_t size, const char *format, const char *content,
                        const char *name, char seal[RECORD_SEAL + 1])
{
    char hex[SHA256_HEX];
    sha256_of(bytes + RECORD_SEAL, size - RECORD_SEAL, hex);
    memset(seal, ' ', RECORD_SEAL);
    int n = snprintf(seal, RECORD_SEAL, "%s\nbytes %020zu\nsha256 %s\n", format, size - RECORD_SEAL, hex);
    int m = snprintf(seal + n, (size_t)(RECORD_SEAL - n), "content %.64s\nid %.64s\n", content, name);
    seal[n + m] = ' ';
    seal[RECORD_SEAL - 1] = '\n';
    seal[RECORD_SEAL] = 0;
    return (size_t)n;
}

status record_file_write(const struct record *r, const char *format, const char *name, const char *path)
{
    char content[SHA256_HEX], seal[RECORD_SEAL + 1];
    unsigned char *bytes;
    size_t size;
    record_hash(r, content);
    TRY(record_image_make(r, format, path, content, &bytes, &size));
    seal_make(bytes, size, format, content, name, seal);
    memcpy(bytes, seal, RECORD_SEAL);
    status st = file_write_atomic(path, bytes, size);
    heap_free(bytes);
    return st;
}

static int begins_with(const struct file_map *m, const char *format)
{
    size_t n = strlen(format);
    return m->size > n && memcmp(m->data, format, n) == 0 && m->data[n] == '\n';
}

/* What can be said before parsing: of this format, whole, unchanged. */
static status seal_check(const struct file_map *m, const char *format)
{
    char seal[RECORD_SEAL + 1];
    unsigned long long stated = 0;
    FAIL_IF(strcmp(format, RECORD_FORMAT) == 0 && begins_with(m, PACK_FORMAT), ST_INPUT,
            "%s: holds merged records, where one record is expected", m->path);
    FAIL_IF(!begins_with(m, format), ST_INPUT, "%s: not a record: expected '%s' at its start", m->path, format);
    FAIL_IF(m->size <= RECORD_SEAL, ST_INPUT, "%s: cut off: %zu bytes, the seal alone has %d", m->path, m->size,
            RECORD_SEAL);
    memcpy(seal, m->data, RECORD_SEAL);
    seal[RECORD_SEAL] = 0;
    FAIL_IF(sscanf(seal + strlen(format) + 1, "bytes %20llu", &stated) != 1, ST_INPUT,
            "%s: damaged: its seal is not readable", m->path);
    FAIL_IF(stated != m->size - RECORD_SEAL, ST_INPUT, "%s: %s: holds %zu bytes after the seal, expected %llu", m->path,
            m->size - RECORD_SEAL < stated ? "cut off" : "damaged", m->size - RECORD_SEAL, stated);
    size_t fixed = seal_make(m->data, m->size, format, "", "", seal);
    FAIL_IF(memcmp(seal, m->data, fixed) != 0, ST_INPUT, "%s: damaged: its bytes do not match the SHA-256 of its seal",
            m->path);
    return ST_OK;
}

/* The seal's name is that of the record's run, or the number of records. */
static status read_checked(const struct file_map *m, const char *format, struct record *r)
{
    char stored[SHA256_HEX], content[SHA256_HEX], seal[RECORD_SEAL + 1], name[SHA256_HEX];
    TRY(seal_check(m, format));
    TRY(record_image_read_apart(m->data, m->size, format, m->path, r, stored));
    record_hash(r, content);
    FAIL_IF(strcmp(stored, content) != 0, ST_INPUT, "%s: the content hash is %s, but %s is stored", m->path, content,
            stored);
    const struct record_item *ids = record_get(r, "merged/ids");
    if (strcmp(format, PACK_FORMAT) == 0)
        snprintf(name, sizeof name, "of %zu records", ids ? ids->n : 0);
    else
        snprintf(name, sizeof name, "%.64s", record_get_string(r, "run/id", ""));
    seal_make(m->data, m->size, format, content, name, seal);
    FAIL_IF(memcmp(seal, m->data, RECORD_SEAL) != 0, ST_INPUT, "%s: damaged: its seal is not that of its content",
            m->path);
    return ST_OK;
}

status record_file_read(const char *path, const char *format, struct record *r)
{
    struct file_map m = {0};
    TRY(file_map(path, &m));
    m.path = path;
    status st = read_checked(&m, format, r);
    file_unmap(&m);
    return st;
}

status record_write(const struct record *r, const char *path)
{
    TRY(record_check(r));
    return record_file_write(r, RECORD_FORMAT, record_get_string(r, "run/id", ""), path);
}

status record_read(const char *path, struct arena *arena, struct record *r)
{
    TRY(record_init(r, arena));
    TRY(record_file_read(path, RECORD_FORMAT, r));
    status st = record_check(r);
    return st == ST_OK ? ST_OK : fail_in(ST_INPUT, "%s", path);
}
