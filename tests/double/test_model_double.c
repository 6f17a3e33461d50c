/* Gradients of whole models against finite differences, in the double build: for every tensor of a tiny random model
 * the derivative along a random direction. With dropout on, masks are functions of their place, so the same test holds.
 */
#include "tests/pgtest.h"

#include <math.h>
#include "core/ops.h"
#include "tests/model_fixture.h"

struct tiny {
    const char *name, *config;
    enum head_kind head;
    int labels;
    int length[4]; /* 0: no more */
};

#define SIZES \
    "\"hidden_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"intermediate_size\": 20, " \
    "\"vocab_size\": 40, \"hidden_dropout_prob\": 0.2, \"attention_probs_dropout_prob\": 0.2, "
#define DEBERTA \
    "{\"model_type\": \"deberta-v2\", " SIZES \
    "\"relative_attention\": true, \"norm_rel_ebd\": \"layer_norm\", \"max_relative_positions\": -1, " \
    "\"layer_norm_eps\": 1e-7, \"pooler_hidden_act\": \"gelu\", \"pooler_hidden_size\": 12, \"pooler_dropout\": 0.1, "
#define SHORT "\"position_buckets\": 16, \"max_position_embeddings\": 64, "
#define LONG "\"position_buckets\": 8, \"max_position_embeddings\": 16, "
#define V3 "\"position_biased_input\": false, \"type_vocab_size\": 0, \"share_att_key\": true, "

#define DECODER \
    "\"num_hidden_layers\": 2, \"intermediate_size\": 20, \"vocab_size\": 40, \"max_position_embeddings\": 100, " \
    "\"resid_pdrop\": 0.2, \"embd_pdrop\": 0.1, \"attention_dropout\": 0.2, "
#define PHI \
    "{\"model_type\": \"phi\", " DECODER \
    "\"hidden_size\": 20, \"num_attention_heads\": 2, \"partial_rotary_factor\": 0.4}"
#define QWEN2 \
    "{\"model_type\": \"qwen2\", " DECODER \
    "\"hidden_size\": 24, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"rope_theta\": 1000}"

static const struct tiny models[] = {
    {"deberta", DEBERTA SHORT V3 "\"pos_att_type\": [\"p2c\", \"c2p\"]}", HEAD_CLASSIFY, 2, {5, 9, 1, 3}},
    {"deberta, log buckets and beyond",
     DEBERTA LONG V3 "\"pos_att_type\": [\"p2c\", \"c2p\"]}",
     HEAD_CLASSIFY,
     3,
     {30, 4, 13}},
    {"deberta, distances not bucketed",
     DEBERTA V3 "\"position_buckets\": -1, \"max_position_embeddings\": 6, \"pos_att_type\": \"p2c|c2p\"}",
     HEAD_CLASSIFY,
     2,
     {11, 4}},
    {"deberta c2p", DEBERTA LONG V3 "\"pos_att_type\": [\"c2p\"]}", HEAD_CLASSIFY, 2, {12, 4}},
    {"deberta p2c", DEBERTA LONG V3 "\"pos_att_type\": [\"p2c\"]}", HEAD_CLASSIFY, 2, {12, 4}},
    {"deberta, positions and types in the input, own keys",
     DEBERTA LONG "\"position_biased_input\": true, \"type_vocab_size\": 2, \"share_att_key\": false, "
                  "\"pos_att_type\": [\"p2c\", \"c2p\"]}",
     HEAD_CLASSIFY,
     2,
     {12, 4}},
    {"deberta regression", DEBERTA SHORT V3 "\"pos_att_type\": [\"p2c\", \"c2p\"]}", HEAD_CLASSIFY, 1, {5, 9, 2}},
    {"deberta mlm", DEBERTA SHORT V3 "\"pos_att_type\": [\"p2c\", \"c2p\"]}", HEAD_MLM, 0, {7, 9, 2}},
    {"bert",
     "{\"model_type\": \"bert\", " SIZES
     "\"max_position_embeddings\": 16, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12}",
     HEAD_CLASSIFY,
     2,
     {5, 9, 1}},
    {"bert, gelu_new, mlm",
     "{\"model_type\": \"bert\", " SIZES
     "\"max_position_embeddings\": 16, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12, "
     "\"hidden_act\": \"gelu_new\"}",
     HEAD_MLM,
     0,
     {5, 9, 1}},
    {"roberta",
     "{\"model_type\": \"roberta\", " SIZES
     "\"max_position_embeddings\": 18, \"type_vocab_size\": 1, \"layer_norm_eps\": 1e-5, "
     "\"pad_token_id\": 1}",
     HEAD_CLASSIFY,
     3,
     {5, 9, 1}},
    {"roberta mlm",
     "{\"model_type\": \"roberta\", " SIZES
     "\"max_position_embeddings\": 18, \"type_vocab_size\": 1, \"layer_norm_eps\": 1e-5, "
     "\"pad_token_id\": 1}",
     HEAD_MLM,
     0,
     {5, 9, 1}},
    {"phi", PHI, HEAD_LM, 0, {5, 9, 1, 70}},
    {"phi classifier", PHI, HEAD_CLASSIFY, 3, {5, 9, 1}},
    {"qwen2", QWEN2, HEAD_LM, 0, {7, 66, 2}},
    {"qwen2 regression", QWEN2, HEAD_CLASSIFY, 1, {7, 12, 2}},
    {"llama, tied, wide heads",
     "{\"model_type\": \"llama\", " DECODER
     "\"hidden_size\": 12, \"num_attention_heads\": 3, \"head_dim\": 6, \"tie_word_embeddings\": true, "
     "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}}",
     HEAD_LM,
     0,
     {5, 9, 1}},
    {"llama, biases, llama3 angles",
     "{\"model_type\": \"llama\", " DECODER
     "\"hidden_size\": 16, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"attention_bias\": true, "
     "\"mlp_bias\": true, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 4, \"low_freq_factor\": 1, "
     "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 64}}",
     HEAD_LM,
     0,
     {5, 9, 1}},
};
enum { MODELS = sizeof models / sizeof models[0] };

