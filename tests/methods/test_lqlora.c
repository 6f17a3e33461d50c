/* What LQ-LoRA promises beyond the checks of every method: it starts from the decomposition, which is nearer to the
 * weight than quantising alone, keeps to its budget and spends it well, counts its bits as they lie in memory, and
 * finds the same quantised weights again. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/accounting.h"
#include "bench/adapter.h"
#include "core/lq_decompose.h"
#include "core/parallel.h"
#include "tests/method_runs.h"

extern const struct method method_lqlora, method_lora, method_full_ft;

static struct arena *arena;

static void opened(const char *settings, enum probe_model model, struct session *s)
{
    if (!arena) arena = arena_new("test");
    ck_assert_ptr_nonnull(arena);
    ck_ok(run_open(&method_lqlora, settings, model, s));
}

static real *values(const struct wsrc *w)
{
    real *x = arena_alloc(arena, sizeof *x * (size_t)w->rows * (size_t)w->cols);
    ck_assert_ptr_nonnull(x);
    w->tile(w, 0, w->rows, 0, w->cols, x, w->cols);
    return x;
}

static real *original(const struct site *site)
{
    const struct param *p = site->weight;
    struct wsrc w = p->data ? wsrc_dense(p->data, p->rows, p->cols) : p->src;
    return values(&w);
}

/* |W - Q - s B A| of a site, naively. */
static double error_of(const struct session *s, const struct site *site, double scale)
{
    const struct param *a = run_tensor(s, site, "lq_A"), *b = run_tensor(s, site, "lq_B");
    const real *w = original(site), *q = values(&site->w);
    double sum = 0;
    for (int r = 0; r < site->out; r++)
        for (int c = 0; c < site->in; c++) {
            double e = (double)w[r * site->in + c] - (double)q[r * site->in + c];
            for (int i = 0; i < a->rows; i++)
                e -= scale * (double)b->data[r * a->rows + i] * (double)a->data[i * a->cols + c];
            sum += e * e;
        }
    return sqrt(sum);
}

/* ---- the start ---- */

START_TEST(starts_as_the_decomposition)
{
    const struct lq_form form = {{3, 8, LQ_FP32, 64, 256}, 4, 100, NULL, LQ_LAST};
    struct session s;
    opened("rank=4 alpha=8", (enum probe_model)_i, &s);
    int n = 0;
    for (const struct site *site; (site = run_site(&s, n)); n++) {
        struct lq_parts p;
        real *q = values(&site->w), *want = arena_alloc(arena, sizeof *want * (size_t)site->out * (size_t)site->in);
        ck_ok(lq_decompose(original(site), site->out, site->in, &form, arena, &p));
        lq_values(&p.q, 0, site->out * site->in, want);
        ck_assert_mem_eq(q, want, sizeof *q * (size_t)site->out * (size_t)site->in);
        const struct param *a = run_tensor(&s, site, "lq_A"), *b = run_tensor(&s, site, "lq_B");
        for (int k = 0; k < 4 * site->in; k++)
            ck_assert_double_eq_tol((double)a->data[k] * sqrt(2), (double)p.l2[k], 1e-6);
        for (int k = 0; k < 4 * site->out; k++)
            ck_assert_double_eq_tol((double)b->data[k] * sqrt(2), (double)p.l1[k], 1e-6);
        ck_assert_double_eq_tol(error_of(&s, site, 2), p.error, 1e-4 * p.error);
    }
    ck_assert_int_ge(n, 8);
    session_close(&s);
}
END_TEST

START_TEST(starts_nearer_than_quantising_alone)
{
    struct session s;
    opened("rank=4 alpha=8 code_bits=2", PROBE_BERT, &s);
    for (int n = 0; run_site(&s, n); n++) {
        const struct site *site = run_site(&s, n);
        struct lq alone;
        real *w = original(site), *q = arena_alloc(arena, sizeof *q * (size_t)site->out * (size_t)site->in);
        double sum = 0;
        ck_ok(lq_new((size_t)site->out * (size_t)site->in, &(struct lq_config){2, 8, LQ_FP32, 64, 256}, arena, &alone));
        ck_ok(lq_fill(&alone, w, arena_alloc(arena, sizeof(float) * alone.blocks)));
        lq_values(&alone, 0, site->out * site->in, q);
        for (int k = 0; k < site->out * site->in; k++) sum += pow((double)w[k] - (double)q[k], 2);
        ck_assert_double_lt(error_of(&s, site, 2), 0.8 * sqrt(sum));
    }
    session_close(&s);
}
END_TEST

