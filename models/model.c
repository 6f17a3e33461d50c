/* Opening a model and the calls that all families share. See model.h. */
#include "models/model.h"

#include <stdio.h>
#include <string.h>
#include "core/file.h"
#include "core/ops.h"
#include "core/sha256.h"
#include "core/text.h"
#include "models/family.h"
#include "models/mini_embed.h"

/* ---- opening ---- */

static const struct model_ops *family_ops(enum family f)
{
    switch (f) {
    case FAMILY_DEBERTA_V2:
    case FAMILY_BERT:
    case FAMILY_ROBERTA: return &encoder_ops;
    case FAMILY_PHI:
    case FAMILY_QWEN2:
    case FAMILY_LLAMA: return &decoder_ops;
    }
    return NULL;
}

/* The folder of config.json: the path itself, or the folder of a weight file. */
static status config_dir(const char *path, struct arena *arena, const char **dir)
{
    int is_dir;
    const char *slash = strrchr(path, '/');
    TRY(file_ask_dir(path, &is_dir));
    if (is_dir)
        *dir = arena_strdup(arena, path);
    else
        *dir = slash ? arena_printf(arena, "%.*s", (int)(slash - path), path) : arena_strdup(arena, ".");
    return *dir ? ST_OK : ST_MEMORY;
}

static void override_rates(struct model *m)
{
    struct model_config *c = &m->config;
    if (m->spec.cls_dropout >= 0) c->cls_dropout = m->spec.cls_dropout;
    if (m->spec.hidden_dropout >= 0) c->hidden_dropout = m->spec.hidden_dropout;
    if (m->spec.attn_dropout >= 0) c->attn_dropout = m->spec.attn_dropout;
}

/* Random weights are named by what they are drawn from. */
static status random_hash(struct model *m)
{
    const struct model_config *c = &m->config;
    struct text t = {0};
    status st = text_printf(&t, "random %s %d %d %d %d %d %d %d %a %llu", family_name(c->family), c->vocab, c->hidden,
                            c->layers, c->heads, c->ffn, c->max_positions, c->type_vocab, c->init_range,
                            (unsigned long long)m->spec.rng->seed);
    if (st == ST_OK && m->ops == &decoder_ops)
        st = text_printf(&t, " %d %d %a %a %d", c->kv_heads, c->head_dim, c->rope_theta, c->rotary_part, c->tied);
    if (st == ST_OK) sha256_of(t.s, t.n, m->hash);
    text_free(&t);
    return st;
}

static bool is_embedded(const char *path)
{
    return strcmp(path, "mini") == 0;
}

status model_config_read(const char *path, struct arena *arena, struct model_config *c)
{
    if (is_embedded(path)) return config_parse("mini/config.json", mini_config.text, mini_config.size, c);
    const char *dir;
    TRY(config_dir(path, arena, &dir));
    return config_read(dir, arena, c);
}

static status read_config(struct model *m)
{
    if (!m->spec.shape) return model_config_read(m->spec.path, m->arena, &m->config);
    m->config = *m->spec.shape;
    return ST_OK;
}

static status open_weights(struct model *m)
{
    if (m->spec.shape) return ST_OK;
    if (m->spec.random) {
        FAIL_IF(!m->spec.rng, ST_INTERNAL, "a model with random weights needs a generator");
        return random_hash(m);
    }
    if (is_embedded(m->spec.path))
        TRY(checkpoint_open_memory("mini/model.safetensors", mini_weights.bytes, mini_weights.size, m->arena,
                                   &m->ckpt));
    else
        TRY(checkpoint_open(m->spec.path, m->arena, &m->ckpt));
    TRY(checkpoint_hash(&m->ckpt, m->hash));
    checkpoint_release(&m->ckpt); /* it may have read all of a large file */
    return ST_OK;
}

static status build(struct model *m)
{
    struct loader l = {.model = m, .prefix = m->ops->prefix(m->config.family)};
    ZNEW(l.used, m->arena, m->ckpt.count + 1);
    TRY(m->ops->build(&l));
    loader_notice(&l);
    return ST_OK;
}

status model_open(const struct model_spec *spec, struct arena *arena, struct registry *reg, struct model **out)
{
    struct model *m;
    ZNEW(m, arena, 1);
    m->spec = *spec;
    m->arena = arena;
    m->reg = reg;
    TRY(read_config(m));
    override_rates(m);
    m->ops = family_ops(m->config.family);
    FAIL_IF(!m->ops, ST_UNSUPPORTED, "%s: models of the type '%s' cannot be run by this build", spec->path,
            family_name(m->config.family));
    status st = open_weights(m);
    if (st == ST_OK) st = build(m);
    if (st != ST_OK)
        model_close(m);
    else
        *out = m;
    return st;
}

void model_close(struct model *m)
{
    if (m && m->ckpt.path) checkpoint_close(&m->ckpt);
    if (m && m->kept.path) checkpoint_close(&m->kept);
    if (m) m->ckpt = m->kept = (struct checkpoint){0};
}

/* ---- passes ---- */

