/* The objects of a weight file's pickle: known names, storages, tensors. See pickle.h. */
#include "models/pickle_machine.h"

#include <ctype.h>
#include <string.h>
#include "core/text.h"

static const struct {
    const char *module, *name;
    enum pickle_global id;
    enum dtype dtype;
} known[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, DT_F32},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR, DT_F32},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, DT_F32},
    {"torch", "FloatStorage", GLOBAL_STORAGE_TYPE, DT_F32},
    {"torch", "HalfStorage", GLOBAL_STORAGE_TYPE, DT_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE_TYPE, DT_BF16},
    {"torch", "DoubleStorage", GLOBAL_STORAGE_TYPE, DT_F64},
    {"torch", "LongStorage", GLOBAL_STORAGE_TYPE, DT_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE_TYPE, DT_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE_TYPE, DT_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE_TYPE, DT_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE_TYPE, DT_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE_TYPE, DT_BOOL},
};

/* At most 60 bytes of a name from the file, unprintable ones as '?', for a message. */
static const char *shown(char buf[64], const char *s, size_t n)
{
    if (n > 60) n = 60;
    for (size_t i = 0; i < n; i++) buf[i] = isprint((unsigned char)s[i]) ? s[i] : '?';
    buf[n] = '\0';
    return buf;
}

static int same(const char *s, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(s, word, n) == 0;
}

static status push_global(struct machine *m, const char *module, size_t nm, const char *name, size_t nn)
{
    struct pickle_value *v;
    char a[64], b[64];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!same(module, nm, known[i].module) || !same(name, nn, known[i].name)) continue;
        TRY(machine_push_new(m, PICKLE_GLOBAL, &v));
        v->global.id = known[i].id;
        v->global.dtype = known[i].dtype;
        return ST_OK;
    }
    return fail(ST_INPUT, "%s: the pickle names '%s.%s', which no weight file needs; refused, nothing was run",
                m->owner->file, shown(a, module, nm), shown(b, name, nn));
}

status object_line_global(struct machine *m)
{
    const unsigned char *module, *name;
    size_t nm, nn;
    TRY(machine_line(m, &module, &nm));
    TRY(machine_line(m, &name, &nn));
    return push_global(m, (const char *)module, nm, (const char *)name, nn);
}

status object_stack_global(struct machine *m)
{
    struct pickle_value *name, *module;
    TRY(machine_pop(m, &name));
    TRY(machine_pop(m, &module));
    if (name->kind != PICKLE_STRING || module->kind != PICKLE_STRING) return broken(m, "a name that is no string");
    return push_global(m, module->text.s, module->text.n, name->text.s, name->text.n);
}

struct pickle_storage *pickle_storage_find(const struct pickle *owner, const char *key)
{
    struct pickle_storage *s = owner->bucket[text_hash64(key) % PICKLE_BUCKETS];
    while (s && strcmp(s->key, key) != 0) s = s->same_bucket;
    return s;
}

/* BINPERSID: ('storage', torch.FloatStorage, key, location, elements[, None]). */
status object_persistent(struct machine *m)
{
    struct pickle_value *id, *v;
    struct pickle *owner = m->owner;
    TRY(machine_pop(m, &id));
    struct pickle_value **e = id->seq.v;
    if (id->kind != PICKLE_TUPLE || id->seq.n < 5 || e[0]->kind != PICKLE_STRING ||
        strcmp(e[0]->text.s, "storage") != 0 || e[1]->kind != PICKLE_GLOBAL || e[1]->global.id != GLOBAL_STORAGE_TYPE ||
        e[2]->kind != PICKLE_STRING || e[4]->kind != PICKLE_INT)
        return broken(m, "an outside object that is no storage");
    if (id->seq.n > 5 && e[5]->kind != PICKLE_NONE) return broken(m, "a storage that is part of another one");
    const char *key = e[2]->text.s;
    if (strlen(key) != e[2]->text.n || e[2]->text.n == 0) return broken(m, "a storage without a proper key");
    if (e[4]->i < 0) return broken(m, "a storage with a negative size");
    struct pickle_storage *s = pickle_storage_find(owner, key);
    if (!s) {
        struct pickle_storage **bucket = &owner->bucket[text_hash64(key) % PICKLE_BUCKETS];
        ZNEW(s, owner->arena, 1);
        *s = (struct pickle_storage){
            .key = key, .dtype = e[1]->global.dtype, .count = e[4]->i, .next = owner->first, .same_bucket = *bucket};
        owner->first = *bucket = s;
    }
    if (s->dtype != e[1]->global.dtype || s->count != e[4]->i)
        return broken(m, "two descriptions of one storage differ");
    TRY(machine_push_new(m, PICKLE_STORAGE, &v));
    v->storage = s;
    return ST_OK;
}

