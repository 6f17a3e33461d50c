/* tools/random_checkpoint: what it writes is a model folder that opens, in one file or in shards. */
#include "tests/pgtest.h"

#include <libgen.h>
#include <limits.h>
#include <math.h>
#include "core/file.h"
#include "models/model.h"

static const char config[] =
    "{\"model_type\":\"deberta-v2\",\"vocab_size\":40000,\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_"
    "heads\":2,"
    "\"intermediate_size\":24,\"relative_attention\":true,\"share_att_key\":true,\"pos_att_type\":[\"c2p\",\"p2c\"],"
    "\"position_buckets\":8,\"norm_rel_ebd\":\"layer_norm\",\"position_biased_input\":false,\"max_position_"
    "embeddings\":32}";

static struct arena *arena;
static const char *dir;

/* The tool beside this program: build/<variant>/tools, this one is in build/<variant>/tests/models. */
static const char *tool(void)
{
    static char path[PATH_MAX + 64];
    char self[PATH_MAX + 1] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", self, PATH_MAX), 0);
    snprintf(path, sizeof path, "%s/tools/random_checkpoint", dirname(dirname(dirname(self))));
    return path;
}

static int begin(const char *test)
{
    char path[PATH_MAX];
    if (skip_without(test, tool())) return 0;
    arena = arena_new("test");
    dir = temp_dir();
    notice_quiet(1);
    snprintf(path, sizeof path, "%s/config.json", dir);
    ck_ok(file_write_atomic(path, config, strlen(config)));
    return 1;
}

static int run(const char *out, const char *options)
{
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, "%s %s %s/%s %s >/dev/null 2>&1", tool(), dir, dir, out, options);
    int rc = system(command);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void open_folder(const char *out, struct checkpoint *c)
{
    ck_ok(checkpoint_open(path_join(arena, dir, out), arena, c));
}

static double *values(const struct tensor *t)
{
    double *v = arena_alloc(arena, tensor_size(t) * sizeof *v);
    ck_ok(tensor_to_f64(t, v, tensor_size(t)));
    return v;
}

START_TEST(shards_hold_what_one_file_holds)
{
    struct checkpoint one, many;
    if (!begin(__func__)) return;
    ck_assert_int_eq(run("one", "--labels 3"), 0);
    ck_assert_int_eq(run("many", "--labels 3 --dtype bf16 --shard-mb 1"), 0);
    open_folder("one", &one);
    open_folder("many", &many);
    ck_assert_int_eq(one.count, many.count);
    ck_assert_int_gt(one.count, 40);
    ck_assert_int_eq(one.maps, 1);
    ck_assert_int_gt(many.maps, 1);
    for (int i = 0; i < one.count; i++) {
        ck_assert_str_eq(one.tensor[i].name, many.tensor[i].name);
        ck_assert_int_eq(one.tensor[i].dtype, DT_F32);
        ck_assert_int_eq(many.tensor[i].dtype, DT_BF16);
        ck_assert_int_eq(one.tensor[i].dims, many.tensor[i].dims);
        double *a = values(&one.tensor[i]), *b = values(&many.tensor[i]);
        for (size_t k = 0; k < tensor_size(&one.tensor[i]); k++) ck_assert(fabs(a[k] - b[k]) <= 0.004 * fabs(a[k]));
    }
    ck_assert_int_eq(checkpoint_find(&one, "classifier.weight")->shape[0], 3);
    ck_assert_int_eq(checkpoint_find(&one, "deberta.encoder.layer.0.output.LayerNorm.weight")->dims, 1);
    checkpoint_close(&one);
    checkpoint_close(&many);
    arena_free(arena);
}
END_TEST

