/* Encoders as a whole: what must not change a bit (batch composition, threads, keep, frozen neighbours), what is
 * refused, and how heads come to be. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include "core/file.h"
#include "core/parallel.h"
#include "models/checkpoint.h"
#include "tests/model_fixture.h"

#define COMMON \
    "\"hidden_size\": 24, \"num_hidden_layers\": 3, \"num_attention_heads\": 3, \"intermediate_size\": 40, " \
    "\"vocab_size\": 50, \"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1, "
static const char deberta[] =
    "{\"model_type\": \"deberta-v2\", " COMMON "\"relative_attention\": true, \"norm_rel_ebd\": \"layer_norm\", "
    "\"max_relative_positions\": -1, \"layer_norm_eps\": 1e-7, \"pooler_hidden_act\": \"gelu\", "
    "\"pooler_hidden_size\": 24, "
    "\"pooler_dropout\": 0, \"position_buckets\": 16, \"max_position_embeddings\": 64, \"position_biased_input\": "
    "false, "
    "\"type_vocab_size\": 0, \"share_att_key\": true, \"pos_att_type\": [\"p2c\", \"c2p\"]}";
static const char bert[] = "{\"model_type\": \"bert\", " COMMON
                           "\"max_position_embeddings\": 48, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12}";
static const char roberta[] = "{\"model_type\": \"roberta\", " COMMON
                              "\"max_position_embeddings\": 50, \"type_vocab_size\": 1, \"layer_norm_eps\": 1e-5, "
                              "\"pad_token_id\": 1}";
static const char *const configs[] = {deberta, bert, roberta};
enum { CONFIGS = 3, N = 6 };
static const int lengths[N] = {5, 40, 1, 17, 9, 33};

static void begin(struct fixture *f, int config, enum head_kind head)
{
    notice_quiet(1);
    fixture_random(f, configs[config], head, head == HEAD_CLASSIFY ? 3 : 0);
    fixture_batch_random(f, lengths, N);
}

static struct mat saved(struct fixture *f, const struct mat *m)
{
    struct mat c = mat_of(arena_alloc(f->arena, sizeof(real) * (size_t)(m->rows * m->cols)), m->rows, m->cols);
    memcpy(c.a, m->a, sizeof(real) * (size_t)(m->rows * m->cols));
    return c;
}

static void check_same(const struct mat *a, const struct mat *b)
{
    ck_assert_int_eq(a->rows, b->rows);
    ck_assert_int_eq(a->cols, b->cols);
    ck_assert_mem_eq(a->a, b->a, sizeof(real) * (size_t)(a->rows * a->cols));
}

static real **grads_of(struct fixture *f)
{
    real **all = arena_zalloc(f->arena, sizeof *all * (size_t)f->reg.count);
    for (int i = 0; i < f->reg.count; i++) {
        if (!f->reg.list[i]->grad) continue;
        struct mat g = mat_of(f->reg.list[i]->grad, 1, (int)param_size(f->reg.list[i]));
        all[i] = saved(f, &g).a;
    }
    return all;
}

static void check_grad(const struct fixture *f, int i, const real *want)
{
    const struct param *p = f->reg.list[i];
    ck_assert_msg(memcmp(p->grad, want, sizeof(real) * param_size(p)) == 0, "the gradient of %s differs", p->name);
}

/* The tensor of a layer whose name ends in one of two ways: families differ. */
static struct param *find_in_layer(struct fixture *f, int layer, const char *end, const char *other)
{
    char part[32];
    snprintf(part, sizeof part, ".layer.%d.", layer);
    for (int i = 0; i < f->reg.count; i++) {
        const char *name = f->reg.list[i]->name;
        if (strstr(name, part) && (strstr(name, end) || strstr(name, other))) return f->reg.list[i];
    }
    ck_abort_msg("layer %d has no %s", layer, end);
    return NULL;
}

/* ---- the same bits ---- */

