/* Added tokens (see added_tokens.h): a list from the folder's files, two tries to find them in a text, and the cutting
 * of the text at what was found. */
#include "datasets/added_tokens.h"

#include <string.h>
#include "core/text.h"
#include "datasets/unicode.h"

/* ---- the list ---- */

status added_tokens_make(struct arena *arena, int n, struct added_tokens *a)
{
    *a = (struct added_tokens){.room = n};
    ZNEW(a->token, arena, n + 1);
    return ST_OK;
}

static struct added_token *find(const struct added_tokens *a, const char *text, size_t n)
{
    for (int i = 0; i < a->count; i++)
        if (a->token[i].n == n && memcmp(a->token[i].text, text, n) == 0) return &a->token[i];
    return NULL;
}

static status add(struct added_tokens *a, const struct added_token *t, const char *where)
{
    FAIL_IF(t->id < 0 || t->id >= VOCAB_MAX, ST_INPUT, "%s: the id %d of the added token '%s' is out of range 0..%d",
            where, (int)t->id, t->text, VOCAB_MAX - 1);
    if (t->n == 0) return ST_OK;
    FAIL_IF(a->count >= a->room, ST_INTERNAL, "%s: more added tokens than counted", where);
    a->token[a->count++] = *t;
    return ST_OK;
}

status added_tokens_special(struct added_tokens *a, const char *text, int32_t id, bool lstrip)
{
    if (!text || !*text || id < 0 || find(a, text, strlen(text))) return ST_OK;
    struct added_token t = {.text = text, .n = (uint32_t)strlen(text), .id = id, .special = true, .lstrip = lstrip};
    return add(a, &t, text);
}

int32_t added_tokens_find(const struct added_tokens *a, const char *text)
{
    const struct added_token *t = text ? find(a, text, strlen(text)) : NULL;
    return t ? t->id : -1;
}

int added_tokens_size(const struct added_tokens *a)
{
    int size = 0;
    for (int i = 0; i < a->count; i++)
        if (a->token[i].id >= size) size = a->token[i].id + 1;
    return size;
}

void added_tokens_hash(const struct added_tokens *a, struct sha256 *sha)
{
    for (int i = 0; i < a->count; i++) {
        const struct added_token *t = &a->token[i];
        uint32_t head[7] = {t->n, (uint32_t)t->id, t->special, t->normalized, t->lstrip, t->rstrip, t->single_word};
        sha256_add(sha, head, sizeof head);
        sha256_add(sha, t->text, t->n);
    }
}

/* ---- the folder's files ---- */

static status token_from_json(const json_t *v, long long id, struct arena *arena, const char *where,
                              struct added_token *t)
{
    const json_t *content = json_object_get(v, "content");
    FAIL_IF(!json_is_string(content), ST_INPUT, "%s: an added token has no text 'content'", where);
    FAIL_IF(id < 0 || id >= VOCAB_MAX, ST_INPUT, "%s: the added token '%s' has no id within 0..%d", where,
            json_string_value(content), VOCAB_MAX - 1);
    bool special = json_truth(v, "special") == 1;
    int normalized = json_truth(v, "normalized");
    *t = (struct added_token){.n = (uint32_t)json_string_length(content),
                              .id = (int32_t)id,
                              .special = special,
                              .normalized = normalized < 0 ? !special : normalized,
                              .lstrip = json_truth(v, "lstrip") == 1,
                              .rstrip = json_truth(v, "rstrip") == 1,
                              .single_word = json_truth(v, "single_word") == 1};
    char *text;
    NEW(text, arena, t->n + 1);
    memcpy(text, json_string_value(content), t->n);
    text[t->n] = 0;
    t->text = text;
    return ST_OK;
}

/* tokenizer.json: a list of objects with "id". */
static status read_list(const json_t *list, struct arena *arena, const char *where, struct added_tokens *a)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        struct added_token t;
        const json_t *id = json_object_get(v, "id");
        TRY(token_from_json(v, json_is_integer(id) ? json_integer_value(id) : -1, arena, where, &t));
        TRY(add(a, &t, where));
    }
    return ST_OK;
}

