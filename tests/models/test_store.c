/* Stores: whatever keeps a frozen weight, products see one matrix. NF4 in particular: tiles equal the whole, products
 * have the bits of a dense copy, memory is the quantised size, options, faults, models. */
#include "tests/pgtest.h"

#include <math.h>
#include "core/gemm.h"
#include "core/nf4.h"
#include "core/parallel.h"
#include "models/stored_file.h"
#include "tests/model_fixture.h"

static const char bert[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, "
    "\"intermediate_size\": 20, \"vocab_size\": 30, \"max_position_embeddings\": 16, \"type_vocab_size\": 2}";

static struct arena *arena;

static real *random_reals(const char *name, size_t n)
{
    const struct rng rng = {.seed = 3};
    real *x = arena_alloc(arena, sizeof *x * n);
    rng_fill_normal(&rng, name, x, n, 0, 0.3);
    return x;
}

/* Options of a store from words such as "bits=3 block=8"; arena memory. */
static const void *options_of(const struct store *s, const char *words)
{
    char copy[256], *rest = NULL;
    if (!arena) arena = arena_new("test");
    void *base;
    ck_ok(option_new(s->options, s->option_size, arena, &base));
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(w, '=');
        *value++ = 0;
        ck_ok(option_set(s->options, base, w, value, "test", arena));
    }
    return base;
}

static struct wsrc nf4_of(const real *w, int rows, int cols, const char *words, struct arena *keep)
{
    const struct store *s = store_find("nf4");
    ck_assert_ptr_nonnull(s);
    struct wsrc dense = wsrc_dense(w, rows, cols), out;
    ck_ok(s->build(options_of(s, words), &dense, keep, &out));
    ck_assert(out.rows == rows && out.cols == cols && out.dense == NULL);
    return out;
}

static const char *const formats[] = {"bits=4", "bits=3 block=8", "bits=2 block=100 double_quant=no",
                                      "bits=4 block=33 double_quant=yes"};
enum { FORMATS = 4 };

/* Every rectangle of a store's weight, with every row distance, equals that part of the whole; the codes of the whole
 * are those of nf_quantize. */
START_TEST(tiles)
{
    enum { ROWS = 11, COLS = 37, LD = 40 };
    arena = arena_new("test");
    const real *w = random_reals("w", ROWS * COLS);
    for (int f = 0; f < FORMATS; f++) {
        struct wsrc q = nf4_of(w, ROWS, COLS, formats[f], arena);
        real whole[ROWS * COLS], values[ROWS * COLS], part[ROWS * LD];
        q.tile(&q, 0, ROWS, 0, COLS, whole, COLS);
        nf_values(q.ctx, 0, ROWS * COLS, values);
        ck_assert_int_eq(memcmp(whole, values, sizeof whole), 0);
        int wrong = 0;
        for (int r0 = 0; r0 < ROWS; r0++)
            for (int nr = 1; nr <= ROWS - r0; nr += 3)
                for (int c0 = 0; c0 < COLS; c0++)
                    for (int nc = 1; nc <= COLS - c0; nc += 1 + nc / 3) {
                        for (int i = 0; i < ROWS * LD; i++) part[i] = -77;
                        q.tile(&q, r0, nr, c0, nc, part, LD);
                        for (int r = 0; r < ROWS; r++)
                            for (int c = 0; c < LD; c++)
                                wrong += part[r * LD + c] != (r < nr && c < nc ? whole[(r0 + r) * COLS + c0 + c] : -77);
                    }
        ck_assert_msg(wrong == 0, "%s: %d values differ", formats[f], wrong);
    }
}
END_TEST

