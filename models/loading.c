/* Tensors and sites from a checkpoint. See loading.h. */
#include "models/loading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/rng.h"
#include "core/text.h"
#include "models/early_phi.h"

enum { NAME_MAX_BYTES = 512, LAYER_NAME_BYTES = NAME_MAX_BYTES - 16 /* ".weight" comes behind it */ };

/* ---- finding ---- */

/* Old names of LayerNorm tensors: "...LayerNorm.weight" was "...LayerNorm.gamma", ".bias" ".beta". 0: not such a name.
 */
static int old_norm_name(const char *name, char *out, size_t n)
{
    static const char *const ends[2][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                           {"LayerNorm.bias", "LayerNorm.beta"}};
    size_t len = strlen(name);
    for (int i = 0; i < 2; i++) {
        size_t end = strlen(ends[i][0]);
        if (len >= end && strcmp(name + len - end, ends[i][0]) == 0)
            return snprintf(out, n, "%.*s%s", (int)(len - end), name, ends[i][1]) < (int)n;
    }
    return 0;
}

static bool has_checkpoint(const struct loader *l)
{
    return !l->model->spec.random && !l->model->spec.shape;
}

static const struct tensor *find(const struct loader *l, const char *name)
{
    char old[NAME_MAX_BYTES];
    size_t prefix = strlen(l->prefix);
    if (!has_checkpoint(l)) return NULL;
    const char *names[2] = {name, old_norm_name(name, old, sizeof old) ? old : NULL};
    for (int i = 0; i < 2 && names[i]; i++) {
        const struct tensor *t = checkpoint_find(&l->model->ckpt, names[i]);
        if (!t && strncmp(names[i], l->prefix, prefix) == 0) t = checkpoint_find(&l->model->ckpt, names[i] + prefix);
        if (t) return t;
    }
    return NULL;
}

/* The tensor in the layout of Phi's first release; *part: see early_phi.h. */
static const struct tensor *find_early(const struct loader *l, const char *name, int *part)
{
    char early[NAME_MAX_BYTES];
    bool known = l->model->config.early_phi && has_checkpoint(l) && early_phi_name(name, early, sizeof early, part);
    return known ? checkpoint_find(&l->model->ckpt, early) : NULL;
}

bool loader_has(const struct loader *l, const char *name)
{
    return find(l, name) != NULL;
}

int loader_rows(const struct loader *l, const char *name)
{
    const struct tensor *t = find(l, name);
    return t && t->dims > 0 && t->shape[0] > 0 && t->shape[0] < INT32_MAX ? (int)t->shape[0] : 0;
}

/* ---- checking ---- */

static void shape_text(const struct tensor *t, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, "[");
    for (int i = 0; i < t->dims && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%s%" PRId64, i ? ", " : "", t->shape[i]);
    if (at < n) snprintf(out + at, n - at, "]");
}

static status check(const struct tensor *t, int rows, int cols)
{
    bool vector = rows == 1 && t->dims == 1 && t->shape[0] == cols;
    bool matrix = t->dims == 2 && t->shape[0] == rows && t->shape[1] == cols;
    char has[128], wanted[64];
    if (!vector && !matrix) {
        shape_text(t, has, sizeof has);
        if (rows == 1)
            snprintf(wanted, sizeof wanted, "[%d]", cols);
        else
            snprintf(wanted, sizeof wanted, "[%d, %d]", rows, cols);
        return fail(ST_INPUT, "%s: the tensor '%s' has the shape %s, expected %s", t->file, t->name, has, wanted);
    }
    bool numbers = t->dtype == DT_F32 || t->dtype == DT_F16 || t->dtype == DT_BF16 || t->dtype == DT_F64;
    FAIL_IF(!numbers, ST_INPUT, "%s: the tensor '%s' has the type %s, expected F32, F16, BF16 or F64", t->file, t->name,
            dtype_name(t->dtype));
    return ST_OK;
}

/* A third of the rows of a tensor that holds query, key and value one below the other; a bias has one dimension. */
static status third(const struct tensor *t, int part, int rows, int cols, struct tensor *out)
{
    TRY(rows == 1 ? check(t, 1, 3 * cols) : check(t, 3 * rows, cols));
    *out = *t;
    out->shape[0] /= 3;
    out->data += (int64_t)part * out->shape[0] * t->stride[0] * dtype_bytes(t->dtype);
    return ST_OK;
}

