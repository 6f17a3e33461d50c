#include "core/learned_bits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/text.h"

/* ---- tensors -------------------------------------------------------------------------------------------------------
 */

status learned_gates_add(struct registry *reg, enum param_class cls, const char *name, int n, int order, double lr,
                         double value, struct param **out)
{
    struct param *p;
    TRY(param_add(reg, cls, name, 1, n, order, &p));
    p->lr = lr;
    p->lr_own = true;
    p->decay = 0;
    for (int i = 0; i < n; i++) p->data[i] = (real)value;
    *out = p;
    return ST_OK;
}

static status named(const char *name, const char *suffix, char *out, size_t n)
{
    int length = snprintf(out, n, "%s.%s", name, suffix);
    FAIL_IF(length < 0 || (size_t)length >= n, ST_INTERNAL, "the name '%s' of a quantiser is too long", name);
    return ST_OK;
}

status learned_bits_add(struct learned_bits *q, const struct learned_form *form, struct registry *reg, const char *name,
                        int order)
{
    char full[600];
    TRY(named(name, "phi", full, sizeof full));
    TRY(learned_gates_add(reg, P_ADAPTER, full, BITS_GATES, order, form->gate_lr, form->phi, &q->phi));
    TRY(named(name, "xmax", full, sizeof full));
    enum param_class cls = form->range_learns ? P_ADAPTER : P_STATE;
    TRY(learned_gates_add(reg, cls, full, 1, order, form->range_lr, 0, &q->x_max));
    TRY(named(name, "sign", full, sizeof full));
    return param_add(reg, P_STATE, full, 1, 1, order, &q->sign);
}

double learned_bits_now(const struct learned_bits *q)
{
    double z[BITS_GATES];
    if (!q->phi) return 32;
    for (int b = 0; b < BITS_GATES; b++) z[b] = gate_decided((double)q->phi->data[b]).z;
    return bits_effective(z);
}

int learned_rank_now(const struct param *xi)
{
    int rank = 1;
    while (xi && rank <= xi->cols && gate_decided((double)xi->data[rank - 1]).z > 0) rank++;
    return rank;
}

/* ---- one use -------------------------------------------------------------------------------------------------------
 */

struct gate learned_gate(const struct bits_pass *pass, const struct param *phi, int i)
{
    double value = (double)phi->data[i];
    if (pass->rule == GATES_DECIDED) return gate_decided(value);
    if (pass->rule == GATES_OPEN) return (struct gate){1, 0};
    uint32_t who = text_hash32(phi->name) + pass->noise;
    return gate_sampled(value, rng_uniform(pass->rng, RNG_GATE, pass->step, 0, who, (uint64_t)i));
}

static void set(struct bits_use *u)
{
    double z[BITS_GATES];
    for (int b = 0; b < BITS_GATES; b++) z[b] = u->gate[b].z;
    bits_set(&u->bits, (double)u->of->x_max->data[0], u->of->sign->data[0] > 1, u->pass->clip, z);
    u->on = true;
}

void bits_use_begin(struct bits_use *u, struct learned_bits *q, const struct bits_pass *pass)
{
    *u = (struct bits_use){.of = q, .pass = pass};
    if (!q->phi) return;
    for (int b = 0; b < BITS_GATES; b++) u->gate[b] = learned_gate(pass, q->phi, b);
    if (q->sign->data[0] > 0) set(u);
}

static bool must_observe(const struct bits_use *u)
{
    return u->of->phi && !u->on && u->pass->mode == BITS_OBSERVE;
}

static void take(struct bits_use *u, const struct bits_range *range)
{
    u->of->x_max->data[0] = (real)range->largest;
    u->of->sign->data[0] = bits_signed(range) ? 2 : 1;
    param_touch(u->of->x_max);
    param_touch(u->of->sign);
    set(u);
}

static status held(struct bits_use *u, const real *x, size_t n, real *y)
{
    struct learned_bits *q = u->of;
    int place = u->pass->place;
    if (q->held_size[place] < n) {
        NEW(q->held[place], u->pass->keep, n);
        q->held_size[place] = n;
    }
    bits_quantise_held(&u->bits, q->held[place], u->pass->mode == BITS_RECORD, x, n, y);
    return ST_OK;
}

static bool checked(const struct bits_use *u)
{
    return u->pass->mode == BITS_RECORD || u->pass->mode == BITS_HELD;
}

