/* The token cache file (see token_file.h): made in memory as one image, checked as one. */
#include "datasets/token_file.h"

#include <string.h>

static const char magic[8] = "PGTOKENS";
enum { ORDER = 0x01020304 };
_Static_assert(sizeof(struct token_header) <= TOKEN_HEADER && TOKEN_HEADER % 64 == 0, "the header's room");

/* Byte positions of the parts; the order keeps each aligned to its type. */
struct layout {
    size_t offset, label, ids, types, size;
};

static struct layout lay_out(size_t rows, size_t total, int labelled)
{
    struct layout l = {.offset = TOKEN_HEADER};
    l.label = l.offset + (rows + 1) * sizeof(uint64_t);
    l.ids = l.label + (labelled ? rows * sizeof(float) : 0);
    l.types = l.ids + total * sizeof(int32_t);
    l.size = l.types + total;
    return l;
}

static void checksum(const unsigned char *bytes, size_t size, char hex[SHA256_HEX])
{
    struct token_header head;
    memcpy(&head, bytes, sizeof head);
    memset(head.checksum, 0, sizeof head.checksum);
    struct sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, &head, sizeof head);
    sha256_add(&sha, bytes + sizeof head, size - sizeof head);
    sha256_end(&sha, hex);
}

status token_image(const struct token_parts *p, struct arena *arena, const void **bytes, size_t *size)
{
    size_t rows = (size_t)p->rows, total = (size_t)p->offset[rows];
    struct layout l = lay_out(rows, total, p->label != NULL);
    unsigned char *image = arena_zalloc(arena, l.size);
    if (!image) return ST_MEMORY;
    struct token_header head = {.version = TOKEN_VERSION,
                                .order = ORDER,
                                .size = l.size,
                                .rows = rows,
                                .total = total,
                                .labelled = p->label != NULL,
                                .longest = p->longest,
                                .truncated = p->truncated,
                                .vocab = p->vocab};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.key, p->key, SHA256_HEX);
    memcpy(head.data_hash, p->data_hash, SHA256_HEX);
    memcpy(image, &head, sizeof head);
    memcpy(image + l.offset, p->offset, (rows + 1) * sizeof(uint64_t));
    if (p->label && rows) memcpy(image + l.label, p->label, rows * sizeof(float));
    if (total) {
        memcpy(image + l.ids, p->ids, total * sizeof(int32_t));
        memcpy(image + l.types, p->types, total);
    }
    checksum(image, l.size, head.checksum);
    memcpy(image, &head, sizeof head);
    *bytes = image;
    *size = l.size;
    return ST_OK;
}

static const char *check_rows(const struct token_header *h, const uint64_t *offset, const int32_t *ids)
{
    static const char broken[] = "holds offsets or ids out of range";
    if (offset[0] != 0 || offset[h->rows] != h->total) return broken;
    uint64_t longest = 0;
    for (uint64_t i = 0; i < h->rows; i++) {
        if (offset[i + 1] < offset[i] || offset[i + 1] > h->total) return broken;
        if (offset[i + 1] - offset[i] > longest) longest = offset[i + 1] - offset[i];
    }
    if (h->longest < 0 || longest != (uint64_t)h->longest) return broken;
    if (h->truncated < 0 || (uint64_t)h->truncated > h->rows) return broken;
    for (uint64_t i = 0; i < h->total; i++)
        if (ids[i] < 0 || ids[i] >= h->vocab) return broken;
    return NULL;
}

const char *token_image_open(const void *bytes, size_t size, const char *key, int vocab, struct tokens *out)
{
    const unsigned char *at = bytes;
    struct token_header h;
    if (size < TOKEN_HEADER) return "is cut short";
    memcpy(&h, at, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return "is no token cache file";
    if (h.version != TOKEN_VERSION || h.order != ORDER) return "is of another version or byte order";
    if (h.size != size) return "is cut short or too long";
    /* Each count is below the size in bytes, so the sums below cannot overflow. */
    if (h.rows >= INT32_MAX || h.rows > size || h.total > size || h.labelled > 1) return "has a broken header";
    struct layout l = lay_out((size_t)h.rows, (size_t)h.total, h.labelled != 0);
    if (l.size != size) return "has a broken header";
    char hex[sizeof h.checksum] = {0};
    checksum(at, size, hex);
    if (memcmp(hex, h.checksum, sizeof hex) != 0) return "does not match its checksum";
    if (memcmp(h.key, key, SHA256_HEX) != 0 || h.vocab != vocab) return "belongs to other data or another tokenizer";
    const uint64_t *offset = (const uint64_t *)(const void *)(at + l.offset);
    const int32_t *ids = (const int32_t *)(const void *)(at + l.ids);
    const char *fault = check_rows(&h, offset, ids);
    if (fault) return fault;
    if (h.data_hash[SHA256_HEX - 1] != 0) return "has a broken header";
    out->n = (int)h.rows;
    out->offset = offset;
    out->ids = ids;
    out->types = at + l.types;
    out->label = h.labelled ? (const float *)(const void *)(at + l.label) : NULL;
    out->longest = h.longest;
    out->truncated = h.truncated;
    memcpy(out->data_hash, h.data_hash, SHA256_HEX);
    memcpy(out->key, h.key, SHA256_HEX);
    return NULL;
}
