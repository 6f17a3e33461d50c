/* DoRA, (IA)3, VeRA and bottleneck adapters: DoRA against a naive reference with the dense weight, and the options of
 * all of them that the checks of every method, which take the defaults, do not reach. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/accounting.h"
#include "core/ops.h"
#include "tests/method_runs.h"

extern const struct method method_dora, method_ia3, method_vera, method_houlsby;

/* ---- DoRA with a dense V: y = (m / |V|) o (V x) + c, V = W0 + s B A, |V| a constant of the gradient ----------------
 */

enum { RANK = 3 };
static const double scale = 5.0 / RANK;

struct dense {
    struct param *a, *b, *m;
    real *v, *norm; /* [out, in], [out] of this pass */
};

static void weight(const struct site *site, real *w)
{
    site->w.tile(&site->w, 0, site->out, 0, site->in, w, site->in);
}

static void row_norms(const struct site *site, const real *v, real *norm)
{
    for (int j = 0; j < site->out; j++) {
        double square = 0;
        for (int i = 0; i < site->in; i++) square += pow((double)v[j * site->in + i], 2);
        norm[j] = (real)sqrt(square);
    }
}

static status dense_attach(struct mrun *run, struct site *site, const real *w)
{
    struct dense *ad = site->adapter;
    double bound = 1 / sqrt((double)site->in);
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", RANK, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, RANK, &ad->b));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "magnitude", 1, site->out, &ad->m));
    rng_fill_uniform(run->rng, ad->a->name, ad->a->data, param_size(ad->a), -bound, bound);
    row_norms(site, w, ad->m->data);
    ad->m->decay = 0;
    return ST_OK;
}

static status dense_prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    struct dense *ad = site->adapter;
    (void)run;
    NEW(ad->v, pass->tape, site->out * site->in);
    NEW(ad->norm, pass->tape, site->out);
    weight(site, ad->v);
    for (int j = 0; j < site->out; j++)
        for (int i = 0; i < site->in; i++)
            for (int k = 0; k < RANK; k++)
                ad->v[j * site->in + i] +=
                    (real)(scale * (double)ad->b->data[j * RANK + k] * (double)ad->a->data[k * site->in + i]);
    row_norms(site, ad->v, ad->norm);
    return ST_OK;
}

static double along(const struct dense *ad, const struct mat *x, int t, int j)
{
    double sum = 0;
    for (int i = 0; i < x->cols; i++) sum += (double)ad->v[j * x->cols + i] * (double)mat_row(x, t)[i];
    return sum;
}

static status dense_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct dense *ad = u->site->adapter;
    const struct param *bias = u->site->bias; /* NULL: a layer of a Llama has none */
    for (int t = 0; t < x->rows; t++)
        for (int j = 0; j < y->cols; j++)
            mat_row(y, t)[j] =
                (real)((double)ad->m->data[j] / (double)ad->norm[j] * along(ad, x, t, j)) + (bias ? bias->data[j] : 0);
    return ST_OK;
}

static status dense_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct dense *ad = u->site->adapter;
    for (int t = 0; t < x->rows; t++)
        for (int j = 0; j < dy->cols; j++) {
            double d = (double)mat_row(dy, t)[j], over = 1 / (double)ad->norm[j], f = (double)ad->m->data[j] * over * d;
            ad->m->grad[j] += (real)(d * over * along(ad, x, t, j));
            for (int i = 0; i < x->cols; i++) {
                double xi = (double)mat_row(x, t)[i];
                for (int k = 0; k < RANK; k++) { /* dV = f x', dA = s B' dV, dB = s dV A' */
                    real *b = &ad->b->grad[j * RANK + k], *a = &ad->a->grad[k * x->cols + i];
                    *a += (real)(scale * f * xi * (double)ad->b->data[j * RANK + k]);
                    *b += (real)(scale * f * xi * (double)ad->a->data[k * x->cols + i]);
                }
                if (dx) mat_row(dx, t)[i] += (real)(f * (double)ad->v[j * x->cols + i]);
            }
        }
    return ST_OK;
}

static void dense_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    (void)run, (void)variant;
    out->trained = out->deployed = RANK * (site->in + site->out) + site->out;
}

struct dense_options {
    const char *sites;
};
static const struct option dense_options[] = {{.name = "sites",
                                               .type = OPT_STRING,
                                               .offset = offsetof(struct dense_options, sites),
                                               .def = "all",
                                               .help = "sites"},
                                              OPT_END};
static const struct method method_dense = {
    .name = "dense_dora",
    .summary = "reference",
    .source = "arXiv 2402.09353",
    .abi = METHOD_ABI,
    .flags = METHOD_NEEDS_WEIGHT,
    .options = dense_options,
    .option_size = sizeof(struct dense_options),
    .site_size = sizeof(struct dense),
    .attach = dense_attach,
    .prepare = dense_prepare,
    .site_ops = {.forward = dense_forward, .backward = dense_backward},
    .report = dense_report,
};

