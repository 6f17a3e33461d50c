/* The content hash. Its input is defined byte by byte (docs/RESULTS_SCHEMA.md) and independent of HDF5, so that another
 * program can compute it from the items alone. */
#include "results/record.h"

#include <math.h>
#include <string.h>

static void add_u64(struct sha256 *h, uint64_t v)
{
    unsigned char b[8];
    for (int i = 0; i < 8; i++) b[i] = (unsigned char)(v >> (8 * i));
    sha256_add(h, b, sizeof b);
}

static void add_string(struct sha256 *h, const char *s)
{
    add_u64(h, strlen(s));
    sha256_add(h, s, strlen(s));
}

static void add_real(struct sha256 *h, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    add_u64(h, isnan(v) ? 0x7ff8000000000000u : bits);
}

void record_hash(const struct record *r, char hex[SHA256_HEX])
{
    static const char environment[] = "environment/";
    struct sha256 h;
    sha256_begin(&h);
    for (int k = 0; k < r->count; k++) {
        const struct record_item *it = &r->item[k];
        if (strncmp(it->path, environment, sizeof environment - 1) == 0) continue;
        add_string(&h, it->path);
        unsigned char tag[2] = {(unsigned char)"sirsir"[it->type], (unsigned char)('0' + it->rank)};
        sha256_add(&h, tag, sizeof tag);
        for (int i = 0; i < it->rank; i++) add_u64(&h, it->dim[i]);
        for (size_t i = 0; i < it->n; i++) {
            switch (it->type) {
            case ITEM_STRING: add_string(&h, it->v.s); break;
            case ITEM_STRINGS: add_string(&h, it->v.ss[i]); break;
            case ITEM_INT:
            case ITEM_INTS: add_u64(&h, (uint64_t)it->v.i[i]); break;
            case ITEM_REAL:
            case ITEM_REALS: add_real(&h, it->v.d[i]); break;
            }
        }
    }
    sha256_end(&h, hex);
}

void record_origin_hash(const struct record *r, char hex[SHA256_HEX])
{
    const char *kept = record_get_string(r, "slim/content_hash", "");
    if (strlen(kept) == SHA256_HEX - 1)
        memcpy(hex, kept, SHA256_HEX);
    else
        record_hash(r, hex);
}
