/* Tokenised sets: rows are read and hashed each time (cheap, and the only way to notice that data changed); their
 * tokens come from the cache file of that hash, or are made and put there. Processes that do so at once write the same
 * bytes under temporary names; the last rename wins, and nobody sees a part of a file. The cache never decides
 * anything: where it cannot be read or written, a notice says so and the tokens are made in memory. */
#include <stdio.h>
#include <string.h>
#include "core/file.h"
#include "core/sha256.h"
#include "core/text.h"
#include "datasets/dataset.h"
#include "datasets/token_file.h"

/* ---- hashes ---- */

static void hash_text(struct sha256 *sha, const char *text)
{
    sha256_add(sha, text ? text : "", (text ? strlen(text) : 0) + 1);
}

/* Texts with their NULs, so that no two row lists read alike; labels as the bits of their floats. */
static void hash_rows(const struct rows *rows, char hex[SHA256_HEX])
{
    struct sha256 sha;
    sha256_begin(&sha);
    int32_t head[] = {rows->n, rows->b != NULL, rows->label != NULL};
    sha256_add(&sha, head, sizeof head);
    for (int i = 0; i < rows->n; i++) {
        hash_text(&sha, rows->a[i]);
        if (rows->b) hash_text(&sha, rows->b[i]);
    }
    if (rows->label && rows->n) sha256_add(&sha, rows->label, sizeof *rows->label * (size_t)rows->n);
    sha256_end(&sha, hex);
}

static void hash_key(const char *data_hash, const char *tokenizer_hash, int max_len, char hex[SHA256_HEX])
{
    struct sha256 sha;
    sha256_begin(&sha);
    int32_t numbers[] = {TOKEN_VERSION, max_len};
    sha256_add(&sha, numbers, sizeof numbers);
    hash_text(&sha, data_hash);
    hash_text(&sha, tokenizer_hash);
    sha256_end(&sha, hex);
}

/* ---- making ---- */

struct making {
    uint64_t *offset;
    struct ids ids, one, types;
    struct text type_bytes;
    int longest, truncated;
};

static void making_free(struct making *m)
{
    ids_free(&m->ids);
    ids_free(&m->one);
    ids_free(&m->types);
    text_free(&m->type_bytes);
}

static status tokenise_row(struct tokenizer *t, const struct rows *rows, int i, int max_len, struct making *m)
{
    const char *a = rows->a[i] ? rows->a[i] : "", *b = rows->b ? rows->b[i] ? rows->b[i] : "" : NULL;
    int dropped;
    TRY(tokenizer_build_counted(t, a, b, max_len, &m->one, &m->types, &dropped));
    for (int k = 0; k < m->one.n; k++) {
        char type = (char)m->types.id[k];
        TRY(ids_push(&m->ids, m->one.id[k]));
        TRY(text_add(&m->type_bytes, &type, 1));
    }
    m->offset[i + 1] = (uint64_t)m->ids.n;
    if (m->one.n > m->longest) m->longest = m->one.n;
    m->truncated += dropped > 0;
    return ST_OK;
}

static status tokenise(struct tokenizer *t, const struct rows *rows, int max_len, const char *name, struct making *m)
{
    for (int i = 0; i < rows->n; i++) {
        status st = tokenise_row(t, rows, i, max_len, m);
        if (st != ST_OK) return fail_in(st, "%s, row %d", name, i + 1);
    }
    return ST_OK;
}

/* The image of the set in the arena. */
static status make_image(struct tokenizer *t, const struct rows *rows, int max_len, const char *name,
                         const struct tokens *hashes, struct arena *arena, const void **image, size_t *size)
{
    struct making m = {0};
    ZNEW(m.offset, arena, rows->n + 1);
    status st = tokenise(t, rows, max_len, name, &m);
    if (st == ST_OK) {
        struct token_parts parts = {.rows = rows->n,
                                    .offset = m.offset,
                                    .ids = m.ids.id,
                                    .types = (const uint8_t *)m.type_bytes.s,
                                    .label = rows->label,
                                    .longest = m.longest,
                                    .truncated = m.truncated,
                                    .vocab = t->vocab,
                                    .key = hashes->key,
                                    .data_hash = hashes->data_hash};
        st = token_image(&parts, arena, image, size);
    }
    making_free(&m);
    return st;
}

