/* Gated activations and rotary positions, cut by rows. */
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/row_kernels.h"

struct gated {
    const struct row_kernels *k;
    enum activation kind;
    const struct mat *gate, *up, *dy;
    struct mat *out, *dgate, *dup;
};

static void forward_rows(const void *ctx, int r0, int r1)
{
    const struct gated *g = ctx;
    for (int r = r0; r < r1; r++)
        g->k->gate(g->kind, mat_row(g->gate, r), mat_row(g->up, r), g->gate->cols, mat_row(g->out, r));
}

void op_gated(enum activation kind, const struct mat *gate, const struct mat *up, struct mat *y)
{
    struct gated g = {.k = row_kernels(), .kind = kind, .gate = gate, .up = up, .out = y};
    over_rows(gate->rows, gate->cols, forward_rows, &g);
}

static void backward_rows(const void *ctx, int r0, int r1)
{
    const struct gated *g = ctx;
    for (int r = r0; r < r1; r++)
        g->k->gate_backward(g->kind, mat_row(g->gate, r), mat_row(g->up, r), mat_row(g->dy, r), g->gate->cols,
                            mat_row(g->dgate, r), mat_row(g->dup, r));
}

void op_gated_backward(enum activation kind, const struct mat *gate, const struct mat *up, const struct mat *dy,
                       struct mat *dgate, struct mat *dup)
{
    struct gated g = {.k = row_kernels(), .kind = kind, .gate = gate, .up = up, .dy = dy, .dgate = dgate, .dup = dup};
    over_rows(gate->rows, gate->cols, backward_rows, &g);
}

struct turning {
    const struct row_kernels *k;
    const struct rotary *table;
    const int *position;
    int head_dim;
    real turn;
    struct mat *x;
};

static void rotate_rows(const void *ctx, int r0, int r1)
{
    const struct turning *t = ctx;
    for (int r = r0; r < r1; r++) {
        size_t at = (size_t)(t->position[r] - t->table->first) * (size_t)t->table->pairs;
        for (int h = 0; h < t->x->cols; h += t->head_dim)
            t->k->rotate(mat_row(t->x, r) + h, t->table->pairs, t->table->cosine + at, t->table->sine + at, t->turn);
    }
}

void op_rotate(const struct rotary *table, const int *position, int head_dim, bool back, struct mat *x)
{
    struct turning t = {row_kernels(), table, position, head_dim, back ? -1 : 1, x};
    over_rows(x->rows, x->cols, rotate_rows, &t);
}
