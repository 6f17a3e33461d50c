/* config.json: families, old and new keys, defaults, faults. */
#include "tests/pgtest.h"

#include "core/file.h"
#include "models/config.h"

static struct arena *arena;
static char dir[4096];
static struct model_config c;

/* Reads text as dir/config.json. */
static status read_text(const char *text)
{
    char path[5000];
    if (!arena) {
        arena = arena_new("test");
        snprintf(dir, sizeof dir, "%s", temp_dir());
    }
    snprintf(path, sizeof path, "%s/config.json", dir);
    ck_ok(file_write_atomic(path, text, strlen(text)));
    memset(&c, 0x55, sizeof c);
    return config_read(dir, arena, &c);
}

/* A DeBERTa configuration with more keys behind it. */
static status read_deberta(const char *more)
{
    char text[4000];
    snprintf(text, sizeof text,
             "{\"model_type\":\"deberta-v2\",\"hidden_size\":48,\"num_attention_heads\":4,\"vocab_size\":300%s%s}",
             more[0] ? "," : "", more);
    return read_text(text);
}

START_TEST(deberta_defaults_are_those_of_hugging_face)
{
    ck_ok(read_text("{\"model_type\": \"deberta-v2\"}"));
    ck_assert_int_eq(c.family, FAMILY_DEBERTA_V2);
    ck_assert_int_eq(c.vocab, 128100);
    ck_assert_int_eq(c.hidden, 1536);
    ck_assert_int_eq(c.layers, 24);
    ck_assert_int_eq(c.heads, 24);
    ck_assert_int_eq(c.ffn, 6144);
    ck_assert_int_eq(c.max_positions, 512);
    ck_assert_int_eq(c.type_vocab, 0);
    ck_assert_int_eq(c.pad_id, 0);
    ck_assert_int_eq(c.act, ACT_GELU);
    ck_assert_int_eq(c.pooler_act, ACT_GELU);
    ck_assert(c.norm_eps == 1e-7 && c.hidden_dropout == 0.1 && c.attn_dropout == 0.1 && c.init_range == 0.02);
    ck_assert(c.cls_dropout == 0.1 && c.pooler_dropout == 0);
    ck_assert(!c.relative && !c.share_att_key && !c.c2p && !c.p2c && !c.norm_rel && c.position_biased_input);
    ck_assert_int_eq(c.position_buckets, 0);
    ck_assert_int_eq(c.max_relative, 512);
    ck_assert_int_eq(c.num_labels, 0);
}
END_TEST

START_TEST(deberta_v3_keys)
{
    const char *forms[] = {"\"p2c|c2p\"", "[\"p2c\", \"c2p\"]", "\" C2P | p2c \""};
    char more[1000];
    for (int i = 0; i < 3; i++) {
        snprintf(
            more, sizeof more,
            "\"relative_attention\":true,\"share_att_key\":true,\"pos_att_type\":%s,\"position_buckets\":256,"
            "\"norm_rel_ebd\":\"layer_norm\",\"position_biased_input\":false,\"max_relative_positions\":-1,"
            "\"pooler_dropout\":0.25,\"pooler_hidden_act\":\"tanh\",\"pooler_hidden_size\":48,\"cls_dropout\":0.15,"
            "\"torch_dtype\":\"float16\",\"hidden_dropout_prob\":0.2",
            forms[i]);
        ck_ok(read_deberta(more));
        ck_assert(c.relative && c.share_att_key && c.c2p && c.p2c && c.norm_rel && !c.position_biased_input);
        ck_assert_int_eq(c.position_buckets, 256);
        ck_assert_int_eq(c.max_relative, 512);
        ck_assert_int_eq(c.pooler_act, ACT_TANH);
        ck_assert(c.pooler_dropout == 0.25 && c.cls_dropout == 0.15 && c.hidden_dropout == 0.2);
    }
    ck_ok(read_deberta("\"relative_attention\":true,\"pos_att_type\":[\"c2p\"],\"max_relative_positions\":64"));
    ck_assert(c.c2p && !c.p2c);
    ck_assert_int_eq(c.max_relative, 64);
    ck_ok(read_deberta("\"relative_attention\":true,\"pos_att_type\":null,\"cls_dropout\":null"));
    ck_assert(!c.c2p && !c.p2c && c.cls_dropout == 0.1);
    ck_ok(read_deberta("\"relative_attention\":false,\"pos_att_type\":[\"c2p\"]"));
    ck_assert(!c.c2p);
}
END_TEST

