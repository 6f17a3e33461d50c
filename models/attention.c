/* Plain and relative attention, forward and backward, a piece a sequence and head. See attention.h. */
#include "models/attention.h"

#include "core/lap.h"
#include "core/ops.h"
#include "core/parallel.h"

enum { LANES = 4, HEAD_COLUMNS = 1 << 16 /* distance of the heads in a dropout row: positions have 16 bits */ };

/* ---- plan ---- */

static int length_of(const struct attention_plan *p, int s)
{
    return p->offset[s + 1] - p->offset[s];
}

static int queries_of(const struct attention_plan *p, int s)
{
    return p->query_offset[s + 1] - p->query_offset[s];
}

/* Longest first, so that the last pieces are small; equal lengths in batch order. */
static void sort_by_length(const struct attention_plan *p, int *order)
{
    for (int i = 0; i < p->n; i++) {
        int k = i;
        for (; k > 0 && length_of(p, order[k - 1]) < length_of(p, i); k--) order[k] = order[k - 1];
        order[k] = i;
    }
}

status attention_plan_new(const struct batch *b, const struct rows *queries, int heads, struct arena *arena,
                          struct attention_plan **out)
{
    struct attention_plan *p;
    int *order, *query_offset;
    size_t *at;
    ZNEW(p, arena, 1);
    NEW(order, arena, b->n);
    NEW(query_offset, arena, b->n + 1);
    NEW(at, arena, b->n);
    p->n = b->n;
    p->offset = b->offset;
    p->row_key = queries->row_key;
    p->lanes = b->n < LANES ? b->n : LANES;
    query_offset[0] = 0;
    for (int s = 0; s < b->n; s++) {
        int keys = length_of(p, s), rows = queries->kind == USE_FIRST ? 1 : keys;
        query_offset[s + 1] = query_offset[s] + rows;
        at[s] = p->probs;
        p->probs += (size_t)heads * (size_t)rows * (size_t)keys;
        if (keys > p->longest) p->longest = keys;
    }
    sort_by_length(p, order);
    p->query_offset = query_offset;
    p->order = order;
    p->probs_at = at;
    *out = p;
    return ST_OK;
}

/* ---- one piece ---- */

struct job {
    const struct attention *a;
    struct pass *pass;
    const struct attention_plan *plan;
    const struct attention_data *data;
    const struct mat *out;               /* forward: the context; backward: its gradient */
    const struct attention_grads *grads; /* backward */
    gemm_fn *multiply;                   /* on one thread, in the pass's arithmetic */
    struct mat *lane_k, *lane_q;         /* [lanes] table gradients of each lane, or NULL */
    real *work;                          /* [threads][work_size] */
    size_t work_size, square;            /* square: the largest [queries, keys], rounded up */
};

/* The slices of one sequence and head. */
struct piece {
    int s, h, queries, keys;
    struct mat q, k, v, ctx, probs;
    struct relative_part rel;
    const uint32_t *row_key;
};

static struct mat head_part(const struct job *j, const struct mat *m, int first, int rows, int h)
{
    return m->a ? mat_part(m, first, rows, h * j->a->head_dim, j->a->head_dim) : (struct mat){0};
}

static struct piece cut(const struct job *j, int s, int h, real *band)
{
    const struct attention_plan *p = j->plan;
    const struct attention_data *d = j->data;
    struct piece w = {.s = s, .h = h, .queries = queries_of(p, s), .keys = length_of(p, s)};
    int q0 = p->query_offset[s], k0 = p->offset[s];
    w.q = head_part(j, &d->q, q0, w.queries, h);
    w.k = head_part(j, &d->k, k0, w.keys, h);
    w.v = head_part(j, &d->v, k0, w.keys, h);
    w.ctx = head_part(j, j->out, q0, w.queries, h);
    w.row_key = p->row_key + q0;
    if (d->probs) {
        size_t head = (size_t)w.queries * (size_t)w.keys;
        w.probs = mat_of(d->probs + p->probs_at[s] + (size_t)h * head, w.queries, w.keys);
    }
    if (d->rel)
        w.rel = (struct relative_part){.rel = d->rel,
                                       .multiply = j->multiply,
                                       .queries = w.queries,
                                       .keys = w.keys,
                                       .q = w.q,
                                       .k = w.k,
                                       .rel_k = head_part(j, &d->rel_k, 0, d->rel->rows, h),
                                       .rel_q = head_part(j, &d->rel_q, 0, d->rel->rows, h),
                                       .band = band};
    return w;
}