status bits_use_forward(struct bits_use *u, const real *x, size_t n, real *y)
{
    if (must_observe(u)) {
        struct bits_range range = {0};
        bits_observe(&range, x, n);
        take(u, &range);
    }
    if (!u->on) {
        if (x != y) memcpy(y, x, sizeof *y * n);
        return ST_OK;
    }
    if (checked(u)) return held(u, x, n, y);
    bits_quantise(&u->bits, x, n, y);
    return ST_OK;
}

static bool gates_learn(const struct bits_use *u)
{
    for (int b = 0; b < BITS_GATES; b++)
        if (u->gate[b].slope != 0) return true;
    return false;
}

bool bits_use_learns(const struct bits_use *u)
{
    return u->on && (gates_learn(u) || param_trained(u->of->x_max));
}

static void learn(struct bits_use *u, const struct bits_sums *sums)
{
    for (int b = 0; b < BITS_GATES; b++) u->of->phi->grad[b] += (real)(sums->gate[b] * u->gate[b].slope);
    if (param_trained(u->of->x_max)) u->of->x_max->grad[0] += (real)sums->x_max;
}

void bits_use_backward(struct bits_use *u, const real *x, size_t n, real *g)
{
    struct bits_sums sums = {{0}, 0};
    if (!u->on) return;
    bits_backward(&u->bits, gates_learn(u), x, n, g, &sums);
    learn(u, &sums);
}

/* ---- weights -------------------------------------------------------------------------------------------------------
 */

status bits_use_weight(struct bits_use *u, const struct wsrc *inner, struct arena *scratch, struct bits_weight *source,
                       struct wsrc *quantised)
{
    if (must_observe(u)) {
        struct bits_range range = {0};
        TRY(bits_observe_weight(&range, inner, scratch));
        take(u, &range);
    }
    *source = (struct bits_weight){u->bits, *inner};
    *quantised = u->on ? bits_source(source) : *inner;
    if (!u->on || !checked(u)) return ST_OK;
    real *dense;
    size_t n = (size_t)inner->rows * (size_t)inner->cols;
    NEW(dense, scratch, n);
    inner->tile(inner, 0, inner->rows, 0, inner->cols, dense, inner->cols);
    *quantised = wsrc_dense(dense, inner->rows, inner->cols);
    return held(u, dense, n, dense);
}

status bits_use_weight_backward(struct bits_use *u, const struct bits_weight *source, real *dw, struct arena *scratch)
{
    struct bits_sums sums = {{0}, 0};
    if (!u->on) return ST_OK;
    TRY(bits_weight_backward(source, gates_learn(u), dw, &sums, scratch));
    learn(u, &sums);
    return ST_OK;
}

/* ---- rank gates ----------------------------------------------------------------------------------------------------
 */

status ranks_begin(struct ranks_use *u, struct param *xi, int r, const struct bits_pass *pass, double **held_offset,
                   struct arena *scratch)
{
    bool record = pass->mode == BITS_RECORD, hold = pass->mode == BITS_HELD;
    *u = (struct ranks_use){.xi = xi, .r = r};
    NEW(u->gate, scratch, r);
    NEW(u->product, scratch, r);
    NEW(u->rank, scratch, r);
    if ((record || hold) && !*held_offset) ZNEW(*held_offset, pass->keep, r);
    for (int i = 0; i + 1 < r; i++) u->gate[i] = learned_gate(pass, xi, i);
    rank_products(u->gate, r - 1, u->product);
    for (int i = 0; i < r; i++) {
        double p = u->product[i];
        if (record) (*held_offset)[i] = rint(p) - p;
        u->rank[i] = (real)(hold ? p + (*held_offset)[i] : rint(p));
    }
    return ST_OK;
}

void ranks_backward(const struct ranks_use *u, const double *drank)
{
    if (u->xi) rank_products_backward(u->gate, u->r - 1, u->product, drank, u->xi->grad);
}

/* The derivative of the sum V by ln q_j is the part of V from term j on. */
double ranks_penalty(struct param *xi, double scale)
{
    double sum = 0, product = 1, before = 0;
    for (int j = 0; j < xi->cols; j++) {
        product *= gate_chance((double)xi->data[j]).z;
        sum += product;
    }
    product = 1;
    for (int j = 0; j < xi->cols; j++) {
        double q = gate_chance((double)xi->data[j]).z;
        xi->grad[j] += (real)(scale * (sum - before) * (1 - q));
        product *= q;
        before += product;
    }
    return sum;
}

double ranks_mean(struct param *xi, double scale)
{
    double mean = 0;
    for (int j = 0; j < xi->cols; j++) {
        struct gate q = gate_chance((double)xi->data[j]);
        mean += q.z / xi->cols;
        xi->grad[j] += (real)(scale * q.slope / xi->cols);
    }
    return mean;
}