static void open_tiny(struct fixture *f, const struct tiny *t)
{
    int n = 0;
    while (n < 4 && t->length[n]) n++;
    notice_quiet(1);
    fixture_random(f, t->config, t->head, t->labels);
    fixture_batch_random(f, t->length, n);
    fixture_thaw_all(f);
}

/* d loss / d p along v by central differences; two steps together cancel the error's leading term. */
static double difference(struct fixture *f, struct param *p, const real *v, double h)
{
    size_t n = param_size(p);
    double side[2];
    real *old = arena_alloc(f->arena, n * sizeof *old);
    memcpy(old, p->data, n * sizeof *old);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++) p->data[i] = old[i] + (s ? -h : h) * v[i];
        side[s] = fixture_forward(f, NULL, NULL);
    }
    memcpy(p->data, old, n * sizeof *old);
    return (side[0] - side[1]) / (2 * h);
}

static void check_all(struct fixture *f, const char *what)
{
    fixture_step(f, NULL, NULL);
    double largest = 0;
    for (int i = 0; i < f->reg.count; i++) {
        struct param *p = f->reg.list[i];
        size_t n = param_size(p);
        real *v = arena_alloc(f->arena, n * sizeof *v);
        double slope = 0;
        rng_fill_normal(&f->rng, "direction", v, n, 0, 1);
        for (size_t k = 0; k < n; k++) slope += v[k] * p->grad[k];
        double error = fabs(slope - (4 * difference(f, p, v, 1e-5) - difference(f, p, v, 2e-5)) / 3);
        largest = fabs(slope) > largest ? fabs(slope) : largest;
        ck_assert_msg(error <= 1e-7 * fmax(1, fabs(slope)), "%s: %s: slope %.10g, off by %g", what, p->name, slope,
                      error);
    }
    ck_assert_msg(largest > 0.01, "%s: no gradient anywhere (%g)", what, largest);
}

START_TEST(differences)
{
    struct fixture f;
    open_tiny(&f, &models[_i]);
    check_all(&f, models[_i].name);
    fixture_close(&f);
}
END_TEST

START_TEST(differences_with_dropout)
{
    struct fixture f;
    open_tiny(&f, &models[_i]);
    f.pass.train = true;
    f.pass.step = 3;
    check_all(&f, models[_i].name);
    fixture_close(&f);
}
END_TEST

/* All rows of the table and all rows of the last block: the same gradients. */
START_TEST(whole_table)
{
    struct fixture f, g;
    open_tiny(&f, &models[_i]);
    open_tiny(&g, &models[_i]);
    f.pass.train = g.pass.train = true;
    g.model->whole_table = true;
    ck_assert_double_eq(fixture_step(&f, NULL, NULL), fixture_step(&g, NULL, NULL));
    for (int i = 0; i < f.reg.count; i++)
        for (size_t k = 0; k < param_size(f.reg.list[i]); k++)
            ck_assert_double_eq_tol(f.reg.list[i]->grad[k], g.reg.list[i]->grad[k], 1e-12);
    fixture_close(&f);
    fixture_close(&g);
}
END_TEST