START_TEST(bert_and_roberta)
{
    ck_ok(read_text("{\"model_type\":\"bert\"}"));
    ck_assert_int_eq(c.family, FAMILY_BERT);
    ck_assert(c.vocab == 30522 && c.type_vocab == 2 && c.pad_id == 0 && c.norm_eps == 1e-12);
    ck_assert(c.pooler_act == ACT_TANH && c.pooler_dropout == 0 && c.cls_dropout == 0.1);
    ck_ok(read_text("{\"model_type\":\"bert\",\"classifier_dropout\":null,\"hidden_dropout_prob\":0.3}"));
    ck_assert(c.cls_dropout == 0.3);
    ck_ok(read_text("{\"model_type\":\"roberta\",\"classifier_dropout\":0.05,\"layer_norm_eps\":1e-5}"));
    ck_assert_int_eq(c.family, FAMILY_ROBERTA);
    ck_assert(c.vocab == 50265 && c.pad_id == 1 && c.norm_eps == 1e-5 && c.cls_dropout == 0.05);
    ck_assert(c.pooler_dropout == 0.05);
    ck_fails(read_text("{\"model_type\":\"bert\",\"position_embedding_type\":\"relative_key\"}"), ST_UNSUPPORTED,
             "'position_embedding_type': 'relative_key'");
    ck_fails(read_text("{\"model_type\":\"roberta\",\"is_decoder\":true}"), ST_UNSUPPORTED, "'is_decoder'");
}
END_TEST

START_TEST(decoders_old_and_new_rotary_keys)
{
    ck_ok(read_text("{\"model_type\":\"phi\",\"hidden_size\":40,\"num_attention_heads\":4,\"rope_theta\":500.0,"
                    "\"partial_rotary_factor\":0.4,\"resid_pdrop\":0.1,\"pad_token_id\":null}"));
    ck_assert(c.family == FAMILY_PHI && c.act == ACT_GELU_NEW && c.rope_theta == 500 && c.rotary_part == 0.4);
    ck_assert(c.kv_heads == 4 && c.head_dim == 10 && !c.tied && c.hidden_dropout == 0.1 && c.pad_id == -1);
    ck_ok(read_text("{\"model_type\":\"phi\",\"hidden_size\":40,\"num_attention_heads\":4,\"rope_parameters\":"
                    "{\"rope_theta\":500.0,\"partial_rotary_factor\":0.4,\"rope_type\":\"default\"}}"));
    ck_assert(c.rope_theta == 500 && c.rotary_part == 0.4);
    ck_ok(read_text("{\"model_type\":\"qwen2\",\"hidden_size\":48,\"num_attention_heads\":6,\"num_key_value_heads\":2,"
                    "\"rope_theta\":1000000.0,\"rms_norm_eps\":1e-5}"));
    ck_assert(c.family == FAMILY_QWEN2 && c.kv_heads == 2 && c.head_dim == 8 && c.rotary_part == 1);
    ck_assert(c.norm_eps == 1e-5 && c.act == ACT_SILU);
    ck_ok(read_text("{\"model_type\":\"llama\",\"hidden_size\":48,\"num_attention_heads\":6,\"head_dim\":16,"
                    "\"tie_word_embeddings\":true}"));
    ck_assert(c.family == FAMILY_LLAMA && c.kv_heads == 6 && c.head_dim == 16 && c.tied);
    ck_fails(read_text("{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}"),
             ST_UNSUPPORTED, "'rope_type': 'dynamic'");
    ck_fails(read_text("{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"yarn\"}}"), ST_UNSUPPORTED,
             "'rope_type': 'yarn'");
    ck_fails(read_text("{\"model_type\":\"llama\",\"num_key_value_heads\":5}"), ST_INPUT, "'num_key_value_heads': 5");
}
END_TEST