/* tokenizer_config.json: an object whose keys are the ids. */
static status read_decoder(json_t *object, struct arena *arena, const char *where, struct added_tokens *a)
{
    const char *key;
    json_t *v;
    json_object_foreach(object, key, v)
    {
        struct added_token t;
        long long id;
        TRY(token_from_json(v, text_to_longlong(key, &id) ? id : -1, arena, where, &t));
        TRY(add(a, &t, where));
    }
    return ST_OK;
}

/* added_tokens.json and special_tokens.json: text -> id. */
static status read_map(json_t *object, bool special, struct arena *arena, const char *where, struct added_tokens *a)
{
    const char *key;
    json_t *v;
    json_object_foreach(object, key, v)
    {
        long long id = json_is_integer(v) ? json_integer_value(v) : -1;
        FAIL_IF(id < 0 || id >= VOCAB_MAX, ST_INPUT, "%s: the added token '%s' has no id within 0..%d", where, key,
                VOCAB_MAX - 1);
        if (find(a, key, strlen(key))) continue;
        char *text = arena_strdup(arena, key);
        if (!text) return ST_MEMORY;
        struct added_token t = {
            .text = text, .n = (uint32_t)strlen(text), .id = (int32_t)id, .special = special, .normalized = !special};
        TRY(add(a, &t, where));
    }
    return ST_OK;
}

static status read_maps(const struct tokenizer_folder *f, int more, struct added_tokens *a)
{
    json_t *special = NULL, *added = NULL;
    status st = folder_json(f, "special_tokens.json", &special);
    if (st == ST_OK) st = folder_json(f, "added_tokens.json", &added);
    if (st == ST_OK)
        st = added_tokens_make(f->arena, (int)(json_object_size(special) + json_object_size(added)) + more, a);
    if (st == ST_OK) st = read_map(special, true, f->arena, folder_path(f, "special_tokens.json"), a);
    if (st == ST_OK) st = read_map(added, false, f->arena, folder_path(f, "added_tokens.json"), a);
    json_decref(special);
    json_decref(added);
    return st;
}

status added_tokens_read(const struct tokenizer_folder *f, int more, struct added_tokens *a)
{
    const json_t *list = json_object_get(f->tokenizer, "added_tokens");
    json_t *decoder = json_object_get(f->settings, "added_tokens_decoder");
    if (json_is_array(list)) {
        TRY(added_tokens_make(f->arena, (int)json_array_size(list) + more, a));
        return read_list(list, f->arena, folder_path(f, "tokenizer.json"), a);
    }
    if (json_is_object(decoder)) {
        TRY(added_tokens_make(f->arena, (int)json_object_size(decoder) + more, a));
        return read_decoder(decoder, f->arena, folder_path(f, "tokenizer_config.json"), a);
    }
    return read_maps(f, more, a);
}

/* ---- the search ---- */

struct added_node {
    int32_t child, sibling; /* -1: none */
    int32_t token;          /* that ends here; -1: none */
    unsigned char byte;
};

static int32_t new_node(struct added_trie *t, unsigned char byte, int32_t sibling)
{
    t->node[t->nodes] = (struct added_node){-1, sibling, -1, byte};
    return t->nodes++;
}

static int32_t sibling_of(const struct added_trie *t, int32_t node, unsigned char byte)
{
    while (node >= 0 && t->node[node].byte != byte) node = t->node[node].sibling;
    return node;
}

static void trie_add(struct added_trie *t, const char *text, size_t n, int32_t token)
{
    unsigned char head = (unsigned char)text[0];
    if (t->first[head] < 0) t->first[head] = new_node(t, head, -1);
    int32_t at = t->first[head];
    for (size_t i = 1; i < n; i++) {
        int32_t next = sibling_of(t, t->node[at].child, (unsigned char)text[i]);
        if (next < 0) {
            next = new_node(t, (unsigned char)text[i], t->node[at].child);
            t->node[at].child = next;
        }
        at = next;
    }
    t->node[at].token = token;
}

