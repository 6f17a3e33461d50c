/* A cache file: a header of HEADER bytes in text, zeros behind it, then the bytes. See cache.h. */
#include "core/cache.h"

#include <stdio.h>
#include <string.h>

enum { HEADER = 256, PATH_BYTES = 4200 };
static const char *folder;

void cache_set_folder(const char *to)
{
    folder = to;
}

static void path_of(const char *kind, const char *key, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s-%s", folder, kind, key);
}

/* Over the bytes, and over what they are. */
static void make_header(const char *kind, const char *key, const struct file_part *part, int parts, char header[HEADER])
{
    struct sha256 s;
    char hex[SHA256_HEX];
    unsigned long long size = 0;
    sha256_begin(&s);
    sha256_add(&s, key, strlen(key));
    for (int i = 0; i < parts; i++) {
        sha256_add(&s, part[i].bytes, part[i].size);
        size += part[i].size;
    }
    sha256_end(&s, hex);
    memset(header, 0, HEADER);
    snprintf(header, HEADER, "peftgrid cache 1\n%.32s %.64s\nbytes %llu\nsha256 %s\n", kind, key, size, hex);
}

/* NULL when the file is good. */
static const char *fault(const struct file_map *map, const char *kind, const char *key)
{
    char header[HEADER];
    if (map->size < HEADER) return "is cut short";
    struct file_part all = {.bytes = map->data + HEADER, .size = map->size - HEADER};
    make_header(kind, key, &all, 1, header);
    return memcmp(map->data, header, HEADER) == 0 ? NULL : "is damaged";
}

static status take(const struct file_map *map, struct arena *arena, const void **bytes, size_t *size)
{
    void *copy = arena_alloc(arena, map->size - HEADER);
    if (!copy) return ST_MEMORY;
    memcpy(copy, map->data + HEADER, map->size - HEADER);
    *bytes = copy;
    *size = map->size - HEADER;
    return ST_OK;
}

status cache_get(const char *kind, const char key[SHA256_HEX], struct arena *arena, const void **bytes, size_t *size)
{
    char path[PATH_BYTES];
    struct file_map map;
    *bytes = NULL;
    *size = 0;
    if (!folder) return ST_OK;
    path_of(kind, key, path);
    if (!file_exists(path)) return ST_OK;
    if (file_map(path, &map) != ST_OK) {
        notice("the cache cannot be used: %s", status_message());
        return ST_OK;
    }
    const char *wrong = fault(&map, kind, key);
    status st = wrong ? ST_OK : take(&map, arena, bytes, size);
    if (wrong) notice("the cache file %s %s; it is made anew", path, wrong);
    file_unmap(&map);
    return st;
}

void cache_put(const char *kind, const char key[SHA256_HEX], const struct file_part *part, int parts)
{
    char path[PATH_BYTES], header[HEADER];
    struct file_part all[CACHE_PARTS + 1] = {{.bytes = header, .size = HEADER}};
    if (!folder || parts > CACHE_PARTS) return;
    path_of(kind, key, path);
    make_header(kind, key, part, parts, header);
    memcpy(all + 1, part, sizeof *part * (size_t)parts);
    if (file_make_dirs(folder) != ST_OK || file_write_parts(path, all, parts + 1) != ST_OK)
        notice("a result is not cached: %s", status_message());
}
