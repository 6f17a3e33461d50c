/* The products of a model, for bit-operations and FLOPs (METHODS 4). Multiply-accumulates of one sequence of length
 * l: a linear layer takes in * out a row; the table is projected once, e rows; scores and context take l * l * hidden
 * each (decoders half of that), each relative term l * e * hidden. Head layers come last with layer -1 and one row. */
#include "models/decoder.h"
#include "models/encoder.h"

struct sink {
    product_fn *fn;
    void *ctx;
    int layer;
};

static void put(const struct sink *to, const char *name, const struct site *site, double macs)
{
    struct product p = {name, site, to->layer, macs};
    if (macs > 0) to->fn(to->ctx, &p);
}

static void put_linear(const struct sink *to, const char *name, const struct site *site, double rows)
{
    if (site) put(to, name, site, (double)site->in * site->out * rows);
}

static void put_block(const struct sink *to, const struct block *b, double l, double e)
{
    double d = b->query->out;
    put_linear(to, "query", b->query, l);
    put_linear(to, "key", b->key, l);
    put_linear(to, "value", b->value, l);
    put_linear(to, "query table", b->rel_query, e);
    put_linear(to, "key table", b->rel_key, e);
    put(to, "scores", NULL, l * l * d);
    if (b->rel_key) put(to, "c2p", NULL, l * e * d);
    if (b->rel_query) put(to, "p2c", NULL, l * e * d);
    put(to, "context", NULL, l * l * d);
    put_linear(to, "attn_out", b->attn_out, l);
    put_linear(to, "ffn_in", b->ffn_in, l);
    put_linear(to, "ffn_out", b->ffn_out, l);
}

void encoder_products(const struct model *m, double l, double e, product_fn *fn, void *ctx)
{
    const struct encoder *enc = m->priv;
    struct sink to = {fn, ctx, 0};
    for (; to.layer < enc->layers; to.layer++) put_block(&to, &enc->block[to.layer], l, e);
    to.layer = -1;
    put_linear(&to, "pooler", enc->head.pooler, 1);
    put_linear(&to, "classifier", enc->head.classifier, 1);
}

/* A row sees (l + 1) / 2 keys on average. The output layer counts every row; a classifier one. */
void decoder_products(const struct model *m, double l, double e, product_fn *fn, void *ctx)
{
    const struct decoder *d = m->priv;
    struct sink to = {fn, ctx, 0};
    (void)e;
    for (; to.layer < d->layers; to.layer++) {
        const struct decoder_block *b = &d->block[to.layer];
        double seen = l * (l + 1) / 2 * b->query->out;
        put_linear(&to, "query", b->query, l);
        put_linear(&to, "key", b->key, l);
        put_linear(&to, "value", b->value, l);
        put(&to, "scores", NULL, seen);
        put(&to, "context", NULL, seen);
        put_linear(&to, "attn_out", b->attn_out, l);
        put_linear(&to, "gate", b->gate, l);
        put_linear(&to, b->gate ? "up" : "ffn_in", b->up, l);
        put_linear(&to, "ffn_out", b->ffn_out, l);
    }
    to.layer = -1;
    put_linear(&to, "classifier", d->score, 1);
    if (d->output) put(&to, "lm_head", NULL, (double)d->output->rows * d->output->cols * l);
}
