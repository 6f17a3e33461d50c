/* Causal attention, forward and backward. See causal.h. */
#include "models/causal.h"

#include <string.h>
#include "core/gemm.h"
#include "core/lap.h"
#include "core/ops.h"
#include "core/parallel.h"

enum { QUERY_BLOCK = 64, HEAD_COLUMNS = 1 << 16 /* distance of the heads in a dropout row: positions have 16 bits */ };

/* ---- plan ---- */

static int length_of(const struct causal_plan *p, int s)
{
    return p->offset[s + 1] - p->offset[s];
}

static int earlier_of(const struct causal_plan *p, int s)
{
    return p->prefix && p->prefix[s] ? p->prefix[s]->rows : 0;
}

/* Longest first, so that the last pieces are small; equal lengths in batch order. */
static void sort_by_length(const struct causal_plan *p, int *order)
{
    for (int i = 0; i < p->n; i++) {
        int k = i;
        for (; k > 0 && length_of(p, order[k - 1]) < length_of(p, i); k--) order[k] = order[k - 1];
        order[k] = i;
    }
}

status causal_plan_new(const struct batch *b, const struct rows *queries, const int *position, struct arena *arena,
                       struct causal_plan **out)
{
    struct causal_plan *p;
    int *order, *query_offset, *at, row = 0;
    ZNEW(p, arena, 1);
    NEW(order, arena, b->n);
    NEW(query_offset, arena, b->n + 1);
    NEW(at, arena, queries->n);
    p->n = b->n;
    p->offset = b->offset;
    p->prefix = b->prefix;
    p->row_key = queries->row_key;
    for (int i = 0; i < queries->n; i++) at[i] = position[queries->at ? queries->at[i] : i];
    for (int s = 0; s < b->n; s++) {
        query_offset[s] = row;
        while (row < queries->n && (queries->at ? queries->at[row] : row) < b->offset[s + 1]) row++;
        int keys = length_of(p, s) + earlier_of(p, s);
        if (keys > p->longest) p->longest = keys;
    }
    query_offset[b->n] = row;
    sort_by_length(p, order);
    p->query_offset = query_offset;
    p->position = at;
    p->order = order;
    *out = p;
    return ST_OK;
}

/* ---- blocks ---- */

struct job {
    const struct causal *a;
    struct pass *pass;
    const struct causal_plan *plan;
    const struct causal_data *data;
    const struct mat *out; /* forward: the context; backward: its gradient */
    struct mat *dq, *dk, *dv;
    real *work; /* [threads][work_size]: two matrices [QUERY_BLOCK, longest] */
    size_t work_size;
};

/* A run of query rows of one head and all keys that its last row sees: `earlier` kept ones, then own ones. */
struct tile {
    const struct job *job;
    int row, rows, head, earlier, own;
    struct mat q, ctx;       /* [rows, head_dim] */
    struct mat old_k, old_v; /* [earlier, head_dim] */
    struct mat k, v;         /* [own, head_dim] */
    struct mat p, g;         /* [rows, earlier + own]: probabilities, and a second one for gradients */
    int token;               /* first row of k in the batch */
};

static struct mat head_part(const struct mat *m, int first, int rows, int h, int width)
{
    return mat_part(m, first, rows, h * width, width);
}

static struct tile cut(const struct job *j, int s, int h, int row, real *work)
{
    const struct causal_plan *p = j->plan;
    int end = p->query_offset[s + 1], dh = j->a->head_dim, kv = h / (j->a->heads / j->a->kv_heads);
    struct tile t = {.job = j, .row = row, .head = h, .earlier = earlier_of(p, s), .token = p->offset[s]};
    t.rows = end - row < QUERY_BLOCK ? end - row : QUERY_BLOCK;
    t.own = p->position[row + t.rows - 1] + 1 - t.earlier;
    t.q = head_part(&j->data->q, row, t.rows, h, dh);
    t.ctx = head_part(j->out, row, t.rows, h, dh);
    t.k = head_part(&j->data->k, t.token, t.own, kv, dh);
    t.v = head_part(&j->data->v, t.token, t.own, kv, dh);
    if (t.earlier > 0) {
        struct mat keys = kv_keys(p->prefix[s], j->data->layer), values = kv_values(p->prefix[s], j->data->layer);
        t.old_k = head_part(&keys, 0, t.earlier, kv, dh);
        t.old_v = head_part(&values, 0, t.earlier, kv, dh);
    }
    t.p = mat_of(work, t.rows, t.earlier + t.own);
    t.g = mat_of(work + (size_t)QUERY_BLOCK * (size_t)p->longest, t.rows, t.p.cols);
    return t;
}

static struct gemm_in plain(const struct mat *m)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld};
}

static struct gemm_in flipped(const struct mat *m)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld, .trans = true};
}

/* out [rows, earlier + own] = a (old', new') */
static void times_keys(const struct tile *t, const struct mat *a, const struct mat *old, const struct mat *now,
                       struct mat *out)
{
    if (t->earlier > 0) gemm_serial(t->rows, t->earlier, a->cols, plain(a), flipped(old), out->a, out->ld, false);
    gemm_serial(t->rows, t->own, a->cols, plain(a), flipped(now), out->a + t->earlier, out->ld, false);
}

/* out [rows, head_dim] = p (old; new): one chain over all keys. */
static void times_values(const struct tile *t, const struct mat *p, const struct mat *old, const struct mat *now,
                         struct mat *out)
{
    struct mat mine = mat_part(p, 0, t->rows, t->earlier, t->own);
    if (t->earlier > 0) gemm_serial(t->rows, out->cols, t->earlier, plain(p), plain(old), out->a, out->ld, false);
    gemm_serial(t->rows, out->cols, t->own, plain(&mine), plain(now), out->a, out->ld, t->earlier > 0);
}

