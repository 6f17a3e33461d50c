/* Pre-training: text, masking, half precision, the written folder, the same bits whatever the threads. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/pretrain.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/sha256.h"
#include "datasets/mini.h"
#include "models/mini_embed.h"

static struct arena *arena;
static const char *root;

static const char *below(const char *name)
{
    return path_join(arena, root, name);
}

/* Options as from the command line: a tiny model in <root>/config. */
static struct pretrain_options begin(void)
{
    static const char config[] =
        "{\"model_type\": \"deberta-v2\", \"vocab_size\": 310, \"hidden_size\": 16, \"num_hidden_layers\": 2,"
        " \"num_attention_heads\": 2, \"intermediate_size\": 32, \"relative_attention\": true, \"position_buckets\": 8,"
        " \"max_relative_positions\": -1, \"max_position_embeddings\": 64, \"norm_rel_ebd\": \"layer_norm\","
        " \"share_att_key\": true, \"pos_att_type\": [\"p2c\", \"c2p\"], \"position_biased_input\": false,"
        " \"type_vocab_size\": 0, \"pooler_hidden_size\": 16, \"hidden_act\": \"gelu\"}";
    struct pretrain_options o;
    notice_quiet(1);
    arena = arena_new("test");
    root = temp_dir();
    ck_ok(option_defaults(pretrain_option_table, &o, arena));
    ck_ok(file_make_dirs(below("config")));
    ck_ok(file_write_atomic(below("config/config.json"), config, sizeof config - 1));
    o.config = below("config");
    o.out = below("out");
    o.steps = 12;
    o.batch = 8;
    o.warmup = 2;
    return o;
}

static status run(const struct pretrain_options *o, double *loss)
{
    struct progress progress;
    struct pretrain_result result;
    progress_start(&progress, PROGRESS_NONE);
    status st = pretrain_run(o, &progress, arena, &result);
    *loss = result.loss;
    parallel_set_threads(0);
    return st;
}

START_TEST(half_precision)
{
    static const struct {
        float x;
        unsigned half;
    } known[] = {{0, 0},
                 {-0.0f, 0x8000},
                 {1, 0x3c00},
                 {-2, 0xc000},
                 {65504, 0x7bff},
                 {65519, 0x7bff},
                 {65520, 0x7c00},
                 {1e9f, 0x7c00},
                 {0.1f, 0x2e66},
                 {0x1p-14f, 0x0400},
                 {0x1p-24f, 1},
                 {0x1p-25f, 0},
                 {0x1.8p-24f, 2},
                 {0x1.1p-25f, 1},
                 {1 + 0x1p-11f, 0x3c00},
                 {1 + 0x3p-11f, 0x3c02},
                 {0x1.ff8p-15f, 0x03ff},
                 {0x1.ffcp-15f, 0x0400},
                 {0x1.ffffp-15f, 0x0400},
                 {INFINITY, 0x7c00}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        ck_assert_msg(half_of(known[i].x) == known[i].half, "%a gave %04x", (double)known[i].x,
                      (unsigned)half_of(known[i].x));
    ck_assert_uint_gt(half_of(NAN) & 0x3ff, 0);
    /* Back through the reader: every finite half is a fixed point. */
    for (unsigned h = 0; h < 0x10000; h++) {
        if ((h & 0x7c00) == 0x7c00) continue;
        uint16_t half = (uint16_t)h;
        real x;
        struct wsrc w = wsrc_f16(&half, 1, 1);
        w.tile(&w, 0, 1, 0, 1, &x, 1);
        ck_assert_uint_eq(half_of((float)x), h);
    }
}
END_TEST

START_TEST(text_files)
{
    struct pretrain_text t;
    begin();
    static const char text[] = "one\r\n\n \t\ntwo\tand more\nthree";
    ck_ok(file_write_atomic(below("text"), text, sizeof text - 1));
    ck_ok(pretrain_text_open(below("text"), 1, arena, &t));
    ck_assert_int_eq(t.lines, 3);
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        int one = 0, two = 0, three = 0;
        for (uint64_t i = 0; i < 3; i++) {
            ck_ok(pretrain_text_get(&t, 3 * epoch + i));
            one += strcmp(t.a.s, "one") == 0 && t.b.n == 0;
            two += strcmp(t.a.s, "two") == 0 && t.b.n && strcmp(t.b.s, "and more") == 0;
            three += strcmp(t.a.s, "three") == 0 && t.b.n == 0;
        }
        ck_assert(one == 1 && two == 1 && three == 1);
    }
    pretrain_text_close(&t);
    ck_ok(file_write_atomic(below("text"), "\n \n", 3));
    ck_fails(pretrain_text_open(below("text"), 1, arena, &t), ST_INPUT, "holds no text");
    pretrain_text_close(&t);
    ck_fails(pretrain_text_open(below("none"), 1, arena, &t), ST_INPUT, "none");
    arena_free(arena);
}
END_TEST