START_TEST(alone_or_in_a_batch)
{
    struct fixture f, g;
    struct mat all, part;
    for (int train = 0; train < 2; train++) {
        begin(&f, _i, HEAD_CLASSIFY);
        f.pass.keep = false;
        f.pass.train = train;
        fixture_forward(&f, &all, NULL);
        all = saved(&f, &all);
        for (int size = 1; size <= 4; size++)
            for (int first = 0; first + size <= N; first += size) {
                begin(&g, _i, HEAD_CLASSIFY);
                g.pass.keep = false;
                g.pass.train = train;
                fixture_batch_part(&g, &f, first, size);
                fixture_forward(&g, &part, NULL);
                struct mat want = mat_part(&all, first, size, 0, all.cols);
                check_same(&part, &want);
                fixture_close(&g);
            }
        fixture_close(&f);
    }
}
END_TEST

START_TEST(threads)
{
    struct fixture f;
    struct mat first, logits;
    begin(&f, _i, HEAD_CLASSIFY);
    fixture_thaw_all(&f);
    f.pass.train = true;
    parallel_set_threads(1);
    double loss = fixture_step(&f, &logits, NULL);
    first = saved(&f, &logits);
    real **want = grads_of(&f);
    for (int t = 2; t <= 3; t++) {
        parallel_set_threads(t);
        ck_assert_double_eq(fixture_step(&f, &logits, NULL), loss);
        check_same(&logits, &first);
        for (int i = 0; i < f.reg.count; i++) check_grad(&f, i, want[i]);
    }
    fixture_close(&f);
}
END_TEST

START_TEST(keeping_or_not)
{
    struct fixture f;
    struct mat kept, logits, hidden[8];
    begin(&f, _i, HEAD_CLASSIFY);
    fixture_thaw_all(&f);
    fixture_forward(&f, &kept, hidden);
    kept = saved(&f, &kept);
    struct mat last = saved(&f, &hidden[3]);
    f.pass.keep = false;
    fixture_forward(&f, &logits, hidden);
    check_same(&logits, &kept);
    check_same(&hidden[3], &last);
    fixture_forward(&f, &logits, NULL);
    check_same(&logits, &kept);
    fixture_close(&f);
}
END_TEST

/* Evaluation holds a few matrices, not one set a layer. */
START_TEST(evaluation_is_small)
{
    struct fixture f;
    begin(&f, _i, HEAD_CLASSIFY);
    fixture_thaw_all(&f);
    fixture_step(&f, NULL, NULL);
    size_t with = arena_peak(f.tape);
    fixture_close(&f);
    begin(&f, _i, HEAD_CLASSIFY);
    f.pass.keep = false;
    fixture_forward(&f, NULL, NULL);
    ck_assert_uint_lt(arena_peak(f.tape) * 4, with);
    fixture_close(&f);
}
END_TEST

/* With poisoned memory nothing reads what it did not write: the same bits again. */
START_TEST(poisoned)
{
    struct fixture f;
    struct mat logits;
    begin(&f, _i, HEAD_CLASSIFY);
    fixture_thaw_all(&f);
    f.pass.train = true;
    double loss = fixture_step(&f, &logits, NULL);
    real **want = grads_of(&f);
    arena_poison(1);
    ck_assert_double_eq(fixture_step(&f, &logits, NULL), loss);
    for (int i = 0; i < f.reg.count; i++) check_grad(&f, i, want[i]);
    arena_poison(0);
    fixture_close(&f);
}
END_TEST

/* Blocks run again in the backward pass: the same bits, a third of the memory; also when lower blocks are frozen. */
START_TEST(recomputed)
{
    struct fixture f;
    begin(&f, _i, HEAD_CLASSIFY);
    for (int all = 0; all < 2; all++) {
        if (all) fixture_thaw_all(&f);
        if (!all) ck_ok(param_thaw(&f.reg, find_in_layer(&f, 1, "value.weight", "value_proj.weight")));
        f.pass.train = true;
        f.model->spec.recompute = false;
        double loss = fixture_step(&f, NULL, NULL);
        size_t kept = arena_used(f.tape);
        real **want = grads_of(&f);
        f.model->spec.recompute = true;
        for (int t = 1; t <= 3; t++) {
            parallel_set_threads(t);
            arena_poison(1);
            ck_assert_double_eq(fixture_step(&f, NULL, NULL), loss);
            arena_poison(0);
            for (int i = 0; i < f.reg.count; i++)
                if (f.reg.list[i]->grad) check_grad(&f, i, want[i]);
        }
        if (all) ck_assert_uint_lt(arena_used(f.tape), kept / 3);
    }
    fixture_close(&f);
}
END_TEST