static void probabilities(const struct tile *t)
{
    times_keys(t, &t->q, &t->old_k, &t->k, (struct mat *)&t->p);
    for (int r = 0; r < t->rows; r++) {
        int seen = t->job->plan->position[t->row + r] + 1;
        struct mat row = mat_part(&t->p, r, 1, 0, seen);
        softmax_rows(&row, t->job->a->scale);
        memset(mat_row(&t->p, r) + seen, 0, sizeof(real) * (size_t)(t->p.cols - seen));
    }
}

static void drop_probs(const struct tile *t, const struct mat *p, struct mat *dropped)
{
    struct dropout call = drop_call(&t->job->a->drop, t->job->pass);
    dropout_rows(&call, t->job->plan->row_key + t->row, p, t->head * HEAD_COLUMNS, dropped);
}

static void forward_piece(void *ctx, int i, int thread)
{
    const struct job *j = ctx;
    int s = j->plan->order[i / j->a->heads], h = i % j->a->heads;
    real *work = j->work + (size_t)thread * j->work_size;
    for (int row = j->plan->query_offset[s]; row < j->plan->query_offset[s + 1]; row += QUERY_BLOCK) {
        struct tile t = cut(j, s, h, row, work);
        probabilities(&t);
        if (drop_on(&j->a->drop, j->pass)) drop_probs(&t, &t.p, &t.p);
        times_values(&t, &t.p, &t.old_v, &t.v, &t.ctx);
    }
}

/* dP = dC V' through dropout and softmax, into t->g; dv comes on the way. */
static void score_gradient(struct tile *t, struct mat *dv)
{
    const struct job *j = t->job;
    bool drop = drop_on(&j->a->drop, j->pass);
    struct mat dropped = t->p;
    if (drop && dv->a) {
        dropped = t->g;
        drop_probs(t, &t->p, &dropped);
    }
    if (dv->a) gemm_serial(t->own, dv->cols, t->rows, flipped(&dropped), plain(&t->ctx), dv->a, dv->ld, true);
    times_keys(t, &t->ctx, &t->old_v, &t->v, &t->g);
    if (drop) drop_probs(t, &t->g, &t->g);
    for (int r = 0; r < t->rows; r++) {
        int seen = j->plan->position[t->row + r] + 1;
        struct mat p = mat_part(&t->p, r, 1, 0, seen), g = mat_part(&t->g, r, 1, 0, seen);
        softmax_rows_backward(&p, &g, j->a->scale);
        memset(mat_row(&t->g, r) + seen, 0, sizeof(real) * (size_t)(t->g.cols - seen));
    }
}

static struct mat grad_part(const struct mat *m, int first, int rows, int h, int width)
{
    return m->a ? head_part(m, first, rows, h, width) : (struct mat){0};
}

static void backward_head(const struct job *j, int s, int h, real *work)
{
    int dh = j->a->head_dim, kv = h / (j->a->heads / j->a->kv_heads);
    for (int row = j->plan->query_offset[s]; row < j->plan->query_offset[s + 1]; row += QUERY_BLOCK) {
        struct tile t = cut(j, s, h, row, work);
        struct mat dq = grad_part(j->dq, row, t.rows, h, dh);
        struct mat dk = grad_part(j->dk, t.token, t.own, kv, dh), dv = grad_part(j->dv, t.token, t.own, kv, dh);
        probabilities(&t);
        score_gradient(&t, &dv);
        if (dq.a) times_values(&t, &t.g, &t.old_k, &t.k, &dq);
        if (dk.a) gemm_serial(t.own, dh, t.rows, flipped(&t.g), plain(&t.q), dk.a, dk.ld, true);
    }
}

/* A piece is a sequence and a key head: its query heads one after the other, since they share dk and dv. */
static void backward_piece(void *ctx, int i, int thread)
{
    const struct job *j = ctx;
    int s = j->plan->order[i / j->a->kv_heads], kv = i % j->a->kv_heads, group = j->a->heads / j->a->kv_heads;
    for (int h = kv * group; h < (kv + 1) * group; h++) backward_head(j, s, h, j->work + (size_t)thread * j->work_size);
}

/* ---- whole batch ---- */

static status job_work(struct job *j, int matrices)
{
    j->work_size = ((size_t)matrices * QUERY_BLOCK * (size_t)j->plan->longest + 15) & ~(size_t)15;
    NEW(j->work, j->pass->scratch, j->work_size * (size_t)parallel_threads());
    return ST_OK;
}

status causal_forward(const struct causal *a, struct pass *pass, const struct causal_plan *plan,
                      const struct causal_data *data, struct mat *out)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct job j = {.a = a, .pass = pass, .plan = plan, .data = data, .out = out};
    TRY(job_work(&j, 1));
    enum lap before = lap_begin(LAP_ATTENTION);
    parallel_for(plan->n * a->heads, forward_piece, &j);
    lap_end(before);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

status causal_backward(const struct causal *a, struct pass *pass, const struct causal_plan *plan,
                       const struct causal_data *data, const struct mat *dout, struct mat *dq, struct mat *dk,
                       struct mat *dv)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct job j = {.a = a, .pass = pass, .plan = plan, .data = data, .out = dout, .dq = dq, .dk = dk, .dv = dv};
    if (dk->a) op_zero(dk);
    if (dv->a) op_zero(dv);
    TRY(job_work(&j, 2));
    enum lap before = lap_begin(LAP_ATTENTION);
    parallel_for(plan->n * a->kv_heads, backward_piece, &j);
    lap_end(before);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}
