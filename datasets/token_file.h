/* The token cache file: one tokenised set, laid out so that it is used where it is mapped.
 *
 *   header  struct token_header, TOKEN_HEADER bytes: sizes, key, SHA-256 of the whole file with that field zero
 *   offset  uint64 [rows + 1], offset[0] = 0
 *   label   float  [rows]     only where labelled
 *   ids     int32  [total]    total = offset[rows]
 *   types   uint8  [total]
 *
 * Little-endian, as the machine has it; a file of the other order is refused by its `order` mark. */
#ifndef PG_DATASETS_TOKEN_FILE_H
#define PG_DATASETS_TOKEN_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/sha256.h"
#include "core/status.h"
#include "datasets/dataset.h"

/* Part of every key. Raise it when the layout changes or when any tokenizer gives other ids than before. */
enum { TOKEN_VERSION = 1, TOKEN_HEADER = 320 };

struct token_header {
    char magic[8];
    uint32_t version, order;
    uint64_t size, rows, total;
    uint32_t labelled;
    int32_t longest, truncated, vocab;
    char key[72], data_hash[72], checksum[72]; /* hex texts */
};

/* The parts of a set before they are one image. */
struct token_parts {
    int rows;
    const uint64_t *offset;
    const int32_t *ids;
    const uint8_t *types;
    const float *label; /* NULL: unlabelled */
    int longest, truncated, vocab;
    const char *key, *data_hash;
};

/* The whole file as bytes in the arena. */
status token_image(const struct token_parts *, struct arena *, const void **bytes, size_t *size);

/* Checks an image completely and points *out (n, offset, ids, types, label, longest, truncated, data_hash, key) into
 * it. NULL when it is good, else what is wrong with it ("is cut short"). Nothing in the bytes is trusted. */
const char *token_image_open(const void *bytes, size_t size, const char *key, int vocab, struct tokens *out);

#endif
