/* Sites: calls of linear layers and points, and choosing them by role or name. See site.h. */
#include "models/site.h"

#include <stdio.h>
#include <string.h>
#include "core/finish.h"
#include "core/gemm.h"
#include "core/lap.h"
#include "core/ops.h"
#include "core/text.h"
#include "models/parts.h"

static const char *const role_names[ROLES] = {"query", "key",     "value",  "attn_out",   "ffn_in",     "gate",
                                              "up",    "ffn_out", "pooler", "classifier", "after_attn", "after_ffn"};

const char *role_name(enum role r)
{
    return r < ROLES ? role_names[r] : "?";
}

int role_by_name(const char *name)
{
    for (int r = 0; r < ROLES; r++)
        if (strcmp(role_names[r], name) == 0) return r;
    return -1;
}

/* ---- calls ---- */

static status adapter_forward(struct use *u, const struct mat *x, struct mat *y)
{
    enum lap before = lap_begin(LAP_ADAPTERS);
    status st = u->site->ops->forward(u, x, y);
    lap_end(before);
    return st;
}

struct use site_use(struct pass *pass, struct site *site, enum use_kind kind, const uint32_t *row_key)
{
    return (struct use){.site = site, .pass = pass, .kind = kind, .row_key = row_key};
}

static const struct gemm_finish *take_finish(struct use *u)
{
    const struct gemm_finish *finish = u->finish;
    u->finish = NULL;
    return finish;
}

/* Whether the layer's own product, or a method's that says so, may take the model's finish along and set dx. */
static bool fuses(const struct use *u)
{
    const struct site_ops *ops = u->site->ops;
    return !ops || !ops->forward || ops->fused;
}

/* After a call: what nobody took along. */
static void finish_rest(struct use *u, const struct gemm_finish *finish, const struct mat *m)
{
    bool taken = fuses(u) && !take_finish(u);
    if (finish && !taken) finish_all(finish, m->rows, m->cols);
}

status site_forward_then(struct use *u, const struct mat *x, const struct gemm_finish *finish, struct mat *y)
{
    const struct site_ops *ops = u->site->ops;
    const struct products *products = u->pass->arith->products;
    bool adapted = ops && ops->forward, linear = u->site->kind == SITE_LINEAR;
    u->finish = fuses(u) ? finish : NULL;
    products->hold(x);
    status st = adapted ? adapter_forward(u, x, y) : linear ? base_forward_last(u, x, NULL, y) : base_forward(u, x, y);
    products->release();
    if (st == ST_OK) finish_rest(u, finish, y);
    return st;
}

status site_forward(struct use *u, const struct mat *x, struct mat *y)
{
    return site_forward_then(u, x, NULL, y);
}

status site_run(struct use *u, const struct mat *x, struct arena *keep, struct mat *y)
{
    TRY(mat_new(keep, x->rows, u->site->out, y));
    return site_forward(u, x, y);
}

static status adapter_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    enum lap before = lap_begin(LAP_ADAPTERS);
    status st = u->site->ops->backward(u, x, dy, dx);
    lap_end(before);
    return st;
}

status site_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct site_ops *ops = u->site->ops;
    const struct products *products = u->pass->arith->products;
    bool adapted = ops && ops->backward, linear = u->site->kind == SITE_LINEAR;
    products->hold(dy);
    status st = adapted  ? adapter_backward(u, x, dy, dx)
                : linear ? base_backward_last(u, x, dy, NULL, dx)
                         : base_backward(u, x, dy, dx);
    products->release();
    return st;
}

status site_backward_set(struct use *u, const struct mat *x, const struct mat *dy, const struct gemm_finish *finish,
                         struct mat *dx)
{
    u->finish = fuses(u) ? finish : NULL;
    u->dx_unset = fuses(u);
    if (!u->dx_unset) op_zero(dx);
    status st = site_backward(u, x, dy, dx);
    if (u->dx_unset) op_zero(dx); /* nobody added to it */
    u->dx_unset = false;
    if (st == ST_OK) finish_rest(u, finish, dx);
    return st;
}

