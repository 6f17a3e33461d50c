/* A cache file of tokens: as it is, and with the checksum made anew, so that what lies behind it is reached. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "datasets/token_file.h"

static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
enum { VOCAB = 100 };

static void open_image(const void *image, size_t n)
{
    struct tokens t = {0};
    if (token_image_open(image, n, key, VOCAB, &t)) return;
    for (int i = 0; i < t.n; i++)
        for (uint64_t k = t.offset[i]; k < t.offset[i + 1]; k++)
            fuzz_expect(t.ids[k] >= 0 && t.ids[k] < VOCAB, "an id out of range");
    fuzz_touch(t.types, t.offset[t.n]);
    if (t.label) fuzz_touch(t.label, sizeof *t.label * (size_t)t.n);
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct token_header head;
    struct sha256 sha;
    unsigned char *image = arena_alloc(a, n);
    if (!image) return ST_MEMORY;
    if (n) memcpy(image, p, n);
    open_image(image, n);
    if (n < sizeof head) return ST_OK;
    memcpy(&head, image, sizeof head);
    memset(head.checksum, 0, sizeof head.checksum);
    sha256_begin(&sha);
    sha256_add(&sha, &head, sizeof head);
    sha256_add(&sha, image + sizeof head, n - sizeof head);
    sha256_end(&sha, head.checksum);
    memcpy(image, &head, sizeof head);
    open_image(image, n);
    return ST_OK;
}

const struct fuzz fuzz_token_cache = {"token_cache", "a cache file of tokens", run};
