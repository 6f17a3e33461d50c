/* The content hash of a checkpoint. It covers names, types, shapes and values, not the container: the same weights in a
 * .bin file, in one safetensors file or in shards have the same hash.
 *
 * Hashing reads every byte, so the result is remembered: a line "KEY HASH" in a cache file, where KEY is the hash of
 * every file's real path, size, mtime and ctime. A file changed within the clock's last ticks may change once more
 * without a new time, so a fresh file is not remembered. */
#include "models/checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "core/sha256.h"

enum { FRESH_SECONDS = 3, RELEASE_BYTES = 64 << 20 };
static const size_t cache_max = 4u << 20;

struct hashing {
    struct sha256 *sha;
    size_t element; /* bytes */
};

static void add_row(void *ctx, const unsigned char *p, size_t n, size_t step)
{
    const struct hashing *h = ctx;
    if (step == h->element) {
        sha256_add(h->sha, p, n * step);
        return;
    }
    for (size_t i = 0; i < n; i++) sha256_add(h->sha, p + i * step, h->element);
}

/* Pages are given back as it goes: reading all of a large checkpoint must not fill the memory with it. */
static void hash_contents(const struct checkpoint *c, char hex[65])
{
    struct sha256 sha;
    size_t unreleased = 0;
    sha256_begin(&sha);
    for (int i = 0; i < c->count; i++) {
        const struct tensor *t = &c->tensor[i];
        char text[32];
        sha256_add(&sha, t->name, strlen(t->name) + 1);
        sha256_add(&sha, dtype_name(t->dtype), strlen(dtype_name(t->dtype)) + 1);
        for (int k = 0; k < t->dims; k++) {
            int n = snprintf(text, sizeof text, "%lld,", (long long)t->shape[k]);
            sha256_add(&sha, text, (size_t)n);
        }
        sha256_add(&sha, "", 1);
        tensor_each_row(t, add_row, &(struct hashing){&sha, (size_t)dtype_bytes(t->dtype)});
        unreleased += tensor_size(t) * (size_t)dtype_bytes(t->dtype);
        if (unreleased < RELEASE_BYTES) continue;
        checkpoint_release(c);
        unreleased = 0;
    }
    sha256_end(&sha, hex);
}

/* KEY of the mapped files, or 0 when there are none or they are too fresh to be remembered. */
static int cache_key(const struct checkpoint *c, char hex[65])
{
    struct sha256 sha;
    long long now = (long long)time(NULL);
    if (c->maps == 0) return 0;
    sha256_begin(&sha);
    for (int i = 0; i < c->maps; i++) {
        const struct file_map *m = &c->map[i];
        char text[128], real_path[PATH_MAX];
        if (!realpath(m->path, real_path)) return 0;
        int n = snprintf(text, sizeof text, "%zu %lld %lld", m->size, m->mtime_ns, m->ctime_ns);
        sha256_add(&sha, real_path, strlen(real_path) + 1);
        sha256_add(&sha, text, (size_t)n + 1);
        if (m->mtime_ns / 1000000000 > now - FRESH_SECONDS) return 0;
    }
    sha256_end(&sha, hex);
    return 1;
}

/* The folder of this user's caches, or NULL when the environment names none. */
static char *cache_folder(struct arena *a)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/') return path_join(a, xdg, "peftgrid");
    return home && home[0] ? path_join(a, home, ".cache/peftgrid") : NULL;
}

/* Looks for the last line "key hash"; a torn or foreign line is no match. */
static int recall(const char *file, const char *key, struct arena *a, char hex[65])
{
    char *text;
    int found = 0;
    if (!file_exists(file) || file_read(file, cache_max, a, &text, NULL) != ST_OK) return 0;
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, 64) != 0 || line[64] != ' ' || strspn(line + 65, "0123456789abcdef") != 64 ||
            line[129] != '\n')
            continue;
        memcpy(hex, line + 65, 64);
        hex[64] = '\0';
        found = 1;
    }
    return found;
}

static void remember(const char *folder, const char *file, const char *key, const char *hex)
{
    char line[64 + 1 + 64 + 2];
    snprintf(line, sizeof line, "%s %s\n", key, hex);
    if (file_make_dirs(folder) == ST_OK) (void)file_append_line(file, line); /* a lost cache costs time, nothing else */
}

status checkpoint_hash(const struct checkpoint *c, char hex[65])
{
    char key[65];
    struct arena_mark mark = arena_mark(c->arena);
    char *folder = cache_key(c, key) ? cache_folder(c->arena) : NULL;
    char *file = folder ? path_join(c->arena, folder, "model_hashes") : NULL;
    if (!file || !recall(file, key, c->arena, hex)) {
        hash_contents(c, hex);
        if (file) remember(folder, file, key, hex);
    }
    arena_reset(c->arena, mark);
    return ST_OK;
}
