/* What B-LoRA promises beyond the checks of every method: what is left when all gates are open or closed, how its forms
 * are related, what stages of the run freeze, where noise comes from. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/accounting.h"
#include "tests/method_runs.h"

extern const struct method method_blora, method_lora;

/* ---- how the forms are related ---- */

static void copy_tensor(const struct session *from, struct session *to, const char *suffix)
{
    for (int k = 0; run_site(from, k); k++) {
        const struct param *p = run_tensor(from, run_site(from, k), suffix);
        memcpy(run_tensor(to, run_site(to, k), suffix)->data, p->data, sizeof(real) * param_size(p));
    }
}

static void same_tensors(const struct session *a, const struct session *b, const char *suffix)
{
    for (int k = 0; run_site(a, k); k++) {
        const struct param *p = run_tensor(a, run_site(a, k), suffix), *q = run_tensor(b, run_site(b, k), suffix);
        ck_assert_msg(memcmp(p->data, q->data, sizeof(real) * param_size(p)) == 0, "%s differs", p->name);
    }
}

/* phi = 20 never samples anything but 1, and a range that does not clip leaves nothing of a 32-bit quantiser: the same
 * bits as form ra through a whole run. A run whose gates are held open by its stage is the same again. */
START_TEST(open_gates_are_no_quantisers)
{
    static const char *const settings[] = {"form=qra phi=20 xi=3 ranges=fixed range_clip=no",
                                           "form=qra phi=20 xi=3 ranges=fixed range_clip=no lambda_q=0",
                                           "form=qra phi=-20 xi=-20 ranges=fixed range_clip=no gates_open=1"};
    for (int model = 0; model < PROBE_MODELS; model++) {
        struct session bits, plain;
        ck_ok(run_open(&method_blora, settings[_i], (enum probe_model)model, &bits));
        ck_ok(run_open(&method_blora, _i < 2 ? "form=ra xi=3" : "form=ra xi=3 gates_open=1", (enum probe_model)model,
                       &plain));
        run_steps(&bits, 0, RUN_STEPS, 0);
        run_steps(&plain, 0, RUN_STEPS, 0);
        same_tensors(&plain, &bits, "lora_A");
        same_tensors(&plain, &bits, "lora_B");
        same_tensors(&plain, &bits, "lora_E");
        if (_i < 2) ck_assert_mem_eq(run_logits(&plain, 0), run_logits(&bits, 0), sizeof(float) * RUN_LOGITS);
        session_close(&bits);
        session_close(&plain);
    }
}
END_TEST

/* With clipping the largest numbers of the first batch lose a ten-millionth (and a relative table, which shares the
 * ranges of the tokens, may lose more). */
START_TEST(clipping_changes_little_at_the_start)
{
    struct session bits, plain;
    ck_ok(run_open(&method_blora, "form=q phi=20", PROBE_BERT, &bits));
    ck_ok(run_open(&method_lora, "sites=qkv rank=8", PROBE_BERT, &plain));
    run_gradients(&bits, 0);
    copy_tensor(&bits, &plain, "lora_A");
    copy_tensor(&bits, &plain, "lora_B");
    const float *a = run_logits(&bits, 0), *b = run_logits(&plain, 0);
    for (int i = 0; i < RUN_LOGITS; i++) ck_assert_double_eq_tol((double)a[i], (double)b[i], 1e-4);
    session_close(&bits);
    session_close(&plain);
}
END_TEST

/* Form q with open gates at 32 bits is LoRA: from the same start the same run, but for the order of rounding. */
START_TEST(open_gates_of_form_q_are_lora)
{
    for (int model = 0; model < PROBE_MODELS; model++) {
        struct session bits, plain;
        ck_ok(run_open(&method_blora, "form=q phi=20 ranges=fixed range_clip=no", (enum probe_model)model, &bits));
        ck_ok(run_open(&method_lora, "sites=qkv rank=8 alpha=16", (enum probe_model)model, &plain));
        copy_tensor(&bits, &plain, "lora_A");
        copy_tensor(&bits, &plain, "lora_B");
        run_steps(&bits, 0, RUN_STEPS, 0);
        run_steps(&plain, 0, RUN_STEPS, 0);
        const float *a = run_logits(&bits, 0), *b = run_logits(&plain, 0);
        for (int i = 0; i < RUN_LOGITS; i++) ck_assert_double_eq_tol((double)a[i], (double)b[i], 1e-4);
        session_close(&bits);
        session_close(&plain);
    }
}
END_TEST

