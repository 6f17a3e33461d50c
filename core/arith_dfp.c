#include "core/arith_dfp.h"

#include <stddef.h>
#include "core/arith_operations.h"
#include "core/finish.h"
#include "core/fixed_point.h"
#include "core/gemm_int.h"

#define AT(field) offsetof(struct dfp_options, field)

static const struct option options[] = {
    {"weight_bits", OPT_INT, AT(weight_bits), FIXED_BITS_MIN, FIXED_BITS_MAX, "8", NULL,
     "bits of a weight in integer products", 0},
    {"activation_bits", OPT_INT, AT(activation_bits), FIXED_BITS_MIN, FIXED_BITS_MAX, "12", NULL,
     "bits of a layer's input in integer products", 0},
    {"gradient_bits", OPT_INT, AT(gradient_bits), FIXED_BITS_MIN, FIXED_BITS_MAX, "8", NULL,
     "bits of an output's gradient in integer products", 0},
    {"rounding", OPT_ENUM, AT(rounding), 0, 0, "stochastic", "stochastic|nearest",
     "how integers of training are rounded; those of evaluations are rounded to nearest", 0},
    {"eval_scale", OPT_ENUM, AT(eval_scale), 0, 0, "example", "example|batch",
     "what shares a scale in evaluations; with batch results depend on eval_batch", 0},
    OPT_END};

/* ---- operands ---------------------------------------------------------------------------------------------------- */

/* Tensors of one place draw different numbers. */
enum operand { OPERAND_X, OPERAND_W, OPERAND_G };

static struct fixed_rounding rounding_of(const struct arith_call *call, enum operand operand)
{
    static const uint32_t word[] = {[OPERAND_X] = 0, [OPERAND_W] = 0x5bd1e995u, [OPERAND_G] = 0xc2b2ae35u};
    const struct dfp_options *o = call->options;
    if (!call->train || o->rounding == DFP_NEAREST) return (struct fixed_rounding){0};
    return (struct fixed_rounding){call->rng, call->step, call->micro, call->who ^ word[operand]};
}

static status map_matrix(const struct arith_call *call, const struct mat *x, enum operand operand,
                         const struct fixed_groups *groups, struct fixed_tensor *out)
{
    const struct dfp_options *o = call->options;
    const struct fixed_source from = fixed_matrix(x);
    const struct fixed_rounding how = rounding_of(call, operand);
    int bits = operand == OPERAND_G ? o->gradient_bits : o->activation_bits;
    return fixed_map(&from, bits, groups, &how, call->scratch, out);
}

static status map_weight(const struct arith_call *call, const struct wsrc *w, struct fixed_tensor *out)
{
    const struct dfp_options *o = call->options;
    const struct fixed_source from = fixed_weight(w);
    const struct fixed_rounding how = rounding_of(call, OPERAND_W);
    return fixed_map(&from, o->weight_bits, &(struct fixed_groups){0}, &how, call->scratch, out);
}

/* Which rows of X share a scale. */
static struct fixed_groups groups_of(const struct arith_call *call, int rows)
{
    const struct dfp_options *o = call->options;
    if (call->train || o->eval_scale == EVAL_BATCH || call->rows == ROWS_TOGETHER) return (struct fixed_groups){0};
    if (call->rows == ROWS_BY_EXAMPLE) return (struct fixed_groups){call->examples, call->example};
    return (struct fixed_groups){rows, NULL};
}

static struct gemm_int_in operand(const struct fixed_tensor *t, bool trans)
{
    return (struct gemm_int_in){t->m, t->cols, trans, t->bits};
}

