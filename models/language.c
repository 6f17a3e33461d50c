/* Losses, chosen logits and greedy choices of language models, a few rows of logits at a time. See language.h. */
#include "models/language.h"

#include <math.h>
#include "core/log_portable.h"
#include "core/ops.h"
#include "models/decoder.h"

/* Elements of logits that exist at a time: rows enough for the products, a small part of the model. A multiple of the
 * run of rows that column sums add up from zero, so that parts give the bits of the whole. */
enum { CHUNK = 1 << 24, ROWS_STEP = 64, ROWS_MOST = 512 };

static int chunk_rows(int vocab)
{
    int rows = CHUNK / vocab / ROWS_STEP * ROWS_STEP;
    return rows < ROWS_STEP ? ROWS_STEP : rows > ROWS_MOST ? ROWS_MOST : rows;
}

/* The decoder and its last forward pass. */
static status last_pass(struct model *m, const struct pass *pass, struct decoder **d)
{
    FAIL_IF(m->spec.head != HEAD_LM, ST_INTERNAL, "the model was not opened as a language model");
    *d = m->priv;
    FAIL_IF((*d)->pass != pass, ST_INTERNAL, "results of a pass whose forward part did not come last");
    return ST_OK;
}

int lm_rows(const struct model *m)
{
    const struct decoder *d = m->priv;
    return d->tape->read.n;
}

/* ---- rows of logits ---- */

typedef status chunk_fn(void *ctx, int r0, struct mat *logits);

/* fn for logits of r0 .. r0 + logits->rows - 1, over all rows. */
static status each_chunk(struct decoder *d, struct pass *pass, chunk_fn *fn, void *ctx)
{
    struct decoder_tape *t = d->tape;
    struct arena_mark mark = arena_mark(pass->scratch);
    int rows = t->read.n, step = chunk_rows(d->output->rows);
    struct mat logits;
    TRY(mat_new(pass->scratch, rows < step ? rows : step, d->output->rows, &logits));
    for (int r0 = 0; r0 < rows; r0 += step) {
        logits.rows = rows - r0 < step ? rows - r0 : step;
        TRY(decoder_logits(d, pass, t, r0, logits.rows, &logits));
        TRY(fn(ctx, r0, &logits));
    }
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* ---- loss ---- */

struct loss {
    struct decoder *d;
    struct pass *pass;
    const int32_t *label; /* [rows] */
    double weight, sum;
    double *each;
    bool grads;
};

static status loss_chunk(void *ctx, int r0, struct mat *logits)
{
    struct loss *l = ctx;
    struct decoder_tape *t = l->d->tape;
    for (int r = 0; r < logits->rows && l->each; r++) {
        struct mat row = mat_part(logits, r, 1, 0, logits->cols);
        l->each[r0 + r] = op_cross_entropy(&row, l->label + r0 + r, 1, NULL);
    }
    l->sum += op_cross_entropy(logits, l->label + r0, l->weight, l->grads ? logits : NULL);
    return l->grads ? decoder_logits_backward(l->d, l->pass, t, r0, logits->rows, logits, &t->dstate) : ST_OK;
}

static status labels_of(const struct batch *b, const struct decoder *d, struct arena *arena, int32_t **label)
{
    int n = 0;
    FAIL_IF(!b->label, ST_INTERNAL, "the loss of a language model needs target tokens");
    NEW(*label, arena, d->tape->read.n);
    for (int t = 0; t < b->tokens; t++) {
        FAIL_IF(b->label[t] >= d->output->rows, ST_INPUT, "target token %d, but the model's vocabulary has %d rows",
                (int)b->label[t], d->output->rows);
        if (b->label[t] >= 0) (*label)[n++] = b->label[t];
    }
    return ST_OK;
}

status lm_loss(struct model *m, struct pass *pass, bool grads, double *loss, double *each)
{
    struct decoder *d = NULL;
    const struct batch *b = pass->batch;
    struct arena_mark mark = arena_mark(pass->scratch);
    int32_t *label = NULL;
    TRY(last_pass(m, pass, &d));
    FAIL_IF(grads && !pass->keep, ST_INTERNAL, "gradients of a pass that kept nothing for them");
    TRY(labels_of(b, d, pass->scratch, &label));
    struct loss l = {.d = d,
                     .pass = pass,
                     .label = label,
                     .each = each,
                     .grads = grads,
                     .weight = 1.0 / (b->step_examples > 0 ? b->step_examples : b->n)};
    if (grads) TRY(mat_new(pass->tape, d->tape->state.rows, d->tape->state.cols, &d->tape->dstate));
    TRY(each_chunk(d, pass, loss_chunk, &l));
    *loss = l.sum;
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* ---- chosen logits ---- */

struct chosen {
    const int32_t *id;
    int ids;
    struct mat *out;
    double *log_sum;
};

static status chosen_chunk(void *ctx, int r0, struct mat *logits)
{
    const struct chosen *c = ctx;
    const int32_t first = 0;
    for (int r = 0; r < logits->rows; r++) {
        const real *row = mat_row(logits, r);
        struct mat one = mat_part(logits, r, 1, 0, logits->cols);
        c->log_sum[r0 + r] = op_cross_entropy(&one, &first, 1, NULL) + (double)row[0];
        for (int i = 0; i < c->ids; i++) mat_row(c->out, r0 + r)[i] = row[c->id[i]];
    }
    return ST_OK;
}

/* Only the chosen columns: a small output layer of their rows. */
static status chosen_only(struct decoder *d, struct pass *pass, const int32_t *id, int ids, struct mat *out)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct wsrc all = param_source(d->output);
    struct mat rows;
    real *bias = NULL;
    TRY(mat_new(pass->scratch, ids, all.cols, &rows));
    op_gather(&all, id, &rows);
    if (d->bias) {
        NEW(bias, pass->scratch, ids);
        for (int i = 0; i < ids; i++) bias[i] = d->bias->data[id[i]];
    }
    struct arith_call call = pass_call(pass, d->who_output);
    struct wsrc few = wsrc_dense(rows.a, ids, all.cols);
    TRY(pass->arith->linear(&call, &d->tape->state, &few, bias, NULL, out));
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

status lm_logits(struct model *m, struct pass *pass, const int32_t *id, int ids, struct mat *out, double *log_sum)
{
    struct decoder *d = NULL;
    TRY(last_pass(m, pass, &d));
    for (int i = 0; i < ids; i++)
        FAIL_IF(id[i] < 0 || id[i] >= d->output->rows, ST_INPUT, "token %d, but the model's vocabulary has %d rows",
                (int)id[i], d->output->rows);
    if (d->tape->read.n == 0) return ST_OK;
    if (!log_sum) return ids > 0 ? chosen_only(d, pass, id, ids, out) : ST_OK;
    struct chosen c = {id, ids, out, log_sum};
    return each_chunk(d, pass, chosen_chunk, &c);
}

/* ---- greedy choice ---- */

static status best_chunk(void *ctx, int r0, struct mat *logits)
{
    int32_t *best = ctx;
    for (int r = 0; r < logits->rows; r++) {
        const real *row = mat_row(logits, r);
        int32_t b = 0;
        for (int32_t c = 1; c < logits->cols; c++)
            if (row[c] > row[b]) b = c;
        best[r0 + r] = b;
    }
    return ST_OK;
}

status lm_best(struct model *m, struct pass *pass, int32_t *best)
{
    struct decoder *d = NULL;
    TRY(last_pass(m, pass, &d));
    return each_chunk(d, pass, best_chunk, best);
}
