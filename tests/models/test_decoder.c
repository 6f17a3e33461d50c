/* Decoders beyond the reference values: what a row sees, rows computed alone, kept key and value rows, losses in parts,
 * greedy text, recomputation, threads, classifiers, memory, wrong input. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/file.h"
#include "core/arith_dfp.h"
#include "core/parallel.h"
#include "models/language.h"
#include "models/rotary.h"
#include "tests/model_fixture.h"

#define SIZES \
    "\"num_hidden_layers\": 3, \"intermediate_size\": 40, \"vocab_size\": 60, \"max_position_embeddings\": 200, "
static const char *const configs[] = {
    "{\"model_type\": \"phi\", " SIZES
    "\"hidden_size\": 40, \"num_attention_heads\": 2, \"partial_rotary_factor\": 0.4, \"resid_pdrop\": 0.2, "
    "\"embd_pdrop\": 0.1, \"attention_dropout\": 0.1}",
    "{\"model_type\": \"qwen2\", " SIZES
    "\"hidden_size\": 48, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"attention_dropout\": 0.1}",
    "{\"model_type\": \"llama\", " SIZES
    "\"hidden_size\": 48, \"num_attention_heads\": 3, \"head_dim\": 16, \"tie_word_embeddings\": true}",
};
enum { CONFIGS = 3 };
static const int lengths[] = {9, 1, 130, 40};

static void open_model(struct fixture *f, int config, enum head_kind head)
{
    notice_quiet(1);
    fixture_random(f, configs[config], head, 3);
    fixture_batch_random(f, lengths, 4);
}

static void forget(struct fixture *f)
{
    arena_reset(f->tape, (struct arena_mark){0});
    arena_reset(f->scratch, (struct arena_mark){0});
}

/* Logits of all tokens, in memory of the model. */
static struct mat all_logits(struct fixture *f)
{
    struct mat out, copy;
    const int32_t *label = f->batch.label;
    forget(f);
    f->batch.label = NULL;
    ck_ok(model_forward(f->model, &f->pass, &out, NULL));
    f->batch.label = label;
    ck_ok(mat_new(f->arena, out.rows, out.cols, &copy));
    op_copy(&out, &copy);
    return copy;
}

static void same_rows(const struct mat *a, int ra, const struct mat *b, int rb, int n)
{
    for (int r = 0; r < n; r++)
        ck_assert_msg(memcmp(mat_row(a, ra + r), mat_row(b, rb + r), sizeof(real) * (size_t)a->cols) == 0,
                      "row %d is not row %d", ra + r, rb + r);
}

/* ---- rows ---- */

START_TEST(alone_or_in_a_batch)
{
    struct fixture f, part;
    open_model(&f, _i, HEAD_LM);
    struct mat whole = all_logits(&f);
    for (int s = 0; s < 4; s++) {
        open_model(&part, _i, HEAD_LM);
        fixture_batch_part(&part, &f, s, 1);
        struct mat alone = all_logits(&part);
        same_rows(&whole, f.batch.offset[s], &alone, 0, alone.rows);
        fixture_close(&part);
    }
    fixture_close(&f);
}
END_TEST

/* What follows a token changes nothing for it, what comes before does. */
START_TEST(later_tokens_are_not_seen)
{
    struct fixture f;
    open_model(&f, _i, HEAD_LM);
    struct mat before = all_logits(&f);
    int first = f.batch.offset[2], at = first + 100;
    int32_t *ids = (int32_t *)f.batch.ids;
    ids[at] = ids[at] == 5 ? 6 : 5;
    struct mat after = all_logits(&f);
    same_rows(&before, 0, &after, 0, at);
    for (int r = at; r < f.batch.offset[3]; r++)
        ck_assert(memcmp(mat_row(&before, r), mat_row(&after, r), sizeof(real) * (size_t)before.cols) != 0);
    same_rows(&before, f.batch.offset[3], &after, f.batch.offset[3], lengths[3]);
    fixture_close(&f);
}
END_TEST

