/* Vocabularies (see vocab.h): one hash table with open addressing, at most half full. */
#include "datasets/vocab.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, its bits mixed once more because the table uses the low ones. */
static uint32_t hash_bytes(const char *s, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001B3u;
    return (uint32_t)(h ^ h >> 32);
}

status vocab_make(struct arena *arena, size_t expected, struct vocab *v)
{
    FAIL_IF(expected > VOCAB_MAX, ST_INPUT, "a vocabulary of %zu tokens; at most %d are supported", expected,
            VOCAB_MAX);
    size_t slots = 16;
    while (slots < 2 * expected) slots *= 2;
    *v = (struct vocab){.mask = (uint32_t)(slots - 1)};
    ZNEW(v->slot, arena, slots);
    return ST_OK;
}

static struct vocab_entry *place(const struct vocab *v, const char *text, size_t n)
{
    for (uint32_t i = hash_bytes(text, n);; i++) {
        struct vocab_entry *e = &v->slot[i & v->mask];
        if (!e->text || (e->n == n && memcmp(e->text, text, n) == 0)) return e;
    }
}

status vocab_add(struct vocab *v, const char *text, size_t n, int32_t id)
{
    FAIL_IF(id < 0 || id >= VOCAB_MAX, ST_INPUT, "token id %d is out of range 0..%d", (int)id, VOCAB_MAX - 1);
    FAIL_IF(n > UINT32_MAX, ST_INPUT, "a token of %zu bytes", n);
    struct vocab_entry *e = place(v, text, n);
    if (!e->text) {
        FAIL_IF((uint32_t)v->count >= v->mask, ST_INTERNAL, "a vocabulary got more tokens than it has room for");
        *e = (struct vocab_entry){text, (uint32_t)n, id};
        v->count++;
    }
    e->id = id;
    if (id >= v->size) v->size = id + 1;
    if (n > v->longest) v->longest = n;
    return ST_OK;
}

int32_t vocab_find(const struct vocab *v, const char *text, size_t n)
{
    const struct vocab_entry *e = place(v, text, n);
    return e->text ? e->id : -1;
}

int32_t vocab_find_text(const struct vocab *v, const char *text)
{
    return text ? vocab_find(v, text, strlen(text)) : -1;
}

/* The texts go into one block: a block each would cost 64 bytes a token. */
status vocab_from_json(const json_t *object, const char *where, struct arena *arena, struct vocab *v)
{
    json_t *members = (json_t *)object, *id; /* the iteration macros lack the const */
    const char *key;
    size_t bytes = 0;
    FAIL_IF(json_object_size(object) == 0, ST_INPUT, "%s: the vocabulary is empty; expected tokens with their ids",
            where);
    json_object_foreach(members, key, id)
    {
        FAIL_IF(!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCAB_MAX, ST_INPUT,
                "%s: the token '%s' has no id within 0..%d", where, key, VOCAB_MAX - 1);
        bytes += strlen(key) + 1;
    }
    status st = vocab_make(arena, json_object_size(object), v);
    if (st != ST_OK) return fail_in(st, "%s", where);
    char *block = arena_alloc(arena, bytes);
    if (!block) return ST_MEMORY;
    json_object_foreach(members, key, id)
    {
        size_t n = strlen(key);
        memcpy(block, key, n + 1);
        TRY(vocab_add(v, block, n, (int32_t)json_integer_value(id)));
        block += n + 1;
    }
    return ST_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct vocab_entry *x = *(struct vocab_entry *const *)a, *y = *(struct vocab_entry *const *)b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    int c = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return c ? c : (x->n > y->n) - (x->n < y->n);
}

status vocab_hash(const struct vocab *v, struct arena *arena, struct sha256 *sha)
{
    struct arena_mark mark = arena_mark(arena);
    const struct vocab_entry **sorted;
    NEW(sorted, arena, v->count + 1);
    int n = 0;
    for (uint32_t i = 0; i <= v->mask; i++)
        if (v->slot[i].text) sorted[n++] = &v->slot[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_id);
    for (int i = 0; i < n; i++) {
        uint32_t head[2] = {(uint32_t)sorted[i]->id, sorted[i]->n};
        sha256_add(sha, head, sizeof head);
        sha256_add(sha, sorted[i]->text, sorted[i]->n);
    }
    arena_reset(arena, mark);
    return ST_OK;
}
