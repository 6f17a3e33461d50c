#include "models/lowrank_use.h"

#include "core/arith.h"
#include "core/ops.h"

status lowrank_use_forward(const struct use *u, struct lowrank update, const struct drop *place, const struct mat *x,
                           void **z, struct mat *y)
{
    const struct pass *p = u->pass;
    struct dropout drop = use_dropout(u, place);
    update.products = p->arith->products;
    return lowrank_apply(&update, &drop, u->row_key, x, p->keep ? p->tape : NULL, p->scratch, z, y);
}

status lowrank_use_backward(const struct use *u, struct lowrank update, const struct drop *place, const struct mat *x,
                            void *z, const struct mat *dy, const struct lowrank_grads *g, struct mat *dx)
{
    struct dropout drop = use_dropout(u, place);
    update.products = u->pass->arith->products;
    return lowrank_unapply(&update, &drop, u->row_key, x, z, dy, g, u->pass->scratch, dx);
}

status lowrank_layer_forward(struct use *u, struct lowrank update, const struct drop *place, const struct mat *x,
                             void **z, struct mat *y)
{
    const struct pass *p = u->pass;
    struct dropout drop = use_dropout(u, place);
    struct gemm_term rest;
    struct arena_mark mark = arena_mark(p->scratch);
    update.products = p->arith->products;
    TRY(lowrank_prepare(&update, &drop, u->row_key, x, p->keep ? p->tape : NULL, p->scratch, z, &rest));
    TRY(base_forward_last(u, x, &rest, y));
    arena_reset(p->scratch, mark);
    return ST_OK;
}

/* Where the update has dropout, its part of dx goes through the mask before it is added. */
status lowrank_layer_backward(struct use *u, struct lowrank update, const struct drop *place, const struct mat *x,
                              void *z, const struct mat *dy, const struct lowrank_grads *g, struct mat *dx)
{
    if (!dx || use_dropout(u, place).p > 0) {
        TRY(base_backward(u, x, dy, dx));
        return lowrank_use_backward(u, update, place, x, z, dy, g, dx);
    }
    struct arena *scratch = u->pass->scratch;
    struct mat work, inner = mat_of(z, x->rows, update.r);
    struct arena_mark mark = arena_mark(scratch);
    update.products = u->pass->arith->products;
    TRY(mat_new(scratch, x->rows, update.r, &work));
    struct gemm_term rest = lowrank_gradients(&update, x, &inner, dy, g->a, g->b, g->e, g->from, &work);
    TRY(base_backward_last(u, x, dy, &rest, dx));
    arena_reset(scratch, mark);
    return ST_OK;
}