/* Sizes that need several tiles in every direction, one and two threads: the bits of a dense copy. */
START_TEST(products)
{
    enum { ROWS = 700, COLS = 530, T = 65 };
    arena = arena_new("test");
    const real *w = random_reals("w", ROWS * COLS);
    struct mat x = mat_of(random_reals("x", T * COLS), T, COLS), dy = mat_of(random_reals("dy", T * ROWS), T, ROWS);
    struct mat y[2], dx[2];
    for (int k = 0; k < 2; k++) {
        y[k] = mat_of(random_reals("y", T * ROWS), T, ROWS);
        dx[k] = mat_of(random_reals("dx", T * COLS), T, COLS);
    }
    const real *bias = random_reals("bias", ROWS);
    for (int f = 0; f < FORMATS; f++) {
        struct wsrc q = nf4_of(w, ROWS, COLS, formats[f], arena);
        real *copy = arena_alloc(arena, sizeof *copy * ROWS * COLS);
        q.tile(&q, 0, ROWS, 0, COLS, copy, COLS);
        struct wsrc dense = wsrc_dense(copy, ROWS, COLS);
        for (int threads = 1; threads <= 2; threads++) {
            parallel_set_threads(threads);
            linear_forward(&x, &dense, bias, NULL, &y[0]);
            linear_forward(&x, &q, bias, NULL, &y[1]);
            ck_assert_int_eq(memcmp(y[0].a, y[1].a, sizeof(real) * T * ROWS), 0);
            linear_backward_x(&dy, &dense, NULL, &dx[0], false);
            linear_backward_x(&dy, &q, NULL, &dx[1], false);
            ck_assert_int_eq(memcmp(dx[0].a, dx[1].a, sizeof(real) * T * COLS), 0);
        }
    }
}
END_TEST

/* What stays is what the bits say; the scales of the way there do not. */
START_TEST(memory)
{
    enum { ROWS = 768, COLS = 768, N = ROWS * COLS };
    static const struct {
        const char *words;
        double bits;
    } sizes[] = {{"", 4.127}, {"double_quant=no", 4.5}, {"bits=3", 3.127}, {"bits=2 block=32 double_quant=no", 3}};
    arena = arena_new("test");
    const real *w = random_reals("w", N);
    for (int k = 0; k < 4; k++) {
        struct arena *keep = arena_new("kept");
        struct wsrc q = nf4_of(w, ROWS, COLS, sizes[k].words, keep);
        ck_assert_double_eq_tol(q.bits, sizes[k].bits, 1e-3);
        double held = 8.0 * (double)arena_used(keep) / N;
        ck_assert_double_ge(held, q.bits);
        ck_assert_double_le(held, q.bits + 0.01);
        arena_free(keep);
    }
}
END_TEST

START_TEST(options)
{
    const struct store *s = store_find("nf4");
    arena = arena_new("test");
    void *base;
    ck_ok(option_new(s->options, s->option_size, arena, &base));
    ck_fails(option_set(s->options, base, "bits", "5", "here", arena), ST_USAGE, "here: option bits is '5'");
    ck_fails(option_set(s->options, base, "block", "4", "here", arena), ST_USAGE, "option block is '4'");
    ck_fails(option_set(s->options, base, "double_quant", "maybe", "here", arena), ST_USAGE, "double_quant");
}
END_TEST

static void site_weight(struct fixture *f, const char *name, real value)
{
    struct param *p = param_find(&f->reg, name);
    ck_ok(param_load(&f->reg, p));
    p->data[7] = value;
    p->src = wsrc_dense(p->data, p->rows, p->cols);
}

/* The linear layers outside the head are quantised, with defaults when no options are given; thawed weights stay as
 * they are; a fault names the layer. */
START_TEST(models)
{
    struct fixture f;
    static const int lengths[] = {5, 3};
    struct mat before, after;
    notice_quiet(1);
    fixture_random(&f, bert, HEAD_CLASSIFY, 2);
    fixture_batch_random(&f, lengths, 2);
    fixture_forward(&f, &before, NULL);
    real logit = before.a[0];
    struct param *thawed = param_find(&f.reg, "bert.encoder.layer.1.output.dense.weight");
    ck_ok(param_thaw(&f.reg, thawed));
    ck_ok(model_build_stores(f.model, store_find("nf4"), NULL));
    int quantised = 0;
    for (int i = 0; i < f.model->sites; i++) {
        const struct site *s = f.model->site[i];
        if (s->kind == SITE_LINEAR && s->w.bits < 32) quantised++;
        if (s->role == ROLE_POOLER || s->role == ROLE_CLASSIFIER || s->weight == thawed)
            ck_assert_double_eq(s->w.bits, 32);
    }
    ck_assert_int_eq(quantised, 2 * 6 - 1);
    fixture_forward(&f, &after, NULL);
    ck_assert_double_ne((double)after.a[0], (double)logit);
    ck_assert(isfinite(after.a[0]));
    fixture_close(&f);
    fixture_random(&f, bert, HEAD_CLASSIFY, 2);
    site_weight(&f, "bert.encoder.layer.0.attention.self.key.weight", (real)NAN);
    ck_fails(model_build_stores(f.model, store_find("nf4"), NULL), ST_INPUT,
             "bert.encoder.layer.0.attention.self.key, store nf4: weight (0, 7) is no finite number");
    fixture_close(&f);
}
END_TEST