/* The tensor, checked and marked as used, as a source. */
static status source(struct loader *l, const char *name, int rows, int cols, struct wsrc *src)
{
    struct tensor view;
    int part = -1;
    const struct tensor *t = find(l, name);
    if (!t && (t = find_early(l, name, &part)) != NULL && part >= 0) {
        TRY(third(t, part, rows, cols, &view));
        TRY(tensor_source(&view, l->model->arena, src));
        l->used[t - l->model->ckpt.tensor] = true;
        return ST_OK;
    }
    FAIL_IF(!t, ST_INPUT, "%s: the tensor '%s' is missing", l->model->ckpt.path, name);
    TRY(check(t, rows, cols));
    TRY(tensor_source(t, l->model->arena, src));
    l->used[t - l->model->ckpt.tensor] = true;
    return ST_OK;
}

/* ---- tensors ---- */

static void fill(const struct loader *l, struct param *p, enum fill how)
{
    size_t n = param_size(p);
    if (how == FILL_NORMAL && !l->model->spec.shape)
        rng_fill_normal(l->model->spec.rng, p->name, p->data, n, 0, l->model->config.init_range);
    for (size_t i = 0; how == FILL_ONE && i < n; i++) p->data[i] = 1;
}

static void tile_zeros(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    (void)w, (void)r0, (void)c0;
    for (int r = 0; r < nr; r++) memset(dst + (size_t)r * (size_t)ld, 0, sizeof *dst * (size_t)nc);
}

/* The values of a model that is only a shape. */
static struct wsrc zeros(int rows, int cols)
{
    return (struct wsrc){.rows = rows, .cols = cols, .tile = tile_zeros, .bits = 32};
}

status load_base(struct loader *l, const char *name, int rows, int cols, int order, enum fill how, struct param **out)
{
    struct registry *reg = l->model->reg;
    if (l->model->spec.shape) {
        TRY(param_add_base(reg, name, zeros(rows, cols), order, out));
        return rows == 1 ? param_load(reg, *out) : ST_OK;
    }
    if (l->model->spec.random) {
        TRY(param_add(reg, P_BASE, name, rows, cols, order, out));
        fill(l, *out, how);
        return ST_OK;
    }
    struct wsrc src;
    TRY(source(l, name, rows, cols, &src));
    TRY(param_add_base(reg, name, src, order, out));
    return rows == 1 ? param_load(reg, *out) : ST_OK;
}

status load_rows(struct loader *l, const char *name, int rows, int order, struct param **out)
{
    TRY(load_base(l, name, rows, l->model->config.hidden, order, FILL_NORMAL, out));
    (*out)->by_rows = true;
    return ST_OK;
}

status load_head(struct loader *l, const char *name, int rows, int cols, int order, enum fill how, bool fresh,
                 bool trained, struct param **out)
{
    struct registry *reg = l->model->reg;
    if (!fresh && !trained) return load_base(l, name, rows, cols, order, how, out);
    TRY(param_add(reg, trained ? P_HEAD : P_BASE, name, rows, cols, order, out));
    struct param *p = *out;
    if (fresh) {
        fill(l, p, how);
        return ST_OK;
    }
    struct wsrc src;
    TRY(source(l, name, rows, cols, &src));
    src.tile(&src, 0, rows, 0, cols, p->data, cols);
    return ST_OK;
}

status load_norm(struct loader *l, const char *name, int size, double eps, int order, struct norm *n)
{
    char full[NAME_MAX_BYTES];
    n->eps = eps;
    n->who = text_hash32(name);
    snprintf(full, sizeof full, "%s.weight", name);
    TRY(load_base(l, full, 1, size, order, FILL_ONE, &n->gamma));
    snprintf(full, sizeof full, "%s.bias", name);
    return load_base(l, full, 1, size, order, FILL_ZERO, &n->beta);
}

status load_rms_norm(struct loader *l, const char *name, int size, double eps, int order, struct norm *n)
{
    char full[NAME_MAX_BYTES];
    *n = (struct norm){.eps = eps, .who = text_hash32(name)};
    snprintf(full, sizeof full, "%s.weight", name);
    return load_base(l, full, 1, size, order, FILL_ONE, &n->gamma);
}

/* ---- sites ---- */

