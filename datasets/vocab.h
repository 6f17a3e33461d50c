/* A vocabulary: token texts to ids and back. Tokens are any bytes; ids may have gaps. Lives in an arena. */
#ifndef PG_DATASETS_VOCAB_H
#define PG_DATASETS_VOCAB_H

#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/sha256.h"
#include "core/status.h"

enum { VOCAB_MAX = 1 << 24 }; /* ids lie below; far more than any model has, few enough for 32-bit arithmetic */

struct vocab_entry {
    const char *text; /* not NUL-terminated; NULL: free slot */
    uint32_t n;
    int32_t id;
};
struct vocab {
    struct vocab_entry *slot; /* open addressing, a power of two of them */
    uint32_t mask;
    int count;      /* entries */
    int size;       /* largest id + 1 */
    size_t longest; /* bytes of the longest token */
};

/* An empty vocabulary with room for `expected` tokens, 0 .. VOCAB_MAX. */
status vocab_make(struct arena *, size_t expected, struct vocab *);
/* Adds a token, or gives a known one the new id (as a Python dict does). text must outlive the vocabulary. At most
 * `expected` different tokens; 0 <= id < VOCAB_MAX. */
status vocab_add(struct vocab *, const char *text, size_t n, int32_t id);
int32_t vocab_find(const struct vocab *, const char *text, size_t n); /* -1: unknown */
int32_t vocab_find_text(const struct vocab *, const char *text);      /* of a C string; NULL gives -1 */

/* A vocabulary from a JSON object text -> id; where: its file, for messages. */
struct json_t;
status vocab_from_json(const struct json_t *object, const char *where, struct arena *, struct vocab *);

/* Adds to a hash all tokens with their ids, in an order that does not depend on how they were added. */
status vocab_hash(const struct vocab *, struct arena *, struct sha256 *);

#endif