/* Blocks run again in the backward pass: the same bits. */
START_TEST(recomputed)
{
    struct fixture f, g;
    open_tiny(&f, &models[_i]);
    open_tiny(&g, &models[_i]);
    f.pass.train = g.pass.train = true;
    g.model->spec.recompute = true;
    ck_assert_double_eq(fixture_step(&f, NULL, NULL), fixture_step(&g, NULL, NULL));
    for (int i = 0; i < f.reg.count; i++)
        ck_assert_mem_eq(f.reg.list[i]->grad, g.reg.list[i]->grad, sizeof(real) * param_size(f.reg.list[i]));
    fixture_close(&f);
    fixture_close(&g);
}
END_TEST

/* Something on every point: y = x o x. */
static status square(struct use *u, const struct mat *x, struct mat *y)
{
    (void)u;
    for (int i = 0; i < x->rows; i++)
        for (int c = 0; c < x->cols; c++) mat_row(y, i)[c] = mat_row(x, i)[c] * mat_row(x, i)[c];
    return ST_OK;
}

static status square_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    (void)u;
    for (int i = 0; dx && i < x->rows; i++)
        for (int c = 0; c < x->cols; c++) mat_row(dx, i)[c] += 2 * mat_row(x, i)[c] * mat_row(dy, i)[c];
    return ST_OK;
}

static const int point_models[] = {0, MODELS - 6, MODELS - 4};

START_TEST(points)
{
    static const struct site_ops ops = {.forward = square, .backward = square_backward};
    struct fixture f;
    int found = 0;
    open_tiny(&f, &models[point_models[_i]]);
    for (int i = 0; i < f.model->sites; i++)
        if (f.model->site[i]->kind == SITE_POINT) {
            f.model->site[i]->ops = &ops;
            found++;
        }
    ck_assert_int_eq(found, 4);
    for (int train = 0; train < 2; train++) {
        f.pass.train = train;
        check_all(&f, "points");
    }
    fixture_close(&f);
}
END_TEST

/* Hidden states as the result: the derivative of sum(w o hidden). */
static double weighted(struct fixture *f, struct mat *w, int backward)
{
    struct mat out;
    double sum = 0;
    arena_reset(f->tape, (struct arena_mark){0});
    ck_ok(model_forward(f->model, &f->pass, &out, NULL));
    if (!w->a) {
        *w = mat_of(arena_alloc(f->arena, sizeof(real) * (size_t)(out.rows * out.cols)), out.rows, out.cols);
        rng_fill_normal(&f->rng, "weights", w->a, (size_t)(out.rows * out.cols), 0, 1);
    }
    for (int i = 0; i < out.rows * out.cols; i++) sum += w->a[i] * out.a[i];
    if (backward) ck_ok(model_backward(f->model, &f->pass, w));
    return sum;
}

START_TEST(hidden_states)
{
    struct fixture f;
    struct tiny t = models[point_models[_i]];
    struct mat w = {0};
    t.head = HEAD_NONE;
    open_tiny(&f, &t);
    weighted(&f, &w, 1);
    struct param *p = f.reg.list[0]; /* the word table */
    ck_assert(strstr(p->name, "embed") && p->cols == f.model->config.hidden);
    size_t n = param_size(p);
    real *v = arena_alloc(f.arena, n * sizeof *v), *old = arena_alloc(f.arena, n * sizeof *v);
    double slope = 0, h = 1e-5, side[4];
    rng_fill_normal(&f.rng, "direction", v, n, 0, 1);
    memcpy(old, p->data, n * sizeof *old);
    for (size_t k = 0; k < n; k++) slope += v[k] * p->grad[k];
    for (int s = 0; s < 4; s++) { /* see difference() */
        for (size_t k = 0; k < n; k++) p->data[k] = old[k] + (s % 2 ? -h : h) * (1 + s / 2) * v[k];
        side[s] = weighted(&f, &w, 0);
    }
    double found = (8 * (side[0] - side[1]) - (side[2] - side[3])) / (12 * h);
    ck_assert_double_eq_tol(slope, found, 1e-6 * fabs(slope));
    fixture_close(&f);
}
END_TEST

PG_TESTS(LOOP_TEST(differences, 0, MODELS), LOOP_TEST(differences_with_dropout, 0, MODELS),
         LOOP_TEST(whole_table, 0, MODELS), LOOP_TEST(recomputed, 0, MODELS), LOOP_TEST(points, 0, 3),
         LOOP_TEST(hidden_states, 0, 3))