START_TEST(only_rows_with_targets)
{
    struct fixture f;
    struct mat logits;
    open_model(&f, _i, HEAD_LM);
    struct mat whole = all_logits(&f);
    forget(&f);
    ck_ok(model_forward(f.model, &f.pass, &logits, NULL));
    ck_assert_int_eq(logits.rows, lm_rows(f.model));
    for (int t = 0, row = 0; t < f.batch.tokens; t++)
        if (f.batch.label[t] >= 0) same_rows(&whole, t, &logits, row++, 1);
    memset((int32_t *)f.batch.label, -1, sizeof(int32_t) * (size_t)f.batch.tokens); /* none at all */
    fixture_thaw_all(&f);
    double loss = 1;
    forget(&f);
    ck_ok(model_forward(f.model, &f.pass, NULL, NULL));
    ck_ok(lm_loss(f.model, &f.pass, true, &loss, NULL));
    ck_ok(model_backward(f.model, &f.pass, NULL));
    ck_assert(loss == 0 && lm_rows(f.model) == 0);
    for (int i = 0; i < f.reg.count; i++)
        for (size_t k = 0; k < param_size(f.reg.list[i]); k++) ck_assert(f.reg.list[i]->grad[k] == 0);
    fixture_close(&f);
}
END_TEST

/* ---- losses in parts ---- */

/* A vocabulary so wide that the rows go in several parts. */
static void open_wide(struct fixture *f, int config)
{
    char text[1024], *at;
    snprintf(text, sizeof text, "%s", configs[config]);
    at = strstr(text, "\"vocab_size\": 60");
    memmove(at + 22, at + 16, strlen(at + 16) + 1);
    memcpy(at, "\"vocab_size\":   262144", 22);
    notice_quiet(1);
    fixture_random(f, text, HEAD_LM, 0);
    fixture_batch_random(f, lengths, 4);
    memcpy((int32_t *)f->batch.label, f->batch.ids, sizeof(int32_t) * (size_t)f->batch.tokens);
    f->batch.step_examples = f->batch.tokens;
}

START_TEST(loss_in_parts)
{
    struct fixture f;
    double whole, parts, sum = 0;
    open_wide(&f, _i);
    fixture_thaw_all(&f);
    f.pass.train = true;
    whole = fixture_step(&f, NULL, NULL);
    real **want = arena_alloc(f.arena, sizeof *want * (size_t)f.reg.count);
    for (int i = 0; i < f.reg.count; i++) {
        size_t bytes = sizeof(real) * param_size(f.reg.list[i]);
        want[i] = memcpy(arena_alloc(f.arena, bytes), f.reg.list[i]->grad, bytes);
    }
    forget(&f);
    param_zero_grads(&f.reg);
    ck_ok(model_forward(f.model, &f.pass, NULL, NULL));
    double *each = arena_alloc(f.arena, sizeof *each * (size_t)lm_rows(f.model));
    ck_assert_int_gt(lm_rows(f.model), 64); /* more than one part */
    ck_ok(lm_loss(f.model, &f.pass, true, &parts, each));
    ck_ok(model_backward(f.model, &f.pass, NULL));
    ck_assert_uint_eq(arena_used(f.scratch), 0);
    ck_assert_double_eq_tol(parts, whole, 1e-12 * whole);
    for (int i = 0; i < f.batch.step_examples; i++) sum += each[i];
    ck_assert_double_eq_tol(sum / f.batch.step_examples, whole, 1e-12 * whole);
    for (int i = 0; i < f.reg.count; i++)
        ck_assert_msg(memcmp(want[i], f.reg.list[i]->grad, sizeof(real) * param_size(f.reg.list[i])) == 0,
                      "gradient of %s", f.reg.list[i]->name);
    fixture_close(&f);
}
END_TEST