static status site_new(struct loader *l, const char *name, struct site **out)
{
    struct model *m = l->model;
    struct site *s;
    ZNEW(s, m->arena, 1);
    if (!(s->name = arena_strdup(m->arena, name))) return ST_MEMORY;
    if ((m->sites & (m->sites - 1)) == 0) { /* full at every power of two */
        struct site **list;
        NEW(list, m->arena, m->sites ? 2 * m->sites : 1);
        if (m->sites) memcpy(list, m->site, sizeof *list * (size_t)m->sites);
        m->site = list;
    }
    s->index = m->sites;
    m->site[m->sites++] = s;
    *out = s;
    return ST_OK;
}

status load_linear(struct loader *l, const struct linear *d, struct site **out)
{
    char full[NAME_MAX_BYTES];
    struct site *s;
    bool base = !d->in_head, fresh = d->in_head && (d->fresh || !has_checkpoint(l));
    TRY(site_new(l, d->name, &s));
    s->kind = SITE_LINEAR;
    s->role = d->role;
    s->layer = d->layer;
    s->order = d->order;
    s->in = d->in;
    s->out = d->out;
    s->causal = family_is_decoder(l->model->config.family);
    snprintf(full, sizeof full, "%s.weight", d->name);
    TRY(base ? load_base(l, full, d->out, d->in, d->order, FILL_NORMAL, &s->weight)
             : load_head(l, full, d->out, d->in, d->order, FILL_NORMAL, fresh, d->trained, &s->weight));
    snprintf(full, sizeof full, "%s.bias", d->name);
    if (!d->plain)
        TRY(base ? load_base(l, full, 1, d->out, d->order, FILL_ZERO, &s->bias)
                 : load_head(l, full, 1, d->out, d->order, FILL_ZERO, fresh, d->trained, &s->bias));
    s->w = param_source(s->weight);
    *out = s;
    return ST_OK;
}

status load_point(struct loader *l, const char *name, enum role role, int layer, int order, int size, struct site **out)
{
    TRY(site_new(l, name, out));
    struct site *s = *out;
    s->kind = SITE_POINT;
    s->role = role;
    s->layer = layer;
    s->order = order;
    s->in = s->out = size;
    return ST_OK;
}

/* ---- parts of a block ---- */

static const char *layer_name(const struct layer_place *at, const char *name, char full[LAYER_NAME_BYTES])
{
    snprintf(full, LAYER_NAME_BYTES, "%s%s", at->prefix, name);
    return full;
}

status layer_linear(const struct layer_place *at, const char *name, enum role role, int in, int out, bool bias,
                    struct site **site)
{
    char full[LAYER_NAME_BYTES];
    const struct linear linear = {.name = layer_name(at, name, full),
                                  .role = role,
                                  .layer = at->layer,
                                  .order = 1 + at->layer,
                                  .in = in,
                                  .out = out,
                                  .plain = !bias};
    return load_linear(at->loader, &linear, site);
}

status layer_norm(const struct layer_place *at, const char *name, bool rms, struct norm *n)
{
    char full[LAYER_NAME_BYTES];
    const struct model_config *c = &at->loader->model->config;
    return (rms ? load_rms_norm : load_norm)(at->loader, layer_name(at, name, full), c->hidden, c->norm_eps,
                                             1 + at->layer, n);
}

status layer_point(const struct layer_place *at, enum role role, struct site **site)
{
    char full[LAYER_NAME_BYTES];
    return load_point(at->loader, layer_name(at, role_name(role), full), role, at->layer, 1 + at->layer,
                      at->loader->model->config.hidden, site);
}

struct drop layer_drop(const struct layer_place *at, const char *name, double p)
{
    char full[LAYER_NAME_BYTES];
    return (struct drop){p, text_hash32(layer_name(at, name, full))};
}

void loader_notice(const struct loader *l)
{
    const struct checkpoint *c = &l->model->ckpt;
    int skipped = 0, first = -1;
    for (int i = 0; i < c->count; i++)
        if (!l->used[i]) {
            if (first < 0) first = i;
            skipped++;
        }
    if (skipped == 1)
        notice("%s: the tensor '%s' is not part of this model and is skipped", c->path, c->tensor[first].name);
    else if (skipped > 1)
        notice("%s: %d tensors are not part of this model and are skipped ('%s' ... )", c->path, skipped,
               c->tensor[first].name);
}