static int take_ints(const struct pickle_value *v, int64_t out[TENSOR_DIMS])
{
    if (v->kind != PICKLE_TUPLE || v->seq.n > TENSOR_DIMS) return -1;
    for (size_t i = 0; i < v->seq.n; i++) {
        if (v->seq.v[i]->kind != PICKLE_INT) return -1;
        out[i] = v->seq.v[i]->i;
    }
    return (int)v->seq.n;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
static status rebuild_tensor(struct machine *m, const struct pickle_value *args)
{
    struct pickle_value *v, **a = args->seq.v;
    struct pickle_tensor *t;
    if (args->seq.n < 4 || a[0]->kind != PICKLE_STORAGE || a[1]->kind != PICKLE_INT)
        return broken(m, "a tensor without storage and offset");
    ZNEW(t, m->owner->arena, 1);
    t->storage = a[0]->storage;
    t->offset = a[1]->i;
    t->dims = take_ints(a[2], t->shape);
    if (t->dims < 0 || take_ints(a[3], t->stride) != t->dims) return broken(m, "a tensor without shape and strides");
    TRY(machine_push_new(m, PICKLE_TENSOR, &v));
    v->tensor = t;
    return ST_OK;
}

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static status ordered_dict(struct machine *m, const struct pickle_value *args)
{
    struct pickle_value *v;
    TRY(machine_push_new(m, PICKLE_DICT, &v));
    if (args->seq.n == 0) return ST_OK;
    const struct pickle_value *pairs = args->seq.v[0];
    if (args->seq.n != 1 || pairs->kind != PICKLE_LIST) return broken(m, "an OrderedDict of something else than pairs");
    for (size_t i = 0; i < pairs->seq.n; i++) {
        const struct pickle_value *pair = pairs->seq.v[i];
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->seq.n != 2)
            return broken(m, "an OrderedDict of something else than pairs");
        TRY(machine_add(m, v, pair->seq.v, 2));
    }
    return ST_OK;
}

status object_reduce(struct machine *m)
{
    struct pickle_value *args, *f;
    TRY(machine_pop(m, &args));
    TRY(machine_pop(m, &f));
    if (f->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) return broken(m, "a call of something that is no name");
    switch (f->global.id) {
    case GLOBAL_ORDERED_DICT: return ordered_dict(m, args);
    case GLOBAL_REBUILD_TENSOR: return rebuild_tensor(m, args);
    case GLOBAL_REBUILD_PARAMETER:
        if (args->seq.n < 1 || args->seq.v[0]->kind != PICKLE_TENSOR) return broken(m, "a parameter of no tensor");
        return machine_push(m, args->seq.v[0]);
    default: return broken(m, "a call of a storage type");
    }
}

status object_build(struct machine *m)
{
    struct pickle_value *state, *object;
    TRY(machine_pop(m, &state));
    TRY(machine_top(m, &object));
    return object->kind == PICKLE_DICT || object->kind == PICKLE_TENSOR ? ST_OK
                                                                        : broken(m, "a state for a plain value");
}