static struct arith_call call_of(const struct use *u, int rows)
{
    const struct batch *b = u->pass->batch;
    struct arith_call call = pass_call(u->pass, text_hash32(u->site->name) + (uint32_t)u->kind);
    if (u->kind == USE_TABLE) call.rows = ROWS_TOGETHER;
    if (u->kind == USE_TOKENS && !u->site->causal && rows == b->tokens) {
        call.rows = ROWS_BY_EXAMPLE;
        call.example = b->offset;
        call.examples = b->n;
    }
    return call;
}

/* The weight as the product reads it. A tensor thawed after the site was made has moved from the checkpoint to its own
 * copy; a source that a store or a method put there stays. */
static struct wsrc live_weight(const struct site *s)
{
    const struct param *p = s->weight;
    bool from_checkpoint = s->w.tile == p->src.tile && s->w.ctx == p->src.ctx && s->w.dense == p->src.dense;
    return p->data && param_trained(p) && from_checkpoint ? wsrc_dense(p->data, p->rows, p->cols) : s->w;
}

static status linear_forward_of(struct use *u, const struct mat *x, const struct gemm_after *after, struct mat *y)
{
    const struct site *s = u->site;
    struct arith_call call = call_of(u, x->rows);
    struct wsrc w = live_weight(s);
    enum lap before = lap_begin(LAP_LAYERS);
    status st = u->pass->arith->linear(&call, x, &w, s->bias ? s->bias->data : NULL, after, y);
    lap_end(before);
    return st;
}

status base_forward_last(struct use *u, const struct mat *x, const struct gemm_term *plus, struct mat *y)
{
    struct gemm_after after = {plus, take_finish(u)};
    return linear_forward_of(u, x, &after, y);
}

status base_forward(struct use *u, const struct mat *x, struct mat *y)
{
    if (u->site->kind == SITE_LINEAR) return linear_forward_of(u, x, NULL, y);
    op_copy(x, y);
    return ST_OK;
}

/* Whether a product adds to dx; the first one sets it where it holds nothing yet. */
static bool adds(struct use *u)
{
    bool held = !u->dx_unset;
    u->dx_unset = false;
    return held;
}

static status linear_gradients(struct use *u, const struct mat *x, const struct mat *dy, const struct gemm_after *after,
                               struct mat *dx)
{
    const struct site *s = u->site;
    struct arith_call call = call_of(u, dy->rows);
    if (dx) {
        struct wsrc w = live_weight(s);
        TRY(u->pass->arith->linear_dx(&call, dy, &w, after, dx, adds(u)));
    }
    if (param_trained(s->weight)) TRY(u->pass->arith->linear_dw(&call, x, dy, s->weight->grad, s->weight->cols));
    if (s->bias && s->bias->grad) bias_backward(dy, s->bias->grad);
    return ST_OK;
}

static status linear_backward_of(struct use *u, const struct mat *x, const struct mat *dy,
                                 const struct gemm_after *after, struct mat *dx)
{
    enum lap before = lap_begin(LAP_LAYERS);
    status st = linear_gradients(u, x, dy, after, dx);
    lap_end(before);
    return st;
}

status base_backward_last(struct use *u, const struct mat *x, const struct mat *dy, const struct gemm_term *plus,
                          struct mat *dx)
{
    struct gemm_after after = {plus, take_finish(u)};
    return linear_backward_of(u, x, dy, &after, dx);
}

status base_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    if (u->site->kind == SITE_LINEAR) return linear_backward_of(u, x, dy, NULL, dx);
    if (!dx) return ST_OK;
    if (adds(u))
        op_add(dy, dx);
    else
        op_copy(dy, dx);
    return ST_OK;
}

/* ---- for adapters ---- */

