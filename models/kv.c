/* Kept key and value rows. See kv.h. */
#include "models/kv.h"

#include <string.h>
#include "models/model.h"

status kv_new(const struct model *m, int cap, struct arena *arena, struct kv **out)
{
    const struct model_config *c = &m->config;
    struct kv *kv;
    FAIL_IF(c->family != FAMILY_PHI && c->family != FAMILY_QWEN2 && c->family != FAMILY_LLAMA, ST_UNSUPPORTED,
            "models of the type '%s' do not go on from kept tokens", family_name(c->family));
    FAIL_IF(cap < 1, ST_INTERNAL, "room for %d tokens", cap);
    ZNEW(kv, arena, 1);
    kv->layers = c->layers;
    kv->width = c->kv_heads * c->head_dim;
    kv->cap = cap;
    size_t all = (size_t)kv->layers * (size_t)cap * (size_t)kv->width;
    NEW(kv->k, arena, all);
    NEW(kv->v, arena, all);
    *out = kv;
    return ST_OK;
}

static struct mat rows_of(const struct kv *kv, real *all, int layer)
{
    return mat_of(all + (size_t)layer * (size_t)kv->cap * (size_t)kv->width, kv->rows, kv->width);
}

struct mat kv_keys(const struct kv *kv, int layer)
{
    return rows_of(kv, kv->k, layer);
}

struct mat kv_values(const struct kv *kv, int layer)
{
    return rows_of(kv, kv->v, layer);
}

status kv_copy(const struct kv *from, struct kv *to)
{
    size_t bytes = sizeof(real) * (size_t)from->rows * (size_t)from->width;
    FAIL_IF(from->layers != to->layers || from->width != to->width, ST_INTERNAL, "kept rows of another model");
    FAIL_IF(from->rows > to->cap, ST_INTERNAL, "%d kept rows do not fit into room for %d", from->rows, to->cap);
    to->rows = from->rows;
    for (int i = 0; i < from->layers; i++) {
        memcpy(kv_keys(to, i).a, kv_keys(from, i).a, bytes);
        memcpy(kv_values(to, i).a, kv_values(from, i).a, bytes);
    }
    return ST_OK;
}
