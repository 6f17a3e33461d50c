/* What AdaLoRA promises beyond the checks of every method: without pressure on the budget it is a low-rank update in
 * SVD form; the penalty is what it says; the budget is reached and kept; the schedule in steps and in fractions;
 * refusals. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/accounting.h"
#include "tests/method_runs.h"

extern const struct method method_adalora;

static int sites_of(const struct session *s)
{
    int n = 0;
    while (run_site(s, n)) n++;
    return n;
}

/* ---- SVD form: y = W0 x + c + s B diag(E) A x, written down naively ------------------------------------------------
 */

enum { SVD_RANK = 3 };
static const double svd_scale = 6 / (SVD_RANK + 1e-5);

struct svd {
    struct param *a, *b, *e;
};

static status svd_attach(struct mrun *run, struct site *site, const real *w)
{
    struct svd *ad = site->adapter;
    (void)w;
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", SVD_RANK, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, SVD_RANK, &ad->b));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_E", 1, SVD_RANK, &ad->e));
    rng_fill_normal(run->rng, ad->a->name, ad->a->data, param_size(ad->a), 0, 0.02);
    rng_fill_normal(run->rng, ad->b->name, ad->b->data, param_size(ad->b), 0, 0.02);
    return ST_OK;
}

static double inner(const struct svd *ad, const struct mat *x, int t, int i)
{
    double z = 0;
    for (int c = 0; c < x->cols; c++) z += (double)ad->a->data[i * x->cols + c] * (double)mat_row(x, t)[c];
    return z;
}

static status svd_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct svd *ad = u->site->adapter;
    TRY(base_forward(u, x, y));
    for (int t = 0; t < x->rows; t++)
        for (int i = 0; i < SVD_RANK; i++) {
            double f = svd_scale * (double)ad->e->data[i] * inner(ad, x, t, i);
            for (int j = 0; j < y->cols; j++) mat_row(y, t)[j] += (real)(f * (double)ad->b->data[j * SVD_RANK + i]);
        }
    return ST_OK;
}

/* With g = B' dy and z = A x: dB = s dy (E o z)', dE = s g o z, dA = s (E o g) x', dx += s A' (E o g) (METHODS 3.4) */
static status svd_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct svd *ad = u->site->adapter;
    TRY(base_backward(u, x, dy, dx));
    for (int t = 0; t < x->rows; t++)
        for (int i = 0; i < SVD_RANK; i++) {
            double z = inner(ad, x, t, i), e = (double)ad->e->data[i], g = 0;
            for (int j = 0; j < dy->cols; j++) {
                g += (double)ad->b->data[j * SVD_RANK + i] * (double)mat_row(dy, t)[j];
                ad->b->grad[j * SVD_RANK + i] += (real)(svd_scale * (double)mat_row(dy, t)[j] * e * z);
            }
            ad->e->grad[i] += (real)(svd_scale * g * z);
            for (int c = 0; c < x->cols; c++) {
                ad->a->grad[i * x->cols + c] += (real)(svd_scale * e * g * (double)mat_row(x, t)[c]);
                if (dx) mat_row(dx, t)[c] += (real)(svd_scale * e * g * (double)ad->a->data[i * x->cols + c]);
            }
        }
    return ST_OK;
}

static void svd_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    (void)run, (void)variant;
    out->trained = out->deployed = SVD_RANK * (site->in + site->out + 1.0);
}

struct svd_options {
    const char *sites;
};
static const struct option svd_options[] = {
    {.name = "sites", .type = OPT_STRING, .offset = offsetof(struct svd_options, sites), .def = "all", .help = "sites"},
    OPT_END};

static const struct method method_svd = {
    .name = "svd_lora",
    .summary = "reference",
    .source = "METHODS 3.4",
    .abi = METHOD_ABI,
    .options = svd_options,
    .option_size = sizeof(struct svd_options),
    .site_size = sizeof(struct svd),
    .attach = svd_attach,
    .site_ops = {.forward = svd_forward, .backward = svd_backward},
    .report = svd_report,
};

