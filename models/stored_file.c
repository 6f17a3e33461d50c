/* Writing and mapping stored weights. See stored_file.h. */
#include <stdio.h>
#include <string.h>
#include "core/text.h"
#include "models/parts.h"
#include "models/stored_file.h"

static const char description_name[] = "peftgrid.store";

static status describe(const struct model *m, const struct store *store, const void *options, struct text *t)
{
    TRY(text_printf(t, "peftgrid store 1\nmodel=%s\nstore=%s\n", m->hash, store->name));
    return store->options ? option_canonical(store->options, options, store->name, t) : ST_OK;
}

static status can_be_kept(const struct store *store)
{
    FAIL_IF(!store->parts, ST_UNSUPPORTED, "weights of the store %s are not kept in files", store->name);
    return ST_OK;
}

/* ---- writing ---- */

struct list {
    struct tensor_out *t;
    int count;
};

/* Floats come first in the file, so that they are aligned where it is mapped. */
static status add_site(const struct model *m, const struct site *s, const struct store *store, const void *options,
                       bool floats, struct list *l)
{
    struct store_part part[STORE_PARTS];
    const void *data[STORE_PARTS];
    int n = store->parts(options, s->w.rows, s->w.cols, part);
    store->save(&s->w, data);
    for (int k = 0; k < n; k++) {
        if ((part[k].dtype == DT_F32) != floats) continue;
        struct tensor_out *t = &l->t[l->count++];
        *t = (struct tensor_out){.dtype = part[k].dtype, .dims = 1, .shape = {(int64_t)part[k].n}, .data = data[k]};
        if (!(t->name = arena_printf(m->arena, "%s.weight.%s", s->name, part[k].name))) return ST_MEMORY;
    }
    return ST_OK;
}

static status write_all(struct model *m, const struct store *store, const void *options, const struct text *about,
                        const char *path)
{
    struct list l = {0};
    NEW(l.t, m->arena, m->sites * STORE_PARTS + 1);
    for (int floats = 1; floats >= 0; floats--)
        for (int i = 0; i < m->sites; i++)
            if (model_stores_site(m->site[i]) && !param_trained(m->site[i]->weight))
                TRY(add_site(m, m->site[i], store, options, floats, &l));
    l.t[l.count++] = (struct tensor_out){
        .name = description_name, .dtype = DT_U8, .dims = 1, .shape = {(int64_t)about->n}, .data = about->s};
    return safetensors_write(path, l.t, l.count, NULL);
}

status store_file_write(struct model *m, const struct store *store, const void *options, const char *path)
{
    struct arena_mark mark = arena_mark(m->arena);
    struct text about = {0};
    TRY(can_be_kept(store));
    TRY(model_store_options(m, store, &options));
    status st = describe(m, store, options, &about);
    if (st == ST_OK) st = write_all(m, store, options, &about, path);
    text_free(&about);
    arena_reset(m->arena, mark);
    return st;
}

/* ---- mapping ---- */

static status check_description(const struct model *m, const struct store *store, const void *options)
{
    struct text about = {0};
    const struct tensor *t = checkpoint_find(&m->kept, description_name);
    FAIL_IF(!t || t->dtype != DT_U8, ST_INPUT, "%s: no file of stored weights", m->kept.path);
    status st = describe(m, store, options, &about);
    if (st == ST_OK && (tensor_size(t) != about.n || memcmp(t->data, about.s, about.n) != 0))
        st = fail(ST_INPUT, "%s: it holds weights of another model, store or options; expected %.*s", m->kept.path,
                  (int)(about.n ? about.n - 1 : 0), about.s);
    text_free(&about);
    return st;
}

static status map_site(struct model *m, struct site *s, const struct store *store, const void *options)
{
    struct store_part part[STORE_PARTS];
    const void *data[STORE_PARTS] = {0};
    char name[512];
    int n = store->parts(options, s->out, s->in, part);
    for (int k = 0; k < n; k++) {
        snprintf(name, sizeof name, "%s.weight.%s", s->name, part[k].name);
        const struct tensor *t = checkpoint_find(&m->kept, name);
        FAIL_IF(!t, ST_INPUT, "%s: the tensor '%s' is missing", m->kept.path, name);
        FAIL_IF(t->dtype != part[k].dtype || tensor_size(t) != part[k].n, ST_INPUT,
                "%s: the tensor '%s' has %zu values of type %s, expected %zu of type %s", m->kept.path, name,
                tensor_size(t), dtype_name(t->dtype), part[k].n, dtype_name(part[k].dtype));
        FAIL_IF(t->dtype == DT_F32 && (uintptr_t)t->data % sizeof(float) != 0, ST_INPUT,
                "%s: the tensor '%s' is not aligned", m->kept.path, name);
        data[k] = t->data;
    }
    return store->map(options, s->out, s->in, data, m->arena, &s->w);
}

static status map_all(struct model *m, const struct store *store, const void *options)
{
    TRY(check_description(m, store, options));
    for (int i = 0; i < m->sites; i++) {
        struct site *s = m->site[i];
        if (!model_stores_site(s)) continue;
        s->w = param_source(s->weight);
        if (!param_trained(s->weight)) TRY(map_site(m, s, store, options));
    }
    return ST_OK;
}

status store_file_map(struct model *m, const struct store *store, const void *options, const char *path)
{
    TRY(can_be_kept(store));
    FAIL_IF(m->kept.path, ST_INTERNAL, "%s: stored weights are mapped already", path);
    TRY(model_store_options(m, store, &options));
    TRY(checkpoint_open(path, m->arena, &m->kept));
    return map_all(m, store, options);
}
