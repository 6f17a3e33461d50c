#include <string.h>
#include "bench/batch.h"
#include "bench/pretrain.h"

enum { WHO_TARGET, WHO_REPLACE, WHO_RANDOM }; /* the three draws of a token */

struct growing { /* the step's tokens before they are laid out as a batch */
    struct ids id, type, offset;
    struct ids one, one_type; /* a text's */
};

static void growing_free(struct growing *g)
{
    ids_free(&g->id);
    ids_free(&g->type);
    ids_free(&g->offset);
    ids_free(&g->one);
    ids_free(&g->one_type);
}

static status add_text(const struct pretrain_options *o, struct tokenizer *tok, const struct pretrain_text *t,
                       struct growing *g)
{
    TRY(tokenizer_build(tok, t->a.s, t->b.n ? t->b.s : NULL, o->max_len, &g->one, &g->one_type));
    for (int i = 0; i < g->one.n; i++) {
        TRY(ids_push(&g->id, g->one.id[i]));
        TRY(ids_push(&g->type, g->one_type.id[i]));
    }
    return ids_push(&g->offset, g->id.n);
}

static bool special(const struct tokenizer *tok, int32_t id)
{
    return id == tok->cls || id == tok->sep || id == tok->pad;
}

/* Decides about one token: its label, and what stands in its place. */
static int32_t mask_token(const struct pretrain_options *o, const struct tokenizer *tok, const struct rng *rng,
                          uint64_t step, uint32_t key, int32_t *id)
{
    int32_t was = *id;
    if (special(tok, was) || rng_uniform(rng, RNG_MASK, step, 0, WHO_TARGET, key) >= o->mask) return -1;
    int tenth = rng_below(rng, RNG_MASK, step, 0, WHO_REPLACE, key, 10);
    if (tenth < 8) *id = tok->mask;
    if (tenth == 8) *id = rng_below(rng, RNG_MASK, step, 0, WHO_RANDOM, key, tok->vocab);
    return was;
}

static status lay_out(const struct pretrain_options *o, const struct tokenizer *tok, const struct rng *rng,
                      uint64_t step, const struct growing *g, struct arena *arena, struct batch *b)
{
    int n = g->offset.n, tokens = g->id.n, targets = 0;
    int *offset;
    int32_t *ids, *types, *label;
    uint32_t *key, *slot;
    NEW(offset, arena, n + 1);
    NEW(ids, arena, tokens);
    NEW(types, arena, tokens);
    NEW(label, arena, tokens);
    NEW(key, arena, tokens);
    NEW(slot, arena, n);
    memcpy(ids, g->id.id, sizeof *ids * (size_t)tokens);
    memcpy(types, g->type.id, sizeof *types * (size_t)tokens);
    offset[0] = 0;
    for (int i = 0; i < n; i++) {
        slot[i] = (uint32_t)i;
        offset[i + 1] = g->offset.id[i];
        for (int t = offset[i]; t < offset[i + 1]; t++) {
            key[t] = slot[i] << 16 | (uint32_t)(t - offset[i]);
            label[t] = mask_token(o, tok, rng, step, key[t], &ids[t]);
            targets += label[t] >= 0;
        }
    }
    *b = (struct batch){.n = n,
                        .tokens = tokens,
                        .offset = offset,
                        .ids = ids,
                        .types = types,
                        .row_key = key,
                        .slot = slot,
                        .label = label,
                        .step_examples = targets};
    return ST_OK;
}

status pretrain_batch(const struct pretrain_options *o, struct tokenizer *tok, struct pretrain_text *t,
                      const struct rng *rng, uint64_t step, struct arena *arena, struct batch *b)
{
    struct growing g = {0};
    status st = ST_OK;
    for (int i = 0; i < o->batch && st == ST_OK; i++) {
        st = pretrain_text_get(t, step * (uint64_t)o->batch + (uint64_t)i);
        if (st == ST_OK) st = add_text(o, tok, t, &g);
    }
    if (st == ST_OK) st = lay_out(o, tok, rng, step, &g, arena, b);
    growing_free(&g);
    return st;
}