START_TEST(without_pressure_it_is_the_svd_form)
{
    struct session s, reference;
    ck_ok(run_open(&method_adalora, "rank=3 target_rank=3 alpha=6 gamma=0", (enum probe_model)_i, &s));
    ck_ok(run_open(&method_svd, "", (enum probe_model)_i, &reference));
    run_steps(&s, 0, RUN_STEPS, 1);
    run_steps(&reference, 0, RUN_STEPS, 1);
    const float *got = run_logits(&s, 0), *want = run_logits(&reference, 0);
    for (int i = 0; i < RUN_LOGITS; i++) ck_assert_float_eq_tol(got[i], want[i], 1e-5f);
    for (int k = 0; k < sites_of(&s); k++) {
        const struct param *a = run_tensor(&s, run_site(&s, k), "lora_E"),
                           *b = run_tensor(&reference, run_site(&reference, k), "lora_E");
        for (int i = 0; i < SVD_RANK; i++)
            ck_assert_msg(fabs((double)a->data[i] - (double)b->data[i]) < 1e-5, "%s[%d]: %g, expected %g", a->name, i,
                          (double)a->data[i], (double)b->data[i]);
    }
    session_close(&s);
    session_close(&reference);
}
END_TEST

/* ---- penalty ---- */

static double penalty_of(struct session *s)
{
    double value;
    param_zero_grads(&s->reg);
    ck_ok(s->run.method->penalty(&s->run, &value));
    return value;
}

static void fill(struct param *p, double sd)
{
    const struct rng rng = {.seed = 3};
    rng_fill_normal(&rng, p->name, p->data, param_size(p), 0, sd);
}

/* Central differences along a direction; the norm's curvature is small there, the square is a quartic. */
static void check_slope(struct session *s, struct param *p)
{
    const struct rng rng = {.seed = 4};
    const double h = 1e-2;
    real saved[600], direction[600];
    double analytic = 0;
    size_t n = param_size(p);
    ck_assert_uint_le(n, 600);
    rng_fill_normal(&rng, p->name, direction, n, 0, 1 / sqrt((double)n));
    penalty_of(s);
    for (size_t i = 0; i < n; i++) analytic += (double)p->grad[i] * (double)direction[i];
    memcpy(saved, p->data, sizeof(real) * n);
    for (size_t i = 0; i < n; i++) p->data[i] = saved[i] + (real)h * direction[i];
    double up = penalty_of(s);
    for (size_t i = 0; i < n; i++) p->data[i] = saved[i] - (real)h * direction[i];
    double down = penalty_of(s);
    memcpy(p->data, saved, sizeof(real) * n);
    double numeric = (up - down) / (2 * h);
    ck_assert_msg(fabs(numeric - analytic) <= 5e-3 * fabs(analytic) + 1e-6, "%s: slope %g, by differences %g", p->name,
                  analytic, numeric);
    ck_assert_double_gt(fabs(analytic), 1e-4);
}

static const char *const forms[] = {"sites=query+ffn_in rank=4 target_rank=2 gamma=3 orth=norm",
                                    "sites=query+ffn_in rank=4 target_rank=2 gamma=3 orth=squared"};

START_TEST(the_penalty_has_its_gradient)
{
    struct session s;
    ck_ok(run_open(&method_adalora, forms[_i], PROBE_BERT, &s));
    for (int k = 0; k < sites_of(&s); k++) {
        fill(run_tensor(&s, run_site(&s, k), "lora_A"), 0.3);
        fill(run_tensor(&s, run_site(&s, k), "lora_B"), 0.3);
    }
    for (int k = 0; k < sites_of(&s); k++) {
        check_slope(&s, run_tensor(&s, run_site(&s, k), "lora_A"));
        check_slope(&s, run_tensor(&s, run_site(&s, k), "lora_B"));
    }
    session_close(&s);
}
END_TEST

/* With zero matrices |M| = |-I| = sqrt(rank), its square is the rank; with orthonormal ones both are 0 and so is the
 * gradient. */