/* Each tensor trained alone gets the gradient that it gets among all; nothing else gets one. */
START_TEST(frozen_neighbours)
{
    struct fixture f, g;
    begin(&f, _i, HEAD_CLASSIFY);
    fixture_thaw_all(&f);
    f.pass.train = true;
    double loss = fixture_step(&f, NULL, NULL);
    real **want = grads_of(&f);
    begin(&g, _i, HEAD_CLASSIFY);
    g.pass.train = true;
    real **grad = arena_alloc(g.arena, sizeof *grad * (size_t)g.reg.count);
    for (int i = 0; i < g.reg.count; i++) {
        ck_ok(param_thaw(&g.reg, g.reg.list[i]));
        grad[i] = g.reg.list[i]->grad;
        g.reg.list[i]->grad = NULL;
    }
    for (int i = 0; i < g.reg.count; i++) {
        g.reg.list[i]->grad = grad[i];
        ck_assert_double_eq(fixture_step(&g, NULL, NULL), loss);
        check_grad(&g, i, want[i]);
        g.reg.list[i]->grad = NULL;
    }
    fixture_close(&f);
    fixture_close(&g);
}
END_TEST

/* Only the head trains: blocks keep nothing, the base stays as it was. */
START_TEST(head_only)
{
    struct fixture f;
    begin(&f, _i, HEAD_CLASSIFY);
    size_t trained = param_count(&f.reg, P_HEAD, true);
    ck_assert_uint_eq(trained, 24 * 24 + 24 + 3 * 24 + 3);
    ck_assert_uint_eq(param_count(&f.reg, P_BASE, true), 0);
    fixture_step(&f, NULL, NULL);
    size_t head = arena_peak(f.tape);
    fixture_thaw_all(&f);
    fixture_step(&f, NULL, NULL);
    ck_assert_uint_lt(head * 4, arena_peak(f.tape));
    fixture_close(&f);
}
END_TEST

START_TEST(masked_rows)
{
    struct fixture f;
    struct mat some, all;
    begin(&f, _i, HEAD_MLM);
    fixture_forward(&f, &some, NULL);
    some = saved(&f, &some);
    const int32_t *label = f.batch.label;
    f.batch.label = NULL;
    arena_reset(f.tape, (struct arena_mark){0});
    ck_ok(model_forward(f.model, &f.pass, &all, NULL));
    ck_assert_int_eq(all.rows, f.batch.tokens);
    ck_assert_int_eq(all.cols, 50);
    int row = 0;
    for (int t = 0; t < f.batch.tokens; t++)
        if (label[t] >= 0) {
            struct mat a = mat_part(&some, row++, 1, 0, 50), b = mat_part(&all, t, 1, 0, 50);
            check_same(&a, &b);
        }
    ck_assert_int_eq(row, some.rows);
    fixture_close(&f);
}
END_TEST

/* ---- refused ---- */

static void refused(struct fixture *f, const char *part)
{
    struct mat logits;
    ck_fails(model_forward(f->model, &f->pass, &logits, NULL), ST_INPUT, part);
}

START_TEST(bad_batches)
{
    struct fixture f;
    begin(&f, 1, HEAD_CLASSIFY);
    int32_t *ids = (int32_t *)(uintptr_t)f.batch.ids, *types = (int32_t *)(uintptr_t)f.batch.types;
    int *offset = (int *)(uintptr_t)f.batch.offset;
    ids[3] = 50;
    refused(&f, "token id 50, but the model's vocabulary has 50 rows");
    ids[3] = -1;
    refused(&f, "token id -1");
    ids[3] = 4;
    types[7] = 2;
    refused(&f, "token type 2, but the model has 2");
    types[7] = 0;
    offset[1] = 0;
    refused(&f, "sequence 0 of the batch is empty");
    fixture_close(&f);
    begin(&f, 1, HEAD_CLASSIFY);
    fixture_batch_random(&f, (int[]){3, 49}, 2);
    refused(&f, "sequence 1 of the batch has 49 tokens, the model has 48 positions");
    fixture_close(&f);
    begin(&f, 2, HEAD_CLASSIFY); /* RoBERTa: the first two positions are not for tokens */
    fixture_batch_random(&f, (int[]){48}, 1);
    fixture_forward(&f, NULL, NULL);
    fixture_batch_random(&f, (int[]){49}, 1);
    refused(&f, "has 49 tokens, the model has 48 positions");
    fixture_close(&f);
}
END_TEST