status model_forward(struct model *m, struct pass *pass, struct mat *logits, struct mat *hidden)
{
    return m->ops->forward(m, pass, logits, hidden);
}

status model_backward(struct model *m, struct pass *pass, const struct mat *dlogits)
{
    return m->ops->backward(m, pass, dlogits);
}

void model_products(const struct model *m, double l, double e, product_fn *fn, void *ctx)
{
    m->ops->products(m, l, e, fn, ctx);
}

/* ---- loss ---- */

static status check_labels(const struct mat *logits, const int32_t *label, int n)
{
    for (int i = 0; i < n; i++)
        FAIL_IF(label[i] >= logits->cols, ST_INPUT, "label %d of example %d, but the model has %d labels",
                (int)label[i], i, logits->cols);
    return ST_OK;
}

/* The labels of the rows that HEAD_MLM and HEAD_LM compute. */
static status masked_labels(struct pass *pass, int rows, int32_t **label)
{
    const struct batch *b = pass->batch;
    int n = 0;
    FAIL_IF(!b->label, ST_INTERNAL, "the loss of a language model needs target tokens");
    NEW(*label, pass->scratch, rows);
    for (int t = 0; t < b->tokens; t++)
        if (b->label[t] >= 0 && n < rows) (*label)[n++] = b->label[t];
    FAIL_IF(n != rows, ST_INTERNAL, "%d target tokens for %d rows of logits", n, rows);
    return ST_OK;
}

status model_loss(struct model *m, struct pass *pass, const struct mat *logits, struct mat *dlogits, double *loss)
{
    const struct batch *b = pass->batch;
    double weight = 1.0 / (b->step_examples > 0 ? b->step_examples : b->n);
    struct arena_mark mark = arena_mark(pass->scratch);
    int32_t *masked = NULL;
    if (m->spec.head == HEAD_NONE) return fail(ST_INTERNAL, "a model without a head has no loss");
    if (m->spec.head == HEAD_CLASSIFY && m->num_labels == 1) {
        FAIL_IF(!b->target, ST_INTERNAL, "a regression model needs targets");
        *loss = op_mse(logits, b->target, weight, dlogits);
        return ST_OK;
    }
    if (m->spec.head != HEAD_CLASSIFY) TRY(masked_labels(pass, logits->rows, &masked));
    const int32_t *label = masked ? masked : b->label;
    FAIL_IF(!label, ST_INTERNAL, "a classification model needs labels");
    TRY(check_labels(logits, label, logits->rows));
    *loss = op_cross_entropy(logits, label, weight, dlogits);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* ---- stores ---- */

const struct store *store_find(const char *name)
{
    for (int i = 0; store_table[i]; i++)
        if (strcmp(store_table[i]->name, name) == 0) return store_table[i];
    return NULL;
}

status model_store_options(struct model *m, const struct store *store, const void **options)
{
    void *defaults;
    if (*options) return ST_OK;
    TRY(option_new(store->options, store->option_size, m->arena, &defaults));
    *options = defaults;
    return ST_OK;
}

bool model_stores_site(const struct site *s)
{
    return s->kind == SITE_LINEAR && !s->own_weight && s->role != ROLE_POOLER && s->role != ROLE_CLASSIFIER;
}

status model_build_stores(struct model *m, const struct store *store, const void *options)
{
    TRY(model_store_options(m, store, &options));
    for (int i = 0; i < m->sites; i++) {
        struct site *s = m->site[i];
        if (s->own_weight) checkpoint_release(&m->ckpt); /* the method has read it */
        if (!model_stores_site(s)) continue;
        struct wsrc src = param_source(s->weight);
        s->w = src;
        if (param_trained(s->weight)) continue;
        status st = store->build(options, &src, m->arena, &s->w);
        if (st != ST_OK) return fail_in(st, "%s, store %s", s->name, store->name);
        if (s->w.ctx != src.ctx || s->w.dense != src.dense) checkpoint_release(&m->ckpt);
    }
    return ST_OK;
}

/* Packed forms of the stored weights of which nothing is trained, one in each direction that passes go. */
static bool site_packs(const struct model *m, const struct site *s, bool *backward)
{
    *backward = param_lowest_trained(m->reg) <= s->order;
    return model_stores_site(s) && !param_trained(s->weight) && (s->w.dense || wsrc_is_bf16(&s->w));
}

status model_pack_weights(struct model *m, const struct arith *arith)
{
    enum { MOST = 1 << 30 }; /* bytes: beyond it the time saved is not worth the memory */
    size_t bytes = 0;
    bool backward;
    if (!arith->pack) return ST_OK;
    for (int i = 0; i < m->sites; i++)
        if (site_packs(m, m->site[i], &backward)) bytes += arith->pack_bytes(&m->site[i]->w, backward);
    if (bytes > MOST) return ST_OK;
    for (int i = 0; i < m->sites; i++)
        if (site_packs(m, m->site[i], &backward)) TRY(arith->pack(&m->site[i]->w, backward, m->arena));
    return ST_OK;
}