/* Before a batch has been seen no range is known, and everything passes. */
START_TEST(unknown_ranges_let_everything_pass)
{
    for (int model = 0; model < PROBE_MODELS; model++) {
        struct session bits, plain;
        ck_ok(run_open(&method_blora, "form=qra phi=-5 xi=2", (enum probe_model)model, &bits));
        ck_ok(run_open(&method_blora, "form=ra xi=2", (enum probe_model)model, &plain));
        ck_assert_mem_eq(run_logits(&plain, 0), run_logits(&bits, 0), sizeof(float) * RUN_LOGITS);
        run_gradients(&bits, 0);
        ck_assert(memcmp(run_logits(&plain, 0), run_logits(&bits, 0), sizeof(float) * RUN_LOGITS) != 0);
        session_close(&bits);
        session_close(&plain);
    }
}
END_TEST

/* ---- bits and ranks ---- */

static void expect_report(const struct session *s, int nth, double bits, int rank)
{
    struct site_report r = site_report_of(s, run_site(s, nth), 0);
    const double got[] = {r.bits_w, r.bits_a, r.bits_b, r.bits_e, r.bits_qa, r.bits_qe, r.bits_out};
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++)
        ck_assert_msg(got[i] == bits, "operand %zu has %g bits", i, got[i]);
    ck_assert(r.bits_x == 32);
    ck_assert_int_eq(r.rank, rank);
    ck_assert_int_eq(r.rank_max, 8);
    ck_assert(r.adapter_macs_per_token == rank * (16 + 16 + 1));
}

START_TEST(closed_gates_are_two_bits_and_rank_one)
{
    struct session s;
    ck_ok(run_open(&method_blora, "form=qra phi=-20 xi=-20", PROBE_BERT, &s));
    expect_report(&s, 0, 2, 1);
    session_close(&s);
    ck_ok(run_open(&method_blora, "form=qra phi=2 xi=0", PROBE_BERT, &s));
    expect_report(&s, 0, 32, 8);
    run_tensor(&s, run_site(&s, 0), "rank.xi")->data[3] = -2;
    expect_report(&s, 0, 32, 4);
    session_close(&s);
}
END_TEST

/* Every weight of a 2-bit layer is -s, 0 or s: the layer's output for its unit inputs shows them. */
START_TEST(a_layer_of_two_bits_has_three_weights)
{
    enum { D = 16 };
    struct session s;
    real eye[D * D] = {0}, out[D * D];
    struct mat x = mat_of(eye, D, D), y = mat_of(out, D, D);
    ck_ok(run_open(&method_blora, "form=qra phi=-20 xi=-20", PROBE_BERT, &s));
    run_gradients(&s, 0);
    struct site *site = s.run.site[run_site(&s, 0)->index];
    for (int i = 0; i < D; i++) eye[i * D + i] = 1;
    for (size_t i = 0; i < param_size(site->bias); i++) site->bias->data[i] = 0;
    memset(run_tensor(&s, site, "lora_B")->data, 0, sizeof(real) * param_size(run_tensor(&s, site, "lora_B")));
    real *phi = run_tensor(&s, site, "Qout.phi")->data;
    for (int i = 0; i < 4; i++) phi[i] = 20;
    struct batch none = {0};
    struct pass pass = {.batch = &none, .rng = &s.rng, .arith = s.arith, .tape = s.tape, .scratch = s.scratch};
    struct use u = {.site = site, .pass = &pass};
    ck_ok(site_forward(&u, &x, &y));
    double step = 2.0 / 3 * (double)run_tensor(&s, site, "W.xmax")->data[0];
    int used[3] = {0};
    for (int i = 0; i < D * D; i++) {
        int code = (int)lrint((double)out[i] / step);
        ck_assert_int_le(abs(code), 1);
        ck_assert_double_eq_tol((double)out[i], code * step, 1e-5);
        used[code + 1]++;
    }
    ck_assert(used[0] > 0 && used[1] > 0 && used[2] > 0);
    session_close(&s);
}
END_TEST