/* The weights have rank 16: the other 48 ranks start as LoRA's, change nothing and can learn. */
START_TEST(ranks_beyond_the_matrix_start_as_in_lora)
{
    struct session s;
    opened("rank=64", PROBE_BERT, &s);
    const struct site *site = run_site(&s, 0);
    const struct param *a = run_tensor(&s, site, "lq_A"), *b = run_tensor(&s, site, "lq_B");
    ck_assert_int_eq(site->out, 16);
    for (int i = 16; i < 64; i++) {
        double size = 0;
        for (int k = 0; k < a->cols; k++) size += fabs((double)a->data[i * a->cols + k]);
        for (int r = 0; r < b->rows; r++) ck_assert(b->data[r * 64 + i] == 0);
        ck_assert_double_gt(size, 0.1);
    }
    ck_assert_double_lt(error_of(&s, site, 16.0 / 64), 1e-4);
    run_gradients(&s, 0);
    double learns = 0;
    for (int r = 0; r < b->rows; r++) learns += fabs((double)b->grad[r * 64 + 40]);
    ck_assert_double_gt(learns, 0);
    session_close(&s);
}
END_TEST

START_TEST(the_best_iterate_is_not_worse)
{
    struct session last, best;
    double sum[2] = {0};
    opened("rank=4 alpha=8", PROBE_BERT, &last);
    opened("rank=4 alpha=8 result=best", PROBE_BERT, &best);
    for (int n = 0; run_site(&last, n); n++) {
        sum[0] += error_of(&last, run_site(&last, n), 2);
        sum[1] += error_of(&best, run_site(&best, n), 2);
    }
    ck_assert_double_lt(sum[1], sum[0]);
    session_close(&last);
    session_close(&best);
}
END_TEST

/* ---- bits ---- */

static double bits_of(const struct session *s, double *parameters, double *error)
{
    double bits = 0;
    *parameters = *error = 0;
    for (int n = 0; run_site(s, n); n++) {
        const struct site *site = run_site(s, n);
        double size = (double)site->out * site->in;
        struct site_report r = site_report_of(s, site, 0);
        ck_assert(r.bits_stored == site->w.bits && r.bits_w == 32);
        bits += r.bits_stored * size;
        *parameters += size;
        *error += pow(error_of(s, site, 2), 2);
    }
    return bits;
}

START_TEST(bits_are_those_in_memory)
{
    struct session s;
    opened("rank=4 code_bits=3 scale_bits=4 scale_float=bf16 code_block=16 scale_block=8", PROBE_BERT, &s);
    const struct site *site = run_site(&s, 0);
    ck_assert(site->out == 16 && site->in == 16);
    ck_assert(site_report_of(&s, site, 0).bits_stored == (3 * 256 + 4 * 16 + 2 * 16 + 32) / 256.0);
    session_close(&s);
}
END_TEST

/* They are in the record of a run, and only of one whose method keeps weights. */
START_TEST(bits_are_recorded)
{
    struct session s;
    struct trace t;
    struct record r;
    for (int own = 0; own < 2; own++) {
        if (own)
            opened("rank=4 budget=3", PROBE_BERT, &s);
        else
            ck_ok(run_open(&method_lora, "rank=4", PROBE_BERT, &s));
        struct arena *records = arena_new("a record"), *scratch = arena_new("scratch");
        ck_ok(trace_init(&t, scratch, &s, 2));
        trace_add(&t, &s, 0);
        ck_ok(record_init(&r, records));
        ck_ok(trace_record(&t, &s, scratch, &r));
        const struct record_item *item = record_get(&r, "trace/main/bits_stored");
        ck_assert_int_eq(item != NULL, own);
        for (size_t i = 0; item && i < item->n; i++)
            ck_assert(item->v.d[i] == run_site(&s, (int)i)->w.bits && item->v.d[i] < 4.6);
        arena_free(scratch);
        arena_free(records);
        session_close(&s);
    }
}
END_TEST

/* More bits, smaller errors; no budget is exceeded, and each is used but for less than the smallest step. */
START_TEST(budgets_are_kept)
{
    static const char *const budgets[] = {"2.4", "2.75", "3.1", "3.7", "4.5", "9"};
    double before = INFINITY, parameters, error;
    for (int k = 0; k < 6; k++) {
        char settings[64];
        struct session s;
        snprintf(settings, sizeof settings, "rank=4 alpha=8 budget=%s", budgets[k]);
        opened(settings, PROBE_DECODER, &s);
        double bits = bits_of(&s, &parameters, &error);
        ck_assert_double_le(bits, atof(budgets[k]) * parameters);
        if (k < 5) ck_assert_double_gt(bits, (atof(budgets[k]) - 0.25) * parameters);
        ck_assert_double_lt(error, before);
        before = error;
        session_close(&s);
    }
}
END_TEST

/* Matrices of one model get different configurations, and together less error than the same for all that costs no less.
 */