START_TEST(chosen_logits)
{
    struct fixture f;
    static const int32_t id[] = {7, 0, 59, 7};
    struct mat few, again, logits;
    open_model(&f, _i, HEAD_LM);
    forget(&f);
    ck_ok(model_forward(f.model, &f.pass, &logits, NULL));
    int n = logits.rows;
    double *log_sum = arena_alloc(f.arena, sizeof *log_sum * (size_t)n);
    int32_t *best = arena_alloc(f.arena, sizeof *best * (size_t)n);
    ck_ok(mat_new(f.arena, n, 4, &few));
    ck_ok(mat_new(f.arena, n, 4, &again));
    ck_ok(lm_logits(f.model, &f.pass, id, 4, &few, log_sum));
    ck_ok(lm_logits(f.model, &f.pass, id, 4, &again, NULL));
    ck_ok(lm_best(f.model, &f.pass, best));
    same_rows(&few, 0, &again, 0, n);
    for (int r = 0; r < n; r++) {
        double sum = 0;
        for (int c = 0; c < 60; c++) {
            sum += exp((double)mat_row(&logits, r)[c]);
            ck_assert(mat_row(&logits, r)[c] < mat_row(&logits, r)[best[r]] || best[r] <= c);
            ck_assert(mat_row(&logits, r)[c] <= mat_row(&logits, r)[best[r]]);
        }
        for (int i = 0; i < 4; i++) ck_assert(mat_row(&few, r)[i] == mat_row(&logits, r)[id[i]]);
        ck_assert_double_eq_tol(log_sum[r], log(sum), 1e-6 * (1 + fabs(log(sum))));
    }
    ck_fails(lm_logits(f.model, &f.pass, (int32_t[]){60}, 1, &few, NULL), ST_INPUT, "token 60");
    struct pass other = f.pass;
    ck_fails(lm_best(f.model, &other, best), ST_INTERNAL, "did not come last");
    fixture_close(&f);
}
END_TEST

/* ---- kept rows ---- */

/* Tokens from .. to-1 of sequence s as a batch of their own, behind prefix, into append. */
static struct mat piece(struct fixture *part, const struct fixture *f, int s, int from, int to, struct kv *prefix,
                        struct kv *append)
{
    struct kv *const *before = &prefix, *const *after = &append;
    const int *offset = f->batch.offset;
    int one[2] = {0, to - from};
    part->batch = f->batch;
    part->batch.n = 1;
    part->batch.tokens = to - from;
    part->batch.offset = one;
    part->batch.ids += offset[s] + from;
    part->batch.row_key += offset[s] + from;
    part->batch.prefix = before;
    part->batch.append = after;
    part->pass.keep = false;
    struct mat out = all_logits(part);
    part->batch.prefix = part->batch.append = NULL;
    return out;
}

/* Every configuration in f32, then every one in integers. */
static void open_in(struct fixture *f, int i)
{
    static const struct dfp_options integers = {8, 12, 8, DFP_STOCHASTIC, EVAL_EXAMPLE};
    open_model(f, i % CONFIGS, HEAD_LM);
    if (i < CONFIGS) return;
    f->pass.arith = &arith_dfp;
    f->pass.arith_options = &integers;
}

/* However a sequence is cut, and whoever shares its beginning: the same bits. */
START_TEST(kept_rows_change_nothing)
{
    static const int cuts[][4] = {{0, 64, 130, 130}, {0, 1, 2, 130}, {0, 100, 129, 130}, {0, 127, 130, 130}};
    struct fixture f, g;
    struct kv *kv, *copy;
    open_in(&f, _i);
    open_in(&g, _i);
    struct mat whole = all_logits(&f);
    ck_ok(kv_new(f.model, 130, f.arena, &kv));
    ck_ok(kv_new(f.model, 131, f.arena, &copy));
    for (int c = 0; c < 4; c++) {
        kv->rows = 0;
        for (int k = 0; k < 3; k++) {
            if (cuts[c][k] == cuts[c][k + 1]) continue;
            struct mat part = piece(&g, &f, 2, cuts[c][k], cuts[c][k + 1], kv, kv);
            same_rows(&whole, f.batch.offset[2] + cuts[c][k], &part, 0, part.rows);
            ck_assert_int_eq(kv->rows, cuts[c][k + 1]);
        }
    }
    kv->rows = 100; /* forget the last ones, go on from a copy */
    ck_ok(kv_copy(kv, copy));
    struct mat rest = piece(&g, &f, 2, 100, 130, copy, NULL);
    same_rows(&whole, f.batch.offset[2] + 100, &rest, 0, 30);
    fixture_close(&f);
    fixture_close(&g);
}
END_TEST