/* The longest token that begins at text[0]; -1: none. */
static int32_t trie_match(const struct added_trie *t, const char *text, size_t n, size_t *length)
{
    int32_t best = -1, at = t->first[(unsigned char)text[0]];
    for (size_t i = 1; at >= 0; i++) {
        if (t->node[at].token >= 0) {
            best = t->node[at].token;
            *length = i;
        }
        if (i == n) break;
        at = sibling_of(t, t->node[at].child, (unsigned char)text[i]);
    }
    return best;
}

static status trie_build(struct added_tokens *a, bool normalized, struct arena *arena, normalise_fn *normalise,
                         void *ctx, struct text *scratch)
{
    struct added_trie *t = normalized ? &a->normal : &a->raw;
    for (int i = 0; i < 256; i++) t->first[i] = -1;
    size_t *end, bytes = 0; /* the texts lie end to end in scratch */
    NEW(end, arena, a->count + 1);
    scratch->n = 0;
    for (int i = 0; i < a->count; i++) {
        const struct added_token *tok = &a->token[i];
        if (tok->normalized == normalized)
            TRY(normalized && normalise ? normalise(ctx, tok->text, tok->n, scratch)
                                        : text_add(scratch, tok->text, tok->n));
        end[i] = scratch->n;
    }
    NEW(t->node, arena, scratch->n + 1);
    for (int i = 0; i < a->count; bytes = end[i++])
        if (end[i] > bytes) trie_add(t, scratch->s + bytes, end[i] - bytes, i);
    return ST_OK;
}

status added_tokens_seal(struct added_tokens *a, struct arena *arena, normalise_fn *normalise, void *ctx)
{
    struct text scratch = {0};
    status st = trie_build(a, false, arena, normalise, ctx, &scratch);
    if (st == ST_OK) st = trie_build(a, true, arena, normalise, ctx, &scratch);
    text_free(&scratch);
    return st;
}

/* ---- cutting ---- */

static bool word_char(int32_t cp)
{
    return cp == '_' ||
           !(unicode_is_white(cp) || unicode_is_control(cp) || unicode_is_punct(cp) || unicode_is_symbol(cp));
}

static size_t char_before(const char *text, size_t at, int32_t *cp)
{
    do at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    utf8_next(text + at, cp);
    return at;
}

static bool stands_alone(const char *text, size_t n, size_t from, size_t to)
{
    int32_t cp;
    if (from > 0) {
        char_before(text, from, &cp);
        if (word_char(cp)) return false;
    }
    if (to < n) {
        utf8_next(text + to, &cp);
        if (word_char(cp)) return false;
    }
    return true;
}

static size_t strip_left(const char *text, size_t from, size_t limit)
{
    while (from > limit) {
        int32_t cp;
        size_t before = char_before(text, from, &cp);
        if (!unicode_is_white(cp) || before < limit) break;
        from = before;
    }
    return from;
}

static size_t strip_right(const char *text, size_t n, size_t to)
{
    while (to < n) {
        int32_t cp;
        int len = utf8_next(text + to, &cp);
        if (!unicode_is_white(cp)) break;
        to += (size_t)len;
    }
    return to;
}

status added_tokens_cut(const struct added_tokens *a, const struct added_trie *t, const char *text, size_t n,
                        section_fn *section, void *ctx, struct ids *out)
{
    size_t done = 0;
    for (size_t i = 0; t->nodes > 0 && i < n;) {
        size_t length = 0;
        int32_t hit = trie_match(t, text + i, n - i, &length);
        if (hit < 0 || (a->token[hit].single_word && !stands_alone(text, n, i, i + length))) {
            i += hit < 0 ? 1 : length;
            continue;
        }
        size_t from = a->token[hit].lstrip ? strip_left(text, i, done) : i;
        size_t to = a->token[hit].rstrip ? strip_right(text, n, i + length) : i + length;
        if (from > done) TRY(section(ctx, text + done, from - done, out));
        TRY(ids_push(out, a->token[hit].id));
        i = done = to;
    }
    return done < n ? section(ctx, text + done, n - done, out) : ST_OK;
}