START_TEST(masking)
{
    struct pretrain_options o = begin();
    struct pretrain_text t;
    struct tokenizer *tok;
    struct batch b, again;
    struct rng rng = {.seed = 4};
    o.batch = 600;
    ck_ok(tokenizer_open("mini", arena, &tok));
    ck_assert_int_eq(tok->vocab, 310);
    ck_ok(pretrain_text_open("mini", 4, arena, &t));
    ck_ok(pretrain_batch(&o, tok, &t, &rng, 3, arena, &b));
    ck_ok(pretrain_batch(&o, tok, &t, &rng, 3, arena, &again));
    ck_assert_int_eq(b.n, 600);
    ck_assert_int_eq(b.tokens, b.offset[600]);
    int targets = 0, words = 0, masked = 0, kept = 0;
    for (int i = 0; i < b.n; i++) {
        ck_assert_int_eq(b.ids[b.offset[i]], tok->cls);
        ck_assert_int_eq(b.ids[b.offset[i + 1] - 1], tok->sep);
        for (int k = b.offset[i]; k < b.offset[i + 1]; k++) {
            ck_assert_int_eq(b.ids[k], again.ids[k]);
            ck_assert_int_eq(b.label[k], again.label[k]);
            ck_assert_uint_eq(b.row_key[k], (uint32_t)i << 16 | (uint32_t)(k - b.offset[i]));
            ck_assert(b.label[k] != tok->cls && b.label[k] != tok->sep);
            words += b.label[k] >= 0 || (b.ids[k] != tok->cls && b.ids[k] != tok->sep);
            targets += b.label[k] >= 0;
            masked += b.label[k] >= 0 && b.ids[k] == tok->mask;
            kept += b.label[k] >= 0 && b.ids[k] == b.label[k];
            if (b.label[k] < 0) ck_assert_int_ne(b.ids[k], tok->mask);
        }
    }
    ck_assert_int_eq(b.step_examples, targets);
    /* Four standard errors of the binomial shares. */
    ck_assert_double_lt(fabs((double)targets / words - 0.15), 4 * sqrt(0.15 * 0.85 / words));
    ck_assert_double_lt(fabs((double)masked / targets - 0.8), 4 * sqrt(0.8 * 0.2 / targets));
    ck_assert_double_lt(fabs((double)kept / targets - 0.1), 4 * sqrt(0.1 * 0.9 / targets));
    pretrain_text_close(&t);
    tokenizer_close(tok);
    arena_free(arena);
}
END_TEST

static void weights_hash(const char *dir, char hex[SHA256_HEX])
{
    ck_ok(sha256_file(path_join(arena, dir, "model.safetensors"), hex));
}

START_TEST(same_bits_for_any_threads)
{
    struct pretrain_options o = begin();
    char one[SHA256_HEX], two[SHA256_HEX], other[SHA256_HEX];
    double loss;
    o.threads = 1;
    ck_ok(run(&o, &loss));
    weights_hash(o.out, one);
    o.threads = 3;
    o.out = below("two");
    ck_ok(run(&o, &loss));
    weights_hash(o.out, two);
    ck_assert_str_eq(one, two);
    o.seed = 2;
    ck_ok(run(&o, &loss));
    weights_hash(o.out, other);
    ck_assert_str_ne(one, other);
    arena_free(arena);
}
END_TEST

START_TEST(it_learns)
{
    struct pretrain_options o = begin();
    double short_loss, long_loss;
    o.lr = 5e-3;
    ck_ok(run(&o, &short_loss));
    o.steps = 150;
    ck_ok(run(&o, &long_loss));
    ck_assert_double_gt(short_loss, 5.3); /* ln 310 = 5.74 */
    ck_assert_double_lt(long_loss, 4.9);
    arena_free(arena);
}
END_TEST