/* Penalties alone close all gates; without them the same run keeps them. */
START_TEST(penalties_close_gates)
{
    struct session s;
    ck_ok(run_open(&method_blora, "form=qra phi=0 xi=0 gate_lr=1 lambda_q=100 lambda_r=100", PROBE_BERT, &s));
    expect_report(&s, 0, 32, 8);
    run_steps(&s, 0, RUN_STEPS, 0);
    for (int k = 0; run_site(&s, k); k++) expect_report(&s, k, 2, 1);
    session_close(&s);
    ck_ok(run_open(&method_blora, "form=qra phi=20 xi=20 gate_lr=1 lambda_q=0 lambda_r=0", PROBE_BERT, &s));
    run_steps(&s, 0, RUN_STEPS, 0);
    expect_report(&s, 0, 32, 8);
    session_close(&s);
}
END_TEST

/* METHODS 3.6.4: what is counted besides r (in + out). */
START_TEST(sizes)
{
    static const struct {
        const char *settings;
        double trained, deployed;
    } cases[] = {{"form=q rank=4", 4 * 32 + 5 * (4 + 1), 4 * 32 + 5},
                 {"form=q rank=4 ranges=fixed", 4 * 32 + 5 * 4, 4 * 32 + 5},
                 {"form=ra rank=4", 4 * 32 + 4 + 3, 4 * 33},
                 {"form=qra rank=4", 4 * 32 + 4 + 3 + 7 * 5, 4 * 33 + 7},
                 {"form=qra rank=4 placement=authors", 4 * 32 + 4 + 3 + 9 * 5, 4 * 33 + 9},
                 {"form=qra sites=pooler", 2 * 5, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session s;
        ck_ok(run_open(&method_blora, cases[i].settings, PROBE_BERT, &s));
        struct site_report r = site_report_of(&s, run_site(&s, 0), 0);
        ck_assert_msg(r.trained == cases[i].trained && r.deployed == cases[i].deployed, "%s: %g trained, %g deployed",
                      cases[i].settings, r.trained, r.deployed);
        session_close(&s);
    }
}
END_TEST

/* ---- stages ---- */

static real first_of(const struct session *s, const char *suffix)
{
    return run_tensor(s, run_site(s, 0), suffix)->data[0];
}

/* Six steps: two with open gates, two that learn, two with fixed gates. */
START_TEST(stages_hold_the_gates)
{
    static const char *const gates[] = {"W.phi", "A.phi", "Qout.phi", "rank.xi"};
    struct session s;
    double penalty = -1;
    ck_ok(run_open(&method_blora, "form=qra phi=1 xi=1 gate_lr=0.01 gates_open=0.333333 gates_fixed=0.333333",
                   PROBE_BERT, &s));
    for (uint64_t step = 0; step < RUN_STEPS; step++) {
        real before[4], a = first_of(&s, "lora_A");
        const bool learns = step == 2 || step == 3;
        for (int i = 0; i < 4; i++) before[i] = first_of(&s, gates[i]);
        run_steps(&s, step, step + 1, 0);
        for (int i = 0; i < 4; i++) {
            double moved = fabs((double)(first_of(&s, gates[i]) - before[i]));
            ck_assert_msg((moved > 0) == learns, "%s moved by %g in step %d", gates[i], moved, (int)step);
            if (step == 2) ck_assert_double_eq_tol(moved, 0.01, 1e-4); /* as Adam's first step does */
        }
        ck_assert(first_of(&s, "lora_A") != a);
        ck_ok(method_blora.penalty(&s.run, &penalty));
        ck_assert((penalty > 0) == learns);
    }
    session_close(&s);
}
END_TEST

/* With fixed gates training computes what evaluation does. */
START_TEST(fixed_gates_have_no_noise)
{
    struct session a, b;
    ck_ok(run_open(&method_blora, "form=qra phi=0 xi=0 gates_fixed=1", PROBE_BERT, &a));
    ck_ok(run_open(&method_blora, "form=qra phi=20 xi=20 gates_fixed=1", PROBE_BERT, &b));
    run_steps(&a, 0, RUN_STEPS, 0);
    run_steps(&b, 0, RUN_STEPS, 0);
    same_tensors(&a, &b, "lora_A"); /* phi = 0 and 20 are both open */
    session_close(&a);
    session_close(&b);
}
END_TEST

START_TEST(stages_must_fit)
{
    struct session s;
    ck_fails(run_open(&method_blora, "gates_open=0.7 gates_fixed=0.7", PROBE_BERT, &s), ST_USAGE,
             "more than the whole run");
    ck_fails(run_open(&method_blora, "sites=after_attn", PROBE_BERT, &s), ST_USAGE, "no linear layer");
}
END_TEST

/* ---- noise and rows ---- */

static bool same_gradients(const struct session *a, const struct session *b)
{
    for (int k = 0; run_site(a, k); k++) {
        const struct param *p = run_tensor(a, run_site(a, k), "lora_A"), *q = run_tensor(b, run_site(b, k), "lora_A");
        if (memcmp(p->grad, q->grad, sizeof(real) * param_size(p)) != 0) return false;
    }
    return true;
}

/* Only a model with a table has calls that can draw noise of their own. */
START_TEST(noise_of_a_call_is_that_of_the_table)
{
    for (int model = 0; model < PROBE_MODELS; model++) {
        struct session step, call;
        ck_ok(run_open(&method_blora, "form=qra phi=1 xi=1", (enum probe_model)model, &step));
        ck_ok(run_open(&method_blora, "form=qra phi=1 xi=1 noise=call", (enum probe_model)model, &call));
        run_gradients(&step, 0);
        run_gradients(&call, 0);
        ck_assert(same_gradients(&step, &call) == (model != PROBE_DEBERTA));
        session_close(&step);
        session_close(&call);
    }
}
END_TEST

START_TEST(every_step_draws_anew)
{
    struct session a, b;
    ck_ok(run_open(&method_blora, "form=qra phi=1 xi=1", PROBE_BERT, &a));
    ck_ok(run_open(&method_blora, "form=qra phi=1 xi=1", PROBE_BERT, &b));
    run_gradients(&a, 0);
    run_gradients(&b, 0);
    ck_assert(same_gradients(&a, &b));
    run_gradients(&b, 1);
    ck_assert(!same_gradients(&a, &b));
    session_close(&a);
    session_close(&b);
}
END_TEST

/* Ranges are of all rows; after that rows that nobody reads may be left out: no gradient comes from them. */
START_TEST(unread_rows_change_nothing)
{
    struct session few, all;
    ck_ok(run_open(&method_blora, "form=qra phi=1 xi=2", PROBE_DEBERTA, &few));
    ck_ok(run_open(&method_blora, "form=qra phi=1 xi=2", PROBE_DEBERTA, &all));
    all.model->whole_table = true;
    run_gradients(&few, 0);
    run_gradients(&all, 0);
    same_tensors(&few, &all, "Qout.xmax");
    same_tensors(&few, &all, "QA.xmax");
    for (int i = 0; i < few.reg.count; i++) {
        const struct param *p = few.reg.list[i], *q = all.reg.list[i];
        double off = 0, size = 0;
        for (size_t k = 0; p->grad && k < param_size(p); k++) {
            off += pow((double)(p->grad[k] - q->grad[k]), 2);
            size += pow((double)q->grad[k], 2);
        }
        ck_assert_msg(sqrt(off) <= 1e-4 * sqrt(size) + 1e-6, "%s: %g of %g", p->name, sqrt(off), sqrt(size));
    }
    session_close(&few);
    session_close(&all);
}
END_TEST

PG_TESTS(LOOP_TEST(open_gates_are_no_quantisers, 0, 3), TEST(clipping_changes_little_at_the_start),
         TEST(open_gates_of_form_q_are_lora), TEST(unknown_ranges_let_everything_pass),
         TEST(closed_gates_are_two_bits_and_rank_one), TEST(a_layer_of_two_bits_has_three_weights),
         TEST(penalties_close_gates), TEST(sizes), TEST(stages_hold_the_gates), TEST(fixed_gates_have_no_noise),
         TEST(stages_must_fit), TEST(noise_of_a_call_is_that_of_the_table), TEST(every_step_draws_anew),
         TEST(unread_rows_change_nothing))
