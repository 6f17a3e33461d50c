/* Vocabulary and merge rules of byte-level BPE (see bpe_model.h). Tokens stay as the files write them; only the 256
 * bytes are looked up once, and merging then works on ids. */
#include "datasets/bpe_model.h"

#include <string.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/unicode.h"

enum { FILE_MAX = 1 << 30 };

int32_t bpe_byte_char(unsigned char byte)
{
    enum { CONTROLS = 33, FIRST = 127, LAST = 160, SOFT_HYPHEN = 173 }; /* 0..32, 127..160 and 173 do not print */
    if (byte < CONTROLS) return 256 + byte;
    if (byte >= FIRST && byte <= LAST) return 256 + CONTROLS + (byte - FIRST);
    return byte == SOFT_HYPHEN ? 256 + CONTROLS + (LAST - FIRST + 1) : byte;
}

static void find_bytes(struct bpe_model *m)
{
    for (int byte = 0; byte < 256; byte++) {
        int32_t cp = bpe_byte_char((unsigned char)byte);
        char utf8[2] = {(char)(0xC0 | cp >> 6), (char)(0x80 | (cp & 0x3F))};
        char ascii = (char)cp;
        m->byte_id[byte] = cp < 0x80 ? vocab_find(&m->vocab, &ascii, 1) : vocab_find(&m->vocab, utf8, 2);
    }
}

/* ---- merge rules ---- */

struct merging {
    struct bpe_model *model;
    struct sha256 *sha;
    struct text joined;
    int rank;
    const char *path;
};

static status unknown_piece(const struct merging *g, const char *where, const char *text, size_t n)
{
    return fail(ST_INPUT, "%s: the merge rule names '%.*s', which is not in the vocabulary %s", where,
                (int)(n < 200 ? n : 200), text, g->model->path);
}

/* One rule; where: "merges.txt:7". */
static status add_rule(struct merging *g, const char *left, size_t nl, const char *right, size_t nr, const char *where)
{
    const struct vocab *v = &g->model->vocab;
    FAIL_IF(nl == 0 || nr == 0, ST_INPUT, "%s: expected two pieces with one blank between them", where);
    g->joined.n = 0;
    TRY(text_add(&g->joined, left, nl));
    TRY(text_add(&g->joined, right, nr));
    int32_t rule[] = {vocab_find(v, left, nl), vocab_find(v, right, nr), vocab_find(v, g->joined.s, g->joined.n)};
    if (rule[0] < 0) return unknown_piece(g, where, left, nl);
    if (rule[1] < 0) return unknown_piece(g, where, right, nr);
    if (rule[2] < 0) return unknown_piece(g, where, g->joined.s, g->joined.n);
    bpe_merges_add(&g->model->merges, rule[0], rule[1], g->rank++, rule[2]);
    sha256_add(g->sha, rule, sizeof rule);
    return ST_OK;
}

/* "left right": exactly one blank, as pieces have none (the byte alphabet writes it as another character). */
static status add_pair_text(struct merging *g, const char *s, size_t n, const char *where)
{
    const char *blank = memchr(s, ' ', n);
    size_t left = blank ? (size_t)(blank - s) : 0;
    FAIL_IF(!blank || memchr(blank + 1, ' ', n - left - 1), ST_INPUT,
            "%s: expected two pieces with one blank between them", where);
    return add_rule(g, s, left, blank + 1, n - left - 1, where);
}

static status merges_from_text(struct merging *g, const char *text, size_t n, struct arena *arena)
{
    static const char version[] = "#version";
    size_t lines = 1, line = 0;
    for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
    TRY(bpe_merges_make(arena, lines, &g->model->merges));
    for (size_t i = 0; i < n;) {
        const char *end = memchr(text + i, '\n', n - i), *s = text + i;
        size_t len = end ? (size_t)(end - s) : n - i;
        i += len + 1;
        line++;
        if (len > 0 && s[len - 1] == '\r') len--;
        if (len == 0 || (line == 1 && len >= strlen(version) && memcmp(s, version, strlen(version)) == 0)) continue;
        char where[4200];
        snprintf(where, sizeof where, "%s:%zu", g->path, line);
        TRY(add_pair_text(g, s, len, where));
    }
    return ST_OK;
}