START_TEST(the_penalty_has_its_value)
{
    const double expected[] = {3 * 2.0, 3 * 4.0};
    struct session s;
    ck_ok(run_open(&method_adalora, forms[_i], PROBE_BERT, &s));
    for (int round = 0; round < 2; round++) {
        for (int k = 0; k < sites_of(&s); k++) {
            struct param *a = run_tensor(&s, run_site(&s, k), "lora_A"), *b = run_tensor(&s, run_site(&s, k), "lora_B");
            memset(a->data, 0, sizeof(real) * param_size(a));
            memset(b->data, 0, sizeof(real) * param_size(b));
            for (int i = 0; i < 4 && round; i++) a->data[i * a->cols + 2 * i] = b->data[3 * i * b->cols + i] = 1;
        }
        ck_assert_double_eq_tol(penalty_of(&s), round ? 0 : expected[_i], 1e-6);
        const struct param *a = run_tensor(&s, run_site(&s, 0), "lora_A");
        for (size_t i = 0; i < param_size(a); i++) ck_assert_double_eq((double)a->grad[i], 0);
    }
    session_close(&s);
}
END_TEST

/* ---- budget ---- */

struct count {
    int alive, nonzero;
    double deployed;
};

static struct count count(const struct session *s)
{
    struct count c = {0};
    for (int k = 0; k < sites_of(s); k++) {
        const struct site *site = run_site(s, k);
        const struct param *e = run_tensor(s, site, "lora_E");
        struct site_report r = site_report_of(s, site, 0);
        int nonzero = 0;
        for (int i = 0; i < e->cols; i++) nonzero += e->data[i] != 0;
        c.alive += r.rank;
        c.nonzero += nonzero;
        c.deployed += r.deployed;
        ck_assert_double_eq(r.deployed, r.rank * (site->in + site->out + 1.0));
        ck_assert_double_eq(r.adapter_macs_per_token, r.deployed);
    }
    return c;
}

/* rank 4 on 12 sites: 48 triplets; target 1.6 a site: 19.2, rounded. The cubic between t_i = 1 and T - t_f = 4 gives
 * 19 + 29 (2/3)^3 = 27.6 and 19 + 29 (1/3)^3 = 20.1. */
START_TEST(the_budget_is_reached)
{
    const int expected[RUN_STEPS] = {48, 48, 27, 20, 19, 19};
    struct session s;
    ck_ok(run_open(&method_adalora, "rank=4 target_rank=1.6 t_i=1 t_f=2", PROBE_DEBERTA, &s));
    ck_assert_int_eq(sites_of(&s), 12);
    ck_assert_int_eq(count(&s).alive, 48); /* before the first step E is 0 everywhere, but nothing is masked */
    for (uint64_t step = 0; step < RUN_STEPS; step++) {
        run_steps(&s, step, step + 1, 1);
        struct count c = count(&s);
        ck_assert_int_eq(c.alive, expected[step]);
        ck_assert_int_eq(c.nonzero, c.alive);
    }
    ck_assert_double_eq(count(&s).deployed, adapter_deployed(&s, 0));
    session_close(&s);
}
END_TEST

/* The threshold is one for all sites: whatever stays has a higher score than whatever does not. */
START_TEST(one_threshold_for_all_sites)
{
    double lowest_kept = INFINITY, highest_masked = -INFINITY;
    int least = 99, most = 0;
    struct session s;
    ck_ok(run_open(&method_adalora, "rank=4 target_rank=2 t_i=1 t_f=2", PROBE_DEBERTA, &s));
    run_steps(&s, 0, RUN_STEPS, 1);
    for (int k = 0; k < sites_of(&s); k++) {
        const struct param *e = run_tensor(&s, run_site(&s, k), "lora_E"),
                           *score = run_tensor(&s, run_site(&s, k), "lora_score");
        int rank = site_report_of(&s, run_site(&s, k), 0).rank;
        for (int i = 0; i < e->cols; i++) {
            if (e->data[i] != 0) lowest_kept = fmin(lowest_kept, (double)score->data[i]);
            if (e->data[i] == 0) highest_masked = fmax(highest_masked, (double)score->data[i]);
        }
        least = rank < least ? rank : least;
        most = rank > most ? rank : most;
    }
    ck_assert_double_gt(lowest_kept, highest_masked);
    ck_assert_int_lt(least, most); /* sites do end with different ranks */
    session_close(&s);
}
END_TEST