/* Several questions after one beginning, in one batch, and one without. */
START_TEST(shared_beginning)
{
    enum { SHARED = 20 };
    static const int ends[] = {25, 40, 21};
    struct fixture f, g, h;
    struct kv *kv;
    open_in(&f, _i);
    open_in(&g, _i);
    int length[] = {ends[0], ends[1], ends[2], 6};
    fixture_batch_random(&f, length, 4);
    for (int s = 1; s < 3; s++)
        memcpy((int32_t *)f.batch.ids + f.batch.offset[s], f.batch.ids, sizeof(int32_t) * SHARED);
    struct mat whole = all_logits(&f);
    ck_ok(kv_new(f.model, SHARED, f.arena, &kv));
    piece(&g, &f, 0, 0, SHARED, NULL, kv);
    open_in(&h, _i);
    int rest[] = {ends[0] - SHARED, ends[1] - SHARED, ends[2] - SHARED, 6};
    fixture_batch_random(&h, rest, 4);
    struct kv *prefix[] = {kv, kv, kv, NULL};
    for (int s = 0; s < 4; s++)
        memcpy((int32_t *)h.batch.ids + h.batch.offset[s], f.batch.ids + f.batch.offset[s] + (prefix[s] ? SHARED : 0),
               sizeof(int32_t) * (size_t)rest[s]);
    h.batch.prefix = prefix;
    h.pass.keep = false;
    struct mat part = all_logits(&h);
    for (int s = 0; s < 4; s++)
        same_rows(&whole, f.batch.offset[s] + (prefix[s] ? SHARED : 0), &part, h.batch.offset[s], rest[s]);
    fixture_close(&f);
    fixture_close(&g);
    fixture_close(&h);
}
END_TEST

START_TEST(greedy_text)
{
    enum { MOST = 30 };
    struct fixture f;
    int32_t out[MOST], all[MOST + 9];
    int count, offset[2] = {0, 9};
    open_model(&f, _i, HEAD_LM);
    memcpy(all, f.batch.ids, sizeof *all * 9);
    struct lm_generate g = {.prompt = f.batch.ids, .n = 9, .most = MOST};
    ck_ok(lm_generate(f.model, &f.pass, &g, out, &count));
    ck_assert_int_eq(count, MOST);
    ck_assert_uint_eq(arena_used(f.tape), 0);
    f.batch = (struct batch){.n = 1, .offset = offset, .ids = all, .row_key = f.batch.row_key, .slot = f.batch.slot};
    for (int i = 0; i < MOST; i++) { /* the whole text anew for every token */
        f.batch.tokens = offset[1] = 9 + i;
        struct mat logits = all_logits(&f);
        const real *row = mat_row(&logits, 8 + i);
        for (int c = 0; c < 60; c++) ck_assert(row[c] < row[out[i]] || c >= out[i]);
        all[9 + i] = out[i];
    }
    g.stop = &out[3];
    g.stops = 1;
    int first = 0;
    while (out[first] != out[3]) first++;
    ck_ok(lm_generate(f.model, &f.pass, &g, all, &count));
    ck_assert_int_eq(count, first);
    struct lm_generate full = {.prompt = f.batch.ids, .n = 9, .most = 1000};
    int32_t *many = arena_alloc(f.arena, sizeof *many * 1000);
    full.prompt = out;
    ck_ok(lm_generate(f.model, &f.pass, &full, many, &count));
    ck_assert_int_eq(count, 200 - 9 + 1); /* the model's positions end */
    full.n = 0;
    ck_fails(lm_generate(f.model, &f.pass, &full, many, &count), ST_INPUT, "empty prompt");
    fixture_close(&f);
}
END_TEST

/* ---- same bits ---- */

static const real *gradients(struct fixture *f, size_t *n)
{
    *n = 0;
    for (int i = 0; i < f->reg.count; i++) *n += param_size(f->reg.list[i]);
    real *all = arena_alloc(f->arena, sizeof *all * *n), *at = all;
    for (int i = 0; i < f->reg.count; i++) {
        memcpy(at, f->reg.list[i]->grad, sizeof *at * param_size(f->reg.list[i]));
        at += param_size(f->reg.list[i]);
    }
    return all;
}