START_TEST(scaled_rotary_angles)
{
    ck_ok(read_text("{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\",\"factor\":4.0}}"));
    ck_assert(c.rope_scaling == ROPE_LINEAR && c.rope_factor == 4);
    ck_ok(read_text("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,"
                    "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}"));
    ck_assert(c.rope_scaling == ROPE_LLAMA3 && c.rope_factor == 8 && c.rope_low == 1 && c.rope_high == 4);
    ck_assert(c.rope_original == 8192);
    ck_ok(read_text("{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":5e5,"
                    "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                    "\"original_max_position_embeddings\":8192}}"));
    ck_assert(c.rope_scaling == ROPE_LLAMA3 && c.rope_theta == 5e5);
    ck_fails(read_text("{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\"}}"), ST_INPUT, "'factor'");
    ck_fails(read_text("{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0}}"),
             ST_INPUT, "'low_freq_factor'");
    ck_fails(read_text("{\"model_type\":\"llama\",\"rope_scaling\":[]}"), ST_INPUT, "'rope_scaling'");
}
END_TEST

START_TEST(biases_and_first_phi)
{
    ck_ok(read_text("{\"model_type\":\"phi\"}"));
    ck_assert(c.qkv_bias && c.attn_out_bias && c.ffn_bias && c.head_bias && !c.early_phi);
    ck_ok(read_text("{\"model_type\":\"qwen2\"}"));
    ck_assert(c.qkv_bias && !c.attn_out_bias && !c.ffn_bias && !c.head_bias);
    ck_ok(read_text("{\"model_type\":\"llama\"}"));
    ck_assert(!c.qkv_bias && !c.attn_out_bias && !c.ffn_bias && !c.head_bias);
    ck_ok(read_text("{\"model_type\":\"llama\",\"attention_bias\":true,\"mlp_bias\":true}"));
    ck_assert(c.qkv_bias && c.attn_out_bias && c.ffn_bias && !c.head_bias);
    ck_ok(read_text("{\"model_type\":\"phi-msft\",\"n_embd\":2560,\"n_head\":32,\"n_head_kv\":null,\"n_inner\":null,"
                    "\"n_layer\":32,\"n_positions\":2048,\"rotary_dim\":32,\"layer_norm_epsilon\":1e-05,"
                    "\"activation_function\":\"gelu_new\",\"resid_pdrop\":0.1,\"vocab_size\":51200}"));
    ck_assert(c.family == FAMILY_PHI && c.early_phi && c.hidden == 2560 && c.ffn == 10240 && c.layers == 32);
    ck_assert(c.head_dim == 80 && (int)(c.rotary_part * c.head_dim) == 32 && c.max_positions == 2048);
    ck_assert(c.kv_heads == 32 && c.act == ACT_GELU_NEW && c.norm_eps == 1e-5 && c.hidden_dropout == 0.1);
    ck_fails(read_text("{\"model_type\":\"phi-msft\",\"n_embd\":64,\"n_head\":4,\"rotary_dim\":32}"), ST_INPUT,
             "rotary_dim 32");
    ck_fails(read_text("{\"model_type\":\"llama\",\"hidden_size\":36,\"num_attention_heads\":4}"), ST_INPUT,
             "even number");
}
END_TEST

START_TEST(number_of_labels)
{
    ck_ok(read_deberta("\"num_labels\":1"));
    ck_assert_int_eq(c.num_labels, 1);
    ck_ok(read_deberta("\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}"));
    ck_assert_int_eq(c.num_labels, 3);
    ck_ok(read_deberta("\"id2label\":null"));
    ck_assert_int_eq(c.num_labels, 0);
    ck_fails(read_deberta("\"id2label\":[1]"), ST_INPUT, "'id2label': expected an object");
    ck_fails(read_deberta("\"num_labels\":0"), ST_INPUT, "'num_labels': 0, expected 1");
}
END_TEST