/* The scale of every row of C, from those of A's rows (step 1) or of all of A (step 0) and that of B. */
static status scales(const struct fixed_tensor *a, int step, const struct fixed_tensor *b, int rows,
                     struct arena *scratch, const struct fixed_power **out)
{
    struct fixed_power *p;
    NEW(p, scratch, rows + 1);
    for (int i = 0; i < rows; i++) p[i] = fixed_power(a->scale[step * i], b->scale[0]);
    *out = p;
    return ST_OK;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static status forward(const struct arith_call *call, const struct mat *x, const struct wsrc *w, const real *bias,
                      struct mat *y)
{
    struct fixed_tensor a, b;
    const struct fixed_groups groups = groups_of(call, x->rows);
    struct gemm_int_out out = {.c = y->a, .ldc = y->ld, .bias = bias};
    TRY(map_matrix(call, x, OPERAND_X, &groups, &a));
    TRY(map_weight(call, w, &b));
    TRY(scales(&a, 1, &b, x->rows, call->scratch, &out.scale));
    return gemm_int(x->rows, w->rows, w->cols, operand(&a, false), operand(&b, true), &out, call->scratch);
}

static status backward_x(const struct arith_call *call, const struct mat *dy, const struct wsrc *w, struct mat *dx,
                         bool accumulate)
{
    struct fixed_tensor a, b;
    struct gemm_int_out out = {.c = dx->a, .ldc = dx->ld, .accumulate = accumulate};
    TRY(map_matrix(call, dy, OPERAND_G, &(struct fixed_groups){0}, &a));
    TRY(map_weight(call, w, &b));
    TRY(scales(&a, 1, &b, dy->rows, call->scratch, &out.scale));
    return gemm_int(dy->rows, w->cols, w->rows, operand(&a, false), operand(&b, false), &out, call->scratch);
}

static status backward_w(const struct arith_call *call, const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    struct fixed_tensor a, b;
    struct gemm_int_out out = {.c = dw, .ldc = ld, .accumulate = true};
    TRY(map_matrix(call, dy, OPERAND_G, &(struct fixed_groups){0}, &a));
    TRY(map_matrix(call, x, OPERAND_X, &(struct fixed_groups){0}, &b));
    TRY(scales(&a, 0, &b, dy->cols, call->scratch, &out.scale));
    return gemm_int(dy->cols, x->cols, x->rows, operand(&a, true), operand(&b, false), &out, call->scratch);
}

/* What the model or an adapter wants done with a result, in single precision and on all of it at once: the integers'
 * scale is known only when all of their tensor has been seen, and packing is no longer the larger part. */
static void finish(const struct gemm_after *after, struct mat *c)
{
    if (after && after->plus) gemm_add_term(products_f32.gemm, after->plus, c);
    if (after && after->finish) finish_all(after->finish, c->rows, c->cols);
}

static status dfp_linear(const struct arith_call *call, const struct mat *x, const struct wsrc *w, const real *bias,
                         const struct gemm_after *after, struct mat *y)
{
    struct arena_mark mark = arena_mark(call->scratch);
    status st = forward(call, x, w, bias, y);
    arena_reset(call->scratch, mark);
    if (st == ST_OK) finish(after, y);
    return st;
}

static status dfp_linear_dx(const struct arith_call *call, const struct mat *dy, const struct wsrc *w,
                            const struct gemm_after *after, struct mat *dx, bool accumulate)
{
    struct arena_mark mark = arena_mark(call->scratch);
    status st = backward_x(call, dy, w, dx, accumulate);
    arena_reset(call->scratch, mark);
    if (st == ST_OK) finish(after, dx);
    return st;
}

static status dfp_linear_dw(const struct arith_call *call, const struct mat *x, const struct mat *dy, real *dw, int ld)
{
    struct arena_mark mark = arena_mark(call->scratch);
    status st = backward_w(call, x, dy, dw, ld);
    arena_reset(call->scratch, mark);
    return st;
}

static void operand_bits(const void *opts, int *weight, int *activation)
{
    const struct dfp_options *o = opts;
    *weight = o->weight_bits;
    *activation = o->activation_bits;
}

static bool batch_matters(const void *opts)
{
    return ((const struct dfp_options *)opts)->eval_scale == EVAL_BATCH;
}

const struct arith arith_dfp = {
    .name = "dfp",
    .summary = "linear layers in integers with one scale a tensor (dynamic fixed point); all else as f32",
    .products = &products_f32,
    .options = options,
    .option_size = sizeof(struct dfp_options),
    .operand_bits = operand_bits,
    .batch_matters = batch_matters,
    .whole_table = 1,
    .linear = dfp_linear,
    .linear_dx = dfp_linear_dx,
    .linear_dw = dfp_linear_dw,
    ARITH_OPERATIONS,
};