START_TEST(recomputed_and_threads)
{
    struct fixture f;
    size_t n;
    open_model(&f, _i, HEAD_LM);
    fixture_thaw_all(&f);
    f.pass.train = true;
    double loss = fixture_step(&f, NULL, NULL);
    size_t kept = arena_used(f.tape);
    const real *want = gradients(&f, &n);
    for (int threads = 1; threads <= 3; threads++)
        for (int again = 0; again < 2; again++) {
            parallel_set_threads(threads);
            f.model->spec.recompute = again;
            arena_poison(again);
            ck_assert_double_eq(fixture_step(&f, NULL, NULL), loss);
            arena_poison(0);
            ck_assert_mem_eq(gradients(&f, &n), want, sizeof(real) * n);
        }
    parallel_set_threads(1);
    ck_assert_uint_lt(arena_used(f.tape), kept / 3);
    fixture_close(&f);
}
END_TEST

/* ---- classifiers ---- */

START_TEST(classifier_reads_the_last_token)
{
    struct fixture f, none;
    struct mat logits, state;
    open_model(&f, _i, HEAD_CLASSIFY);
    fixture_forward(&f, &logits, NULL);
    open_model(&none, _i, HEAD_NONE);
    forget(&none);
    ck_ok(model_forward(none.model, &none.pass, &state, NULL));
    const struct param *score = param_find(&f.reg, "score.weight");
    ck_assert(score && score->cls == P_HEAD && score->rows == 3 && !param_find(&f.reg, "score.bias"));
    ck_assert_int_eq(logits.rows, 4);
    for (int s = 0; s < 4; s++)
        for (int k = 0; k < 3; k++) {
            double sum = 0;
            for (int c = 0; c < state.cols; c++)
                sum += (double)mat_row(&state, f.batch.offset[s + 1] - 1)[c] * score->data[k * score->cols + c];
            ck_assert_double_eq_tol((double)mat_row(&logits, s)[k], sum, 1e-4 * (1 + fabs(sum)));
        }
    fixture_close(&f);
    fixture_close(&none);
}
END_TEST

/* ---- wrong input, no memory ---- */

START_TEST(wrong_input)
{
    struct fixture f;
    struct mat logits;
    struct kv *kv, *none = NULL;
    double loss;
    open_model(&f, _i, HEAD_LM);
    ck_ok(kv_new(f.model, 3, f.arena, &kv));
    int32_t *ids = (int32_t *)f.batch.ids, id = ids[3], *label = (int32_t *)f.batch.label;
    ids[3] = 60;
    ck_fails(model_forward(f.model, &f.pass, &logits, NULL), ST_INPUT, "token id 60");
    ids[3] = id;
    int longer[] = {201};
    struct batch good = f.batch;
    fixture_batch_random(&f, longer, 1);
    ck_fails(model_forward(f.model, &f.pass, &logits, NULL), ST_INPUT, "200 positions");
    f.batch = good;
    struct kv *const kept[] = {kv, none, none, none};
    f.batch.append = kept;
    ck_fails(model_forward(f.model, &f.pass, &logits, NULL), ST_INTERNAL, "goes back");
    f.pass.keep = false;
    ck_fails(model_forward(f.model, &f.pass, &logits, NULL), ST_INTERNAL, "do not fit");
    f.batch = good;
    forget(&f);
    label[1] = 60;
    ck_ok(model_forward(f.model, &f.pass, NULL, NULL));
    ck_fails(lm_loss(f.model, &f.pass, false, &loss, NULL), ST_INPUT, "target token 60");
    ck_fails(lm_loss(f.model, &f.pass, true, &loss, NULL), ST_INTERNAL, "kept nothing");
    f.batch.label = NULL;
    ck_fails(lm_loss(f.model, &f.pass, false, &loss, NULL), ST_INTERNAL, "needs target tokens");
    ck_fails(model_backward(f.model, &f.pass, NULL), ST_INTERNAL, "without the forward pass");
    fixture_close(&f);
    ck_fails(fixture_open(&f, "mini", HEAD_LM, 0), ST_UNSUPPORTED, "no causal language model");
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct fixture f;
    double loss;
    status st = ST_MEMORY;
    open_model(&f, _i, HEAD_LM);
    fixture_thaw_all(&f);
    f.model->spec.recompute = true;
    for (long n = 1; st == ST_MEMORY; n++) {
        forget(&f);
        arena_fail_after(n);
        st = model_forward(f.model, &f.pass, NULL, NULL);
        if (st == ST_OK) st = lm_loss(f.model, &f.pass, true, &loss, NULL);
        if (st == ST_OK) st = model_backward(f.model, &f.pass, NULL);
        arena_fail_after(0);
    }
    ck_assert_int_eq(st, ST_OK);
    fixture_close(&f);
}
END_TEST

