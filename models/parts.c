#include "models/parts.h"

#include <string.h>
#include "core/finish.h"
#include "core/ops.h"

status rows_take(const struct rows *r, const struct mat *x, struct arena *keep, struct mat *y)
{
    if (!r->at) {
        *y = *x;
        return ST_OK;
    }
    TRY(mat_new(keep, r->n, x->cols, y));
    for (int i = 0; i < r->n; i++) memcpy(mat_row(y, i), mat_row(x, r->at[i]), sizeof(real) * (size_t)x->cols);
    return ST_OK;
}

void rows_add(const struct rows *r, const struct mat *dy, struct mat *dx)
{
    if (!r->at) {
        op_add(dy, dx);
        return;
    }
    for (int i = 0; i < r->n; i++) {
        const real *from = mat_row(dy, i);
        real *to = mat_row(dx, r->at[i]);
        for (int c = 0; c < dy->cols; c++) to[c] += from[c];
    }
}

void rows_put(const struct rows *r, const struct mat *dy, struct mat *dx)
{
    if (!r->at) {
        op_copy(dy, dx);
        return;
    }
    op_zero(dx);
    rows_add(r, dy, dx);
}

struct arith_call pass_call(struct pass *pass, uint32_t who)
{
    return (struct arith_call){.rng = pass->rng,
                               .step = pass->step,
                               .micro = pass->micro,
                               .who = who,
                               .scratch = pass->scratch,
                               .options = pass->arith_options,
                               .train = pass->train};
}

bool norm_trained(const struct norm *n)
{
    return param_trained(n->gamma) || (n->beta && param_trained(n->beta));
}

status norm_forward(const struct norm *n, struct pass *pass, const struct mat *x, struct mat *y, real *stats)
{
    struct arith_call call = pass_call(pass, n->who);
    if (!n->beta) return pass->arith->rms_norm(&call, x, n->gamma->data, n->eps, y, stats);
    return pass->arith->norm(&call, x, n->gamma->data, n->beta->data, n->eps, y, stats);
}

status norm_backward(const struct norm *n, struct pass *pass, const struct mat *x, const real *stats,
                     const struct mat *dy, struct mat *dx)
{
    struct arith_call call = pass_call(pass, n->who);
    if (!n->beta) return pass->arith->rms_norm_backward(&call, x, stats, n->gamma->data, dy, dx, n->gamma->grad);
    return pass->arith->norm_backward(&call, x, stats, n->gamma->data, dy, dx, n->gamma->grad, n->beta->grad);
}

void drop_apply(const struct drop *d, const struct pass *pass, const uint32_t *row_key, struct mat *x)
{
    drop_copy(d, pass, row_key, x, x);
}

void drop_copy(const struct drop *d, const struct pass *pass, const uint32_t *row_key, const struct mat *x,
               struct mat *y)
{
    struct dropout call = drop_call(d, pass);
    op_dropout(&call, row_key, x, y);
}

status mat_zeros(struct arena *arena, int rows, int cols, struct mat *m)
{
    TRY(mat_new(arena, rows, cols, m));
    op_zero(m);
    return ST_OK;
}

struct mat *mat_wanted(struct mat *m)
{
    return m->a ? m : NULL;
}

status table_rows_backward(struct param *table, struct pass *pass, uint32_t who, const int32_t *id, const struct mat *d)
{
    struct arith_call call = pass_call(pass, who);
    param_reach(table, id, d->rows);
    return pass->arith->embed_backward(&call, d, id, table->grad, table->cols);
}

status sublayer_forward(struct pass *pass, const struct rows *rows, const struct drop *drop, struct use *last,
                        const struct mat *x, struct use *point, const struct sublayer_end *end, struct arena *save,
                        struct mat *raw)
{
    struct finish_residual f = {drop_call(drop, pass), rows->row_key, end->y, end->residual, end->sum};
    const struct gemm_finish finish = {finish_residual, &f};
    if (!point->site->ops) return site_forward_then(last, x, &finish, end->y);
    TRY(mat_new(save, end->y->rows, end->y->cols, raw));
    TRY(site_forward(last, x, raw));
    drop_apply(drop, pass, rows->row_key, raw);
    f.drop.p = 0;
    return site_forward_then(point, raw, &finish, end->y);
}

status sublayer_backward(struct pass *pass, const struct rows *rows, const struct drop *drop, struct use *point,
                         const struct mat *raw, const struct mat *dsum, struct mat *d)
{
    TRY(mat_new(pass->scratch, dsum->rows, dsum->cols, d));
    if (point->site->ops) {
        TRY(site_backward_set(point, raw, dsum, NULL, d));
        drop_apply(drop, pass, rows->row_key, d);
    } else {
        drop_copy(drop, pass, rows->row_key, dsum, d);
    }
    return ST_OK;
}

status activated_forward(struct pass *pass, enum activation act, struct use *first, const struct mat *x,
                         const struct site *last, bool keep, struct activated *left, struct mat *active)
{
    struct mat h;
    struct finish_activation f = {act, &h, active, keep ? &h : NULL};
    TRY(mat_new(keep ? pass->tape : pass->scratch, x->rows, first->site->out, &h));
    *active = h;
    if (keep) TRY(mat_new(site_needs_input(last) ? pass->tape : pass->scratch, h.rows, h.cols, active));
    *left = (struct activated){h, *active};
    return site_forward_then(first, x, &(struct gemm_finish){finish_activation, &f}, &h);
}

status activated_backward(struct pass *pass, struct use *last, const struct mat *d, bool wanted,
                          const struct activated *left, struct mat *dh)
{
    const struct mat none = {0}, *active = site_needs_input(last->site) ? &left->active : &none;
    if (!wanted) return site_trains(last->site) ? site_backward(last, active, d, NULL) : ST_OK;
    TRY(mat_new(pass->scratch, left->slope.rows, left->slope.cols, dh));
    struct finish_product product = {&left->slope, dh};
    return site_backward_set(last, active, d, &(struct gemm_finish){finish_product, &product}, dh);
}

struct wsrc param_source(const struct param *p)
{
    return p->data ? wsrc_dense(p->data, p->rows, p->cols) : p->src;
}

bool site_trains(const struct site *s)
{
    return s->ops || (s->weight && param_trained(s->weight)) || (s->bias && param_trained(s->bias));
}

bool site_needs_input(const struct site *s)
{
    return s->ops || (s->weight && param_trained(s->weight));
}
