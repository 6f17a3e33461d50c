/* Our own adapter files, and putting any file's tensors into a session. What other programs call things is in
 * adapter_foreign.c. */
#include "bench/adapter.h"

#include <string.h>
#include "bench/adapter_names.h"
#include "bench/preset.h"
#include "core/text.h"

/* ---- saving ---- */

static bool kept(const struct param *p)
{
    return p->cls == P_ADAPTER || p->cls == P_STATE || p->cls == P_HEAD || (p->cls == P_BASE && param_trained(p));
}

size_t adapter_bytes(const struct session *s)
{
    size_t n = 0;
    for (int i = 0; i < s->reg.count; i++)
        if (kept(s->reg.list[i])) n += param_size(s->reg.list[i]);
    return n * sizeof(real);
}

/* A row that stands for a vector (all our [1, n] tensors but those of low-rank factors with one row) keeps the shape
 * that the checkpoint has: names of biases and norms are vectors there. */
static bool is_vector(const struct param *p)
{
    return p->rows == 1 && p->cls != P_ADAPTER && (strstr(p->name, "bias") || p->decay == 0);
}

static struct tensor_out tensor_of(const struct param *p)
{
    struct tensor_out t = {.name = p->name, .dtype = sizeof(real) == 8 ? DT_F64 : DT_F32, .data = p->data};
    t.dims = is_vector(p) ? 1 : 2;
    t.shape[0] = is_vector(p) ? p->cols : p->rows;
    t.shape[1] = p->cols;
    return t;
}

static status write_tensors(const struct session *s, const char *path, const char *const *meta, struct arena *arena)
{
    struct tensor_out *out;
    int n = 0;
    NEW(out, arena, s->reg.count + 1);
    for (int i = 0; i < s->reg.count; i++)
        if (kept(s->reg.list[i])) out[n++] = tensor_of(s->reg.list[i]);
    return safetensors_write(path, out, n, meta);
}

/* The options of everything that has some, as lines. */
struct option_texts {
    struct text method, store, arith;
};

static status save(const struct session *s, const char *path, const char *task, int max_len, struct option_texts *t,
                   struct arena *arena)
{
    const struct method *m = s->run.method;
    const struct store *store = s->store;
    if (m->options) TRY(option_canonical(m->options, s->run.options, m->name, &t->method));
    if (s->store_options) TRY(option_canonical(store->options, s->store_options, store->name, &t->store));
    if (s->arith->options) TRY(option_canonical(s->arith->options, s->arith_options, s->arith->name, &t->arith));
    const char *labels = arena_printf(arena, "%d", s->model->num_labels);
    const char *length = arena_printf(arena, "%d", max_len);
    const char *seed = arena_printf(arena, "%llu", (unsigned long long)s->rng.seed);
    if (!labels || !length || !seed) return ST_MEMORY;
    const char *options_text = t->method.s ? t->method.s : "", *store_text = t->store.s ? t->store.s : "";
    const char *const meta[] = {META_METHOD, m->name, META_OPTIONS, options_text, META_STORE, store->name,
                                META_STORE_OPTIONS, store_text, META_PRECISION, s->arith->name, META_TASK, task,
                                META_MODEL, s->model->hash, META_LABELS, labels, META_MAX_LEN, length, META_SEED, seed,
                                /* last, since most have none */
                                t->arith.s ? META_PRECISION_OPTIONS : NULL, t->arith.s, NULL};
    return write_tensors(s, path, meta, arena);
}

status adapter_save(const struct session *s, const char *path, const char *task, int max_len)
{
    struct option_texts t = {0};
    struct arena *arena = arena_new("saving an adapter");
    status st = arena ? save(s, path, task, max_len, &t, arena) : ST_MEMORY;
    text_free(&t.method);
    text_free(&t.store);
    text_free(&t.arith);
    arena_free(arena);
    return st;
}

/* ---- the method of a file ---- */

status adapter_options(const char *lines, const char *where, const struct option *table, void *options,
                       struct arena *arena)
{
    char *rest = NULL, *copy = arena_strdup(arena, lines);
    if (!copy) return ST_MEMORY;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        FAIL_IF(!value, ST_INPUT, "%s: '%s' in its options is no name=value", where, line);
        *value++ = 0;
        const char *dot = strchr(line, '.');
        TRY(option_set(table, options, dot ? dot + 1 : line, value, where, arena));
    }
    return ST_OK;
}

status adapter_method(const struct adapter_info *info, const char *where, const struct method **method, void **options,
                      struct arena *arena)
{
    struct preset preset;
    *options = NULL;
    FAIL_IF(!info->method, ST_INPUT, "%s does not say which method it belongs to", where);
    *method = method_find(info->method);
    FAIL_IF(!*method, ST_UNSUPPORTED, "%s was made with the method '%s', which this build does not have", where,
            info->method);
    TRY(preset_resolve(*method, arena, &preset));
    *method = preset.method;
    const struct option *table = preset.method->options;
    TRY(preset_options(&preset, table, preset.method->option_size, arena, options));
    return table && info->options ? adapter_options(info->options, where, table, *options, arena) : ST_OK;
}

/* ---- loading ---- */

struct loading {
    struct session *s;
    enum adapter_use use;
    bool *filled;      /* [reg.count] */
    bool base_changed; /* a frozen base tensor has new values: stores must be built anew */
    struct arena *arena;
};

/* The tensor of the session that a file's tensor is meant for: one of the same name, or one the method recognises. */
static struct param *target_of(struct session *s, const char *name, bool *transpose)
{
    struct param *p = param_find(&s->reg, name);
    *transpose = false;
    if (!p && s->run.method->foreign) p = s->run.method->foreign(&s->run, name, transpose);
    return p;
}