START_TEST(seed_decides_the_values)
{
    struct checkpoint c;
    char hash[3][65];
    static const char *const options[3] = {"--seed 5", "--seed 5", "--seed 6"};
    if (!begin(__func__)) return;
    setenv("XDG_CACHE_HOME", dir, 1);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        ck_assert_int_eq(run(name, options[i]), 0);
        open_folder(name, &c);
        ck_ok(checkpoint_hash(&c, hash[i]));
        checkpoint_close(&c);
    }
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_str_ne(hash[0], hash[2]);
    arena_free(arena);
}
END_TEST

START_TEST(the_folder_opens_as_a_model)
{
    struct registry reg;
    struct model *m;
    struct rng rng = {.seed = 1};
    if (!begin(__func__)) return;
    ck_assert_int_eq(run("m", "--dtype f16"), 0);
    struct model_spec spec = {.path = path_join(arena, dir, "m"),
                              .head = HEAD_NONE,
                              .rng = &rng,
                              .cls_dropout = -1,
                              .hidden_dropout = -1,
                              .attn_dropout = -1,
                              .train_pooler = -1};
    ck_ok(registry_init(&reg, arena));
    ck_ok(model_open(&spec, arena, &reg, &m));
    ck_assert_int_eq(reg.count, m->ckpt.count); /* every tensor of the file is used, none is missing */
    model_close(m);
    arena_free(arena);
}
END_TEST

/* A decoder has its output layer; in shards, in bf16; every tensor is used, vectors have one dimension. */
START_TEST(decoders)
{
    static const char *const decoder[] = {
        "{\"model_type\":\"phi\",\"hidden_size\":16,\"num_attention_heads\":2,\"num_hidden_layers\":2,"
        "\"intermediate_size\":24,\"vocab_size\":40000}",
        "{\"model_type\":\"qwen2\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":40000}",
        "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_attention_heads\":4,\"num_hidden_layers\":1,"
        "\"intermediate_size\":24,\"vocab_size\":40000,\"tie_word_embeddings\":true}"};
    static const int count[] = {2 * 14 + 5, 2 * 12 + 3, 9 + 2};
    struct registry reg;
    struct model *m;
    struct rng rng = {.seed = 1};
    if (!begin(__func__)) return;
    ck_ok(file_write_atomic(path_join(arena, dir, "config.json"), decoder[_i], strlen(decoder[_i])));
    ck_assert_int_eq(run("m", "--dtype bf16 --shard-mb 1"), 0);
    struct model_spec spec = {.path = path_join(arena, dir, "m"),
                              .head = HEAD_LM,
                              .rng = &rng,
                              .cls_dropout = -1,
                              .hidden_dropout = -1,
                              .attn_dropout = -1,
                              .train_pooler = -1};
    ck_ok(registry_init(&reg, arena));
    ck_ok(model_open(&spec, arena, &reg, &m));
    ck_assert_int_gt(m->ckpt.maps, 1);
    ck_assert_int_eq(reg.count, m->ckpt.count);
    ck_assert_int_eq(reg.count, count[_i]);
    for (int i = 0; i < m->ckpt.count; i++) ck_assert_int_eq(m->ckpt.tensor[i].dtype, DT_BF16);
    ck_assert_int_eq(checkpoint_find(&m->ckpt, "model.layers.0.input_layernorm.weight")->dims, 1);
    model_close(m);
    arena_free(arena);
}
END_TEST

START_TEST(refusals)
{
    if (!begin(__func__)) return;
    ck_assert_int_eq(run("m", ""), 0);
    ck_assert_int_eq(run("m", ""), ST_USAGE); /* weights are there already */
    ck_assert_int_eq(run("m", "--dtype f8"), ST_USAGE);
    ck_assert_int_eq(run("", "x y z"), ST_USAGE);
    ck_assert_int_eq(run("n", "--labels -1"), ST_USAGE);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/config.json", dir);
    ck_ok(file_write_atomic(path, "{}", 2));
    ck_assert_int_eq(run("n", ""), ST_INPUT);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(shards_hold_what_one_file_holds), TEST(seed_decides_the_values), TEST(the_folder_opens_as_a_model),
         LOOP_TEST(decoders, 0, 3), TEST(refusals))
