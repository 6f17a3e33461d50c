/* Token lists of golden cases as a tokenised set. */
#include "tests/golden/golden.h"

#include <string.h>

/* Accessors of one example in either form of the file. */
struct source {
    const json_t *root;
    bool rows; /* a list of objects, else an object of lists */
};

static const json_t *field(const struct source *s, size_t i, const char *in_row, const char *in_lists)
{
    if (s->rows) return json_object_get(json_array_get(s->root, i), in_row);
    return in_lists ? json_array_get(json_object_get(s->root, in_lists), i) : NULL;
}

static status copy_example(const struct source *s, size_t i, const char *place, int32_t *ids, uint8_t *types,
                           struct tokens *t)
{
    const json_t *from = field(s, i, "input_ids", "ids"), *type = field(s, i, "token_type_ids", NULL);
    size_t n = json_array_size(from), at = t->offset[i];
    for (size_t k = 0; k < n; k++) {
        const json_t *id = json_array_get(from, k), *ty = json_array_get(type, k);
        FAIL_IF(!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX, ST_INPUT,
                "%s: example %zu: token %zu is no id", place, i, k);
        ids[at + k] = (int32_t)json_integer_value(id);
        types[at + k] = ty ? (uint8_t)json_integer_value(ty) : 0;
    }
    return ST_OK;
}

status golden_examples(const json_t *root, const char *place, struct arena *a, struct tokens *t)
{
    struct source s = {root, json_is_array(root)};
    size_t n = json_array_size(s.rows ? root : json_object_get(root, "ids"));
    uint64_t *offset;
    int32_t *ids;
    uint8_t *types;
    float *label;
    FAIL_IF(n == 0, ST_INPUT, "%s: no examples", place);
    *t = (struct tokens){.n = (int)n};
    NEW(offset, a, n + 1);
    NEW(label, a, n);
    offset[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = json_array_size(field(&s, i, "input_ids", "ids"));
        offset[i + 1] = offset[i] + length;
        if ((int)length > t->longest) t->longest = (int)length;
    }
    t->offset = offset;
    NEW(ids, a, offset[n]);
    NEW(types, a, offset[n]);
    int labelled = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *l = field(&s, i, "label", "labels");
        TRY(copy_example(&s, i, place, ids, types, t));
        label[i] = (float)json_number_value(l);
        labelled += json_is_number(l);
    }
    t->ids = ids;
    t->types = types;
    t->label = labelled == t->n ? label : NULL;
    return ST_OK;
}
