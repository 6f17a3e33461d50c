#include "models/lowrank_use.h"

#include "core/arith.h"

status lowrank_use_forward(const struct use *u, struct lowrank update, struct dropout drop, const struct mat *x,
                           void **z, struct mat *y)
{
    const struct pass *p = u->pass;
    update.products = p->arith->products;
    return lowrank_apply(&update, &drop, u->row_key, x, p->keep ? p->tape : NULL, p->scratch, z, y);
}

status lowrank_use_backward(const struct use *u, struct lowrank update, struct dropout drop, const struct mat *x,
                            void *z, const struct mat *dy, const struct lowrank_grads *g, struct mat *dx)
{
    update.products = u->pass->arith->products;
    return lowrank_unapply(&update, &drop, u->row_key, x, z, dy, g, u->pass->scratch, dx);
}