/* ---- the cache ---- */

/* Maps the cache file into *out; false when there is none or, with a notice, when it is no good. */
static bool open_cached(const char *path, int vocab, struct arena *arena, struct tokens *out)
{
    if (!file_exists(path)) return false;
    struct file_map *map = arena_alloc(arena, sizeof *map);
    if (!map) return false;
    if (file_map(path, map) != ST_OK) {
        notice("the token cache cannot be used: %s", status_message());
        return false;
    }
    const char *fault = token_image_open(map->data, map->size, out->key, vocab, out);
    if (fault) {
        notice("the token cache file %s %s; it is made anew", path, fault);
        file_unmap(map);
        return false;
    }
    out->priv = map;
    return true;
}

/* Puts the image into the cache and maps it from there; the image in memory is as good when that fails. */
static bool store(const char *cache_dir, const char *path, const void *image, size_t size, int vocab,
                  struct arena *arena, struct tokens *out)
{
    if (file_make_dirs(cache_dir) != ST_OK || file_write_atomic(path, image, size) != ST_OK) {
        notice("the tokens are not cached: %s", status_message());
        return false;
    }
    return open_cached(path, vocab, arena, out);
}

static status fetch(struct tokenizer *t, const struct rows *rows, int max_len, const char *name, const char *cache_dir,
                    struct arena *arena, struct tokens *out)
{
    char *path = NULL;
    if (cache_dir) {
        char file[SHA256_HEX + 16];
        snprintf(file, sizeof file, "%s.tokens", out->key);
        if ((path = path_join(arena, cache_dir, file)) == NULL) return ST_MEMORY;
        if (open_cached(path, t->vocab, arena, out)) return ST_OK;
    }
    const void *image;
    size_t size;
    struct arena *build = arena_new("tokens");
    if (!build) return ST_MEMORY;
    status st = make_image(t, rows, max_len, name, out, build, &image, &size);
    if (st == ST_OK && !(cache_dir && store(cache_dir, path, image, size, t->vocab, arena, out))) {
        void *kept = arena_alloc(arena, size);
        if (kept) memcpy(kept, image, size);
        const char *fault = kept ? token_image_open(kept, size, out->key, t->vocab, out) : NULL;
        st = !kept ? ST_MEMORY : fault ? fail(ST_INTERNAL, "%s: the token image %s", name, fault) : ST_OK;
    }
    arena_free(build);
    return st;
}

status tokens_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
                   struct tokenizer *t, int max_len, const char *cache_dir, bool want_rows, struct arena *arena,
                   struct tokens *out)
{
    *out = (struct tokens){0};
    struct arena *texts = want_rows ? arena : arena_new("rows");
    if (!texts) return ST_MEMORY;
    struct rows rows = {0};
    status st = task->load(task, set, data_root, max_examples, texts, &rows);
    if (st == ST_OK) {
        char name[256];
        snprintf(name, sizeof name, "task %s, set %s", task->name, set->name);
        hash_rows(&rows, out->data_hash);
        hash_key(out->data_hash, t->hash, max_len, out->key);
        st = fetch(t, &rows, max_len, name, cache_dir, arena, out);
    }
    if (st == ST_OK && want_rows) out->rows = rows;
    if (!want_rows) arena_free(texts);
    if (st != ST_OK) *out = (struct tokens){0};
    return st;
}

void tokens_close(struct tokens *t)
{
    if (t->priv) file_unmap(t->priv);
    *t = (struct tokens){0};
}