status site_tensor(const struct site *s, struct registry *reg, enum param_class cls, const char *suffix, int rows,
                   int cols, struct param **out)
{
    char name[512];
    int n = snprintf(name, sizeof name, "%s.%s", s->name, suffix);
    FAIL_IF(n < 0 || n >= (int)sizeof name, ST_INTERNAL, "the name of a tensor of %s is too long", s->name);
    return param_add(reg, cls, name, rows, cols, s->order, out); /* copies the name */
}

bool drop_on(const struct drop *d, const struct pass *pass)
{
    return pass->train && d->p > 0;
}

struct dropout drop_call(const struct drop *d, const struct pass *pass)
{
    return (struct dropout){pass->rng, pass->step, d->who, drop_on(d, pass) ? d->p : 0};
}

struct dropout use_dropout(const struct use *u, const struct drop *d)
{
    struct dropout call = drop_call(d, u->pass);
    call.who += (uint32_t)u->kind;
    return call;
}

/* ---- choosing ---- */

static bool in_head(const struct site *s)
{
    return s->role == ROLE_POOLER || s->role == ROLE_CLASSIFIER;
}

/* Whether a word of the specification names the role of this site. */
static bool role_word(const char *word, const struct site *s)
{
    enum role r = s->role;
    bool qkv = r == ROLE_QUERY || r == ROLE_KEY || r == ROLE_VALUE;
    if (strcmp(word, "all") == 0) return s->kind == SITE_LINEAR && !in_head(s);
    if (strcmp(word, "qkv") == 0) return qkv;
    if (strcmp(word, "attention") == 0) return qkv || r == ROLE_ATTN_OUT;
    if (strcmp(word, "ffn") == 0) return r == ROLE_FFN_IN || r == ROLE_GATE || r == ROLE_UP || r == ROLE_FFN_OUT;
    return strcmp(word, role_names[r]) == 0;
}

/* Sites whose name matches the pattern: linear ones, and points only when it matches no linear one ("*" means layers).
 */
static int choose_by_name(struct site *const *sites, int count, const char *word, bool *chosen)
{
    for (int kind = SITE_LINEAR; kind <= SITE_POINT; kind++) {
        int hits = 0;
        for (int i = 0; i < count; i++)
            if ((int)sites[i]->kind == kind && text_match(word, sites[i]->name)) {
                chosen[i] = true;
                hits++;
            }
        if (hits) return hits;
    }
    return 0;
}

static status no_match(struct site *const *sites, int count, const char *word)
{
    char roles[256] = "";
    size_t n = 0;
    for (int r = 0; r < ROLES; r++)
        for (int i = 0; i < count; i++)
            if ((int)sites[i]->role == r) {
                n += (size_t)snprintf(roles + n, sizeof roles - n, "%s%s", n ? ", " : "", role_names[r]);
                break;
            }
    return fail(
        ST_USAGE,
        "sites: '%s' matches nothing in this model; give roles (%s), qkv, attention, ffn, all, or patterns such as "
        "'*query*', joined by '+'",
        word, roles);
}

static status choose_word(struct site *const *sites, int count, const char *word, bool *chosen)
{
    int hits = 0;
    for (int i = 0; i < count; i++)
        if (role_word(word, sites[i])) {
            chosen[i] = true;
            hits++;
        }
    if (!hits) hits = choose_by_name(sites, count, word, chosen);
    return hits ? ST_OK : no_match(sites, count, word);
}

status sites_choose(struct site *const *sites, int count, const char *spec, bool *chosen)
{
    struct arena *arena = arena_new("site choice");
    char **words;
    int n = 0;
    if (!arena) return ST_MEMORY;
    memset(chosen, 0, sizeof *chosen * (size_t)count);
    status st = text_split(spec, '+', arena, &words, &n);
    if (st == ST_OK && n == 0) st = fail(ST_USAGE, "sites: give at least one role or pattern, not '%s'", spec);
    for (int i = 0; st == ST_OK && i < n; i++) st = choose_word(sites, count, words[i], chosen);
    arena_free(arena);
    return st;
}
