#include "core/param.h"

#include <limits.h>
#include <string.h>
#include "core/ops.h"

enum { FIRST_CAPACITY = 64 };

status registry_init(struct registry *r, struct arena *arena)
{
    *r = (struct registry){.arena = arena};
    return ST_OK;
}

struct param *param_find(const struct registry *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->list[i]->name, name) == 0) return r->list[i];
    return NULL;
}

static status registry_grow(struct registry *r)
{
    if (r->count < r->cap) return ST_OK;
    int cap = r->cap ? 2 * r->cap : FIRST_CAPACITY;
    struct param **list;
    NEW(list, r->arena, cap);
    if (r->count) memcpy(list, r->list, sizeof *list * (size_t)r->count);
    r->list = list;
    r->cap = cap;
    return ST_OK;
}

/* Decay groups of METHODS 3.0: biases and gains of norms are not decayed. */
static double default_decay(const char *name)
{
    return strstr(name, "bias") || strstr(name, "LayerNorm") || strstr(name, "norm.") ? 0.0 : 1.0;
}

static status add(struct registry *r, enum param_class cls, const char *name, int rows, int cols, int order,
                  struct param **out)
{
    struct param *p;
    FAIL_IF(param_find(r, name), ST_INTERNAL, "the tensor '%s' is registered twice", name);
    FAIL_IF(rows < 1 || cols < 1, ST_INTERNAL, "the tensor '%s' has the impossible shape %d x %d", name, rows, cols);
    TRY(registry_grow(r));
    ZNEW(p, r->arena, 1);
    p->name = arena_strdup(r->arena, name);
    if (!p->name) return ST_MEMORY;
    p->cls = cls;
    p->rows = rows;
    p->cols = cols;
    p->order = order;
    p->lr = 1.0;
    p->decay = default_decay(name);
    p->hi = rows;
    p->right = cols;
    r->list[r->count++] = p;
    *out = p;
    return ST_OK;
}

status param_add(struct registry *r, enum param_class cls, const char *name, int rows, int cols, int order,
                 struct param **out)
{
    struct param *p;
    TRY(add(r, cls, name, rows, cols, order, &p));
    ZNEW(p->data, r->arena, param_size(p));
    if (cls == P_HEAD || cls == P_ADAPTER) ZNEW(p->grad, r->arena, param_size(p));
    *out = p;
    return ST_OK;
}

status param_add_base(struct registry *r, const char *name, struct wsrc src, int order, struct param **out)
{
    struct param *p;
    TRY(add(r, P_BASE, name, src.rows, src.cols, order, &p));
    p->src = src;
    *out = p;
    return ST_OK;
}

status param_load(struct registry *r, struct param *p)
{
    if (p->data) return ST_OK;
    real *data;
    NEW(data, r->arena, param_size(p));
    p->src.tile(&p->src, 0, p->rows, 0, p->cols, data, p->cols);
    p->data = data;
    return ST_OK;
}

status param_thaw(struct registry *r, struct param *p)
{
    TRY(param_load(r, p));
    if (p->grad) return ST_OK;
    if (p->by_rows) ZNEW(p->reached, r->arena, p->rows);
    p->grad = arena_zalloc_sparse(r->arena, sizeof *p->grad * param_size(p));
    return p->grad ? ST_OK : ST_MEMORY;
}

void param_reach(struct param *p, const int32_t *row, int n)
{
    for (int i = 0; p->reached && i < n; i++) p->reached[row[i]] = 1;
}

void param_reach_all(struct param *p)
{
    p->reached = NULL;
}

static void zero_grad(const struct param *p)
{
    struct mat all = mat_of(p->grad, p->rows, p->cols);
    if (!p->reached) op_zero(&all);
    for (int r = 0; p->reached && r < p->rows; r++)
        if (p->reached[r]) memset(mat_row(&all, r), 0, sizeof *p->grad * (size_t)p->cols);
}

void param_zero_grads(struct registry *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->list[i]->grad) zero_grad(r->list[i]);
}

int param_lowest_trained(const struct registry *r)
{
    int lowest = INT_MAX;
    for (int i = 0; i < r->count; i++)
        if (r->list[i]->grad && r->list[i]->order < lowest) lowest = r->list[i]->order;
    return lowest;
}

size_t param_count(const struct registry *r, enum param_class cls, bool trained_only)
{
    size_t n = 0;
    for (int i = 0; i < r->count; i++)
        if (r->list[i]->cls == cls && (!trained_only || r->list[i]->grad)) n += param_size(r->list[i]);
    return n;
}

void param_touch(struct param *p)
{
    p->version++;
}