/* ---- Phi's first release ---- */

struct early {
    struct tensor_out out[64];
    int count;
};

static void add(struct early *e, const char *name, int rows, int cols, const float *data)
{
    struct tensor_out *t = &e->out[e->count++];
    *t = (struct tensor_out){.name = name, .dtype = DT_F32, .dims = rows ? 2 : 1, .data = data};
    t->shape[0] = rows ? rows : cols;
    t->shape[1] = rows ? cols : 0;
}

static const float *floats_of(struct fixture *f, const char *pattern, int layer, size_t *n)
{
    char name[128];
    snprintf(name, sizeof name, pattern, layer);
    const struct param *p = param_find(&f->reg, name);
    ck_assert_msg(p != NULL, "%s", name);
    float *x = arena_alloc(f->arena, sizeof *x * param_size(p));
    for (size_t i = 0; i < param_size(p); i++) x[i] = (float)p->data[i];
    *n = param_size(p);
    return x;
}

/* One tensor under its old name; wide: columns of a matrix, 0: a vector. */
static void rename_one(struct fixture *f, struct early *e, const char *modern, const char *old, int layer, int wide)
{
    size_t n;
    const float *x = floats_of(f, modern, layer, &n);
    char *name = arena_printf(f->arena, old, layer);
    add(e, name, wide ? (int)n / wide : 0, wide ? wide : (int)n, x);
}

static void fuse(struct fixture *f, struct early *e, const char *kind, int layer, int wide)
{
    static const char *const one[] = {"q", "k", "v"};
    float *all = NULL;
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        char pattern[128];
        snprintf(pattern, sizeof pattern, "model.layers.%%d.self_attn.%s_proj.%s", one[i], kind);
        const float *x = floats_of(f, pattern, layer, &n);
        if (!all) all = arena_alloc(f->arena, 3 * n * sizeof *all);
        memcpy(all + (size_t)i * n, x, n * sizeof *all);
    }
    char *name = arena_printf(f->arena, "transformer.h.%d.mixer.Wqkv.%s", layer, kind);
    add(e, name, wide ? 3 * (int)n / wide : 0, wide ? wide : 3 * (int)n, all);
}