START_TEST(a_budget_is_spent_well)
{
    struct session fixed, chosen;
    double parameters, error[2];
    opened("rank=4 alpha=8 code_bits=3 result=best", PROBE_BERT, &fixed);
    double bits = bits_of(&fixed, &parameters, &error[0]);
    char settings[80];
    snprintf(settings, sizeof settings, "rank=4 alpha=8 result=best budget=%.17g", bits / parameters);
    opened(settings, PROBE_BERT, &chosen);
    ck_assert_double_le(bits_of(&chosen, &parameters, &error[1]), bits);
    ck_assert_double_le(error[1], error[0]);
    bool differ = false;
    for (int n = 1; run_site(&chosen, n); n++) differ |= run_site(&chosen, n)->w.bits != run_site(&chosen, 0)->w.bits;
    ck_assert(differ);
    session_close(&fixed);
    session_close(&chosen);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    struct session s;
    ck_fails(run_open(&method_lqlora, "rank=4 budget=1.5", PROBE_BERT, &s), ST_USAGE, "the smallest possible is");
    ck_fails(run_open(&method_lqlora, "alpha=0", PROBE_BERT, &s), ST_USAGE, "alpha = 0");
    ck_fails(run_open(&method_lqlora, "sites=after_attn", PROBE_BERT, &s), ST_USAGE, "no linear layer");
    ck_fails(run_open(&method_lqlora, "sites=classifier", PROBE_BERT, &s), ST_USAGE, "trained in full");
    const struct probe p = {
        &method_lqlora, run_options(&method_lqlora, "rank=4"), PROBE_BERT, store_find("nf4"), NULL, NULL};
    ck_fails(probe_open(&p, 0, &s), ST_USAGE, "store nf4 cannot be used");
}
END_TEST

/* ---- again ---- */

START_TEST(threads_do_not_show)
{
    struct session one, s;
    opened("rank=4 budget=3", PROBE_BERT, &one);
    for (int threads = 2; threads <= 3; threads++) {
        void *options = run_options(&method_lqlora, "rank=4 budget=3"); /* sets one thread */
        const struct probe p = {&method_lqlora, options, PROBE_BERT, store_find("f32"), NULL, NULL};
        parallel_set_threads(threads);
        ck_ok(probe_open(&p, 0, &s));
        for (int n = 0; run_site(&one, n); n++) {
            const struct site *x = run_site(&one, n), *y = run_site(&s, n);
            const struct param *a = run_tensor(&one, x, "lq_A"), *b = run_tensor(&one, x, "lq_B");
            ck_assert(x->w.bits == y->w.bits);
            ck_assert_mem_eq(values(&x->w), values(&y->w), sizeof(real) * (size_t)x->out * (size_t)x->in);
            ck_assert_mem_eq(a->data, run_tensor(&s, y, "lq_A")->data, sizeof(real) * param_size(a));
            ck_assert_mem_eq(b->data, run_tensor(&s, y, "lq_B")->data, sizeof(real) * param_size(b));
        }
        session_close(&s);
    }
    session_close(&one);
}
END_TEST

/* Only the factors are saved; the quantised weights are made again. */
START_TEST(a_saved_adapter_works_again)
{
    struct session trained, again;
    char path[600];
    opened("rank=4 budget=2.75", PROBE_BERT, &trained);
    run_steps(&trained, 0, 3, 0);
    snprintf(path, sizeof path, "%s/adapter.safetensors", temp_dir());
    ck_ok(adapter_save(&trained, path, "mnli", 20));
    opened("rank=4 budget=2.75", PROBE_BERT, &again);
    ck_assert(memcmp(run_logits(&trained, 0), run_logits(&again, 0), sizeof(float) * RUN_LOGITS) != 0);
    ck_ok(adapter_load(&again, path, ADAPTER_EXACT));
    ck_assert_mem_eq(run_logits(&trained, 0), run_logits(&again, 0), sizeof(float) * RUN_LOGITS);
    const float *apart = run_logits(&again, 0); /* and merged without a pass before */
    session_close(&again);
    opened("rank=4 budget=2.75", PROBE_BERT, &again);
    ck_ok(adapter_load(&again, path, ADAPTER_EXACT));
    ck_ok(session_merge(&again, 0));
    const float *merged = run_logits(&again, 0);
    for (int i = 0; i < RUN_LOGITS; i++) ck_assert_double_eq_tol((double)apart[i], (double)merged[i], 1e-4);
    session_close(&trained);
    session_close(&again);
}
END_TEST

/* Other base weights would come too late: the method has made its own of the model's. */
START_TEST(a_start_from_other_weights_is_refused)
{
    struct session full, s;
    char path[600];
    ck_ok(run_open(&method_full_ft, "", PROBE_BERT, &full));
    run_steps(&full, 0, 1, 0);
    snprintf(path, sizeof path, "%s/full.safetensors", temp_dir());
    ck_ok(adapter_save(&full, path, "mnli", 20));
    opened("rank=4", PROBE_BERT, &s);
    ck_fails(adapter_load(&s, path, ADAPTER_START), ST_UNSUPPORTED, "has already made its own");
    session_close(&full);
    session_close(&s);
}
END_TEST

PG_TESTS(LOOP_TEST(starts_as_the_decomposition, 0, PROBE_MODELS), TEST(starts_nearer_than_quantising_alone),
         TEST(ranks_beyond_the_matrix_start_as_in_lora), TEST(the_best_iterate_is_not_worse),
         TEST(bits_are_those_in_memory), TEST(bits_are_recorded), TEST(budgets_are_kept), TEST(a_budget_is_spent_well),
         TEST(what_cannot_be_is_refused), TEST(threads_do_not_show), TEST(a_saved_adapter_works_again),
         TEST(a_start_from_other_weights_is_refused))