static struct gemm_in plain(const struct mat *m)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld};
}

static struct gemm_in flipped(const struct mat *m)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld, .trans = true};
}

static void drop_probs(const struct job *j, const struct piece *w, const struct mat *p, struct mat *dropped)
{
    struct dropout call = drop_call(&j->a->drop, j->pass);
    dropout_rows(&call, w->row_key, p, w->h * HEAD_COLUMNS, dropped);
}

static void forward_piece(void *ctx, int i, int thread)
{
    const struct job *j = ctx;
    real *work = j->work + (size_t)thread * j->work_size;
    struct piece w = cut(j, j->plan->order[i / j->a->heads], i % j->a->heads, work + j->square);
    struct mat spare = mat_of(work, w.queries, w.keys), p = w.probs.a ? w.probs : spare;
    j->multiply(w.queries, w.keys, j->a->head_dim, plain(&w.q), flipped(&w.k), p.a, p.ld, false);
    if (j->data->rel) relative_scores(&w.rel, &p);
    softmax_rows(&p, j->a->scale);
    if (drop_on(&j->a->drop, j->pass)) {
        drop_probs(j, &w, &p, &spare);
        p = spare;
    }
    j->multiply(w.queries, j->a->head_dim, w.keys, plain(&p), plain(&w.v), w.ctx.a, w.ctx.ld, false);
}

/* Gradient of the scores: dP = dC V', through dropout, through the softmax. dv comes on the way. */
static struct mat score_gradient(const struct job *j, const struct piece *w, real *work)
{
    int dh = j->a->head_dim;
    struct mat g = mat_of(work, w->queries, w->keys), dropped = w->probs;
    bool drop = drop_on(&j->a->drop, j->pass);
    if (drop && j->grads->v.a) {
        dropped = g;
        drop_probs(j, w, &w->probs, &dropped);
    }
    if (j->grads->v.a) {
        struct mat dv = head_part(j, &j->grads->v, j->plan->offset[w->s], w->keys, w->h);
        j->multiply(w->keys, dh, w->queries, flipped(&dropped), plain(&w->ctx), dv.a, dv.ld, false);
    }
    j->multiply(w->queries, w->keys, dh, plain(&w->ctx), flipped(&w->v), g.a, g.ld, false);
    if (drop) drop_probs(j, w, &g, &g);
    softmax_rows_backward(&w->probs, &g, j->a->scale);
    return g;
}

static void backward_one(const struct job *j, int s, int h, int lane, real *work)
{
    const struct attention_grads *grads = j->grads;
    struct piece w = cut(j, s, h, work + j->square);
    int dh = j->a->head_dim;
    struct mat g = score_gradient(j, &w, work);
    struct mat dq = head_part(j, &grads->q, j->plan->query_offset[s], w.queries, h);
    struct mat dk = head_part(j, &grads->k, j->plan->offset[s], w.keys, h);
    if (dq.a) j->multiply(w.queries, dh, w.keys, plain(&g), plain(&w.k), dq.a, dq.ld, false);
    if (dk.a) j->multiply(w.keys, dh, w.queries, flipped(&g), plain(&w.q), dk.a, dk.ld, false);
    if (!j->data->rel) return;
    struct mat none = {0};
    struct mat drel_k = j->lane_k ? head_part(j, &j->lane_k[lane], 0, j->data->rel->rows, h) : none;
    struct mat drel_q = j->lane_q ? head_part(j, &j->lane_q[lane], 0, j->data->rel->rows, h) : none;
    relative_scores_backward(&w.rel, &g, &dq, &dk, &drel_k, &drel_q);
}

