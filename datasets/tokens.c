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

static void hash_key(const struct task *task, const char *data_hash, const char *tokenizer_hash, int max_len,
                     char hex[SHA256_HEX])
{
    struct sha256 sha;
    sha256_begin(&sha);
    int32_t numbers[] = {TOKEN_VERSION, max_len};
    sha256_add(&sha, numbers, sizeof numbers);
    hash_text(&sha, data_hash);
    hash_text(&sha, tokenizer_hash);
    if (task->token_key) hash_text(&sha, task->token_key);
    sha256_end(&sha, hex);
}

/* ---- making ---- */

struct token_sink {
    struct text offset, label, types; /* arrays of uint64, float, uint8 as bytes */
    struct ids ids;
    int rows, longest, truncated;
};

static void sink_free(struct token_sink *s)
{
    ids_free(&s->ids);
    text_free(&s->offset);
    text_free(&s->label);
    text_free(&s->types);
}

static status sink_end_row(struct token_sink *s)
{
    uint64_t end = (uint64_t)s->ids.n;
    return text_add(&s->offset, (const char *)&end, sizeof end);
}

status token_sink_add(struct token_sink *s, const struct ids *ids, const struct ids *types, float label, bool cut)
{
    for (int k = 0; k < ids->n; k++) {
        char type = types ? (char)types->id[k] : 0;
        TRY(ids_push(&s->ids, ids->id[k]));
        TRY(text_add(&s->types, &type, 1));
    }
    FAIL_IF(s->rows == INT32_MAX - 1, ST_INPUT, "more than %d sequences", s->rows);
    s->rows++;
    s->longest = ids->n > s->longest ? ids->n : s->longest;
    s->truncated += cut;
    TRY(text_add(&s->label, (const char *)&label, sizeof label));
    return sink_end_row(s);
}

/* One sequence a row, in the tokenizer's frame. */
static status tokenise_rows(struct tokenizer *t, const struct rows *rows, int max_len, const char *name,
                            struct token_sink *s)
{
    struct ids ids = {0}, types = {0};
    status st = ST_OK;
    for (int i = 0; i < rows->n && st == ST_OK; i++) {
        const char *a = rows->a[i] ? rows->a[i] : "", *b = rows->b ? rows->b[i] ? rows->b[i] : "" : NULL;
        int dropped;
        st = tokenizer_build_counted(t, a, b, max_len, &ids, &types, &dropped);
        if (st == ST_OK) st = token_sink_add(s, &ids, &types, rows->label ? rows->label[i] : 0, dropped > 0);
        if (st != ST_OK) st = fail_in(st, "%s, row %d", name, i + 1);
    }
    ids_free(&ids);
    ids_free(&types);
    return st;
}

static status tokenise(const struct task *task, struct tokenizer *t, const struct rows *rows, int max_len,
                       const char *name, struct token_sink *s)
{
    TRY(sink_end_row(s)); /* offset[0] */
    if (!task->tokenise) return tokenise_rows(t, rows, max_len, name, s);
    status st = task->tokenise(task, t, rows, max_len, s);
    return st == ST_OK ? ST_OK : fail_in(st, "%s", name);
}

/* The image of the set in the arena. */
static status make_image(const struct task *task, struct tokenizer *t, const struct rows *rows, int max_len,
                         const char *name, const struct tokens *hashes, struct arena *arena, const void **image,
                         size_t *size)
{
    struct token_sink s = {0};
    status st = tokenise(task, t, rows, max_len, name, &s);
    if (st == ST_OK) {
        bool labelled = rows->label || task->kind == TASK_LM;
        struct token_parts parts = {.rows = s.rows,
                                    .offset = (const uint64_t *)(const void *)s.offset.s,
                                    .ids = s.ids.id,
                                    .types = (const uint8_t *)s.types.s,
                                    .label = labelled ? (const float *)(const void *)s.label.s : NULL,
                                    .longest = s.longest,
                                    .truncated = s.truncated,
                                    .vocab = t->vocab,
                                    .key = hashes->key,
                                    .data_hash = hashes->data_hash};
        st = token_image(&parts, arena, image, size);
    }
    sink_free(&s);
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

static status fetch(const struct task *task, struct tokenizer *t, const struct rows *rows, int max_len,
                    const char *name, const char *cache_dir, struct arena *arena, struct tokens *out)
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
    status st = make_image(task, t, rows, max_len, name, out, build, &image, &size);
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
        hash_key(task, out->data_hash, t->hash, max_len, out->key);
        st = fetch(task, t, &rows, max_len, name, cache_dir, arena, out);
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