START_TEST(dora_equals_the_dense_form)
{
    struct session s, reference;
    ck_ok(run_open(&method_dora, "rank=3 alpha=5", (enum probe_model)_i, &s));
    ck_ok(run_open(&method_dense, "", (enum probe_model)_i, &reference));
    run_steps(&s, 0, RUN_STEPS, 1);
    run_steps(&reference, 0, RUN_STEPS, 1);
    const float *got = run_logits(&s, 0), *want = run_logits(&reference, 0);
    for (int i = 0; i < RUN_LOGITS; i++) ck_assert_float_eq_tol(got[i], want[i], 1e-4f);
    for (int k = 0; run_site(&s, k); k++) {
        const struct site *site = run_site(&s, k);
        real w[24 * 24], start[24];
        weight(site, w);
        row_norms(site, w, start);
        const struct param *moved = run_tensor(&s, site, "magnitude"), *m = run_tensor(&reference, site, "magnitude");
        for (int j = 0; j < site->out; j++)
            ck_assert_double_eq_tol((double)start[j] + (double)moved->data[j], (double)m->data[j], 1e-4);
    }
    session_close(&s);
    session_close(&reference);
}
END_TEST

/* ---- other options under the checks of every method ---- */

static const struct setting {
    const struct method *method;
    const char *options;
} settings[] = {
    {&method_dora, "rank=2 alpha=9 dropout=0.3"},
    {&method_ia3, "sites=all"},
    {&method_vera, "sites=all rank=5 dropout=0.3 d_initial=1"},
    {&method_houlsby, "size=3 activation=tanh"},
    {&method_houlsby, "size=3 placement=pfeiffer"},
    {&method_houlsby, "size=3 activation=silu sites=after_attn"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

START_TEST(options_keep_the_promises)
{
    const struct setting *c = &settings[_i];
    for (int model = 0; model < PROBE_MODELS; model++) {
        const struct probe p = {.method = c->method,
                                .options = run_options(c->method, c->options),
                                .model = (enum probe_model)model,
                                .store = store_find("f32")};
        for (const struct named_check *check = method_checks; check->name; check++) {
            const char *broken = check->run(&p);
            ck_assert_msg(!broken, "%s %s on %s: %s: %s", c->method->name, c->options, probe_model_name(p.model),
                          check->name, broken);
        }
    }
}
END_TEST

/* ---- what is particular ---- */

START_TEST(ia3_scales_what_it_should)
{
    struct session s;
    int seen = 0;
    ck_ok(run_open(&method_ia3, "", PROBE_BERT, &s));
    for (const struct site *site; (site = run_site(&s, seen)); seen++) {
        const struct param *l = run_tensor(&s, site, "ia3_l");
        ck_assert(site->role == ROLE_KEY || site->role == ROLE_VALUE || site->role == ROLE_FFN_OUT);
        ck_assert_int_eq(l->cols, site->role == ROLE_FFN_OUT ? 24 : 16);
        for (int i = 0; i < l->cols; i++) ck_assert_double_eq((double)l->data[i], 1);
    }
    ck_assert_int_eq(seen, 6);
    session_close(&s);
}
END_TEST

/* One A and one B a width, frozen; trained are rank + out a site. */
START_TEST(vera_shares_its_matrices)
{
    struct session s;
    int consts = 0;
    ck_ok(run_open(&method_vera, "sites=all rank=5", PROBE_BERT, &s));
    for (int i = 0; i < s.reg.count; i++) {
        const struct param *p = s.reg.list[i];
        if (p->cls != P_CONST) continue;
        ck_assert(!param_trained(p));
        ck_assert_int_eq(strncmp(p->name, "vera_", 5), 0);
        consts++;
    }
    ck_assert_int_eq(consts, 4); /* A for 16 and 24 inputs, B for 16 and 24 outputs */
    ck_assert_double_eq(adapter_trained(&s), 2 * (6 * 5 + 5 * 16 + 24));
    session_close(&s);
}
END_TEST

static const struct placed {
    const char *options;
    int sites;
    double trained;
} placed[] = {
    {"size=3", 4, 4 * (2 * 3 * 16 + 3 + 16)},
    {"size=3 placement=pfeiffer", 2, 2 * (2 * 3 * 16 + 3 + 16)},
    {"size=5 sites=after_attn", 2, 2 * (2 * 5 * 16 + 5 + 16)},
};

START_TEST(houlsby_sits_where_it_should)
{
    struct session s;
    int n = 0;
    ck_ok(run_open(&method_houlsby, placed[_i].options, PROBE_DEBERTA, &s));
    for (const struct site *site; (site = run_site(&s, n)); n++) {
        ck_assert_int_eq(site->kind, SITE_POINT);
        if (_i == 1) ck_assert_int_eq(site->role, ROLE_AFTER_FFN);
    }
    ck_assert_int_eq(n, placed[_i].sites);
    ck_assert_double_eq(adapter_trained(&s), placed[_i].trained);
    session_close(&s);
}
END_TEST

static const struct refusal {
    const struct method *method;
    const char *options, *part;
} refusals[] = {
    {&method_dora, "sites=after_ffn", "is no linear layer"},
    {&method_ia3, "sites=after_ffn", "is no linear layer"},
    {&method_vera, "sites=after_ffn", "is no linear layer"},
    {&method_houlsby, "sites=query", "is a layer, not a point of the residual stream"},
    {&method_houlsby, "sites=after_attn placement=pfeiffer", "leaves no point of sites = after_attn"},
};

START_TEST(refuses)
{
    struct session s;
    ck_fails(run_open(refusals[_i].method, refusals[_i].options, PROBE_BERT, &s), ST_USAGE, refusals[_i].part);
}
END_TEST

PG_TESTS(LOOP_TEST(dora_equals_the_dense_form, 0, PROBE_MODELS), LOOP_TEST(options_keep_the_promises, 0, SETTINGS),
         TEST(ia3_scales_what_it_should), TEST(vera_shares_its_matrices), LOOP_TEST(houlsby_sits_where_it_should, 0, 3),
         LOOP_TEST(refuses, 0, 5))