static void backward_piece(void *ctx, int i, int thread)
{
    const struct job *j = ctx;
    backward_one(j, j->plan->order[i / j->a->heads], i % j->a->heads, 0, j->work + (size_t)thread * j->work_size);
}

/* With gradients of the table: a piece is a lane and head; the lane's sequences one after the other. */
static void backward_lane(void *ctx, int i, int thread)
{
    const struct job *j = ctx;
    int lane = i / j->a->heads;
    for (int s = lane; s < j->plan->n; s += j->plan->lanes)
        backward_one(j, j->plan->order[s], i % j->a->heads, lane, j->work + (size_t)thread * j->work_size);
}

/* ---- whole batch ---- */

static status job_work(struct job *j, struct arena *scratch)
{
    size_t band = j->data->rel ? relative_band(j->data->rel) : 0;
    for (int s = 0; s < j->plan->n; s++) {
        size_t square = (size_t)queries_of(j->plan, s) * (size_t)length_of(j->plan, s);
        if (square > j->square) j->square = square;
    }
    j->square = (j->square + 15) & ~(size_t)15;
    j->work_size = j->square + ((band + 15) & ~(size_t)15);
    NEW(j->work, scratch, j->work_size * (size_t)parallel_threads());
    return ST_OK;
}

status attention_forward(const struct attention *a, struct pass *pass, const struct attention_plan *plan,
                         const struct attention_data *data, struct mat *out)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct job j = {.a = a, .pass = pass, .plan = plan, .data = data, .out = out};
    j.multiply = pass->arith->products->gemm_serial;
    TRY(job_work(&j, pass->scratch));
    enum lap before = lap_begin(LAP_ATTENTION);
    parallel_for(plan->n * a->heads, forward_piece, &j);
    lap_end(before);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

/* One zeroed gradient table a lane; the first is the result itself. */
static status lanes_new(const struct attention_plan *plan, struct mat *result, struct arena *scratch,
                        struct mat **lanes)
{
    *lanes = NULL;
    if (!result->a) return ST_OK;
    NEW(*lanes, scratch, plan->lanes);
    for (int l = 0; l < plan->lanes; l++) {
        if (l == 0)
            (*lanes)[l] = *result;
        else
            TRY(mat_new(scratch, result->rows, result->cols, &(*lanes)[l]));
        op_zero(&(*lanes)[l]);
    }
    return ST_OK;
}

static void lanes_sum(const struct attention_plan *plan, struct mat *lanes)
{
    for (int l = 1; lanes && l < plan->lanes; l++) op_add(&lanes[l], &lanes[0]);
}

status attention_backward(const struct attention *a, struct pass *pass, const struct attention_plan *plan,
                          const struct attention_data *data, const struct mat *dout, struct attention_grads *grads)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct job j = {.a = a, .pass = pass, .plan = plan, .data = data, .out = dout, .grads = grads};
    j.multiply = pass->arith->products->gemm_serial;
    TRY(job_work(&j, pass->scratch));
    TRY(lanes_new(plan, &grads->rel_k, pass->scratch, &j.lane_k));
    TRY(lanes_new(plan, &grads->rel_q, pass->scratch, &j.lane_q));
    enum lap before = lap_begin(LAP_ATTENTION);
    if (j.lane_k || j.lane_q)
        parallel_for(plan->lanes * a->heads, backward_lane, &j);
    else
        parallel_for(plan->n * a->heads, backward_piece, &j);
    lanes_sum(plan, j.lane_k);
    lanes_sum(plan, j.lane_q);
    lap_end(before);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}