START_TEST(bad_labels)
{
    struct fixture f;
    struct mat logits;
    double loss;
    begin(&f, 0, HEAD_CLASSIFY);
    int32_t *label = (int32_t *)(uintptr_t)f.batch.label;
    label[2] = 3;
    ck_ok(model_forward(f.model, &f.pass, &logits, NULL));
    ck_fails(model_loss(f.model, &f.pass, &logits, NULL, &loss), ST_INPUT,
             "label 3 of example 2, but the model has 3 labels");
    fixture_close(&f);
}
END_TEST

/* ---- checkpoints ---- */

struct files {
    struct fixture f; /* where the values come from */
    char dir[512];
    struct tensor_out out[128];
    int n;
};

static void files_begin(struct files *w, int config, int labels)
{
    notice_quiet(1);
    fixture_random(&w->f, configs[config], HEAD_CLASSIFY, labels);
    snprintf(w->dir, sizeof w->dir, "%s/model", temp_dir());
    ck_ok(file_make_dirs(w->dir));
    ck_ok(file_write_atomic(path_join(w->f.arena, w->dir, "config.json"), configs[config], strlen(configs[config])));
    w->n = 0;
    for (int i = 0; i < w->f.reg.count; i++) {
        const struct param *p = w->f.reg.list[i];
        int vector = p->rows == 1 && !strstr(p->name, "embeddings.weight");
        w->out[w->n++] = (struct tensor_out){.name = p->name,
                                             .dtype = DT_F32,
                                             .dims = vector ? 1 : 2,
                                             .shape = {vector ? p->cols : p->rows, p->cols},
                                             .data = p->data};
    }
}