/* tokenizer.json: "left right" or ["left", "right"]. */
static status merges_from_json(struct merging *g, const json_t *list, struct arena *arena)
{
    size_t i;
    json_t *v;
    TRY(bpe_merges_make(arena, json_array_size(list), &g->model->merges));
    json_array_foreach(list, i, v)
    {
        char where[4200];
        snprintf(where, sizeof where, "%s: merge rule %zu", g->path, i + 1);
        const json_t *left = json_array_get(v, 0), *right = json_array_get(v, 1);
        if (json_is_string(v))
            TRY(add_pair_text(g, json_string_value(v), json_string_length(v), where));
        else if (json_array_size(v) == 2 && json_is_string(left) && json_is_string(right))
            TRY(add_rule(g, json_string_value(left), json_string_length(left), json_string_value(right),
                         json_string_length(right), where));
        else
            return fail(ST_INPUT, "%s: expected two pieces", where);
    }
    return ST_OK;
}

static status read_merges(const struct tokenizer_folder *f, const char *name, const json_t *list, struct bpe_model *m,
                          struct sha256 *sha)
{
    struct merging g = {.model = m, .sha = sha, .path = folder_path(f, name)};
    if (!g.path) return ST_MEMORY;
    struct file_map map = {0};
    if (!list) TRY(file_map(g.path, &map));
    status st =
        list ? merges_from_json(&g, list, f->arena) : merges_from_text(&g, (const char *)map.data, map.size, f->arena);
    file_unmap(&map);
    text_free(&g.joined);
    return st;
}

/* ---- the whole ---- */

static status from_tokenizer_json(const struct tokenizer_folder *f, struct bpe_model *m, struct sha256 *sha)
{
    const json_t *model = json_object_get(f->tokenizer, "model");
    const json_t *merges = json_object_get(model, "merges");
    const char *type = json_text(model, "type");
    if ((m->path = folder_path(f, "tokenizer.json")) == NULL) return ST_MEMORY;
    FAIL_IF(type && strcmp(type, "BPE") != 0, ST_UNSUPPORTED,
            "%s: a model of type '%s'; this file alone serves only for byte-level BPE", m->path, type);
    FAIL_IF(!json_is_array(merges), ST_INPUT, "%s: the model has no list 'merges'", m->path);
    TRY(vocab_from_json(json_object_get(model, "vocab"), m->path, f->arena, &m->vocab));
    find_bytes(m);
    return read_merges(f, "tokenizer.json", merges, m, sha);
}

static status from_two_files(const struct tokenizer_folder *f, const char *vocab, const char *merges,
                             struct bpe_model *m, struct sha256 *sha)
{
    if ((m->path = folder_path(f, vocab)) == NULL) return ST_MEMORY;
    json_t *root;
    TRY(folder_json(f, vocab, &root));
    status st = vocab_from_json(root, m->path, f->arena, &m->vocab);
    json_decref(root);
    if (st != ST_OK) return st;
    find_bytes(m);
    return read_merges(f, merges, NULL, m, sha);
}

status bpe_model_read(const struct tokenizer_folder *f, struct bpe_model *m, struct sha256 *sha)
{
    static const char *const pair[][2] = {{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}};
    bool complete = json_is_object(json_object_get(json_object_get(f->tokenizer, "model"), "vocab"));
    for (int i = 0; i < 2 && !complete; i++) {
        bool has;
        TRY(folder_has(f, pair[i][0], &has));
        if (has) return from_two_files(f, pair[i][0], pair[i][1], m, sha);
    }
    return from_tokenizer_json(f, m, sha);
}