/* The written folder opens as a model; with its head it goes on where training ended. */
START_TEST(written_folder)
{
    struct pretrain_options o = begin();
    struct registry reg;
    struct model *m;
    struct tokenizer *tok;
    struct checkpoint c;
    double loss;
    ck_ok(run(&o, &loss));
    ck_ok(registry_init(&reg, arena));
    struct rng rng = {.seed = 1};
    const struct model_spec spec = {.path = o.out,
                                    .head = HEAD_CLASSIFY,
                                    .num_labels = 2,
                                    .rng = &rng,
                                    .cls_dropout = -1,
                                    .hidden_dropout = -1,
                                    .attn_dropout = -1,
                                    .train_pooler = -1};
    ck_ok(model_open(&spec, arena, &reg, &m));
    ck_assert_int_eq(m->ckpt.count, 6 + 2 * 16);
    ck_assert_ptr_nonnull(checkpoint_find(&m->ckpt, "deberta.encoder.rel_embeddings.weight"));
    const struct tensor *norm = checkpoint_find(&m->ckpt, "deberta.embeddings.LayerNorm.weight");
    ck_assert_int_eq(norm->dims, 1);
    ck_assert_int_eq(norm->dtype, DT_F32);
    model_close(m);
    ck_ok(tokenizer_open(o.out, arena, &tok));
    ck_assert_int_eq(tok->vocab, 310);
    tokenizer_close(tok);
    o.dtype = WEIGHTS_F16;
    o.keep_head = 1;
    ck_ok(run(&o, &loss));
    ck_ok(checkpoint_open(o.out, arena, &c));
    ck_assert_int_eq(checkpoint_find(&c, "deberta.embeddings.LayerNorm.weight")->dtype, DT_F16);
    ck_assert_ptr_nonnull(checkpoint_find(&c, "cls.predictions.transform.dense.weight"));
    ck_assert_ptr_nonnull(checkpoint_find(&c, "cls.predictions.bias"));
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

START_TEST(refusals)
{
    struct pretrain_options o = begin();
    double loss;
    static const char small[] = "{\"model_type\": \"deberta-v2\", \"vocab_size\": 100, \"hidden_size\": 16,"
                                " \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 32}";
    o.config = below("nowhere");
    ck_fails(run(&o, &loss), ST_INPUT, "config.json");
    ck_ok(file_make_dirs(below("small")));
    ck_ok(file_write_atomic(below("small/config.json"), small, sizeof small - 1));
    o.config = below("small");
    ck_fails(run(&o, &loss), ST_INPUT, "vocab_size is 100, but the tokenizer has 310 tokens");
    arena_free(arena);
}
END_TEST

/* The model inside the program: the files of models/mini, its words those of the mini language. */
START_TEST(embedded_model)
{
    struct model_config config;
    struct checkpoint c;
    arena = arena_new("test");
    ck_ok(config_parse("mini", mini_config.text, mini_config.size, &config));
    int tokens = 0;
    for (const char *p = mini_vocab_text; *p; p++) tokens += *p == '\n';
    ck_assert_int_eq(config.vocab, tokens);
    ck_assert_uint_lt(mini_weights.size, 1000000);
    ck_ok(checkpoint_open_memory("mini", mini_weights.bytes, mini_weights.size, arena, &c));
    ck_assert_int_eq((int)checkpoint_find(&c, "deberta.embeddings.word_embeddings.weight")->shape[0], tokens);
    checkpoint_close(&c);
    ck_fails(checkpoint_open_memory("mini", mini_weights.bytes, mini_weights.size - 1, arena, &c), ST_INPUT, "mini");
    ck_fails(checkpoint_open_memory("mini", mini_weights.bytes, 7, arena, &c), ST_INPUT, "too short");
    arena_free(arena);
}
END_TEST

/* models/mini is a folder that any program can open: its vocab.txt is the word list of the program. */
START_TEST(mini_folder)
{
    char *text;
    size_t n;
    arena = arena_new("test");
    if (skip_without(__func__, "models/mini/vocab.txt")) return;
    ck_ok(file_read("models/mini/vocab.txt", 1 << 20, arena, &text, &n));
    ck_assert_str_eq(text, mini_vocab_text);
    ck_ok(file_read("models/mini/config.json", 1 << 20, arena, &text, &n));
    ck_assert_uint_eq(n, mini_config.size);
    ck_assert_int_eq(memcmp(text, mini_config.text, n), 0);
    ck_ok(file_read("models/mini/model.safetensors", 1 << 20, arena, &text, &n));
    ck_assert_uint_eq(n, mini_weights.size);
    ck_assert_int_eq(memcmp(text, mini_weights.bytes, n), 0);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(mini_folder), TEST(half_precision), TEST(text_files), TEST(masking), TEST(same_bits_for_any_threads),
         TEST(it_learns), TEST(written_folder), TEST(refusals), TEST(embedded_model))