static struct tensor_out *file_tensor(struct files *w, const char *name)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->out[i].name, name) == 0) return &w->out[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

static void files_drop(struct files *w, const char *name)
{
    *file_tensor(w, name) = w->out[w->n - 1];
    w->n--;
}

static status files_open(struct files *w, struct fixture *f, int labels)
{
    ck_ok(safetensors_write(path_join(w->f.arena, w->dir, "model.safetensors"), w->out, w->n, NULL));
    return fixture_open(f, w->dir, HEAD_CLASSIFY, labels);
}

static void check_equal_logits(struct files *w, struct fixture *g)
{
    struct mat a, b;
    fixture_batch_random(&w->f, lengths, N);
    fixture_batch_random(g, lengths, N);
    fixture_forward(&w->f, &a, NULL);
    fixture_forward(g, &b, NULL);
    check_same(&a, &b);
}

START_TEST(names_without_prefix)
{
    static const char *const prefixes[] = {"deberta.", "bert.", "roberta."};
    struct files w;
    struct fixture g;
    files_begin(&w, _i, 3);
    for (int i = 0; i < w.n; i++) {
        size_t n = strlen(prefixes[_i]);
        if (strncmp(w.out[i].name, prefixes[_i], n) == 0) w.out[i].name += n;
        const char *norm = strstr(w.out[i].name, "LayerNorm.");
        if (norm)
            w.out[i].name = arena_printf(w.f.arena, "%.*s%s", (int)(norm - w.out[i].name) + 10, w.out[i].name,
                                         strcmp(norm, "LayerNorm.weight") == 0 ? "gamma" : "beta");
    }
    ck_ok(files_open(&w, &g, 0));
    ck_assert_int_eq(g.model->num_labels, 3);
    check_equal_logits(&w, &g);
    fixture_close(&g);
    fixture_close(&w.f);
}
END_TEST

START_TEST(missing_and_misshapen)
{
    struct files w;
    struct fixture g;
    const char *dense = "bert.encoder.layer.1.output.dense.weight";
    int64_t integers[24] = {0};
    files_begin(&w, 1, 2);
    struct tensor_out *t = file_tensor(&w, dense);
    t->shape[0] = 40;
    t->shape[1] = 24;
    ck_fails(files_open(&w, &g, 0), ST_INPUT,
             "model.safetensors: the tensor 'bert.encoder.layer.1.output.dense.weight' has the "
             "shape [40, 24], expected [24, 40]");
    t->dims = 1;
    t->shape[0] = 24 * 40;
    ck_fails(files_open(&w, &g, 0), ST_INPUT, "has the shape [960], expected [24, 40]");
    files_drop(&w, dense);
    ck_fails(files_open(&w, &g, 0), ST_INPUT, "the tensor 'bert.encoder.layer.1.output.dense.weight' is missing");
    fixture_close(&w.f);
    files_begin(&w, 1, 2);
    t = file_tensor(&w, "bert.embeddings.LayerNorm.bias");
    t->dtype = DT_I64;
    t->data = integers;
    ck_fails(files_open(&w, &g, 0), ST_INPUT, "'bert.embeddings.LayerNorm.bias' has the type I64, expected F32");
    fixture_close(&w.f);
    files_begin(&w, 1, 2);
    files_drop(&w, "classifier.bias"); /* a classifier is there or not, not half of it */
    ck_fails(files_open(&w, &g, 0), ST_INPUT, "the tensor 'classifier.bias' is missing");
    fixture_close(&w.f);
}
END_TEST

static double spread(const struct param *p)
{
    double sum = 0;
    for (size_t i = 0; i < param_size(p); i++) sum += (double)p->data[i] * (double)p->data[i];
    return sum / (double)param_size(p);
}

START_TEST(heads_that_are_new)
{
    struct files w;
    struct fixture g, h;
    files_begin(&w, 0, 2);
    files_drop(&w, "classifier.weight");
    files_drop(&w, "classifier.bias");
    files_drop(&w, "pooler.dense.weight");
    files_drop(&w, "pooler.dense.bias");
    ck_fails(files_open(&w, &g, 0), ST_INPUT, "tells the number of labels");
    ck_ok(files_open(&w, &g, 5));
    ck_assert_int_eq(g.model->num_labels, 5);
    const struct param *pooler = param_find(&g.reg, "pooler.dense.weight");
    ck_assert_int_eq(pooler->cls, P_HEAD);
    ck_assert_double_eq_tol(spread(pooler), 0.02 * 0.02, 0.0001);
    ck_assert_double_eq(spread(param_find(&g.reg, "classifier.bias")), 0);
    ck_ok(files_open(&w, &h, 5)); /* drawn by name: the same again */
    ck_assert_mem_eq(pooler->data, param_find(&h.reg, "pooler.dense.weight")->data, sizeof(real) * param_size(pooler));
    fixture_close(&g);
    fixture_close(&h);
    fixture_close(&w.f);
}
END_TEST

START_TEST(another_number_of_labels)
{
    struct files w;
    struct fixture g;
    files_begin(&w, 2, 2);
    ck_ok(files_open(&w, &g, 3));
    const struct param *out = param_find(&g.reg, "classifier.out_proj.weight"), *old = param_find(&w.f.reg, out->name);
    const struct param *dense = param_find(&g.reg, "classifier.dense.weight");
    ck_assert_int_eq(out->rows, 3);
    ck_assert_mem_ne(out->data, old->data, sizeof(real) * param_size(old));
    ck_assert_mem_eq(dense->data, param_find(&w.f.reg, dense->name)->data, sizeof(real) * param_size(dense));
    fixture_close(&g);
    fixture_close(&w.f);
}
END_TEST

/* BERT's own pooler is part of the frozen backbone; a new one is trained; the caller may choose. */
START_TEST(pooler_of_bert)
{
    struct files w;
    struct fixture g;
    files_begin(&w, 1, 2);
    ck_ok(files_open(&w, &g, 0));
    ck_assert_int_eq(param_find(&g.reg, "bert.pooler.dense.weight")->cls, P_BASE);
    ck_assert(!param_trained(param_find(&g.reg, "bert.pooler.dense.weight")));
    ck_assert_uint_eq(param_count(&g.reg, P_HEAD, true), 2 * 24 + 2);
    check_equal_logits(&w, &g);
    fixture_step(&g, NULL, NULL);
    fixture_close(&g);
    files_drop(&w, "bert.pooler.dense.weight");
    files_drop(&w, "bert.pooler.dense.bias");
    ck_ok(files_open(&w, &g, 0));
    ck_assert_int_eq(param_find(&g.reg, "bert.pooler.dense.weight")->cls, P_HEAD);
    fixture_close(&g);
    fixture_close(&w.f);
}
END_TEST

START_TEST(skipped_tensors)
{
    struct files w;
    struct fixture g;
    int64_t ids[4] = {0, 1, 2, 3};
    files_begin(&w, 1, 2);
    w.out[w.n++] = (struct tensor_out){
        .name = "embeddings.position_ids", .dtype = DT_I64, .dims = 2, .shape = {1, 4}, .data = ids};
    const char *log = path_join(w.f.arena, w.dir, "notices");
    fflush(stderr);
    int err = dup(2), fd = open(log, O_CREAT | O_WRONLY, 0600);
    dup2(fd, 2);
    notice_quiet(0);
    status st = files_open(&w, &g, 4);
    notice_quiet(1);
    fflush(stderr);
    dup2(err, 2);
    close(fd);
    close(err);
    ck_ok(st);
    char *text;
    ck_ok(file_read(log, 10000, w.f.arena, &text, NULL));
    ck_assert_ptr_nonnull(strstr(text, "'classifier' has 2 labels, the task 4: a new classifier is used"));
    ck_assert_ptr_nonnull(strstr(text, "tensors are not part of this model and are skipped"));
    fixture_close(&g);
    fixture_close(&w.f);
}
END_TEST

/* Whichever allocation fails, opening and a training step end with that error and nothing else. */
START_TEST(every_allocation_may_fail)
{
    struct files w;
    struct fixture g;
    files_begin(&w, _i, 2);
    ck_ok(files_open(&w, &g, 0));
    fixture_close(&g);
    long n = 1, opened = 0;
    for (int done = 0; !done; n++) {
        struct mat logits, d;
        double loss;
        arena_fail_after(n);
        status st = fixture_open(&g, w.dir, HEAD_CLASSIFY, 0);
        arena_fail_after(0);
        if (st == ST_OK) {
            if (!opened) opened = n;
            fixture_batch_random(&g, (int[]){7, 20}, 2);
            fixture_thaw_all(&g);
            g.model->spec.recompute = _i % 2;
            d = mat_of(arena_alloc(g.arena, sizeof(real) * 4), 2, 2);
            arena_fail_after(n - opened + 1);
            st = model_forward(g.model, &g.pass, &logits, NULL);
            if (st == ST_OK) st = model_loss(g.model, &g.pass, &logits, &d, &loss);
            if (st == ST_OK) st = model_backward(g.model, &g.pass, &d);
            arena_fail_after(0);
            done = st == ST_OK;
            fixture_close(&g);
        }
        if (!done) ck_assert_int_eq(st, ST_MEMORY);
    }
    ck_assert_int_gt(opened, 100);
    ck_assert_int_gt(n - opened, 100);
    fixture_close(&w.f);
}
END_TEST

PG_TESTS(LOOP_TEST(alone_or_in_a_batch, 0, CONFIGS), LOOP_TEST(threads, 0, CONFIGS),
         LOOP_TEST(keeping_or_not, 0, CONFIGS), LOOP_TEST(evaluation_is_small, 0, CONFIGS),
         LOOP_TEST(poisoned, 0, CONFIGS), LOOP_TEST(recomputed, 0, CONFIGS), LOOP_TEST(frozen_neighbours, 0, CONFIGS),
         LOOP_TEST(head_only, 0, CONFIGS), LOOP_TEST(masked_rows, 0, CONFIGS), TEST(bad_batches), TEST(bad_labels),
         LOOP_TEST(names_without_prefix, 0, CONFIGS), TEST(missing_and_misshapen), TEST(heads_that_are_new),
         TEST(another_number_of_labels), TEST(pooler_of_bert), TEST(skipped_tensors),
         LOOP_TEST(every_allocation_may_fail, 0, CONFIGS))