static struct wsrc stored(const char *name, const char *words, const real *w, int rows, int cols)
{
    struct wsrc dense = wsrc_dense(w, rows, cols), out;
    ck_ok(store_find(name)->build(options_of(store_find(name), words), &dense, arena, &out));
    ck_assert(out.rows == rows && out.cols == cols && out.dense == NULL);
    return out;
}

START_TEST(bf16)
{
    enum { ROWS = 7, COLS = 33 };
    real out[ROWS * COLS];
    arena = arena_new("test");
    const real *w = random_reals("w", ROWS * COLS);
    struct wsrc q = stored("bf16", "", w, ROWS, COLS), again;
    wsrc_row(&q, 3, out);
    for (int c = 0; c < COLS; c++) { /* 8 bits of fraction, the first implied: half a unit in the last place */
        double x = (double)w[3 * COLS + c];
        ck_assert_double_le(fabs((double)out[c] - x), fabs(x) / 256);
        float f = (float)out[c];
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        ck_assert_uint_eq(bits & 0xffff, 0);
    }
    ck_assert_double_eq(q.bits, 16);
    ck_ok(store_find("bf16")->build(NULL, &q, arena, &again)); /* values that are bf16 already stay where they are */
    ck_assert_ptr_eq(again.ctx, q.ctx);
}
END_TEST

START_TEST(int8)
{
    enum { ROWS = 5, COLS = 100 };
    static const struct {
        const char *words;
        int block;
        double bits;
    } form[] = {
        {"", COLS, 8.32}, {"block=32", 32, 8 + 32 * 4 / 100.0}, {"block=100", COLS, 8.32}, {"block=1000", COLS, 8.32}};
    arena = arena_new("test");
    real *w = random_reals("w", ROWS * COLS), out[ROWS * COLS], part[COLS];
    for (int c = 0; c < COLS; c++) w[2 * COLS + c] = 0; /* a row without a scale */
    for (int f = 0; f < 4; f++) {
        struct wsrc q = stored("int8", form[f].words, w, ROWS, COLS);
        q.tile(&q, 0, ROWS, 0, COLS, out, COLS);
        ck_assert_double_eq_tol(q.bits, form[f].bits, 1e-12);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLS; c++) {
                int from = c / form[f].block * form[f].block,
                    to = from + form[f].block < COLS ? from + form[f].block : COLS;
                double most = 0;
                for (int k = from; k < to; k++) most = fmax(most, fabs((double)w[r * COLS + k]));
                double unit = most / 127, code = unit > 0 ? (double)out[r * COLS + c] / unit : 0;
                ck_assert_double_eq_tol(code, rint(code), 1e-4);
                ck_assert_double_le(fabs((double)(out[r * COLS + c] - w[r * COLS + c])), 0.5001 * unit);
            }
        for (int c0 = 0; c0 < COLS; c0 += 7) { /* any part of a row */
            q.tile(&q, 4, 1, c0, COLS - c0, part, COLS);
            ck_assert_mem_eq(part, out + 4 * COLS + c0, sizeof(real) * (size_t)(COLS - c0));
        }
    }
    w[3] = (real)INFINITY;
    struct wsrc dense = wsrc_dense(w, ROWS, COLS), q;
    ck_fails(store_find("int8")->build(options_of(store_find("int8"), ""), &dense, arena, &q), ST_INPUT,
             "weight (0, 3) is no finite number");
}
END_TEST

/* ---- files ---- */

static const struct {
    const char *store, *words;
} kept[] = {{"nf4", ""}, {"nf4", "bits=3 block=33 double_quant=no"}, {"int8", "block=5"}, {"bf16", ""}};
enum { KEPT = 4 };

static const int short_batch[] = {5, 3};

