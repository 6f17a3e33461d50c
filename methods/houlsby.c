/* Bottleneck adapters in the residual stream:
 *
 *     y = x + U act(D x + c) + e,      D [size, hidden], U [hidden, size]
 *
 * on the output of a sublayer before the residual is added. placement = houlsby puts one after attention and one after
 * the feed-forward layers (Houlsby et al. 2019), pfeiffer only the second (Pfeiffer et al. 2021). U starts at 0, so
 * step 0 computes what the base computes; D starts near it, N(0, 0.01^2), as published. */
#include "core/gemm.h"
#include "core/ops.h"
#include "methods/common_options.h"
#include "methods/method.h"

enum placement { PLACE_HOULSBY, PLACE_PFEIFFER };

struct options {
    const char *sites;
    int size, placement, activation;
};

static const struct option options[] = {
    OPTION_SITES("after_attn+after_ffn", "points of the residual stream"),
    {.name = "placement",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, placement),
     .choices = "houlsby|pfeiffer",
     .def = "houlsby",
     .help = "all of these points, or only those after feed-forward layers"},
    {.name = "size",
     .type = OPT_INT,
     .offset = offsetof(struct options, size),
     .lo = 1,
     .hi = 65536,
     .def = "64",
     .help = "width of the bottleneck"},
    {.name = "activation",
     .type = OPT_ENUM,
     .offset = offsetof(struct options, activation),
     .choices = "gelu|relu|tanh|silu",
     .def = "gelu",
     .help = "between the two layers"},
    OPT_END,
};

struct adapter {
    struct param *down, *down_bias, *up, *up_bias;
};

static enum activation activation_of(const struct site *site)
{
    static const enum activation table[] = {ACT_GELU, ACT_RELU, ACT_TANH, ACT_SILU}; /* in the order of the choices */
    return table[((const struct options *)((const struct mrun *)site->run)->options)->activation];
}

static status houlsby_setup(struct mrun *run)
{
    const struct options *o = run->options;
    int left = 0;
    for (int i = 0; i < run->sites; i++) {
        if (o->placement == PLACE_PFEIFFER && run->site[i]->role == ROLE_AFTER_ATTN) run->chosen[i] = false;
        left += run->chosen[i];
    }
    FAIL_IF(left == 0, ST_USAGE, "houlsby: placement = pfeiffer leaves no point of sites = %s", o->sites);
    return ST_OK;
}

static status houlsby_attach(struct mrun *run, struct site *site, const real *w)
{
    const double spread = 0.01; /* of D */
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_POINT, ST_USAGE, "houlsby: %s is a layer, not a point of the residual stream",
            site->name);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "down.weight", o->size, site->in, &ad->down));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "down.bias", 1, o->size, &ad->down_bias));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "up.weight", site->out, o->size, &ad->up));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "up.bias", 1, site->out, &ad->up_bias));
    rng_fill_normal(run->rng, ad->down->name, ad->down->data, param_size(ad->down), 0, spread);
    return ST_OK;
}

static struct wsrc weight(const struct param *p)
{
    return wsrc_dense(p->data, p->rows, p->cols);
}

/* Saved: D x + c. */
static status houlsby_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    const struct wsrc down = weight(ad->down), up = weight(ad->up);
    struct pass *p = u->pass;
    const struct products *products = p->arith->products;
    struct mat inner, active;
    TRY(mat_new(p->keep ? p->tape : p->scratch, x->rows, down.rows, &inner));
    struct arena_mark mark = arena_mark(p->scratch);
    TRY(mat_new(p->scratch, x->rows, down.rows, &active));
    products->linear_forward(x, &down, ad->down_bias->data, NULL, &inner);
    op_activation(activation_of(u->site), &inner, &active);
    products->linear_forward(&active, &up, ad->up_bias->data, NULL, y);
    op_add(x, y);
    arena_reset(p->scratch, mark);
    u->saved = inner.a;
    return ST_OK;
}

static status houlsby_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct wsrc down = weight(ad->down), up = weight(ad->up);
    const struct mat inner = mat_of(u->saved, x->rows, down.rows);
    const struct products *products = u->pass->arith->products;
    struct arena *scratch = u->pass->scratch;
    struct arena_mark mark = arena_mark(scratch);
    struct mat work;
    TRY(mat_new(scratch, x->rows, down.rows, &work));
    op_activation(activation_of(u->site), &inner, &work);
    products->linear_backward_w(&work, dy, ad->up->grad, ad->up->cols);
    bias_backward(dy, ad->up_bias->grad);
    products->linear_backward_x(dy, &up, NULL, &work, false);
    op_activation_backward(activation_of(u->site), &inner, &work, &work);
    products->linear_backward_w(x, &work, ad->down->grad, ad->down->cols);
    bias_backward(&work, ad->down_bias->grad);
    if (dx) {
        products->linear_backward_x(&work, &down, NULL, dx, true);
        op_add(dy, dx);
    }
    arena_reset(scratch, mark);
    return ST_OK;
}

static void houlsby_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct options *o = run->options;
    (void)variant;
    out->adapter_macs_per_token = (double)o->size * (site->in + site->out);
    out->trained = out->deployed = out->adapter_macs_per_token + o->size + site->out;
}

const struct method method_houlsby = {
    .name = "houlsby",
    .summary = "bottleneck adapters after attention and feed-forward layers",
    .source = "Houlsby et al. 2019, arXiv 1902.00751; Pfeiffer et al. 2021, arXiv 2005.00247",
    .abi = METHOD_ABI,
    .flags = METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .setup = houlsby_setup,
    .attach = houlsby_attach,
    .site_ops = {.forward = houlsby_forward, .backward = houlsby_backward},
    .report = houlsby_report,
};