START_TEST(masked_triplets_stay_zero_in_the_final_phase)
{
    struct session s;
    bool zero[64] = {false};
    ck_ok(run_open(&method_adalora, "sites=query+value rank=4 target_rank=2 t_i=0 t_f=4", PROBE_BERT, &s));
    for (uint64_t step = 0; step < RUN_STEPS; step++) {
        run_steps(&s, step, step + 1, 1);
        for (int k = 0, at = 0; k < sites_of(&s); k++) {
            const struct param *e = run_tensor(&s, run_site(&s, k), "lora_E");
            for (int i = 0; i < e->cols; i++, at++) {
                if (step > 3) ck_assert_int_eq(e->data[i] == 0, zero[at]);
                zero[at] = e->data[i] == 0;
            }
        }
    }
    ck_assert_int_eq(count(&s).alive, 8);
    session_close(&s);
}
END_TEST

/* Between two masks the optimiser may bring masked triplets back, and the report says so. */
START_TEST(triplets_come_back_between_masks)
{
    int revived = 0;
    struct session s;
    ck_ok(run_open(&method_adalora, "rank=4 target_rank=1 t_i=0 t_f=2 delta_t=2", PROBE_BERT, &s));
    for (uint64_t step = 0; step < RUN_STEPS; step++) {
        int before = count(&s).alive;
        run_steps(&s, step, step + 1, 1);
        struct count c = count(&s);
        ck_assert_int_eq(c.alive, c.nonzero);
        revived += step == 3 && c.alive > before;
    }
    ck_assert_int_eq(revived, 1);
    ck_assert_int_eq(count(&s).alive, 12);
    session_close(&s);
}
END_TEST

/* ---- schedule ---- */

START_TEST(fractions_are_steps_of_the_run)
{
    struct session steps, fractions;
    ck_ok(run_open(&method_adalora, "rank=3 target_rank=1 t_i=2 t_f=3", PROBE_BERT, &steps));
    ck_ok(run_open(&method_adalora, "rank=3 target_rank=1 t_i=0.34 t_f=0.5", PROBE_BERT, &fractions));
    run_steps(&steps, 0, RUN_STEPS, 1);
    run_steps(&fractions, 0, RUN_STEPS, 1);
    ck_assert_mem_eq(run_logits(&steps, 0), run_logits(&fractions, 0), sizeof(float) * RUN_LOGITS);
    session_close(&steps);
    session_close(&fractions);
}
END_TEST

static const struct refusal {
    const char *settings, *part;
} refusals[] = {
    {"t_i=2 t_f=4", "t_i + t_f = 2 + 4 steps leave none of the run's 6"},
    {"t_i=0.5 t_f=0.5", "t_i + t_f = 3 + 3 steps leave none of the run's 6"},
    {"t_i=100 t_f=2", "leave none of the run's 6"},
    {"t_i=1.5", "t_i = 1.5 is neither a number of steps nor a fraction"},
    {"t_f=2.25", "t_f = 2.25 is neither a number of steps nor a fraction"},
    {"rank=4 target_rank=4.5", "target_rank = 4.5 is more than rank = 4"},
    {"target_rank=0.01", "leaves no triplet on 12 sites"},
    {"t_i=0 t_f=0 delta_t=4", "do not end with a mask down to the 96 triplets"},
    {"t_i=0 t_f=1 delta_t=4", "make t_f at least 2"},
    {"sites=after_ffn", "is no linear layer"},
};

START_TEST(refuses)
{
    struct session s;
    ck_fails(run_open(&method_adalora, refusals[_i].settings, PROBE_BERT, &s), ST_USAGE, refusals[_i].part);
}
END_TEST

/* t_f = 1 has no final phase, but its last mask reaches the target when delta_t divides its step. */
START_TEST(the_shortest_ending_works)
{
    struct session s;
    ck_ok(run_open(&method_adalora, "rank=4 target_rank=2 t_i=0 t_f=1 delta_t=5", PROBE_BERT, &s));
    run_steps(&s, 0, RUN_STEPS, 1);
    ck_assert_int_eq(count(&s).alive, 24);
    session_close(&s);
}
END_TEST

PG_TESTS(LOOP_TEST(without_pressure_it_is_the_svd_form, 0, PROBE_MODELS), LOOP_TEST(the_penalty_has_its_gradient, 0, 2),
         LOOP_TEST(the_penalty_has_its_value, 0, 2), TEST(the_budget_is_reached), TEST(one_threshold_for_all_sites),
         TEST(masked_triplets_stay_zero_in_the_final_phase), TEST(triplets_come_back_between_masks),
         TEST(fractions_are_steps_of_the_run), LOOP_TEST(refuses, 0, 10), TEST(the_shortest_ending_works))
