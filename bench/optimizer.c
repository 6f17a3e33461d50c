/* The update is elementwise, so it is cut into pieces of rows that threads take in any order. Scalars (bias
 * corrections, rates) are computed in double once a tensor; elements are updated in `real`, each by the same few
 * operations whatever the piece it falls into. */
#include "bench/optimizer.h"

#include <tgmath.h> /* sqrt of a real, whichever it is */
#include "core/ops.h"
#include "core/parallel.h"

static int rows_a_piece(const struct param *p)
{
    enum { ELEMENTS = 1 << 15 };
    return p->cols >= ELEMENTS ? 1 : ELEMENTS / p->cols;
}

status adamw_init(const struct adamw *o, struct registry *reg)
{
    (void)o;
    for (int i = 0; i < reg->count; i++) {
        struct param *p = reg->list[i];
        if (!param_trained(p) || p->m) continue;
        const size_t bytes = sizeof(real) * param_size(p);
        p->m = arena_zalloc_sparse(reg->arena, bytes);
        p->v = arena_zalloc_sparse(reg->arena, bytes);
        if (!p->m || !p->v) return ST_MEMORY;
    }
    return ST_OK;
}

static bool any(const real *x, int n)
{
    int i = 0;
    while (i < n && x[i] == 0) i++;
    return i < n;
}

void adamw_restored(struct registry *reg)
{
    for (int i = 0; i < reg->count; i++) {
        struct param *p = reg->list[i];
        for (int r = 0; p->reached && r < p->rows; r++) {
            size_t at = (size_t)r * (size_t)p->cols;
            p->reached[r] = p->reached[r] || any(p->m + at, p->cols) || any(p->v + at, p->cols);
        }
    }
}

double adamw_rate(const struct adamw *o, const struct param *p, double lr)
{
    if (!p->lr_own) return p->lr * lr;
    return o->base_lr > 0 ? p->lr * (lr / o->base_lr) : p->lr;
}

struct update {
    enum adamw_form form;
    struct param *p;
    int rows_a_piece;
    real beta1, beta2, rest1, rest2, eps; /* rest = 1 - beta */
    real keep;                            /* factor on the weight by decay: 1 - rate * decay */
    real decay;                           /* rate * decay */
    real step;                            /* rate over the bias correction of the form */
    real root;                            /* torch: sqrt(1 - beta2^t) */
};

static void update_torch(const struct update *u, size_t at, int n)
{
    real *w = u->p->data + at, *m = u->p->m + at, *v = u->p->v + at;
    const real *g = u->p->grad + at;
    for (int i = 0; i < n; i++) {
        m[i] = u->beta1 * m[i] + u->rest1 * g[i];
        v[i] = u->beta2 * v[i] + u->rest2 * (g[i] * g[i]);
        real denominator = sqrt(v[i]) / u->root + u->eps;
        w[i] = w[i] * u->keep - u->step * (m[i] / denominator);
    }
}

static void update_hf44(const struct update *u, size_t at, int n)
{
    real *w = u->p->data + at, *m = u->p->m + at, *v = u->p->v + at;
    const real *g = u->p->grad + at;
    for (int i = 0; i < n; i++) {
        m[i] = u->beta1 * m[i] + u->rest1 * g[i];
        v[i] = u->beta2 * v[i] + u->rest2 * (g[i] * g[i]);
        real moved = w[i] - u->step * (m[i] / (sqrt(v[i]) + u->eps));
        w[i] = moved - u->decay * moved;
    }
}

/* What either form makes of an element whose gradient and moments are zeros: their steps subtract a zero. */
static void update_unreached(const struct update *u, size_t at, int n)
{
    real *w = u->p->data + at;
    for (int i = 0; i < n; i++) w[i] = u->form == ADAMW_TORCH ? w[i] * u->keep : w[i] - u->decay * w[i];
}

static void update_piece(void *ctx, int piece, int thread)
{
    const struct update *u = ctx;
    const struct param *p = u->p;
    int first = p->lo + piece * u->rows_a_piece, last = first + u->rows_a_piece;
    (void)thread;
    if (last > p->hi) last = p->hi;
    for (int r = first; r < last; r++) {
        size_t at = (size_t)r * (size_t)p->cols + (size_t)p->left;
        if (p->reached && !p->reached[r])
            update_unreached(u, at, p->right - p->left);
        else if (u->form == ADAMW_TORCH)
            update_torch(u, at, p->right - p->left);
        else
            update_hf44(u, at, p->right - p->left);
    }
}

static void update_tensor(const struct adamw *o, struct param *p, double rate, long t)
{
    if (t > p->idle) t -= p->idle;
    double correct1 = 1 - pow(o->beta1, (double)t), root2 = sqrt(1 - pow(o->beta2, (double)t));
    double decay = rate * o->weight_decay * p->decay;
    struct update u = {
        .form = o->form,
        .p = p,
        .rows_a_piece = rows_a_piece(p),
        .beta1 = (real)o->beta1,
        .beta2 = (real)o->beta2,
        .rest1 = (real)(1 - o->beta1),
        .rest2 = (real)(1 - o->beta2),
        .eps = (real)o->eps,
        .keep = (real)(1 - decay),
        .decay = (real)decay,
        .step = (real)(o->form == ADAMW_TORCH ? rate / correct1 : rate * root2 / correct1),
        .root = (real)root2,
    };
    if (p->hi > p->lo) parallel_for((p->hi - p->lo + u.rows_a_piece - 1) / u.rows_a_piece, update_piece, &u);
    param_touch(p);
}

void adamw_step(const struct adamw *o, struct registry *reg, double lr, long t)
{
    for (int i = 0; i < reg->count; i++) {
        struct param *p = reg->list[i];
        if (param_trained(p)) update_tensor(o, p, adamw_rate(o, p, lr), t);
    }
}

/* ---- clipping ---- */

struct scaling {
    struct param *p;
    int rows_a_piece;
    real factor;
};

static void scale_piece(void *ctx, int piece, int thread)
{
    const struct scaling *s = ctx;
    const struct param *p = s->p;
    int first = piece * s->rows_a_piece, last = first + s->rows_a_piece;
    (void)thread;
    if (last > p->rows) last = p->rows;
    for (int r = first; r < last; r++) {
        real *g = p->grad + (size_t)r * (size_t)p->cols;
        for (int i = 0; i < p->cols && (!p->reached || p->reached[r]); i++) g[i] *= s->factor;
    }
}

double gradients_clip(struct registry *reg, double clip)
{
    double sum = 0;
    for (int i = 0; i < reg->count; i++) {
        const struct param *p = reg->list[i];
        struct mat g = mat_of(p->grad, p->rows, p->cols);
        if (param_trained(p)) sum += op_sum_squares_of(&g, p->reached);
    }
    double norm = sqrt(sum);
    double factor = clip / (norm + 1e-6);
    if (clip <= 0 || !isfinite(norm) || factor >= 1) return norm;
    for (int i = 0; i < reg->count; i++) {
        struct param *p = reg->list[i];
        if (!param_trained(p)) continue;
        struct scaling s = {p, rows_a_piece(p), (real)factor};
        parallel_for((p->rows + s.rows_a_piece - 1) / s.rows_a_piece, scale_piece, &s);
    }
    return norm;
}