/* The same under the names that a model class of another program gives: with and without the model's prefix. */
static struct param *find_target(const struct loading *l, const char *name, bool *transpose)
{
    const char *bare = adapter_bare_name(name), *prefix = family_name(l->s->model->config.family);
    struct param *p = target_of(l->s, bare, transpose);
    const char *dot = strchr(bare, '.');
    if (!p && dot && strcspn(prefix, "-") == (size_t)(dot - bare) && strncmp(bare, prefix, (size_t)(dot - bare)) == 0)
        p = target_of(l->s, dot + 1, transpose);
    if (!p) {
        const char *longer = arena_printf(l->arena, "%.*s.%s", (int)strcspn(prefix, "-"), prefix, bare);
        if (longer) p = target_of(l->s, longer, transpose);
    }
    return p;
}

static bool shape_fits(const struct tensor *t, const struct param *p, bool transpose)
{
    int64_t rows = t->dims == 2 ? t->shape[0] : 1, cols = t->dims == 2 ? t->shape[1] : t->dims == 1 ? t->shape[0] : 0;
    if (t->dims == 1 && p->cols == 1 && p->rows == cols) return true;
    return transpose ? rows == p->cols && cols == p->rows : rows == p->rows && cols == p->cols;
}

static status tensor_values(const struct tensor *t, real *out, size_t n)
{
#ifdef PG_DOUBLE
    return tensor_to_f64(t, out, n);
#else
    return tensor_to_f32(t, out, n);
#endif
}

static status fill(struct loading *l, const struct tensor *t, struct param *p, bool transpose)
{
    struct arena_mark mark = arena_mark(l->arena);
    real *values;
    TRY(param_load(&l->s->reg, p));
    NEW(values, l->arena, param_size(p));
    TRY(tensor_values(t, values, param_size(p)));
    for (int r = 0; r < p->rows; r++)
        for (int c = 0; c < p->cols; c++)
            p->data[(size_t)r * (size_t)p->cols + (size_t)c] = transpose
                                                                   ? values[(size_t)c * (size_t)p->rows + (size_t)r]
                                                                   : values[(size_t)r * (size_t)p->cols + (size_t)c];
    param_touch(p);
    if (p->cls == P_BASE && !param_trained(p)) l->base_changed = true;
    arena_reset(l->arena, mark);
    return ST_OK;
}

static int place_of(const struct registry *reg, const struct param *p)
{
    int i = 0;
    while (reg->list[i] != p) i++;
    return i;
}

/* Whether the method has put something made of this weight in its place. */
static bool was_taken(const struct session *s, const struct param *p)
{
    for (int i = 0; i < s->run.sites; i++)
        if (s->run.site[i]->weight == p && s->run.site[i]->own_weight) return true;
    return false;
}

static status load_tensor(struct loading *l, const struct tensor *t)
{
    bool transpose;
    if (adapter_ignores(t->name)) return ST_OK;
    struct param *p = find_target(l, t->name, &transpose);
    FAIL_IF(p && was_taken(l->s, p), ST_UNSUPPORTED,
            "%s: tensor '%s' is a base weight, but method %s has already made its own of the model's", t->file, t->name,
            l->s->run.method->name);
    FAIL_IF(!p || p->cls == P_CONST, ST_INPUT, "%s: tensor '%s' belongs to nothing in this model with method %s",
            t->file, t->name, l->s->run.method->name);
    if (!shape_fits(t, p, transpose)) {
        FAIL_IF(l->use == ADAPTER_EXACT || p->cls != P_HEAD, ST_INPUT,
                "%s: tensor '%s' does not have the %d x %d values that %s needs", t->file, t->name, p->rows, p->cols,
                p->name);
        notice("%s: '%s' has another shape here and keeps its own start", t->file, t->name);
        return ST_OK;
    }
    int place = place_of(&l->s->reg, p);
    FAIL_IF(l->filled[place], ST_INPUT, "%s: two tensors are meant for %s, one of them '%s'", t->file, p->name,
            t->name);
    l->filled[place] = true;
    return fill(l, t, p, transpose);
}

static status check_complete(const struct loading *l, const char *path)
{
    for (int i = 0; i < l->s->reg.count; i++) {
        const struct param *p = l->s->reg.list[i];
        if (!kept(p) || l->filled[i] || (l->use == ADAPTER_START && p->cls == P_HEAD)) continue;
        return fail(ST_INPUT, "%s: the values of %s are missing", path, p->name);
    }
    return ST_OK;
}

/* Products read weights through their sites: frozen tensors that got new values must be read from their copies. */
static status renew_weights(struct session *s)
{
    for (int i = 0; i < s->run.sites; i++) {
        struct site *site = s->run.site[i];
        if (site->weight && site->weight->data && !site->own_weight)
            site->w = wsrc_dense(site->weight->data, site->out, site->in);
    }
    return model_build_stores(s->model, s->store, s->store_options);
}

static status load(struct loading *l, const char *path)
{
    struct checkpoint c;
    const char *file;
    TRY(adapter_weight_file(path, l->arena, &file));
    ZNEW(l->filled, l->arena, l->s->reg.count + 1);
    TRY(checkpoint_open(file, l->arena, &c));
    status st = ST_OK;
    for (int i = 0; st == ST_OK && i < c.count; i++) st = load_tensor(l, &c.tensor[i]);
    if (st == ST_OK) st = check_complete(l, file);
    checkpoint_close(&c);
    return st == ST_OK && l->base_changed ? renew_weights(l->s) : st;
}

status adapter_load(struct session *s, const char *path, enum adapter_use use)
{
    struct loading l = {.s = s, .use = use, .arena = arena_new("loading an adapter")};
    status st = l.arena ? load(&l, path) : ST_MEMORY;
    arena_free(l.arena);
    return st;
}
