/* The file that remembers content hashes of models, for a model that is old enough to be remembered. "KEY" at the start
 * of a line stands for that model's key. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/text.h"
#include "models/checkpoint.h"

static const char weights[] = "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}\nabcd";

static status hash_of(const char *path, struct arena *a, char hex[65])
{
    struct checkpoint c;
    TRY(checkpoint_open(path, a, &c));
    status st = checkpoint_hash(&c, hex);
    checkpoint_close(&c);
    return st;
}

/* The key that the first look wrote down. */
static const char *key_of(const char *cache, struct arena *a)
{
    char *text;
    fuzz_expect(file_read(cache, 1 << 16, a, &text, NULL) == ST_OK && strlen(text) >= 64, "a hash is remembered");
    text[64] = 0;
    return text;
}

static status fill_cache(const unsigned char *p, size_t n, const char *key, struct text *out)
{
    for (size_t i = 0; i < n; i++) {
        bool here = (i == 0 || p[i - 1] == '\n') && n - i > 3 && memcmp(p + i, "KEY", 3) == 0;
        TRY(here ? text_put(out, key) : text_add(out, (const char *)p + i, 1));
        i += here ? 2 : 0;
    }
    return ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    char hex[65];
    struct text text = {0};
    const char *path = fuzz_weights("model.safetensors", (const unsigned char *)weights, sizeof weights - 1, a);
    setenv("XDG_CACHE_HOME", fuzz_folder(), 1);
    utimensat(AT_FDCWD, path, old, 0);
    const char *cache = fuzz_file("peftgrid/model_hashes", (const unsigned char *)"", 0, a);
    TRY(hash_of(path, a, hex));
    status st = fill_cache(p, n, key_of(cache, a), &text);
    if (st == ST_OK) fuzz_file("peftgrid/model_hashes", (const unsigned char *)(text.s ? text.s : ""), text.n, a);
    text_free(&text);
    if (st == ST_OK) st = hash_of(path, a, hex);
    fuzz_expect(st != ST_OK || (strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64), "a hash that is none");
    return st;
}

const struct fuzz fuzz_hash_cache = {"hash_cache", "the remembered content hashes of models", run};
