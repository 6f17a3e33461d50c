/* Golden cases of dynamic fixed point: tensors' mantissas and scales at some widths, and a linear layer with its
 * gradients in integers. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/arith_dfp.h"
#include "core/fixed_point.h"
#include "core/ops.h"
#include "tests/golden/golden.h"

/* Values of a tensor as reals [rows, cols], a vector being one row. */
static status values_of(struct check *c, const struct checkpoint *ck, const char *name, struct mat *out)
{
    const struct tensor *t = checkpoint_find(ck, name);
    double *v;
    real *a;
    FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is missing", ck->path, name);
    size_t n = tensor_size(t);
    int cols = (int)t->shape[t->dims - 1];
    NEW(v, c->arena, n);
    NEW(a, c->arena, n);
    TRY(tensor_to_f64(t, v, n));
    for (size_t i = 0; i < n; i++) a[i] = (real)v[i];
    *out = mat_of(a, (int)(n / (size_t)cols), cols);
    return ST_OK;
}

/* One key of `maps`, "normal.8": the tensor normal.x at 8 bits is normal.m8. */
static status check_map(struct check *c, const struct checkpoint *ck, const char *key, const json_t *want)
{
    const char *dot = strrchr(key, '.');
    char name[128];
    int bits;
    double exponent;
    struct mat x, m;
    struct fixed_tensor got;
    FAIL_IF(!dot || sscanf(dot + 1, "%d", &bits) != 1, ST_INPUT, "case.json, maps: '%s' is not NAME.BITS", key);
    snprintf(name, sizeof name, "%.*s.x", (int)(dot - key), key);
    TRY(values_of(c, ck, name, &x));
    snprintf(name, sizeof name, "%.*s.m%d", (int)(dot - key), key, bits);
    TRY(values_of(c, ck, name, &m));
    TRY(check_number(want, "log2_scale", key, &exponent));
    struct fixed_source from = fixed_matrix(&x);
    TRY(fixed_map(&from, bits, &(struct fixed_groups){0}, &(struct fixed_rounding){0}, c->arena, &got));
    int wrong = 0;
    for (int i = 0; i < x.cols; i++) wrong += (double)got.m[i] != (double)m.a[i];
    check_measure(c, wrong, 0, "mantissas of %s", key);
    check_measure(c, got.scale[0].lost ? INFINITY : fabs(got.scale[0].exponent - exponent), 0, "scale of %s", key);
    return ST_OK;
}

/* Tensors linear_w8_a12_g8.y, .dx, .dw, .db: the layer linear.X, .W, .b with the gradient linear.G. */
static status check_linear(struct check *c, const struct checkpoint *ck, const char *y_name)
{
    struct dfp_options o = {.rounding = DFP_NEAREST, .eval_scale = EVAL_BATCH};
    struct mat x, w, b, g, y, dx, dw, db;
    double tolerance;
    char name[64];
    int length = (int)(strrchr(y_name, '.') - y_name);
    FAIL_IF(sscanf(y_name, "linear_w%d_a%d_g%d", &o.weight_bits, &o.activation_bits, &o.gradient_bits) != 3, ST_INPUT,
            "%s: '%s' does not tell bits", ck->path, y_name);
    TRY(check_tolerance(c, "linear_rel", &tolerance));
    TRY(values_of(c, ck, "linear.X", &x));
    TRY(values_of(c, ck, "linear.W", &w));
    TRY(values_of(c, ck, "linear.b", &b));
    TRY(values_of(c, ck, "linear.G", &g));
    TRY(mat_new(c->arena, x.rows, w.rows, &y));
    TRY(mat_new(c->arena, x.rows, x.cols, &dx));
    TRY(mat_new(c->arena, w.rows, w.cols, &dw));
    TRY(mat_new(c->arena, 1, w.rows, &db));
    op_zero(&dw);
    op_zero(&db);
    const struct arith_call call = {.scratch = c->arena, .options = &o, .train = true};
    const struct wsrc source = wsrc_dense(w.a, w.rows, w.cols);
    TRY(arith_dfp.linear(&call, &x, &source, b.a, NULL, &y));
    TRY(arith_dfp.linear_dx(&call, &g, &source, NULL, &dx, false));
    TRY(arith_dfp.linear_dw(&call, &x, &g, dw.a, dw.ld));
    bias_backward(&g, db.a);
    const struct {
        const char *name;
        const struct mat *got;
    } all[] = {{"y", &y}, {"dx", &dx}, {"dw", &dw}, {"db", &db}};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%.*s.%s", length, y_name, all[i].name);
        size_t n = (size_t)all[i].got->rows * (size_t)all[i].got->cols;
        TRY(check_values(c, ck, name, all[i].got->a, n, DISTANCE_LARGEST, tolerance));
    }
    return ST_OK;
}

status check_fixed_point(struct check *c, void *ctx)
{
    const struct checkpoint *ck;
    const char *key;
    json_t *want;
    (void)ctx;
    TRY(check_tensors(c, "fixed_point.safetensors", &ck));
    json_object_foreach(json_object_get(c->info, "maps"), key, want) TRY(check_map(c, ck, key, want));
    for (int i = 0; i < ck->count; i++) {
        const char *name = ck->tensor[i].name;
        size_t n = strlen(name);
        if (strncmp(name, "linear_", 7) == 0 && n > 2 && strcmp(name + n - 2, ".y") == 0)
            TRY(check_linear(c, ck, name));
    }
    return ST_OK;
}
