/* The parts of a model file that matter here (sentencepiece_model.proto):
 *
 *   ModelProto:     2 trainer_spec, 3 normalizer_spec, 5 denormalizer_spec
 *   TrainerSpec:    3 model_type
 *   NormalizerSpec: 2 precompiled_charsmap = uint32 trie bytes, the trie, replacement texts each ending with NUL
 *
 * The trie is a Darts double array of 32-bit units. A state is a position b; byte c leads to the unit at b ^ c if that
 * unit's label is c, and from there to the state (b ^ c) ^ offset; a unit with a leaf has its value, the place of its
 * replacement text, in the unit at that new state. */
#include "datasets/spm_check.h"

#include <stdint.h>
#include <string.h>

/* ---- protocol buffers ---- */

struct slice {
    const unsigned char *p;
    size_t n;
};

struct field {
    unsigned number, wire;
    uint64_t value;     /* wire type 0 */
    struct slice bytes; /* wire type 2 */
};

static int read_varint(struct slice *s, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (s->n == 0) return 0;
        unsigned char c = *s->p++;
        s->n--;
        *v |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80) return 1;
    }
    return 0;
}

static int skip(struct slice *s, uint64_t n)
{
    if (n > s->n) return 0;
    s->p += n;
    s->n -= (size_t)n;
    return 1;
}

/* Takes the next field off the slice; 0 when the bytes are no such thing. */
static int next_field(struct slice *s, struct field *f)
{
    uint64_t key, size;
    if (!read_varint(s, &key) || key >> 3 == 0 || key > UINT32_MAX) return 0;
    *f = (struct field){.number = (unsigned)(key >> 3), .wire = (unsigned)(key & 7)};
    switch (f->wire) {
    case 0: return read_varint(s, &f->value);
    case 1: return skip(s, 8);
    case 2:
        if (!read_varint(s, &size)) return 0;
        f->bytes = (struct slice){s->p, (size_t)size};
        return skip(s, size);
    case 5: return skip(s, 4);
    default: return 0;
    }
}

/* ---- the trie ---- */

enum { MAX_LEAVES = 32 }; /* on one path: what the library has room for */

struct walk {
    const unsigned char *unit_bytes;
    uint32_t units;
    size_t text_size;              /* of the replacement texts */
    unsigned char *state, *leaves; /* [units]: 0 unseen, 1 open, 2 done; most leaves on a path from here */
    struct step {
        uint32_t base, next; /* next byte to try; 256: done */
    } * stack;
};

static uint32_t unit_at(const struct walk *w, uint32_t i)
{
    uint32_t u;
    memcpy(&u, w->unit_bytes + 4 * (size_t)i, sizeof u);
    return u;
}

/* The position after following a unit at i; UINT32_MAX when a byte could lead outside from there. */
static uint32_t follow(const struct walk *w, uint32_t i, uint32_t u)
{
    uint32_t base = i ^ ((u >> 10) << ((u & (1u << 9)) >> 6));
    return (base | 0xFF) < w->units ? base : UINT32_MAX;
}

/* One byte of one state. *child: the state it leads to, or UINT32_MAX: none. 0: the trie is broken. */
static int try_byte(const struct walk *w, uint32_t base, uint32_t byte, uint32_t *child, int *leaf)
{
    uint32_t at = base ^ byte, u = unit_at(w, at);
    *child = UINT32_MAX;
    if ((u & (1u << 31 | 0xFF)) != byte) return 1;
    *child = follow(w, at, u);
    if (*child == UINT32_MAX || w->state[*child] == 1) return 0; /* outside, or in a circle */
    *leaf = u >> 8 & 1;
    return !*leaf || (unit_at(w, *child) & 0x7FFFFFFF) < w->text_size;
}

/* Visits every state that some text can reach, each once. */
static int walk_trie(struct walk *w)
{
    uint32_t root = follow(w, 0, unit_at(w, 0)), depth = 0;
    if (root == UINT32_MAX) return 0;
    w->stack[depth++] = (struct step){root, 0};
    w->state[root] = 1;
    while (depth > 0) {
        struct step *s = &w->stack[depth - 1];
        if (s->next == 256) {
            w->state[s->base] = 2;
            depth--;
            continue;
        }
        uint32_t child;
        int leaf = 0;
        if (!try_byte(w, s->base, s->next, &child, &leaf)) return 0;
        if (child != UINT32_MAX && w->state[child] == 0) {
            w->state[child] = 1;
            w->stack[depth++] = (struct step){child, 0};
            continue; /* and this byte once more when the child is done */
        }
        if (child != UINT32_MAX && w->leaves[child] + leaf > w->leaves[s->base])
            w->leaves[s->base] = (unsigned char)(w->leaves[child] + leaf);
        if (w->leaves[s->base] > MAX_LEAVES) return 0;
        s->next++;
    }
    return 1;
}

static status check_charsmap(struct slice map, const char *where, struct arena *arena)
{
    if (map.n == 0) return ST_OK; /* no rules */
    uint32_t bytes = 0;
    if (map.n >= 4) memcpy(&bytes, map.p, 4);
    FAIL_IF(map.n < 4 || bytes > map.n - 4 || bytes < 1024 || bytes % 4 != 0, ST_INPUT,
            "%s: the table of normalisation rules is damaged", where);
    struct walk w = {.unit_bytes = map.p + 4, .units = bytes / 4, .text_size = map.n - 4 - bytes};
    struct arena_mark mark = arena_mark(arena);
    ZNEW(w.state, arena, w.units);
    ZNEW(w.leaves, arena, w.units);
    NEW(w.stack, arena, w.units);
    int good = walk_trie(&w);
    arena_reset(arena, mark);
    return good ? ST_OK : fail(ST_INPUT, "%s: the trie of normalisation rules is damaged", where);
}

/* ---- the model ---- */

static status check_normalizer(struct slice s, const char *where, struct arena *arena)
{
    struct field f;
    while (s.n > 0) {
        FAIL_IF(!next_field(&s, &f), ST_INPUT, "%s: the normalisation part is damaged", where);
        if (f.number == 2 && f.wire == 2) TRY(check_charsmap(f.bytes, where, arena));
    }
    return ST_OK;
}

static status check_trainer(struct slice s, const char *where, int *type)
{
    struct field f;
    while (s.n > 0) {
        FAIL_IF(!next_field(&s, &f), ST_INPUT, "%s: the trainer part is damaged", where);
        if (f.number == 3 && f.wire == 0) *type = f.value <= SPM_CHAR ? (int)f.value : 0;
    }
    return ST_OK;
}

status spm_check(const void *model, size_t n, const char *where, struct arena *arena, int *type)
{
    struct slice s = {model, n};
    struct field f;
    *type = SPM_UNIGRAM;
    FAIL_IF(n == 0, ST_INPUT, "%s: the file is empty; expected a SentencePiece model", where);
    while (s.n > 0) {
        size_t at = n - s.n;
        FAIL_IF(!next_field(&s, &f), ST_INPUT, "%s: no SentencePiece model, or damaged at byte %zu", where, at);
        if (f.number == 2 && f.wire == 2) TRY(check_trainer(f.bytes, where, type));
        if ((f.number == 3 || f.number == 5) && f.wire == 2) TRY(check_normalizer(f.bytes, where, arena));
    }
    return ST_OK;
}
