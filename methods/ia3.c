/* (IA)3 (Liu et al. 2022): learned gains on what attention and feed-forward layers pass on,
 *
 *     y = l o (W0 x + c)      keys, values and other layers, l [out]
 *     y = W0 (l o x) + c      the second feed-forward layer: l [in] acts on the activations
 *
 * l starts at 1, so step 0 computes what the base computes; decay, if any, would pull it to 0 and is off. */
#include "core/gemm.h"
#include "core/ops.h"
#include "methods/common_options.h"
#include "methods/method.h"

struct options {
    const char *sites;
};

static const struct option options[] = {
    OPTION_SITES("key+value+ffn_out", "scaled linear layers"),
    OPT_END,
};

struct adapter {
    struct param *gain;
};

static bool scales_input(const struct site *site)
{
    return site->role == ROLE_FFN_OUT;
}

static status ia3_attach(struct mrun *run, struct site *site, const real *w)
{
    struct adapter *ad = site->adapter;
    int n = scales_input(site) ? site->in : site->out;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "ia3: %s is no linear layer", site->name);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "ia3_l", 1, n, &ad->gain));
    for (int j = 0; j < n; j++) ad->gain->data[j] = 1;
    ad->gain->decay = 0;
    return ST_OK;
}

static status ia3_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const real *gain = ((const struct adapter *)u->site->adapter)->gain->data;
    struct arena_mark mark = arena_mark(u->pass->scratch);
    struct mat part;
    if (scales_input(u->site)) {
        TRY(mat_new(u->pass->scratch, x->rows, x->cols, &part));
        op_scale_columns(x, gain, &part);
        TRY(base_forward(u, &part, y));
    } else {
        TRY(base_forward(u, x, y));
        if (u->pass->keep) {
            TRY(mat_new(u->pass->tape, y->rows, y->cols, &part));
            op_copy(y, &part);
            u->saved = part.a;
        }
        op_scale_columns(y, gain, y);
    }
    arena_reset(u->pass->scratch, mark);
    return ST_OK;
}

/* dl = sum dy o (W0 x + c); the base gets dy o l */
static status output_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx,
                              struct arena *scratch)
{
    struct param *gain = ((struct adapter *)u->site->adapter)->gain;
    const struct mat kept = mat_of(u->saved, dy->rows, dy->cols);
    struct mat work;
    TRY(mat_new(scratch, dy->rows, dy->cols, &work));
    op_copy(dy, &work);
    op_multiply(&kept, &work);
    bias_backward(&work, gain->grad);
    op_scale_columns(dy, gain->data, &work);
    return base_backward(u, x, &work, dx);
}

/* With dv the gradient of l o x: dl = sum dv o x, dx += dv o l */
static status input_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx,
                             struct arena *scratch)
{
    struct param *gain = ((struct adapter *)u->site->adapter)->gain;
    struct mat dv, work;
    TRY(mat_new(scratch, x->rows, x->cols, &dv));
    TRY(mat_new(scratch, x->rows, x->cols, &work));
    op_scale_columns(x, gain->data, &work);
    op_zero(&dv);
    TRY(base_backward(u, &work, dy, &dv));
    op_copy(&dv, &work);
    op_multiply(x, &work);
    bias_backward(&work, gain->grad);
    if (!dx) return ST_OK;
    op_scale_columns(&dv, gain->data, &dv);
    op_add(&dv, dx);
    return ST_OK;
}

static status ia3_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    struct arena *scratch = u->pass->scratch;
    struct arena_mark mark = arena_mark(scratch);
    if (scales_input(u->site))
        TRY(input_backward(u, x, dy, dx, scratch));
    else
        TRY(output_backward(u, x, dy, dx, scratch));
    arena_reset(scratch, mark);
    return ST_OK;
}

static void ia3_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    (void)run, (void)variant;
    out->trained = out->deployed = out->adapter_macs_per_token = scales_input(site) ? site->in : site->out;
}

static status ia3_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    const real *gain = ((const struct adapter *)site->adapter)->gain->data;
    (void)run, (void)variant;
    for (int j = 0; j < site->out; j++) {
        real *row = w + (size_t)j * (size_t)site->in;
        for (int i = 0; i < site->in; i++) row[i] *= scales_input(site) ? gain[i] : gain[j];
        if (!scales_input(site)) b[j] *= gain[j];
    }
    return ST_OK;
}

const struct method method_ia3 = {
    .name = "ia3",
    .summary = "learned gains on keys, values and feed-forward activations",
    .source = "Liu et al. 2022, arXiv 2205.05638",
    .abi = METHOD_ABI,
    .flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .attach = ia3_attach,
    .site_ops = {.forward = ia3_forward, .backward = ia3_backward},
    .report = ia3_report,
    .effective = ia3_effective,
};