START_TEST(faults_name_file_and_key)
{
    static const struct {
        const char *more;
        status st;
        const char *part;
    } cases[] = {
        {"\"intermediate_size\":\"96\"", ST_INPUT, "config.json: key 'intermediate_size': expected a whole number"},
        {"\"intermediate_size\":9.5", ST_INPUT, "'intermediate_size': expected a whole number"},
        {"\"intermediate_size\":0", ST_INPUT, "'intermediate_size': 0, expected 1 to"},
        {"\"intermediate_size\":-3", ST_INPUT, "'intermediate_size': -3, expected 1 to"},
        {"\"num_hidden_layers\":99999999999", ST_INPUT, "'num_hidden_layers': 99999999999, expected 1 to"},
        {"\"hidden_dropout_prob\":1.5", ST_INPUT, "'hidden_dropout_prob': 1.5, expected 0 to 1"},
        {"\"hidden_dropout_prob\":\"x\"", ST_INPUT, "'hidden_dropout_prob': expected a number"},
        {"\"layer_norm_eps\":-1", ST_INPUT, "'layer_norm_eps': -1, expected 0 to 1"},
        {"\"relative_attention\":1", ST_INPUT, "'relative_attention': expected true or false"},
        {"\"hidden_act\":7", ST_INPUT, "'hidden_act': expected a string"},
        {"\"hidden_act\":\"mish\"", ST_UNSUPPORTED, "'hidden_act': unknown activation 'mish'"},
        {"\"pos_att_type\":\"p2p\"", ST_UNSUPPORTED, "'pos_att_type': 'p2p' is not supported"},
        {"\"pos_att_type\":7", ST_INPUT, "'pos_att_type': expected a list or a string"},
        {"\"pos_att_type\":[7]", ST_INPUT, "'pos_att_type': expected a list of strings"},
        {"\"conv_kernel_size\":3", ST_UNSUPPORTED, "'conv_kernel_size': 3 is not supported"},
        {"\"embedding_size\":24", ST_UNSUPPORTED, "'embedding_size': 24 is not supported, expected 48"},
        {"\"pooler_hidden_size\":24", ST_UNSUPPORTED, "'pooler_hidden_size'"},
        {"\"norm_rel_ebd\":\"rms\"", ST_UNSUPPORTED, "'norm_rel_ebd': 'rms'"},
        {"\"pad_token_id\":300", ST_INPUT, "'pad_token_id': 300, expected less than vocab_size 300"},
        {"\"vocab_size\":5", ST_INPUT, "not valid JSON: line 1"}, /* the key is there twice */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_fails(read_deberta(cases[i].more), cases[i].st, cases[i].part);
    ck_fails(read_text("{\"model_type\":\"bert\",\"num_attention_heads\":7}"), ST_INPUT,
             "'num_attention_heads': 7 does not divide hidden_size 768");
    ck_fails(read_text("{\"model_type\":\"t5\"}"), ST_UNSUPPORTED, "'model_type': 't5', expected deberta-v2, bert");
    ck_fails(read_text("{}"), ST_INPUT, "'model_type': missing, expected deberta-v2, bert");
    ck_fails(read_text("[]"), ST_INPUT, "config.json: expected a JSON object");
    ck_fails(read_text("{\"a\": \n  x}"), ST_INPUT, "config.json: not valid JSON: line 2");
    ck_fails(config_read("/none/such", arena, &c), ST_INPUT, "/none/such/config.json");
}
END_TEST

/* Every case of the reference data has its configuration in both styles: they must give the same struct. */
START_TEST(both_styles_of_the_reference_cases_agree)
{
    static struct model_config other;
    char **names, path[5000];
    int count, seen = 0;
    NEED_SHARED("golden/models");
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
    ck_ok(file_list(shared_path("golden/models"), NULL, arena, &names, &count));
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "golden/models/%s/config.hub_style.json", names[i]);
        if (!file_exists(shared_path(path))) continue;
        char *text;
        ck_ok(file_read(shared_path(path), 1 << 20, arena, &text, NULL));
        ck_ok(read_text(text));
        snprintf(path, sizeof path, "golden/models/%s", names[i]);
        memset(&other, 0x55, sizeof other);
        ck_ok(config_read(shared_path(path), arena, &other));
        ck_assert_msg(memcmp(&other, &c, sizeof c) == 0, "%s: the two styles differ", names[i]);
        seen++;
    }
    ck_assert_int_gt(seen, 0);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    ck_ok(read_text("{\"model_type\":\"bert\"}"));
    arena_fail_after(1);
    ck_assert_int_eq(config_read(dir, arena, &c), ST_MEMORY);
}
END_TEST

PG_TESTS(TEST(deberta_defaults_are_those_of_hugging_face), TEST(deberta_v3_keys), TEST(bert_and_roberta),
         TEST(decoders_old_and_new_rotary_keys), TEST(scaled_rotary_angles), TEST(biases_and_first_phi),
         TEST(number_of_labels), TEST(faults_name_file_and_key), TEST(both_styles_of_the_reference_cases_agree),
         TEST(no_memory_is_an_error))