static void open_bert(struct fixture *f)
{
    notice_quiet(1);
    fixture_random(f, bert, HEAD_CLASSIFY, 2);
    fixture_batch_random(f, short_batch, 2);
}

START_TEST(written_and_mapped)
{
    struct fixture f, g;
    struct mat want, got;
    char path[512];
    const struct store *store = store_find(kept[_i].store);
    const void *set = options_of(store, kept[_i].words);
    snprintf(path, sizeof path, "%s/base.safetensors", temp_dir());
    open_bert(&f);
    struct param *thawed = param_find(&f.reg, "bert.encoder.layer.1.output.dense.weight");
    ck_ok(model_build_stores(f.model, store, set));
    ck_ok(store_file_write(f.model, store, set, path));
    fixture_forward(&f, &want, NULL);
    open_bert(&g);
    ck_ok(store_file_map(g.model, store, set, path));
    fixture_forward(&g, &got, NULL);
    ck_assert_mem_eq(want.a, got.a, sizeof(real) * 4);
    for (int i = 0; i < f.model->sites; i++) ck_assert_double_eq(f.model->site[i]->w.bits, g.model->site[i]->w.bits);
    ck_fails(store_file_map(g.model, store, set, path), ST_INTERNAL, "mapped already");
    fixture_close(&g);
    open_bert(&g); /* a weight that is trained stays out of it */
    ck_ok(param_thaw(&g.reg, param_find(&g.reg, thawed->name)));
    ck_ok(store_file_map(g.model, store, set, path));
    for (int i = 0; i < g.model->sites; i++)
        if (g.model->site[i]->weight && param_trained(g.model->site[i]->weight))
            ck_assert_double_eq(g.model->site[i]->w.bits, 32);
    fixture_close(&g);
    fixture_close(&f);
}
END_TEST

START_TEST(files_that_do_not_fit)
{
    struct fixture f, g;
    char path[512], other[512];
    const struct store *nf4 = store_find("nf4");
    snprintf(path, sizeof path, "%s/base.safetensors", temp_dir());
    open_bert(&f);
    ck_fails(store_file_write(f.model, store_find("f32"), NULL, path), ST_UNSUPPORTED, "store f32");
    ck_fails(store_file_map(f.model, store_find("f32"), NULL, path), ST_UNSUPPORTED, "store f32");
    ck_fails(store_file_map(f.model, nf4, NULL, path), ST_INPUT, "no such file");
    ck_ok(model_build_stores(f.model, nf4, NULL));
    ck_ok(store_file_write(f.model, nf4, NULL, path));
    open_bert(&g);
    ck_fails(store_file_map(g.model, nf4, options_of(nf4, "block=32"), path), ST_INPUT,
             "another model, store or options");
    fixture_close(&g);
    open_bert(&g);
    ck_fails(store_file_map(g.model, store_find("int8"), NULL, path), ST_INPUT, "another model, store or options");
    fixture_close(&g);
    open_bert(&g);
    g.model->hash[0] ^= 1;
    ck_fails(store_file_map(g.model, nf4, NULL, path), ST_INPUT, "another model, store or options");
    fixture_close(&g);
    struct checkpoint c;
    ck_ok(checkpoint_open(path, f.arena, &c)); /* one array too few */
    struct tensor_out *t = arena_zalloc(f.arena, sizeof *t * (size_t)c.count);
    int n = 0;
    for (int floats = 1; floats >= 0; floats--)
        for (int i = 1; i < c.count; i++)
            if ((c.tensor[i].dtype == DT_F32) == floats)
                t[n++] = (struct tensor_out){
                    c.tensor[i].name, c.tensor[i].dtype, 1, {c.tensor[i].shape[0]}, c.tensor[i].data};
    snprintf(other, sizeof other, "%s/other.safetensors", temp_dir());
    ck_ok(safetensors_write(other, t, n, NULL));
    open_bert(&g);
    ck_fails(store_file_map(g.model, nf4, NULL, other), ST_INPUT, c.tensor[0].name);
    fixture_close(&g);
    checkpoint_close(&c);
    fixture_close(&f);
}
END_TEST

PG_TESTS(TEST(tiles), TEST(products), TEST(memory), TEST(options), TEST(models), TEST(bf16), TEST(int8),
         LOOP_TEST(written_and_mapped, 0, KEPT), TEST(files_that_do_not_fit))