START_TEST(first_release_of_phi)
{
    static const char config[] =
        "{\"model_type\": \"phi-msft\", \"n_layer\": 3, \"n_inner\": 40, \"vocab_size\": 60, \"n_positions\": 200, "
        "\"n_embd\": 40, \"n_head\": 2, \"rotary_dim\": 8, \"n_head_kv\": null, \"layer_norm_epsilon\": 1e-5, "
        "\"activation_function\": \"gelu_new\", \"resid_pdrop\": 0.2, \"embd_pdrop\": 0.1, \"attn_pdrop\": 0.1}";
    static struct early e;
    struct fixture f, g;
    char dir[512];
    open_model(&f, 0, HEAD_LM);
    rename_one(&f, &e, "model.embed_tokens.weight", "transformer.embd.wte.weight", 0, 40);
    for (int l = 0; l < 3; l++) {
        rename_one(&f, &e, "model.layers.%d.input_layernorm.weight", "transformer.h.%d.ln.weight", l, 0);
        rename_one(&f, &e, "model.layers.%d.input_layernorm.bias", "transformer.h.%d.ln.bias", l, 0);
        fuse(&f, &e, "weight", l, 40);
        fuse(&f, &e, "bias", l, 0);
        rename_one(&f, &e, "model.layers.%d.self_attn.dense.weight", "transformer.h.%d.mixer.out_proj.weight", l, 40);
        rename_one(&f, &e, "model.layers.%d.self_attn.dense.bias", "transformer.h.%d.mixer.out_proj.bias", l, 0);
        rename_one(&f, &e, "model.layers.%d.mlp.fc1.weight", "transformer.h.%d.mlp.fc1.weight", l, 40);
        rename_one(&f, &e, "model.layers.%d.mlp.fc1.bias", "transformer.h.%d.mlp.fc1.bias", l, 0);
        rename_one(&f, &e, "model.layers.%d.mlp.fc2.weight", "transformer.h.%d.mlp.fc2.weight", l, 40);
        rename_one(&f, &e, "model.layers.%d.mlp.fc2.bias", "transformer.h.%d.mlp.fc2.bias", l, 0);
    }
    rename_one(&f, &e, "model.final_layernorm.weight", "lm_head.ln.weight", 0, 0);
    rename_one(&f, &e, "model.final_layernorm.bias", "lm_head.ln.bias", 0, 0);
    rename_one(&f, &e, "lm_head.weight", "lm_head.linear.weight", 0, 40);
    rename_one(&f, &e, "lm_head.bias", "lm_head.linear.bias", 0, 0);
    snprintf(dir, sizeof dir, "%s/early", temp_dir());
    ck_ok(file_make_dirs(dir));
    ck_ok(file_write_atomic(path_join(f.arena, dir, "config.json"), config, strlen(config)));
    ck_ok(safetensors_write(path_join(f.arena, dir, "model.safetensors"), e.out, e.count, NULL));
    ck_ok(fixture_open(&g, dir, HEAD_LM, 0));
    g.batch = f.batch;
    struct mat want = all_logits(&f), got = all_logits(&g);
    same_rows(&want, 0, &got, 0, want.rows);
    fixture_close(&g);
    e.out[3].shape[0] -= 3; /* the fused tensor of the first block */
    ck_ok(safetensors_write(path_join(f.arena, dir, "model.safetensors"), e.out, e.count, NULL));
    ck_fails(fixture_open(&g, dir, HEAD_LM, 0), ST_INPUT, "Wqkv.weight' has the shape [117, 40], expected [120, 40]");
    fixture_close(&f);
}
END_TEST

/* ---- angles ---- */

START_TEST(angles_of_llama3)
{
    struct model_config c = {.head_dim = 128,
                             .rotary_part = 1,
                             .rope_theta = 500000,
                             .rope_scaling = ROPE_LLAMA3,
                             .rope_factor = 8,
                             .rope_low = 1,
                             .rope_high = 4,
                             .rope_original = 8192};
    for (int j = 0; j < 64; j++) { /* as in Hugging Face's modeling_rope_utils */
        double plain = 1 / pow(500000, 2.0 * j / 128), wave = 2 * M_PI / plain, want = plain;
        double smooth = (8192 / wave - 1) / (4 - 1);
        if (wave > 8192.0 / 1)
            want = plain / 8;
        else if (wave >= 8192.0 / 4)
            want = (1 - smooth) * plain / 8 + smooth * plain;
        ck_assert_double_eq_tol(rotary_frequency(&c, j), want, 1e-13 * want);
    }
    c.rope_scaling = ROPE_LINEAR;
    ck_assert_double_eq_tol(rotary_frequency(&c, 3), pow(500000, -6.0 / 128) / 8, 1e-15);
}
END_TEST

PG_TESTS(LOOP_TEST(alone_or_in_a_batch, 0, CONFIGS), LOOP_TEST(later_tokens_are_not_seen, 0, CONFIGS),
         LOOP_TEST(only_rows_with_targets, 0, CONFIGS), LOOP_TEST(loss_in_parts, 0, CONFIGS),
         LOOP_TEST(chosen_logits, 0, CONFIGS), LOOP_TEST(kept_rows_change_nothing, 0, 2 * CONFIGS),
         LOOP_TEST(shared_beginning, 0, 2 * CONFIGS), LOOP_TEST(greedy_text, 0, CONFIGS),
         LOOP_TEST(recomputed_and_threads, 0, CONFIGS), LOOP_TEST(classifier_reads_the_last_token, 0, CONFIGS),
         LOOP_TEST(wrong_input, 0, CONFIGS), LOOP_TEST(every_allocation_may_fail, 0, CONFIGS),
         TEST(first_release_of_phi), TEST(angles_of_llama3))
