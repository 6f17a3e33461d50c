/* Gated activations and rotary positions, cut by rows. */
#include "core/finish.h"
#include "core/ops.h"
#include "core/ops_pieces.h"
#include "core/row_kernels.h"

void op_gated(enum activation kind, const struct mat *gate, const struct mat *up, struct mat *y)
{
    struct finish_gated g = {kind, gate, up, y};
    finish_all(&(struct gemm_finish){finish_gated, &g}, gate->rows, gate->cols);
}

void op_gated_backward(enum activation kind, const struct mat *gate, const struct mat *up, const struct mat *dy,
                       struct mat *dgate, struct mat *dup)
{
    struct finish_gated_back g = {kind, gate, up, dy, dgate, dup};
    finish_all(&(struct gemm_finish){finish_gated_back, &g}, gate->rows, gate->cols);
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
